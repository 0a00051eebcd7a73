//! One order of several items, paid by voucher, cash and a channel in one.

use chrono::TimeDelta;
use proto::{
    renewal::v1::{
        CheckoutOrderRequest, InstanceRegistration, Order, RefundOrderRequest, order::State,
    },
    r#type::v1::Money,
    wallet::{
        internal::v1::{ExpireHoldsRequest, RemindRefundsRequest},
        v1::{
            AuditLedgerRequest, GetWalletRequest, ItemParts, Refund, RefundDestination,
            RefundedParts, Voucher, refund,
        },
    },
};
use tests::{Suite, fixture::*};

/// What stands on the orders, and what a month of it costs in fen.
const ITEMS: [(&str, &str, i64); 3] = [("a", "5", 100_00), ("b", "1", 20_00), ("c", "2", 40_00)];

/// Prices that no source covers evenly: a voucher and cash of odd fen.
const VOUCHER: i64 = 33_33;
const CASH: i64 = 30_01;
const CHANNEL: i64 = 160_00 - VOUCHER - CASH;

fn eips() -> Vec<InstanceRegistration> {
    let eip = |(id, mbps, _)| {
        let settings = [("line_type", "bgp"), ("bandwidth_mbps", mbps)];
        prepaid("acme", id, "ks-eip", &settings, "2026-03-11 00:00")
    };
    ITEMS.into_iter().map(eip).collect()
}

/// An order of all items that awaits its payment, and the voucher that will pay a part of it.
async fn unpaid(suite: &Suite) -> (Order, Voucher) {
    suite.kingsoft("acme", CASH).await;
    let voucher = suite.issue("acme", VOUCHER, "2026-01-01 00:00", "2027-01-01 00:00").await;
    suite.register(eips()).await;
    let order = suite.create(order_of("acme", selection(&["a", "b", "c"], "1m"))).await.unwrap();
    assert_eq!(order.payable, Some(cny(160_00)));
    (order, voucher)
}

async fn checkout(suite: &Suite, request: CheckoutOrderRequest) -> Order {
    let answer = suite.orders().checkout_order(request).await.expect("a checkout").into_inner();
    answer.order.unwrap()
}

/// The order after the sweep has had its time.
async fn swept(suite: &Suite, order: &Order) -> Order {
    suite.set_clock(suite.now() + TimeDelta::seconds(12));
    suite.advance().await;
    suite.order("acme", &order.order_id).await
}

async fn refund(suite: &Suite, request: RefundOrderRequest) -> (Order, Refund) {
    let answer = suite.orders().refund_order(request).await.expect("a refund").into_inner();
    let order = answer.order.unwrap();
    let refund = order.refunds.last().expect("the refund stands on the order").clone();
    (order, refund)
}

fn minor(amount: Option<&Money>) -> i64 {
    amount.map_or(0, |amount| amount.minor_units)
}

/// What vouchers, cash and the channel paid of an item.
fn sources(parts: &ItemParts) -> [i64; 3] {
    let vouchers = parts.vouchers.iter().map(|part| minor(part.amount.as_ref())).sum();
    [vouchers, minor(parts.cash.as_ref()), minor(parts.channel.as_ref())]
}

/// The stored parts of every item, each of which adds up to its price; their sums by source.
fn parts(order: &Order) -> (Vec<ItemParts>, [i64; 3]) {
    let parts: Vec<_> = order.items.iter().map(|item| item.parts.clone().unwrap()).collect();
    let mut sums = [0; 3];
    for (item, (id, _, price)) in parts.iter().zip(ITEMS) {
        let paid = sources(item);
        assert_eq!((item.instance_id.as_str(), paid.iter().sum::<i64>()), (id, price));
        for (sum, paid) in sums.iter_mut().zip(paid) {
            *sum += paid;
        }
    }
    (parts, sums)
}

