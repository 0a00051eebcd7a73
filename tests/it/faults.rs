//! A process killed at each fault point: after it starts again, every order ends where the crash table
//! says, and the audit finds nothing off (O-4).

use std::collections::BTreeSet;

use chrono::TimeDelta;
use platform::fault::Fault;
use proto::renewal::{
    internal::v1::{AdvanceRequest, RenewDueRequest},
    v1::{CancelOrderRequest, CheckoutOrderRequest, CreateRenewalOrderRequest, order::State},
};
use tests::{Backend, Layout, Suite, console::Desk, fixture::*};

/// Kills the process of `fault` while an order is made, paid, cancelled or refunded, starts it again, lets the
/// sweep finish what is unfinished, and tells in which state the order ended.
async fn killed_at(fault: Fault, backend: Backend, layout: Layout) -> State {
    let mut suite = Suite::start(backend, layout).await;
    suite.jd("acme", 100_00).await;
    suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
    let request = order_of("acme", selection(&["i-1"], "1m"));
    match fault {
        Fault::AfterVoid => die_while_voiding(&mut suite, &request).await,
        fault if PAGE.contains(&fault) => return killed_in_page(&mut suite, fault).await,
        fault if CHECKOUT.contains(&fault) => die_at_checkout(&mut suite, fault, &request).await,
        Fault::AfterTakingBack
        | Fault::AfterRefund
        | Fault::AfterRefundAnswer
        | Fault::AfterRefunded => die_while_refunding(&mut suite, fault, &request).await,
        Fault::AfterDelivery | Fault::AfterDelivered | Fault::AfterDeliveryRefused => {
            die_while_delivering(&mut suite, fault, &request).await;
        }
        _ => die_at(&mut suite, fault, &request).await,
    }
    // A step that did not succeed is tried again a second later, then after two, and so on.
    for seconds in [1, 2, 4, 8] {
        suite.set_clock(suite.now() + TimeDelta::seconds(seconds));
        suite.advance().await;
    }
    let order = suite.create(request).await.expect("the repeat finds the order");
    suite.audit().await;
    let held = suite.instance("acme", "i-1").await.open_order_id;
    assert_eq!(held.is_empty(), order.state() != State::PendingPayment);
    let by_cash = order.state() == State::Completed && !CHECKOUT.contains(&fault);
    let paid = if by_cash { 56_00 } else { 0 };
    assert_eq!(suite.cash("acme").await, 100_00 - paid);
    order.state()
}

/// The service of `fault` dies while the order is made, paid or cancelled.
pub async fn die_at(suite: &mut Suite, fault: Fault, request: &CreateRenewalOrderRequest) {
    suite.restart(fault.service(), Some(fault));
    let made = suite.create(request.clone()).await;
    if fault == Fault::AfterCreate {
        made.expect_err("the process died before it answered");
    } else {
        let order = made.expect("an order");
        let dies = if fault == Fault::AfterCancel {
            let cancel = CancelOrderRequest {
                account_id: "acme".to_owned(),
                order_id: order.order_id.clone(),
            };
            suite.orders().cancel_order(cancel).await.err()
        } else {
            suite.pay(payment_of("acme", &order)).await.err()
        };
        dies.expect("the process died before it answered");
    }
    assert!(suite.died(fault.service()), "{fault} was not reached");
    suite.restart(fault.service(), None);
}

/// The service of `fault` dies while the order, which was paid, is refunded (O-6).
async fn die_while_refunding(suite: &mut Suite, fault: Fault, request: &CreateRenewalOrderRequest) {
    let order = suite.create(request.clone()).await.expect("an order");
    suite.pay(payment_of("acme", &order)).await.expect("the order is paid");
    suite.restart(fault.service(), Some(fault));
    let refund = refund_of("acme", &order, &[]);
    suite.orders().refund_order(refund.clone()).await.expect_err("the process died");
    assert!(suite.died(fault.service()), "{fault} was not reached");
    suite.restart(fault.service(), None);
    if fault == Fault::AfterRefunded {
        let repeated = suite.orders().refund_order(refund).await.expect("the repeat is answered");
        assert_eq!(repeated.into_inner().order.unwrap().state(), State::Refunded);
    }
}

