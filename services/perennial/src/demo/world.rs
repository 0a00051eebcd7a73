//! The suite that the stories happen in: all services in this process, a clock that the stories
//! move, and clients as any program has them.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{Asia::Shanghai, Tz};
use clap::Parser as _;
use kernel::{Env, env::ManualClock};
use platform::{
    client::{Connection, Peer},
    serve::{Entrance, ServeArgs},
};
use proto::{
    catalog::v1::{ApplyCatalogRequest, catalog_service_client::CatalogServiceClient},
    renewal::v1::{
        account_service_client::AccountServiceClient, event_service_client::EventServiceClient,
        instance_service_client::InstanceServiceClient, order_service_client::OrderServiceClient,
    },
    scheduler::v1::{
        Run, RunNowRequest, WatchRunRequest, run::State,
        scheduler_service_client::SchedulerServiceClient,
    },
    wallet::v1::{
        payment_service_client::PaymentServiceClient, voucher_service_client::VoucherServiceClient,
        wallet_service_client::WalletServiceClient,
    },
};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::gateway;
use crate::{audit, serve, suite::SuiteArgs};

/// The zone of every account in the stories.
pub const ZONE: Tz = Shanghai;

/// When the stories begin.
const BEGINNING: &str = "2018-07-20 09:00";

/// The four vendors' catalogs.
pub const CATALOGS: [(&str, &str); 4] = [
    ("jdcloud", include_str!("../../../catalog/examples/jdcloud.yaml")),
    ("kingsoft", include_str!("../../../catalog/examples/kingsoft.yaml")),
    ("aliyun", include_str!("../../../catalog/examples/aliyun.yaml")),
    ("huaweicloud", include_str!("../../../catalog/examples/huaweicloud.yaml")),
];

/// The suite, running until dropped.
pub struct World {
    env: Env,
    clock: Arc<ManualClock>,
    connection: Connection,
    data: TempDir,
    _stop: DropGuard,
}

/// Settings of a suite, as the command line would give them.
#[derive(clap::Parser)]
struct Settings {
    #[command(flatten)]
    suite: SuiteArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

impl World {
    /// Starts the suite on files that vanish with it.
    pub async fn start() -> anyhow::Result<Self> {
        let data = TempDir::new().context("could not make a temporary folder")?;
        gateway::write_channels(data.path())?;
        let clock = ManualClock::at(instant(BEGINNING)?);
        let env = Env::with_clock(Arc::clone(&clock) as _);
        let Settings { suite, serve } = settings(&data)?;
        let stop = CancellationToken::new();
        let (address, _) =
            serve::start(suite, serve, Entrance::default(), env.clone(), stop.clone()).await?;
        let connection = format!("http://{address}").parse::<Peer>()?.connect();
        Ok(Self { env, clock, connection, data, _stop: stop.drop_guard() })
    }

    /// What is off in the books of the suite, one sentence each.
    pub async fn audit(&self) -> anyhow::Result<Vec<String>> {
        audit::findings(settings(&self.data)?.suite, &self.env).await
    }

    /// Moves the clock to the local time `text`, never back.
    pub fn set_clock(&self, text: &str) -> anyhow::Result<()> {
        let time = instant(text)?;
        anyhow::ensure!(time >= self.env.now(), "time does not run back to {text}");
        self.clock.set(time);
        Ok(())
    }

    /// Lets `span` pass.
    pub fn pass(&self, span: TimeDelta) {
        self.clock.set(self.env.now() + span);
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }

    /// Runs a schedule now, and answers when it is done.
    pub async fn sweep(&self, kind: &str) -> anyhow::Result<()> {
        let mut schedules = SchedulerServiceClient::new(self.connection.clone());
        let asked = schedules.run_now(RunNowRequest { kind: kind.to_owned() }).await?.into_inner();
        let run_id = asked.run.unwrap_or_default().run_id;
        let mut steps = schedules.watch_run(WatchRunRequest { run_id }).await?.into_inner();
        let mut last = Run::default();
        while let Some(step) = steps.message().await? {
            last = step.run.unwrap_or_default();
        }
        anyhow::ensure!(last.state() == State::Done, "{kind} did not end well: {}", last.error);
        Ok(())
    }

    /// The local time that it is.
    pub fn local_time(&self) -> String {
        self.env.now().with_timezone(&ZONE).format("%F %H:%M").to_string()
    }

    /// An id for a request.
    pub fn request_id(&self) -> String {
        self.env.next_id().to_string()
    }

    /// Applies a catalog and says how many things changed.
    pub async fn apply(&self, document: &str) -> anyhow::Result<usize> {
        let request = ApplyCatalogRequest { document: document.to_owned(), dry_run: false };
        Ok(self.catalog().apply_catalog(request).await?.into_inner().changes.len())
    }

    pub fn catalog(&self) -> CatalogServiceClient<Connection> {
        CatalogServiceClient::new(self.connection.clone())
    }

    pub fn accounts(&self) -> AccountServiceClient<Connection> {
        AccountServiceClient::new(self.connection.clone())
    }

    pub fn instances(&self) -> InstanceServiceClient<Connection> {
        InstanceServiceClient::new(self.connection.clone())
    }

    pub fn orders(&self) -> OrderServiceClient<Connection> {
        OrderServiceClient::new(self.connection.clone())
    }

    pub fn events(&self) -> EventServiceClient<Connection> {
        EventServiceClient::new(self.connection.clone())
    }

    pub fn wallets(&self) -> WalletServiceClient<Connection> {
        WalletServiceClient::new(self.connection.clone())
    }

    pub fn payments(&self) -> PaymentServiceClient<Connection> {
        PaymentServiceClient::new(self.connection.clone())
    }

    pub fn vouchers(&self) -> VoucherServiceClient<Connection> {
        VoucherServiceClient::new(self.connection.clone())
    }
}

/// All services on files in `data`, with the channels that are there, on a port that is free.
fn settings(data: &TempDir) -> anyhow::Result<Settings> {
    let folder = data.path().to_str().context("the temporary folder has an odd name")?;
    let channels = format!("{folder}/{}", gateway::CHANNELS_FILE);
    let words = ["demo", "--data-dir", folder, "--listen", "127.0.0.1:0"];
    // What is due is done when a story says so.
    let more = ["--wallet-channels", &channels, "--schedule-interval", "all=0"];
    let words = words.into_iter().chain(more);
    Ok(Settings::try_parse_from(words)?)
}

/// The instant that clocks in the stories' zone show as `text`, for example `2018-08-02 10:00`.
pub fn instant(text: &str) -> anyhow::Result<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(text, "%F %H:%M").context("a local time")?;
    let time = ZONE.from_local_datetime(&local).earliest().context("a time that exists")?;
    Ok(time.to_utc())
}