/// What a refund that goes through the channel gives back of an item that was paid with `paid`.
fn through_the_channel(paid: &ItemParts, back: &RefundedParts) {
    let vouchers = |voucher: &str, amount: &Option<Money>| (voucher.to_owned(), amount.clone());
    let given: Vec<_> =
        back.vouchers.iter().map(|it| vouchers(&it.voucher_id, &it.amount)).collect();
    let taken: Vec<_> =
        paid.vouchers.iter().map(|it| vouchers(&it.voucher_id, &it.amount)).collect();
    assert_eq!(given, taken);
    assert_eq!((&back.instance_id, &back.cash), (&paid.instance_id, &paid.cash));
    assert_eq!((&back.channel, &back.channel_to_cash), (&paid.channel, &None));
}

/// What the account has: cash, cash that is held; of the voucher what remains, and what is held.
async fn purse(suite: &Suite, voucher: &Voucher) -> [i64; 4] {
    let request = GetWalletRequest { account_id: "acme".to_owned() };
    let wallet = suite.wallets().get_wallet(request).await.unwrap().into_inner().wallet.unwrap();
    let voucher = suite.voucher("acme", &voucher.voucher_id).await;
    let held = voucher.usage.and_then(|usage| usage.held);
    [
        minor(wallet.cash.as_ref()),
        minor(wallet.held.as_ref()),
        minor(voucher.remaining.as_ref()),
        minor(held.as_ref()),
    ]
}

