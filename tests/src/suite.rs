//! The suite, running on empty databases of its own.

mod another;
mod mutations;
mod restore;
mod sandbox;
mod secure;
mod settings;
mod start;

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use clap::Parser as _;
use kernel::{Env, env::ManualClock};
use perennial::Cli;
use platform::fault::Fault;
use proto::{
    renewal::{
        internal::v1::{AdvanceRequest, DeliverDueRequest, DeliverDueResponse},
        v1::{
            Bill, CreateRenewalOrderRequest, PreviewRenewalRequest, Selection,
            create_renewal_order_request::What,
        },
    },
    wallet::v1::{ListVouchersRequest, Voucher},
};
use tempfile::TempDir;
use tokio_util::sync::DropGuard;
use tonic::Status;

use crate::{
    clients::{Bearer, Clients},
    clock::FileClock,
    fixture::{new_id, order_of, selection},
    process::Process,
};

use self::secure::Proofs;
pub use self::{another::Another, mutations::Mutation, restore::Copy, settings::SANDBOX_SECRET};

/// The services, those that others call first.
const SERVICES: [&str; 4] = ["catalog", "wallet", "renewal", "scheduler"];

/// The database that the suite runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Files.
    Sqlite,
    /// The cluster of the test run.
    Postgres,
}

/// How the services are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// All in the test's own process.
    OneProcess,
    /// All in one process that can be killed.
    OneProcessOfItsOwn,
    /// Each in a process of its own.
    FourProcesses,
}

/// The suite, until it is dropped. Its clock stands at 2026-03-01 09:00 in Shanghai until it is set.
#[derive(Debug)]
pub struct Suite {
    /// Its services.
    pub clients: Clients,
    clock: TestClock,
    /// What the command line says of databases and channels, for every command that needs them.
    databases: Vec<String>,
    processes: Vec<Started>,
    /// With what they prove who they are, if they do.
    proofs: Option<Proofs>,
    _stop: Option<DropGuard>,
    folder: TempDir,
}

#[derive(Debug)]
enum TestClock {
    Manual(Arc<ManualClock>),
    File(PathBuf),
}

/// A process of the suite.
#[derive(Debug)]
struct Started {
    /// The services in it.
    roles: Vec<&'static str>,
    /// What it was started with.
    words: Vec<String>,
    process: Process,
}

impl Deref for Suite {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

/// What keeps the scheduler from doing anything that a test has not asked for.
const NO_SCHEDULES: [&str; 2] = ["--schedule-interval", "all=0"];

impl Suite {
    /// The clients of whoever has `token`.
    #[must_use]
    pub fn clients_of(&self, token: &str) -> Clients {
        Clients::at_as(self.wallet_port, Bearer::of(token))
    }

    /// Where its files are: those of its databases, and the `secret` of its payment channel.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process of `service`.
    fn process_of(&mut self, service: &str) -> &mut Started {
        let mut processes = self.processes.iter_mut();
        let found = processes.find(|started| started.roles.contains(&service));
        found.expect("a service in a process of its own")
    }

    /// Starts the process of `service` again, so that it dies of `fault` when it comes to it.
    pub fn restart(&mut self, service: &str, fault: Option<Fault>) {
        let clock = self.folder.path().join("clock");
        let Started { words, process, .. } = self.process_of(service);
        process.kill();
        *process = Process::start(words, process.port, &clock, fault.map(Fault::name));
    }

    /// Kills the process of `service`; it is down until it is restarted.
    pub fn kill(&mut self, service: &str) {
        self.process_of(service).process.kill();
    }

    /// Stops the process of `service` in its tracks, or lets it go on.
    pub fn pause(&mut self, service: &str, paused: bool) {
        self.process_of(service).process.pause(paused);
    }

    /// Waits until the process of `service` has died, and tells whether it killed itself.
    pub fn died(&mut self, service: &str) -> bool {
        !self.process_of(service).process.wait().success()
    }

    /// The most memory that a process of the suite has had so far, in bytes; none in the layout
    /// without processes of its own.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        self.processes.iter().map(|started| started.process.peak_memory_bytes()).max()
    }

