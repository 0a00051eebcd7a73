//! Four processes that speak TLS: what each caller may do there, replaced one by one while they work, and
//! killed.
//!
//! ```sh
//! PERENNIAL_ROLL_SECONDS=60 PERENNIAL_ROLL_CALLS=200 cargo nextest run -p tests rolling
//! ```
//!
//! does with so many calls a second, for so long, what the tests do with fewer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use platform::client::safe;
use proto::{
    catalog::v1::ListAccountProfilesRequest,
    renewal::{
        internal::v1::AdvanceRequest,
        v1::{ListInstancesRequest, RegisterInstancesRequest, order::State},
    },
    scheduler::v1::ListSchedulesRequest,
    wallet::v1::{DepositRequest, GetWalletRequest},
};
use tests::{Suite, clients::Clients, fixture::*, refusal};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

/// Customers of the load, which is spread over them.
const CUSTOMERS: [&str; 4] = ["ann", "bob", "cid", "dan"];

/// How long what is waited for may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The services, in the order in which they are replaced.
const SERVICES: [&str; 4] = ["catalog", "wallet", "renewal", "scheduler"];

/// Who calls.
struct Callers {
    platform: Clients,
    console: Clients,
    customers: Vec<(&'static str, Clients)>,
}

/// Customers with money, and instances to renew.
async fn callers(suite: &Suite) -> Callers {
    suite.apply_catalogs().await;
    for customer in CUSTOMERS {
        suite.open_account(customer, "jdcloud", 10_000_000_00).await;
    }
    let customer = |name| (name, suite.clients_in(&[&format!("account:{name}")]));
    Callers {
        platform: suite.clients_in(&["platform"]),
        console: suite.clients_in(&["product:jd-vm"]),
        customers: CUSTOMERS.into_iter().map(customer).collect(),
    }
}

/// What came of a load.
#[derive(Default)]
struct Tally {
    made: watch::Sender<u64>,
    slowest: AtomicU64,
    failed: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    fn count(&self, what: &str, began: Instant, answer: Result<(), Status>) {
        self.made.send_modify(|made| *made += 1);
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.slowest.fetch_max(took, Ordering::Relaxed);
        if let Err(status) = answer {
            let failure = format!("{what}: {:?}, {}", status.code(), status.message());
            *self.failed.lock().unwrap().entry(failure).or_default() += 1;
        }
    }
}

impl Callers {
    /// The call number `number` of a load, which is safe to repeat, as all calls of a careful client are.
    fn call(&self, number: usize) -> (&'static str, BoxFuture<'static, Result<(), Status>>) {
        let (name, customer) = &self.customers[number / 8 % CUSTOMERS.len()];
        let (name, customer) = (*name, customer.clone());
        let (platform, console) = (self.platform.clone(), self.console.clone());
        let account_id = name.to_owned();
        match number % 8 {
            0 => ("register and renew", Box::pin(renewed(console, customer, name, number))),
            1 => {
                let request = DepositRequest {
                    request_id: new_id(),
                    account_id,
                    amount: Some(cny(1)),
                    ..DepositRequest::default()
                };
                let call = async move {
                    safe(async || platform.wallets().deposit(request.clone()).await).await.map(drop)
                };
                ("deposit", Box::pin(call))
            }
            2 => {
                let request = ListSchedulesRequest::default();
                let call = async move {
                    safe(async || platform.schedules().list_schedules(request).await)
                        .await
                        .map(drop)
                };
                ("list schedules", Box::pin(call))
            }
            3 => {
                let request = ListAccountProfilesRequest {};
                let call = async move {
                    safe(async || console.catalog().list_account_profiles(request).await)
                        .await
                        .map(drop)
                };
                ("list profiles", Box::pin(call))
            }
            4 | 5 => {
                let request = GetWalletRequest { account_id };
                let call = async move {
                    safe(async || customer.wallets().get_wallet(request.clone()).await)
                        .await
                        .map(drop)
                };
                ("get a wallet", Box::pin(call))
            }
            _ => {
                let request =
                    ListInstancesRequest { account_id, ..ListInstancesRequest::default() };
                let call = async move {
                    safe(async || customer.instances().list_instances(request.clone()).await)
                        .await
                        .map(drop)
                };
                ("list instances", Box::pin(call))
            }
        }
    }
}

/// A console registers an instance, and its customer renews it at once and pays.
async fn renewed(
    console: Clients,
    customer: Clients,
    account: &str,
    number: usize,
) -> Result<(), Status> {
    let id = format!("i-{number}");
    let rows = vec![vm(account, &id, "2026-04-01 00:00")];
    let request = RegisterInstancesRequest { registrations: rows };
    safe(async || console.instances().register_instances(request.clone()).await).await?;
    let order = paid_order_of(account, selection(&[&id], "1m"));
    let order = safe(async || customer.create(order.clone()).await).await?;
    match order.state() {
        // `PAYING`: the wallet's answer was lost; whoever sweeps finishes the order.
        State::Completed | State::Paying => Ok(()),
        state => Err(Status::internal(format!("the order is {state:?}"))),
    }
}

/// Callers at work.
struct Load {
    stop: CancellationToken,
    tally: Arc<Tally>,
    work: JoinHandle<()>,
}

impl Load {
    /// Has `callers` make so many calls a second, whether or not those before are answered.
    fn start(callers: &Arc<Callers>, rate: u32, first: usize) -> Self {
        let (stop, tally) = (CancellationToken::new(), Arc::new(Tally::default()));
        let work = work(Arc::clone(callers), rate, first, stop.clone(), Arc::clone(&tally));
        Self { stop, tally, work: tokio::spawn(work) }
    }

