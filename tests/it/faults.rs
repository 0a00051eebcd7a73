//! A process killed at each fault point: after it starts again, every order ends where the crash table
//! says, and the audit finds nothing off (O-4).

use std::collections::BTreeSet;

use chrono::TimeDelta;
use platform::fault::Fault;
use proto::renewal::v1::{CancelOrderRequest, order::State};
use tests::{Backend, Layout, Suite, fixture::*};

/// Kills the service of `fault` while an order is made, paid or cancelled, starts it again, lets the
/// sweep finish what is unfinished, and tells in which state the order ended.
async fn killed_at(fault: Fault, backend: Backend) -> State {
    let mut suite = Suite::start(backend, Layout::FourProcesses).await;
    suite.jd("acme", 100_00).await;
    suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
    suite.restart(fault.service(), Some(fault));
    let request = order_of("acme", selection(&["i-1"], "1m"));
    let made = suite.create(request.clone()).await;
    if fault == Fault::AfterCreate {
        made.expect_err("the process died before it answered");
    } else {
        let order = made.expect("an order");
        let cancels = matches!(fault, Fault::AfterCancel | Fault::AfterVoid);
        let cancel =
            CancelOrderRequest { account_id: "acme".to_owned(), order_id: order.order_id.clone() };
        let dies = if cancels {
            suite.orders().cancel_order(cancel).await.err()
        } else {
            suite.pay(payment_of("acme", &order)).await.err()
        };
        dies.expect("the process died before it answered");
    }
    assert!(suite.died(fault.service()), "{fault} was not reached");

    suite.restart(fault.service(), None);
    for _ in 0..10 {
        suite.set_clock(suite.now() + TimeDelta::minutes(6));
        suite.advance().await;
    }
    let again = suite.create(request).await.expect("the repeat finds the order");
    suite.audit().await;
    let held = suite.instance("acme", "i-1").await.open_order_id;
    assert_eq!(held.is_empty(), again.state() != State::PendingPayment);
    again.state()
}

async fn at_every_point(backend: Backend) {
    let mut killed = BTreeSet::new();
    for fault in Fault::ALL {
        let expected = match fault {
            Fault::AfterCreate => State::PendingPayment,
            Fault::AfterCancel | Fault::AfterVoid => State::Cancelled,
            _ => State::Completed,
        };
        assert_eq!(killed_at(fault, backend).await, expected, "{fault}");
        killed.insert(fault);
    }
    assert_eq!(killed, Fault::ALL.into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_point_loses_nothing_on_sqlite() {
    at_every_point(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_point_loses_nothing_on_postgres() {
    at_every_point(Backend::Postgres).await;
}