/// The points of a page of automatic renewals.
const PAGE: [Fault; 3] = [Fault::AfterPage, Fault::AfterPageAnswer, Fault::AfterPageSettled];

/// The service of `fault` dies while a page is renewed; what it left is finished, once.
async fn killed_in_page(suite: &mut Suite, fault: Fault) -> State {
    suite.open_account("ksc", "kingsoft", 0).await;
    let settings = [("line_type", "bgp"), ("bandwidth_mbps", "5")];
    let row = |id| prepaid("ksc", id, "ks-eip", &settings, "2026-03-11 00:00");
    suite.register(vec![row("eip-1"), row("eip-2")]).await;
    suite.set_auto("ksc", &["eip-1", "eip-2"]).await;
    let (bill, _) = suite.preview("ksc", selection(&["eip-1"], "1m")).await;
    let fee = bill.payable.expect("a price").minor_units;
    // Enough for one of them.
    suite.deposit("ksc", fee + 1).await;
    suite.set_clock(at("2026-03-10 00:00"));
    suite.restart(fault.service(), Some(fault));
    let request = RenewDueRequest::default();
    suite.sweeps().renew_due(request).await.expect_err("the process died");
    assert!(suite.died(fault.service()), "{fault} was not reached");
    suite.restart(fault.service(), None);
    suite.set_clock(suite.now() + TimeDelta::minutes(1));
    suite.renew_due(0).await;
    suite.advance().await;
    suite.renew_due(0).await;
    suite.audit().await;
    assert_eq!(
        suite.attempts("ksc").await,
        ["eip-1 2026-03-10/0 RENEWED", "eip-2 2026-03-10/0 FAILED INSUFFICIENT_FUNDS"]
    );
    assert_eq!(suite.cash("ksc").await, 1);
    State::Completed
}

/// The points of step C (W-4).
pub const CHECKOUT: [Fault; 6] = [
    Fault::AfterCheckout,
    Fault::AfterIntent,
    Fault::AfterIntentAnswer,
    Fault::AfterIntentNoted,
    Fault::AfterConfirm,
    Fault::AfterConfirmed,
];

/// The service of `fault` dies while a channel is asked for the whole of the order, or confirms it.
pub async fn die_at_checkout(suite: &mut Suite, fault: Fault, request: &CreateRenewalOrderRequest) {
    let order = suite.create(request.clone()).await.expect("an order");
    let checkout = CheckoutOrderRequest { use_cash: false, ..checkout_of("acme", &order) };
    if let Fault::AfterConfirm | Fault::AfterConfirmed = fault {
        let asked = suite.orders().checkout_order(checkout).await.expect("the channel is asked");
        let order = asked.into_inner().order.expect("an order");
        suite.restart(fault.service(), Some(fault));
        let confirmed =
            suite.payments().confirm_payment(confirmation_of(&order, suite.now())).await;
        assert_eq!(confirmed.is_ok(), fault == Fault::AfterConfirmed);
        if fault == Fault::AfterConfirmed {
            suite.set_clock(suite.now() + TimeDelta::seconds(11));
            // No page of the sweep comes back from a process that died.
            let _ = suite.sweeps().advance(AdvanceRequest { limit: 100 }).await;
        }
    } else {
        suite.restart(fault.service(), Some(fault));
        suite.orders().checkout_order(checkout).await.expect_err("the process died");
    }
    assert!(suite.died(fault.service()), "{fault} was not reached");
    suite.restart(fault.service(), None);
}

/// The service of `fault` dies while the order, which was paid, is delivered, or refused by its
/// console (O-5).
async fn die_while_delivering(
    suite: &mut Suite,
    fault: Fault,
    request: &CreateRenewalOrderRequest,
) {
    let refuses = fault != Fault::AfterDelivery && fault != Fault::AfterDelivered;
    let desk = Desk::open(suite.folder()).await;
    suite.apply_catalogs_told_to(&desk.address()).await;
    let order = suite.create(request.clone()).await.expect("an order");
    let order = suite.pay(payment_of("acme", &order)).await.expect("the order is paid");
    assert_eq!(order.state(), State::Paid);
    if refuses {
        desk.refuse("i-1");
    }
    suite.restart(fault.service(), Some(fault));
    // No page of the sweep comes back from a process that died, or whose wallet did.
    let answer = suite.deliver_due(100).await;
    assert!(answer.is_err() || fault == Fault::AfterRefund);
    assert!(suite.died(fault.service()), "{fault} was not reached");
    suite.restart(fault.service(), None);
    // What was taken is free again after ten seconds.
    suite.set_clock(suite.now() + TimeDelta::seconds(11));
    suite.deliver().await;
    let calls = desk.calls();
    if fault == Fault::AfterDelivery || fault == Fault::AfterDeliveryRefused {
        assert_eq!(calls[0], calls[1], "the console is told the same again");
    }
}

