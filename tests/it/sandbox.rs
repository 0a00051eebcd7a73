//! The clock of a sandbox: a suite that lives through time by hand.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    convert::{instant, timestamp},
    renewal::{
        internal::v1::{DeliverWebhooksRequest, NextDueRequest},
        v1::{CreateWebhookRequest, ListEventsRequest, order::State},
    },
    scheduler::v1::{AdvanceClockRequest, AdvanceClockResponse, GetClockRequest},
    wallet::internal::v1::NextDueRequest as WalletNextDueRequest,
};
use tests::{Backend, Suite, bad_fields, console::Desk, fixture::*, refusal};
use tonic::Code;

async fn time(suite: &Suite) -> DateTime<Utc> {
    let told = suite.clock().get_clock(GetClockRequest {}).await.unwrap().into_inner();
    assert!(told.sandbox);
    instant(told.time.unwrap()).unwrap()
}

/// What clocks in Shanghai show; empty where there is no instant.
fn told(time: Option<prost_types::Timestamp>) -> String {
    time.map_or(String::new(), |time| local(Some(time)))
}

/// What the renewal service says comes up after `after`, and when it tries again.
async fn renewal(suite: &Suite, after: DateTime<Utc>) -> (String, String) {
    let request = NextDueRequest { after: Some(timestamp(after)) };
    let next = suite.sweeps().next_due(request).await.unwrap().into_inner();
    (told(next.time), told(next.retry_time))
}

/// The same of the wallet.
async fn wallet(suite: &Suite, after: DateTime<Utc>) -> (String, String) {
    let request = WalletNextDueRequest { after: Some(timestamp(after)) };
    let next = suite.wallet_sweeps().next_due(request).await.unwrap().into_inner();
    (told(next.time), told(next.retry_time))
}

fn is(time: &str, retry: &str) -> (String, String) {
    (time.to_owned(), retry.to_owned())
}

/// What was done by these schedules, such as `2026-03-10 00:00:00 renew 1`.
fn done(stops: &[AdvanceClockResponse], schedules: &[&str]) -> Vec<String> {
    let told = stops.iter().flat_map(|stop| {
        let done = stop.done.iter().filter(|(kind, _)| schedules.contains(&kind.as_str()));
        done.map(|(kind, count)| format!("{} {kind} {count}", local(stop.time)))
    });
    told.collect()
}

