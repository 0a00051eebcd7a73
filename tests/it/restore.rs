//! An older copy of one database beside newer ones: orders and payments are brought together again before
//! anything sweeps. Nothing is charged twice, and nothing that was paid is lost.

use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    renewal::v1::{
        CheckoutOrderRequest, CreateRenewalOrderRequest, Order, PayOrderRequest, PaymentChoice,
        order::State, payment_choice,
    },
    r#type::v1::Money,
    wallet::v1::{DepositRequest, Voucher},
};
use tests::{Backend, Copy, Layout, Suite, console::Desk, fixture::*};

/// A life of which a copy was made on the way.
struct Lived {
    suite: Suite,
    /// When the copy was made.
    since: DateTime<Utc>,
    before: Copy,
    /// A month of an address.
    fee: i64,
    voucher: Voucher,
}

/// Defines tests of what is done with each database.
macro_rules! on_each_database {
    ($($test:ident: $sqlite:ident, $postgres:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $sqlite() {
            Box::pin($test(Backend::Sqlite)).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $postgres() {
            Box::pin($test(Backend::Postgres)).await;
        }
    )*};
}

on_each_database! {
    an_earlier_renewal_database: an_earlier_renewal_database_on_sqlite, an_earlier_renewal_database_on_postgres;
    an_earlier_wallet: an_earlier_wallet_on_sqlite, an_earlier_wallet_on_postgres;
    an_earlier_version: an_earlier_version_on_sqlite, an_earlier_version_on_postgres;
}

/// `acme` with five machines until 11 March and a voucher, and `ksc` with an address that renews itself on
/// the 10th at midnight.
async fn customers(backend: Backend) -> (Suite, i64, Voucher) {
    let suite = Suite::start(backend, Layout::OneProcessOfItsOwn).await;
    suite.jd("acme", 1_000_00).await;
    suite.open_account("ksc", "kingsoft", 0).await;
    let machines = ["i-1", "i-2", "i-3", "i-4", "i-5"];
    let machines = machines.map(|id| vm("acme", id, "2026-03-11 00:00"));
    suite.register(machines.into()).await;
    suite.register(vec![eip("ksc", "eip-1", "2026-03-11 00:00")]).await;
    suite.set_auto("ksc", &["eip-1"]).await;
    let fee = suite.price("ksc", "eip-1").await;
    suite.deposit("ksc", 3 * fee).await;
    let voucher = suite.issue("acme", 30_00, "2026-01-01 00:00", "2027-01-01 00:00").await;
    (suite, fee, voucher)
}

fn month(id: &str) -> CreateRenewalOrderRequest {
    order_of("acme", selection(&[id], "1m"))
}

fn paid_month(id: &str) -> CreateRenewalOrderRequest {
    paid_order_of("acme", selection(&[id], "1m"))
}

/// By `voucher`, then by cash.
fn choice(voucher: &Voucher) -> PaymentChoice {
    let named = payment_choice::Named { voucher_ids: vec![voucher.voucher_id.clone()] };
    PaymentChoice { vouchers: Some(payment_choice::Vouchers::Named(named)) }
}

fn paid_by(voucher: &Voucher, id: &str) -> CreateRenewalOrderRequest {
    CreateRenewalOrderRequest { pay: Some(choice(voucher)), ..month(id) }
}

async fn made(suite: &Suite, request: CreateRenewalOrderRequest) -> Order {
    suite.create(request).await.expect("an order")
}

/// A checkout of `order`, which the channel is to pay.
async fn checked_out(suite: &Suite, order: &Order) -> Order {
    let request = CheckoutOrderRequest { use_cash: false, ..checkout_of("acme", order) };
    let answer = suite.orders().checkout_order(request).await.expect("a checkout").into_inner();
    answer.order.expect("an order")
}

/// The channel says that it has paid.
async fn confirm(suite: &Suite, order: &Order) {
    let confirmation = confirmation_of(order, suite.now());
    suite.payments().confirm_payment(confirmation).await.expect("it is signed");
}

async fn refund(suite: &Suite, order: &Order) {
    let request = refund_of("acme", order, &[]);
    suite.orders().refund_order(request).await.expect("a refund");
}

fn yuan(fen: i64) -> String {
    format!("CNY {}.{:02}", fen / 100, fen % 100)
}

/// The last days of `acme`'s machines.
async fn last_days(suite: &Suite) -> Vec<String> {
    let mut all = Vec::new();
    for id in ["i-1", "i-2", "i-3", "i-4", "i-5"] {
        let shown = suite.instance("acme", id).await.expiry_shown;
        all.push(shown.trim_end_matches(" 23:59:59").to_owned());
    }
    all
}

/// A report says `told`, twice, for it changes nothing.
async fn reports(suite: &Suite, since: DateTime<Utc>, told: &[String]) {
    for _ in 0..2 {
        assert_eq!(suite.reconcile(since, false).await, told);
    }
}

/// What orders are forgotten: one that was refunded, two that were paid, one that was made and paid, one
/// that a channel is asked for, and one that made itself. The request of the fourth, and the fifth.
async fn forgotten(backend: Backend) -> (Lived, Order, CreateRenewalOrderRequest, Order) {
    let (suite, fee, voucher) = customers(backend).await;
    let refunded = made(&suite, paid_by(&voucher, "i-1")).await;
    let by_hand = made(&suite, month("i-2")).await;
    let by_channel = made(&suite, month("i-3")).await;
    let since = suite.now();
    reports(&suite, since, &[]).await;
    let before = suite.copy("renewal").await;

    suite.set_clock(since + TimeDelta::minutes(1));
    refund(&suite, &refunded).await;
    suite.pay(payment_of("acme", &by_hand)).await.expect("it is paid");
    confirm(&suite, &checked_out(&suite, &by_channel).await).await;
    let unknown = paid_by(&voucher, "i-4");
    made(&suite, unknown.clone()).await;
    let asked = made(&suite, month("i-5")).await;
    let asked = checked_out(&suite, &asked).await;
    suite.set_clock(at("2026-03-10 00:00"));
    assert_eq!(suite.renew_due(0).await, 1);
    assert_eq!((suite.cash("acme").await, suite.cash("ksc").await), (918_00, 2 * fee));
    (Lived { suite, since, before, fee, voucher }, refunded, unknown, asked)
}

/// O-3, O-4, O-6, A-2: the renewal service's database is the older one. What it forgot of its own is
/// finished or taken back, and what it knows nothing of is given back, once.
async fn an_earlier_renewal_database(backend: Backend) {
    let (lived, refunded, unknown, asked) = Box::pin(forgotten(backend)).await;
    let Lived { mut suite, since, before, fee, voucher } = lived;
    suite.put_back(&before);
    let lines = |ending: &str| {
        let finished = "acme CNY 56.00: SUCCEEDED; PENDING_PAYMENT, without it: finish the order";
        let given_back = "SUCCEEDED; unknown: give the payment back";
        let taken_back = "SUCCEEDED, 1 refunds unknown; COMPLETED: take the terms back";
        [
            "acme CNY 56.00: PENDING; unknown: release what is held",
            &format!("acme CNY 56.00: {taken_back}"),
            finished,
            finished,
            &format!("acme CNY 56.00: {given_back}"),
            &format!("ksc {}: {given_back}", yuan(fee)),
        ]
        .map(|line| format!("{line}: {ending}"))
    };
    reports(&suite, since, &lines("to do")).await;
    // What has not changed since is not looked at.
    reports(&suite, suite.now(), &lines("to do")[5..]).await;
    assert_eq!(suite.reconcile(since, true).await, lines("done"));
    assert_eq!(suite.reconcile(since, true).await, Vec::<String>::new());

    suite.restart("renewal", None);
    assert_eq!((suite.cash("acme").await, suite.cash("ksc").await), (944_00, 3 * fee));
    let left = suite.voucher("acme", &voucher.voucher_id).await.remaining;
    assert_eq!(left, Some(cny(30_00)));
    let days = ["2026-03-10", "2026-04-10", "2026-04-10", "2026-03-10", "2026-03-10"];
    assert_eq!(last_days(&suite).await, days);
    assert_eq!(suite.order("acme", &refunded.order_id).await.state(), State::Refunded);
    // The same attempt is made again, with another payment.
    for _ in 0..2 {
        suite.renew_due(0).await;
        suite.set_clock(suite.now() + TimeDelta::minutes(2));
        suite.advance().await;
    }
    assert_eq!(suite.attempts("ksc").await, ["eip-1 2026-03-10/0 RENEWED"]);
    assert_eq!(suite.cash("ksc").await, 2 * fee);
    // Whoever lost an answer asks again.
    assert_eq!(made(&suite, unknown).await.state(), State::Completed);
    assert_eq!(suite.cash("acme").await, 918_00);
    // What the channel takes for a checkout that nobody knows of is the customer's.
    confirm(&suite, &asked).await;
    assert_eq!(suite.cash("acme").await, 974_00);
    suite.audit().await;
    reports(&suite, since, &[]).await;
}

/// What customers have: cash, and what remains of `voucher`.
async fn money(suite: &Suite, voucher: &Voucher) -> (Vec<i64>, Option<Money>) {
    let mut cash = Vec::new();
    for account in ["acme", "ksc", "poor"] {
        cash.push(suite.cash(account).await);
    }
    (cash, suite.voucher("acme", &voucher.voucher_id).await.remaining)
}

/// What is lost of the wallet: what channels paid, refunds, a payment by the voucher that one of them had
/// given back, what a channel is asked for, what paid for itself, and a deposit, with what it paid.
async fn lost(backend: Backend) -> (Lived, DepositRequest) {
    let (suite, fee, voucher) = customers(backend).await;
    suite.open_account("poor", "jdcloud", 0).await;
    suite.register(vec![vm("poor", "p-1", "2026-03-11 00:00")]).await;
    let late = made(&suite, month("i-4")).await;
    suite.set_clock(suite.now() + TimeDelta::minutes(1));
    let refunded = made(&suite, paid_by(&voucher, "i-1")).await;
    let held = made(&suite, month("i-2")).await;
    let held = checked_out(&suite, &held).await;
    let since = suite.now();
    let before = suite.copy("wallet").await;

    confirm(&suite, &held).await;
    let by_channel = made(&suite, month("i-3")).await;
    let by_channel = checked_out(&suite, &by_channel).await;
    confirm(&suite, &by_channel).await;
    suite.set_clock(since + TimeDelta::minutes(1));
    suite.advance().await;
    refund(&suite, &by_channel).await;
    refund(&suite, &refunded).await;
    // By what a later order gave back.
    let pay = PayOrderRequest { pay: Some(choice(&voucher)), ..payment_of("acme", &late) };
    suite.pay(pay).await.expect("it is paid");
    let asked = made(&suite, month("i-5")).await;
    checked_out(&suite, &asked).await;
    let deposit = DepositRequest {
        request_id: new_id(),
        account_id: "poor".to_owned(),
        amount: Some(cny(60_00)),
        note: String::new(),
    };
    suite.wallets().deposit(deposit.clone()).await.expect("a deposit");
    made(&suite, paid_order_of("poor", selection(&["p-1"], "1m"))).await;
    suite.set_clock(at("2026-03-10 00:00"));
    assert_eq!(suite.renew_due(0).await, 1);
    (Lived { suite, since, before, fee, voucher }, deposit)
}

/// O-4, O-6, W-2: the wallet's database is the older one. What orders know to be paid or given back is
/// booked again from the same sources; what nobody else knows is for people.
async fn an_earlier_wallet(backend: Backend) {
    let (lived, deposit) = Box::pin(lost(backend)).await;
    let Lived { mut suite, since, before, fee, voucher } = lived;
    let then = money(&suite, &voucher).await;
    assert_eq!(then, (vec![1_030_00, 2 * fee, 4_00], Some(cny(0))));
    suite.put_back(&before);
    let again = "book the payment again";
    let back = "acme CNY 56.00: refund unknown; REFUNDED: book the refund again";
    let open = "acme CNY 56.00: unknown; PENDING_PAYMENT: -: \
                the channel may take it, and nobody would know: it has to give it back";
    let poor = format!("poor CNY 56.00: unknown; COMPLETED: {again}");
    let lines = |ending: &str, of_poor: &str| {
        [
            format!("acme CNY 56.00: PENDING; COMPLETED: {again}: {ending}"),
            format!("{back}: {ending}"),
            format!("{back}: {ending}"),
            format!("acme CNY 56.00: unknown; COMPLETED: {again}: {ending}"),
            open.to_owned(),
            format!("acme CNY 56.00: unknown; REFUNDED: {again}: {ending}"),
            format!("ksc {}: unknown; COMPLETED: {again}: {ending}", yuan(fee)),
            format!("{poor}: {of_poor}"),
        ]
    };
    reports(&suite, since, &lines("to do", "to do")).await;
    let missing = "CNY 56.00 is missing: the cash balance does not have what it paid.";
    assert_eq!(suite.reconcile(since, true).await, lines("done", missing));
    assert_eq!(suite.reconcile(since, true).await, [open, &format!("{poor}: {missing}")]);

    // Whoever made a deposit makes it again.
    suite.restart("wallet", None);
    suite.wallets().deposit(deposit).await.expect("a deposit");
    suite.kill("wallet");
    assert_eq!(suite.reconcile(since, true).await, [open, &format!("{poor}: done")]);
    suite.restart("wallet", None);
    assert_eq!(money(&suite, &voucher).await, then);
    assert_eq!(suite.renew_due(0).await, 0);
    suite.set_clock(suite.now() + TimeDelta::minutes(1));
    suite.advance().await;
    assert_eq!(money(&suite, &voucher).await, then);
    suite.audit().await;
    reports(&suite, since, &[]).await;
}

/// O-5: consoles take what they are told after a restore for newer than all that they were told before.
async fn an_earlier_version(backend: Backend) {
    let mut suite = Suite::start(backend, Layout::OneProcessOfItsOwn).await;
    let desk = Desk::open(suite.folder()).await;
    suite.jd("acme", 1_000_00).await;
    suite.apply_catalog_told_to(&desk.address(), "jd-vm").await;
    suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
    made(&suite, paid_month("i-1")).await;
    suite.deliver().await;
    let (since, before) = (suite.now(), suite.copy("renewal").await);
    for _ in 0..3 {
        made(&suite, paid_month("i-1")).await;
    }
    suite.deliver().await;
    let told = desk.calls().pop().expect("a call");

    suite.put_back(&before);
    assert_eq!(suite.reconcile(since, true).await.len(), 3);
    assert_eq!(suite.raise_versions().await, 1);
    suite.restart("renewal", None);
    for _ in 0..2 {
        suite.deliver().await;
        let calls = desk.calls();
        assert_eq!(calls.len(), 1);
        assert!(calls[0].1 > told.1, "{calls:?} after {told:?}");
        made(&suite, paid_month("i-1")).await;
    }
    suite.deliver().await;
    suite.audit().await;
}
