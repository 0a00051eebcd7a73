//! Callers who make so many calls a second, through the client that is shipped.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use platform::client::safe;
use proto::{
    catalog::v1::ListAccountProfilesRequest,
    renewal::v1::{ListInstancesRequest, RegisterInstancesRequest, order::State},
    scheduler::v1::ListSchedulesRequest,
    wallet::v1::{DepositRequest, GetWalletRequest},
};
use tests::{Suite, clients::Clients, fixture::*};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Customers of the load, which is spread over them.
const CUSTOMERS: [&str; 4] = ["ann", "bob", "cid", "dan"];

/// How long what is waited for may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Who calls.
pub struct Callers {
    pub platform: Clients,
    pub console: Clients,
    pub customers: Vec<(&'static str, Clients)>,
}

/// Customers with money, and instances to renew.
pub async fn callers(suite: &Suite) -> Callers {
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
pub struct Tally {
    pub made: watch::Sender<u64>,
    pub slowest: AtomicU64,
    pub failed: Mutex<BTreeMap<String, u64>>,
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
pub struct Load {
    stop: CancellationToken,
    tally: Arc<Tally>,
    work: JoinHandle<()>,
}

impl Load {
    /// Has `callers` make so many calls a second, whether or not those before are answered.
    pub fn start(callers: &Arc<Callers>, rate: u32, first: usize) -> Self {
        let (stop, tally) = (CancellationToken::new(), Arc::new(Tally::default()));
        let work = work(Arc::clone(callers), rate, first, stop.clone(), Arc::clone(&tally));
        Self { stop, tally, work: tokio::spawn(work) }
    }

    /// Lets them go on until so many more calls are answered.
    pub async fn go_on(&self, calls: u64) {
        let mut made = self.tally.made.subscribe();
        let enough = *made.borrow_and_update() + calls;
        let answered = timeout(PATIENCE, made.wait_for(|made| *made >= enough)).await;
        assert!(answered.is_ok(), "{calls} calls are answered in {PATIENCE:?}");
    }

    /// Stops them, and tells what came of their calls once all are answered.
    pub async fn end(self) -> Arc<Tally> {
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
