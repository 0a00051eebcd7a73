//! Four processes that speak TLS, with a NATS and a collector of OpenTelemetry: what each caller may do there,
//! and what is left when they are replaced one by one while they work, and killed.
//!
//! ```sh
//! PERENNIAL_ROLL_SECONDS=60 PERENNIAL_ROLL_CALLS=200 cargo nextest run --release -p tests rolling
//! ```
//!
//! does with so many calls a second, for so long, what the test does with fewer.

mod load;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::TimeDelta;
use proto::renewal::{
    internal::v1::AdvanceRequest,
    v1::{RegisterInstancesRequest, order::State},
};
use tests::{
    Suite,
    clients::Clients,
    collector::{Collector, Span, services_of},
    fixture::*,
    nats::Nats,
    refusal,
};
use tokio::time::{Instant, interval};
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;

use self::load::{Callers, Load, callers};
use crate::journeys::{automatic, change, channels, mixed};

/// The services, in the order in which they are replaced.
const SERVICES: [&str; 4] = ["catalog", "wallet", "renewal", "scheduler"];

/// Journeys of the four vendors, one after the other on the same suite, whose clock only goes forward: a
/// night; an order that a voucher, cash and a channel pay, and that is given back; what a channel takes back;
/// a change of configuration.
async fn journeys(suite: &Suite) {
    automatic::a_pool_is_tried_daily_and_when_a_deposit_comes(suite).await;
    Box::pin(mixed::three_sources_pay_one_order_and_get_exactly_their_parts_back(suite)).await;
    channels::a_refund_goes_back_through_the_channel_or_to_the_cash_balance(suite).await;
    change::a_smaller_configuration_takes_effect_with_the_next_term(suite).await;
}

/// Publishes whatever happens until it is dropped, as the scheduler has it done.
fn publisher(clients: &Clients) -> AbortOnDropHandle<()> {
    let clients = clients.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut ticks = interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            // Whoever publishes may be away just now; what is due stays due.
            let _ = clients.publish().await;
        }
    }))
}

/// How many calls a second, and for how long in all.
fn size() -> (u32, Duration) {
    let rate = crate::model::given("PERENNIAL_ROLL_CALLS").unwrap_or(40);
    let seconds = crate::model::given("PERENNIAL_ROLL_SECONDS").unwrap_or(12);
    (u32::try_from(rate).unwrap(), Duration::from_secs(seconds))
}

/// Replaces each process while there is work, and demands that no call fails.
async fn roll(suite: &mut Suite, callers: &Arc<Callers>) {
    let (rate, time) = size();
    let calls = u64::from(rate) * time.as_secs();
    let began = Instant::now();
    let load = Load::start(callers, rate, 0);
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
}

/// Kills each process while there is work.
async fn kill(suite: &mut Suite, callers: &Arc<Callers>) {
    // What was registered before is not registered again.
    let load = Load::start(callers, 40, 1_000_000);
    for service in SERVICES {
        load.go_on(40).await;
        suite.restart(service, None);
    }
    load.go_on(40).await;
    load.end().await;
}

/// Finishes what was left, and demands that nothing is off.
async fn settled(suite: &Suite) {
    // What waits to be tried again waits for less than five minutes.
    suite.set_clock(suite.now() + TimeDelta::minutes(6));
    suite.advance().await;
    suite.audit().await;
}

/// Demands that NATS has every event once and in order.
async fn published(suite: &Suite, nats: &Nats) {
    // Nothing that happened before it is told after it.
    suite.register(vec![vm("ann", "the-last", "2026-04-01 00:00")]).await;
    let is_last = |id: &str| id == "the-last";
    suite.has_published(nats, |events| events.iter().any(|it| is_last(&it.instance_id))).await;
}

/// Has the scheduler renew an instance at night, and demands that the collector finds spans of all four
/// services on the trace of it.
async fn traced(suite: &Suite, collector: &mut Collector) {
    const RENEW: &str = "perennial.renewal.internal.v1.SweepService/RenewDue";
    suite.open_account("kim", "kingsoft", 1_000_000).await;
    suite.register(vec![eip("kim", "by-itself", "2026-03-21 00:00")]).await;
    suite.set_auto("kim", &["by-itself"]).await;
    suite.set_clock(at("2026-03-20 00:00"));
    assert_eq!(suite.sweep("renew").await.done, 1);
    let is_whole = |spans: &[Span]| {
        let mut renewals = spans.iter().filter(|span| span.method.as_deref() == Some(RENEW));
        renewals.any(|span| SERVICES.iter().all(|it| services_of(spans, &span.trace).contains(it)))
    };
    collector.spans_until(is_whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_processes_live_are_replaced_and_killed_and_nothing_is_lost_or_untold() {
    let (nats, mut collector) = (Nats::start(), Collector::start());
    let words = [nats.words(), collector.words()].concat();
    let mut suite = Box::pin(Suite::secured_with(&words)).await;
    journeys(&suite).await;
    let callers = Arc::new(callers(&suite).await);
    let publisher = publisher(&suite);
    roll(&mut suite, &callers).await;
    kill(&mut suite, &callers).await;
    drop(publisher);
    settled(&suite).await;
    published(&suite, &nats).await;
    traced(&suite, &mut collector).await;
    suite.audit().await;
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