/// A year with money for three months: renewed when it is due, missed, expired, released, each at its
/// own time, and nothing else happens in between.
async fn a_year(backend: Backend) {
    let suite = Suite::sandbox(backend).await;
    assert_eq!(time(&suite).await, at("2026-03-01 09:00"));
    suite.kingsoft("ksc", 0).await;
    let settings = [("line_type", "bgp"), ("bandwidth_mbps", "5")];
    suite.register(vec![prepaid("ksc", "eip-1", "ks-eip", &settings, "2026-03-21 00:00")]).await;
    suite.set_auto("ksc", &["eip-1"]).await;
    let (bill, _) = suite.preview("ksc", selection(&["eip-1"], "1m")).await;
    suite.deposit("ksc", 3 * bill.payable.unwrap().minor_units).await;
    suite.issue("ksc", 10, "2026-01-01 00:00", "2026-03-05 12:00").await;
    let order = suite.create(order_of("ksc", selection(&["eip-1"], "1y"))).await.unwrap();
    let expires = instant(order.expire_time.unwrap()).unwrap();

    let stops = suite.play("2027-03-01 09:00").await.unwrap();
    assert_eq!(time(&suite).await, at("2027-03-01 09:00"));
    assert_eq!(
        done(&stops, &["renew", "expire", "expire-vouchers"]),
        [
            "2026-03-05 12:05:00 expire-vouchers 1",
            "2026-03-20 00:00:00 renew 1",
            "2026-04-20 00:00:00 renew 1",
            "2026-05-20 00:00:00 renew 1",
            "2026-06-20 00:00:00 renew 1",
            "2026-06-20 23:00:00 renew 1",
            "2026-06-21 00:00:00 expire 1",
            "2026-06-28 00:00:00 expire 1",
        ]
    );
    let failed: i64 = stops.iter().filter_map(|stop| stop.failed.get("INSUFFICIENT_FUNDS")).sum();
    assert_eq!(failed, 2);
    let ended = suite.order("ksc", &order.order_id).await;
    assert_eq!(ended.state(), State::Expired);
    assert_eq!(suite.attempts("ksc").await.len(), 5);

    // What happened bears the time of a stop; of those, each is later than the one before.
    let times: Vec<_> = stops.iter().map(|stop| instant(stop.time.unwrap()).unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(times.contains(&expires));
    let request = ListEventsRequest { limit: 1_000, ..Default::default() };
    let events = suite.events().list_events(request).await.unwrap().into_inner().events;
    let told: BTreeSet<_> = events.iter().map(|event| local(event.time)).collect();
    let stopped: BTreeSet<_> = stops.iter().map(|stop| local(stop.time)).collect();
    assert!(told.is_subset(&stopped), "{told:?}");
    assert!(told.contains("2026-06-28 00:00:00"), "{told:?}");
    suite.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_is_lived_through_in_order_on_sqlite() {
    Box::pin(a_year(Backend::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_is_lived_through_in_order_on_postgres() {
    Box::pin(a_year(Backend::Postgres)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_starts_again_goes_on_where_it_was() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let mut suite = Suite::sandbox(backend).await;
        suite.jd("acme", 0).await;
        suite.register(vec![vm("acme", "vm-1", "2026-03-11 00:00")]).await;
        suite.play("2026-03-08 00:00").await.unwrap();
        suite.restart("scheduler", None);
        assert_eq!(time(&suite).await, at("2026-03-08 00:00"), "{backend:?}");
        // Nothing was skipped, and nothing comes twice.
        let stops = suite.play("2026-03-20 00:00").await.unwrap();
        assert_eq!(
            done(&stops, &["expire"]),
            ["2026-03-11 00:00:00 expire 1", "2026-03-18 00:00:00 expire 1",]
        );
    }
}

/// What callers make due while the clock stands is done within a moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_delivers_while_its_clock_stands() {
    let suite = Suite::sandbox(Backend::Sqlite).await;
    let desk = Desk::open(suite.folder()).await;
    suite.apply_catalogs_told_to(&desk.address()).await;
    suite.open_account("acme", "jdcloud", 1_000_00).await;
    suite.register(vec![vm("acme", "vm-1", "2026-06-11 00:00")]).await;
    let order = suite.create(paid_order_of("acme", selection(&["vm-1"], "1m"))).await.unwrap();
    let mut state = order.state();
    while state != State::Completed {
        state = suite.order("acme", &order.order_id).await.state();
    }
    // A run that is asked for ends, too.
    let run = suite.sweep("renew").await;
    assert_eq!(local(run.end_time), "2026-03-01 09:00:00");
    assert_eq!(time(&suite).await, at("2026-03-01 09:00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_clock_only_moves_forward_and_not_for_ever() {
    let suite = Suite::sandbox(Backend::Sqlite).await;
    for until in ["2026-03-01 08:59", "2036-03-03 09:00"] {
        let refused = refusal(suite.play(until).await);
        assert_eq!(refused, (Code::InvalidArgument, "INVALID_REQUEST".to_owned()), "{until}");
    }
    let nothing = suite.clock().advance_clock(AdvanceClockRequest { until: None }).await;
    assert_eq!(bad_fields(&nothing.unwrap_err()), ["until"]);
    assert_eq!(time(&suite).await, at("2026-03-01 09:00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_callers_do_not_move_the_clock_at_once() {
    let suite = Suite::sandbox(Backend::Sqlite).await;
    let year = AdvanceClockRequest { until: Some(timestamp(at("2027-03-01 09:00"))) };
    let mut first = suite.clock().advance_clock(year).await.unwrap().into_inner();
    first.message().await.unwrap().expect("a stop");
    let second = suite.play("2026-03-02 09:00").await;
    assert_eq!(refusal(second), (Code::Aborted, "BUSY".to_owned()));
    // Whoever goes away leaves the clock to others.
    drop(first);
    loop {
        let now = time(&suite).await;
        assert!(now < at("2027-03-01 09:00"));
        let until = AdvanceClockRequest { until: Some(timestamp(now + TimeDelta::days(1))) };
        match suite.clock().advance_clock(until).await {
            Ok(_) => break,
            Err(status) => assert!([Code::Aborted, Code::InvalidArgument].contains(&status.code())),
        }
    }
}

crate::journeys! {
    /// The real clock is moved by nobody.
    async fn without_a_sandbox_the_clock_is_not_moved(suite) {
        let told = suite.clock().get_clock(GetClockRequest {}).await.unwrap().into_inner();
        assert!(!told.sandbox);
        assert_eq!(instant(told.time.unwrap()).unwrap(), suite.now());
        let refused = refusal(suite.play("2026-03-20 00:00").await);
        assert_eq!(refused, (Code::FailedPrecondition, "SANDBOX_CLOCK_OFF".to_owned()));
    }

    /// What comes up next, of all that sweeps look for, is told by the services.
    async fn the_services_tell_what_comes_up_next(suite) {
        let now = suite.now();
        assert_eq!((renewal(suite, now).await, wallet(suite, now).await), (is("", ""), is("", "")));
        for bad in [
            suite.sweeps().next_due(NextDueRequest { after: None }).await.unwrap_err(),
            suite.wallet_sweeps().next_due(WalletNextDueRequest { after: None }).await.unwrap_err(),
        ] {
            assert_eq!(bad_fields(&bad), ["after"]);
        }

        // An instance; before it, an order; before that, a voucher and a checkout.
        suite.jd("acme", 0).await;
        suite.register(vec![vm("acme", "vm-1", "2026-06-11 00:00")]).await;
        let first = renewal(suite, now).await;
        assert!(first.0.as_str() > "2026-05-01" && first.1.is_empty(), "{first:?}");
        let order = suite.create(order_of("acme", selection(&["vm-1"], "1m"))).await.unwrap();
        let ends = "2026-03-16 09:00:00";
        assert_eq!(renewal(suite, now).await, is(ends, ""));
        // What is due at an instant has had its turn when it is asked what comes after it.
        assert_eq!(renewal(suite, at("2026-03-16 09:00")).await, is(&first.0, ends));
        suite.issue("acme", 10, "2026-01-01 00:00", "2026-03-05 12:00").await;
        assert_eq!(wallet(suite, now).await, is("2026-03-05 12:05:00", ""));
        suite.orders().checkout_order(checkout_of("acme", &order)).await.unwrap();
        assert_eq!(wallet(suite, now).await, is("2026-03-01 09:30:00", ""));
        let held = wallet(suite, at("2026-03-01 09:30")).await;
        assert_eq!(held, is("2026-03-05 12:05:00", "2026-03-01 09:30:00"));
    }

    /// A console and a receiver that are not there are tried again.
    async fn the_services_tell_when_they_try_again(suite) {
        suite.apply_catalogs_told_to("http://127.0.0.1:1").await;
        suite.open_account("acme", "jdcloud", 1_000_00).await;
        suite.register(vec![vm("acme", "vm-1", "2026-06-11 00:00")]).await;
        let request = CreateWebhookRequest {
            request_id: new_id(),
            url: "http://127.0.0.1:1/".to_owned(),
            ..Default::default()
        };
        suite.webhooks().create_webhook(request).await.unwrap();
        suite.create(paid_order_of("acme", selection(&["vm-1"], "1m"))).await.unwrap();
        let now = suite.now();
        let before = now - TimeDelta::seconds(1);
        assert_eq!(renewal(suite, before).await, is("2026-03-01 09:00:00", ""));
        assert_eq!(renewal(suite, now).await.1, "2026-03-01 09:00:00");
        suite.deliver().await;
        let console = renewal(suite, now).await.1;
        assert_eq!(console, "2026-03-01 09:00:01");
        // On PostgreSQL, events wait for whatever transaction of the server began before them.
        for _ in 0..2_000 {
            let request = DeliverWebhooksRequest { limit: 0 };
            let sweep = suite.sweeps().deliver_webhooks(request).await.unwrap().into_inner();
            if !sweep.failed.is_empty() {
                break;
            }
        }
        for seconds in [1, 3] {
            suite.set_clock(now + TimeDelta::seconds(seconds));
            suite.deliver().await;
        }
        // Now the receiver is next, five seconds after it was tried.
        assert_eq!(renewal(suite, suite.now()).await.1, "2026-03-01 09:00:05");
    }
}