    /// Lets them go on until so many more calls are answered.
    async fn go_on(&self, calls: u64) {
        let mut made = self.tally.made.subscribe();
        let enough = *made.borrow_and_update() + calls;
        let answered = timeout(PATIENCE, made.wait_for(|made| *made >= enough)).await;
        assert!(answered.is_ok(), "{calls} calls are answered in {PATIENCE:?}");
    }

    /// Stops them, and tells what came of their calls once all are answered.
    async fn end(self) -> Arc<Tally> {
        self.stop.cancel();
        timeout(PATIENCE, self.work).await.unwrap().unwrap();
        self.tally
    }
}

async fn work(
    callers: Arc<Callers>,
    rate: u32,
    first: usize,
    stop: CancellationToken,
    tally: Arc<Tally>,
) {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    for number in first.. {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        let (what, call) = callers.call(number);
        let tally = Arc::clone(&tally);
        calls.spawn(async move {
            let began = Instant::now();
            tally.count(what, began, call.await);
        });
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
}

/// Finishes what was left, and demands that nothing is off.
async fn settled(suite: &Suite) {
    // What waits to be tried again waits for less than five minutes.
    suite.set_clock(suite.now() + TimeDelta::minutes(6));
    suite.advance().await;
    suite.audit().await;
}

/// How many calls a second, and for how long in all.
fn size() -> (u32, Duration) {
    let rate = crate::model::given("PERENNIAL_ROLL_CALLS").unwrap_or(40);
    let seconds = crate::model::given("PERENNIAL_ROLL_SECONDS").unwrap_or(12);
    (u32::try_from(rate).unwrap(), Duration::from_secs(seconds))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_are_replaced_one_by_one_and_no_call_fails() {
    let mut suite = Box::pin(Suite::secured()).await;
    let callers = Arc::new(callers(&suite).await);
    let (rate, time) = size();
    let calls = u64::from(rate) * time.as_secs();
    let began = Instant::now();
    let load = Load::start(&callers, rate, 0);
    for service in SERVICES {
        load.go_on(calls / 8).await;
        suite.roll(service);
        load.go_on(calls / 8).await;
    }
    let planned = u64::from(rate) * began.elapsed().as_secs();
    let tally = load.end().await;
    let failed = tally.failed.lock().unwrap().clone();
    let (made, slowest) = (*tally.made.borrow(), tally.slowest.load(Ordering::Relaxed));
    eprintln!("{made} calls, the slowest took {slowest} ms");
    assert!(failed.is_empty(), "of {made} calls: {failed:#?}");
    assert!(made >= planned.max(calls) * 9 / 10, "{made} calls are too few");
    settled(&suite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_are_killed_leave_nothing_off() {
    let mut suite = Box::pin(Suite::secured()).await;
    let callers = Arc::new(callers(&suite).await);
    let load = Load::start(&callers, 40, 0);
    for service in SERVICES {
        load.go_on(40).await;
        suite.restart(service, None);
    }
    load.go_on(40).await;
    load.end().await;
    settled(&suite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_processes_know_each_other_and_whom_they_serve() {
    let suite = Box::pin(Suite::secured()).await;
    let callers = callers(&suite).await;
    let rows = vec![vm("ann", "i-1", "2026-04-01 00:00")];
    let request = RegisterInstancesRequest { registrations: rows };
    callers.console.instances().register_instances(request).await.unwrap();
    let [(_, ann), (_, bob), ..] = &callers.customers[..] else { panic!("there are customers") };
    // Renewal asks the catalog and the wallet as itself, whoever has asked it.
    let before = suite.cash("ann").await;
    let order = ann.create(paid_order_of("ann", selection(&["i-1"], "1m"))).await.unwrap();
    assert_eq!(order.state(), State::Completed);
    assert!(suite.cash("ann").await < before);
    let theirs = bob.create(paid_order_of("ann", selection(&["i-1"], "1m"))).await;
    assert_eq!(refusal(theirs), (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));
    // The scheduler sweeps as itself, and its callers may not.
    assert_eq!(suite.sweep("advance").await.error, "");
    let sweep = callers.platform.sweeps().advance(AdvanceRequest { limit: 1 }).await;
    assert_eq!(refusal(sweep), (Code::PermissionDenied, "PERMISSION_DENIED".to_owned()));
    let mutations = suite.mutations("wallet").await;
    let charge = mutations.iter().find(|row| row.method.ends_with("/Charge")).expect("a charge");
    assert_eq!(
        (charge.caller.as_str(), charge.roles.as_str()),
        ("renewal.internal", "service:renewal")
    );
    assert_eq!(charge.account, "ann");
    suite.audit().await;
}