    /// What time it is in there.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        use kernel::env::Clock as _;
        match &self.clock {
            TestClock::Manual(clock) => clock.now(),
            TestClock::File(path) => FileClock::new(path.clone()).now(),
        }
    }

    /// Sets the clock of every service.
    pub fn set_clock(&self, now: DateTime<Utc>) {
        match &self.clock {
            TestClock::Manual(clock) => clock.set(now),
            TestClock::File(path) => FileClock::set(path, now),
        }
    }

    /// Finishes what is due of unfinished orders, in at most 100 pages.
    pub async fn advance(&self) {
        for _ in 0..100 {
            let page = self.sweeps().advance(AdvanceRequest { limit: 100 }).await;
            if !page.expect("a page of the sweep").into_inner().more {
                return;
            }
        }
        panic!("100 pages did not suffice");
    }

    /// Tells consoles what is due, in at most 100 pages.
    pub async fn deliver(&self) {
        for _ in 0..100 {
            if !self.deliver_due(100).await.expect("a page of the sweep").more {
                return;
            }
        }
        panic!("100 pages did not suffice");
    }

    /// A page of the sweep that tells consoles.
    pub async fn deliver_due(&self, limit: i32) -> Result<DeliverDueResponse, Status> {
        let page = self.sweeps().deliver_due(DeliverDueRequest { limit }).await?;
        Ok(page.into_inner())
    }

    /// Demands that the audit finds nothing off.
    pub async fn audit(&self) {
        let mut words = vec!["perennial".to_owned(), "audit".to_owned()];
        words.extend(["catalog", "wallet", "renewal"].map(str::to_owned));
        words.extend(self.databases.iter().cloned());
        let cli = Cli::try_parse_from(words).expect("a good command line");
        let clock = ManualClock::at(self.now());
        let exit = perennial::run(cli, Env::with_clock(clock)).await;
        assert_eq!(format!("{exit:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
    }

    /// The catalogs, and an account at JD with `cash` fen.
    pub async fn jd(&self, account: &str, cash: i64) {
        self.customer_of("jdcloud", account, cash).await;
    }

    /// The catalogs, and an account at Kingsoft with `cash` fen.
    pub async fn kingsoft(&self, account: &str, cash: i64) {
        self.customer_of("kingsoft", account, cash).await;
    }

    /// The catalogs, and an account at Alibaba with `cash` fen.
    pub async fn aliyun(&self, account: &str, cash: i64) {
        self.customer_of("aliyun", account, cash).await;
    }

    /// The catalogs, and an account at Huawei with `cash` fen.
    pub async fn huawei(&self, account: &str, cash: i64) {
        self.customer_of("huaweicloud", account, cash).await;
    }

    async fn customer_of(&self, catalog: &str, account: &str, cash: i64) {
        self.apply_catalogs().await;
        self.open_account(account, catalog, cash).await;
    }

    /// What renewing `selection` would cost, and the id of the quote.
    pub async fn preview(&self, account: &str, selection: Selection) -> (Bill, String) {
        let request = PreviewRenewalRequest {
            account_id: account.to_owned(),
            selection: Some(selection),
            as_of: None,
        };
        let preview = self.orders().preview_renewal(request).await.expect("a preview").into_inner();
        (preview.bill.expect("a bill"), preview.quote_id)
    }

    /// What a month of the instance `id` costs.
    pub async fn price(&self, account: &str, id: &str) -> i64 {
        let (bill, _) = self.preview(account, selection(&[id], "1m")).await;
        bill.payable.expect("a price").minor_units
    }

    /// An order from a quote.
    #[must_use]
    pub fn order_from(&self, account: &str, quote_id: &str) -> CreateRenewalOrderRequest {
        CreateRenewalOrderRequest {
            request_id: new_id(),
            what: Some(What::QuoteId(quote_id.to_owned())),
            ..order_of(account, Selection::default())
        }
    }

    /// The voucher `id` of `account`.
    pub async fn voucher(&self, account: &str, id: &str) -> Voucher {
        let request = ListVouchersRequest { account_id: account.to_owned(), ..Default::default() };
        let vouchers = self.vouchers().list_vouchers(request).await.expect("vouchers").into_inner();
        let found = vouchers.vouchers.into_iter().find(|voucher| voucher.voucher_id == id);
        found.expect("the voucher is listed")
    }
}