crate::journeys! {
    /// V-4, W-4, O-6: each item stores its parts by source, to the fen; a refund of one item gives back
    /// exactly these, and the refund of the rest the rest.
    async fn three_sources_pay_one_order_and_get_exactly_their_parts_back(suite) {
        let (order, voucher) = unpaid(suite).await;
        let open = checkout(suite, checkout_of("acme", &order)).await;
        assert_eq!(minor(open.checkout.as_ref().unwrap().amount.as_ref()), CHANNEL);
        let (promised, sums) = parts(&open);
        assert_eq!(sums, [VOUCHER, CASH, CHANNEL]);
        assert_eq!(purse(suite, &voucher).await, [0, CASH, 0, VOUCHER]);
        suite.audit().await;

        suite.payments().confirm_payment(confirmation_of(&open, suite.now())).await.unwrap();
        let paid = swept(suite, &order).await;
        assert_eq!((paid.state(), &parts(&paid).0), (State::Completed, &promised));
        assert_eq!(purse(suite, &voucher).await, [0, 0, 0, 0]);

        let through = RefundDestination::Channel.into();
        let request = RefundOrderRequest { destination: through, ..refund_of("acme", &paid, &["b"]) };
        let (order, back) = refund(suite, request).await;
        assert_eq!((order.state(), back.state()), (State::PartlyRefunded, refund::State::Pending));
        assert_eq!((back.parts.len(), &back.amount), (1, &Some(cny(20_00))));
        through_the_channel(&promised[1], &back.parts[0]);
        let of_b = sources(&promised[1]);
        assert!(of_b.iter().all(|&part| part > 0), "{of_b:?}");
        assert_eq!(purse(suite, &voucher).await, [of_b[1], 0, of_b[0], 0]);
        assert_eq!(suite.instance("acme", "b").await.expiry_shown, "2026-03-10 23:59:59");
        assert_eq!(suite.instance("acme", "a").await.expiry_shown, "2026-04-10 23:59:59");
        suite.audit().await;

        let request = RefundOrderRequest { destination: through, ..refund_of("acme", &paid, &[]) };
        let (order, back) = refund(suite, request).await;
        assert_eq!((order.state(), back.parts.len()), (State::Refunded, 2));
        for (paid, back) in [&promised[0], &promised[2]].into_iter().zip(&back.parts) {
            through_the_channel(paid, back);
        }
        assert_eq!(purse(suite, &voucher).await, [CASH, 0, VOUCHER, 0]);
        suite.audit().await;
    }

    /// W-3: what is held is released when the checkout expires, and pays the same order in another way.
    async fn what_an_expired_checkout_held_pays_the_order_in_another_way(suite) {
        let (order, voucher) = unpaid(suite).await;
        let expired = checkout(suite, checkout_of("acme", &order)).await;
        suite.set_clock(suite.now() + TimeDelta::minutes(30));
        let swept_holds = suite.wallet_sweeps().expire_holds(ExpireHoldsRequest { limit: 0 }).await;
        assert_eq!(swept_holds.unwrap().into_inner().voided, 1);
        assert_eq!(purse(suite, &voucher).await, [CASH, 0, VOUCHER, 0]);
        let released = swept(suite, &order).await;
        assert_eq!((released.state(), &released.checkout), (State::PendingPayment, &None));
        suite.audit().await;

        // By voucher and channel, and not from cash.
        let request = CheckoutOrderRequest { use_cash: false, ..checkout_of("acme", &order) };
        let open = checkout(suite, request).await;
        assert_ne!(open.checkout.as_ref().unwrap().intent_id, expired.checkout.as_ref().unwrap().intent_id);
        assert_eq!(purse(suite, &voucher).await, [CASH, 0, 0, VOUCHER]);
        suite.payments().confirm_payment(confirmation_of(&open, suite.now())).await.unwrap();
        let paid = swept(suite, &order).await;
        let (stored, sums) = parts(&paid);
        assert_eq!((paid.state(), sums), (State::Completed, [VOUCHER, 0, 160_00 - VOUCHER]));

        // Who pays the first checkout after all gets it as cash.
        suite.payments().confirm_payment(confirmation_of(&expired, suite.now())).await.unwrap();
        assert_eq!(purse(suite, &voucher).await, [CASH + CHANNEL, 0, 0, 0]);
        let (_, back) = refund(suite, refund_of("acme", &paid, &["c"])).await;
        assert_eq!(back.parts[0].channel_to_cash, stored[2].channel);
        let of_c = sources(&stored[2]);
        assert_eq!(purse(suite, &voucher).await, [CASH + CHANNEL + of_c[2], 0, of_c[0], 0]);
        suite.audit().await;

        // What has come back pays again.
        let again = suite.create(paid_order_of("acme", selection(&["c"], "1m"))).await.unwrap();
        let again = again.items[0].parts.clone().unwrap();
        assert_eq!(sources(&again), [of_c[0], 40_00 - of_c[0], 0]);
        suite.audit().await;
    }

    /// O-6, W-4: a channel that keeps silent about a refund is named after a week, once a day; nothing is
    /// given for its silence, and what it says in the end counts.
    async fn a_channel_that_keeps_silent_about_a_refund_is_named_until_it_answers(suite) {
        let (order, voucher) = unpaid(suite).await;
        let open = checkout(suite, checkout_of("acme", &order)).await;
        suite.payments().confirm_payment(confirmation_of(&open, suite.now())).await.unwrap();
        let paid = swept(suite, &order).await;
        let through = RefundDestination::Channel.into();
        let request = RefundOrderRequest { destination: through, ..refund_of("acme", &paid, &[]) };
        let (_, back) = refund(suite, request).await;
        let remind = async || {
            let request = RemindRefundsRequest { limit: 0 };
            suite.wallet_sweeps().remind_refunds(request).await.unwrap().into_inner().reminded
        };
        let notices = async || {
            let request = AuditLedgerRequest { account_id: "acme".to_owned() };
            let audited = suite.ledgers().audit_ledger(request).await.unwrap().into_inner();
            assert_eq!(audited.findings, []);
            audited.notices.len()
        };
        assert_eq!((remind().await, notices().await), (0, 0));

        for _ in 0..2 {
            suite.set_clock(suite.now() + TimeDelta::days(7));
            assert_eq!((remind().await, remind().await, notices().await), (1, 0, 1));
            // A notice is not a finding.
            suite.audit().await;
            assert_eq!(purse(suite, &voucher).await, [CASH, 0, VOUCHER, 0]);
        }

        let failed = serde_json::json!({"type": "refund.failed", "data": {"refund_id": back.refund_id}});
        suite.payments().confirm_payment(signed(suite.now(), &failed)).await.unwrap();
        suite.set_clock(suite.now() + TimeDelta::days(7));
        assert_eq!((remind().await, notices().await), (0, 0));
        assert_eq!(purse(suite, &voucher).await, [CASH + CHANNEL, 0, VOUCHER, 0]);
        let negative = RemindRefundsRequest { limit: -1 };
        let refused = tests::refusal(suite.wallet_sweeps().remind_refunds(negative).await);
        assert_eq!(refused, (tonic::Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
        suite.audit().await;
    }
}