/// A payment that was begun too long ago is called off (O-8), and the wallet dies of it.
async fn die_while_voiding(suite: &mut Suite, request: &CreateRenewalOrderRequest) {
    die_at(suite, Fault::AfterPaying, request).await;
    suite.restart("wallet", Some(Fault::AfterVoid));
    suite.set_clock(suite.now() + TimeDelta::minutes(6));
    // No page of the sweep comes back from a process that the wallet takes with it.
    let _ = suite.sweeps().advance(AdvanceRequest { limit: 100 }).await;
    assert!(suite.died("wallet"), "the void was not reached");
    suite.restart("wallet", None);
}

/// Faults that leave an order halfway: what is published is a matter of its own (`it/nats.rs`).
pub fn of_orders() -> impl Iterator<Item = Fault> {
    Fault::ALL.into_iter().filter(|fault| *fault != Fault::AfterPublish)
}

async fn at_every_point(backend: Backend, layout: Layout) {
    let mut killed = BTreeSet::new();
    for fault in of_orders() {
        let expected = match fault {
            // A checkout that was begun is still open, or called off: the customer goes on.
            Fault::AfterCreate
            | Fault::AfterVoid
            | Fault::AfterCheckout
            | Fault::AfterIntent
            | Fault::AfterIntentAnswer
            | Fault::AfterIntentNoted => State::PendingPayment,
            Fault::AfterCancel => State::Cancelled,
            Fault::AfterTakingBack
            | Fault::AfterRefund
            | Fault::AfterRefundAnswer
            | Fault::AfterRefunded
            | Fault::AfterDeliveryRefused => State::Refunded,
            _ => State::Completed,
        };
        assert_eq!(killed_at(fault, backend, layout).await, expected, "{fault}");
        killed.insert(fault);
    }
    assert_eq!(killed, of_orders().collect());
}

/// O-5: what a console has refused is refunded once, whatever dies meanwhile.
async fn while_a_refusal_is_refunded(backend: Backend) {
    for fault in
        [Fault::AfterTakingBack, Fault::AfterRefund, Fault::AfterRefundAnswer, Fault::AfterRefunded]
    {
        let mut suite = Suite::start(backend, Layout::FourProcesses).await;
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let request = order_of("acme", selection(&["i-1"], "1m"));
        die_while_delivering(&mut suite, fault, &request).await;
        for seconds in [1, 2, 4, 8] {
            suite.set_clock(suite.now() + TimeDelta::seconds(seconds));
            suite.advance().await;
        }
        let order = suite.create(request).await.expect("the repeat finds the order");
        assert_eq!(order.state(), State::Refunded, "{fault}");
        assert_eq!((suite.cash("acme").await, order.refunds.len()), (100_00, 1), "{fault}");
        suite.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_a_refused_delivery_is_refunded_loses_nothing_on_sqlite() {
    while_a_refusal_is_refunded(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_a_refused_delivery_is_refunded_loses_nothing_on_postgres() {
    while_a_refusal_is_refunded(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_point_loses_nothing_on_sqlite() {
    at_every_point(Backend::Sqlite, Layout::FourProcesses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_point_loses_nothing_on_postgres() {
    at_every_point(Backend::Postgres, Layout::FourProcesses).await;
}

// Caller and called die together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_of_the_whole_suite_at_any_point_loses_nothing_on_sqlite() {
    at_every_point(Backend::Sqlite, Layout::OneProcessOfItsOwn).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_of_the_whole_suite_at_any_point_loses_nothing_on_postgres() {
    at_every_point(Backend::Postgres, Layout::OneProcessOfItsOwn).await;
}
