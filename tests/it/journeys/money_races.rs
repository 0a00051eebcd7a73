//! Many callers at once around channels, codes and vouchers: nothing is taken, held or given twice.

use std::collections::BTreeSet;

use futures::future::join_all;
use proto::{
    convert::timestamp,
    renewal::v1::{
        CheckoutOrderRequest, CreateRenewalOrderRequest, InstanceRegistration, Order,
        PaymentChoice, order::State, payment_choice,
    },
    wallet::v1::{
        ConfirmPaymentRequest, GetPaymentsRequest, GetWalletRequest, IssueVoucherCodesRequest,
        RedeemVoucherRequest, VoucherTerms, VoucherUsage, confirm_payment_response::Outcome,
        payment,
    },
};
use tests::{Suite, at, fixture::*, reason};
use tonic::Status;

use super::races::insist;

/// Sixteen instances of 20.00 a month each.
fn eips() -> Vec<InstanceRegistration> {
    let settings = [("line_type", "bgp"), ("bandwidth_mbps", "1")];
    let eip = |id: &String| prepaid("acme", id, "ks-eip", &settings, "2026-03-11 00:00");
    ids().iter().map(eip).collect()
}

fn ids() -> Vec<String> {
    (1..=16).map(|number| format!("i-{number}")).collect()
}

/// Terms of vouchers that ask for a payment of 20.00 at least.
fn from_twenty() -> VoucherTerms {
    VoucherTerms {
        valid_from: Some(timestamp(at("2026-01-01 00:00"))),
        expire_time: Some(timestamp(at("2027-01-01 00:00"))),
        minimum_spend: Some(cny(20_00)),
        ..VoucherTerms::default()
    }
}

/// Orders and pays each of sixteen instances at once.
async fn sixteen_orders(suite: &Suite, pay: &PaymentChoice) -> Vec<Order> {
    let ids = ids();
    let calls = ids.iter().map(|id| {
        let request = CreateRenewalOrderRequest {
            pay: Some(pay.clone()),
            ..order_of("acme", selection(&[id.as_str()], "1m"))
        };
        async move { insist(|| suite.create(request.clone())).await.expect("an order") }
    });
    join_all(calls).await
}

/// What vouchers paid of each order that was paid, in fen.
fn by_vouchers(orders: &[Order]) -> Vec<i64> {
    let paid = orders.iter().filter(|order| order.state() == State::Completed);
    let vouchers = |order: &Order| {
        let parts = order.items[0].parts.clone().unwrap();
        parts.vouchers.iter().map(|part| part.amount.as_ref().unwrap().minor_units).sum()
    };
    paid.map(vouchers).collect()
}

/// Where a face of 30.00 has gone: what remains, what was captured, and what was forfeited.
async fn face(suite: &Suite, voucher: &str) -> (i64, i64, i64) {
    let voucher = suite.voucher("acme", voucher).await;
    let minor = |amount: Option<proto::r#type::v1::Money>| amount.unwrap().minor_units;
    let usage: VoucherUsage = voucher.usage.unwrap();
    let gone = (minor(voucher.remaining), minor(usage.captured), minor(usage.forfeited));
    assert_eq!(gone.0 + gone.1 + gone.2, 30_00, "{gone:?}");
    assert_eq!((minor(usage.held), minor(usage.voided), minor(usage.expired)), (0, 0, 0));
    gone
}

async fn held(suite: &Suite) -> i64 {
    let request = GetWalletRequest { account_id: "acme".to_owned() };
    let wallet = suite.wallets().get_wallet(request).await.unwrap().into_inner().wallet.unwrap();
    wallet.held.unwrap().minor_units
}

async fn checkout(suite: &Suite, request: &CheckoutOrderRequest) -> Result<Order, Status> {
    let answer = suite.orders().checkout_order(request.clone()).await;
    answer.map(|answer| answer.into_inner().order.unwrap())
}

/// How the payments stand that channels know by these references.
async fn states(suite: &Suite, intents: &BTreeSet<String>) -> Vec<payment::State> {
    let request = GetPaymentsRequest {
        intent_ids: intents.iter().cloned().collect(),
        payment_ids: Vec::new(),
    };
    let found = suite.payments().get_payments(request).await.unwrap().into_inner().payments;
    found.iter().map(proto::wallet::v1::Payment::state).collect()
}

/// An order of 56.00 that awaits its payment, by an account with 16.00 in cash.
async fn unpaid(suite: &Suite) -> Order {
    suite.jd("acme", 16_00).await;
    suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
    suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap()
}

fn intent_of(order: &Order) -> String {
    order.checkout.as_ref().expect("a checkout").intent_id.clone()
}

crate::journeys! {
    /// V-1, W-2: a single-use voucher with a minimum spend pays one of sixteen orders, and forfeits its rest;
    /// cash pays the others.
    async fn of_sixteen_charges_one_gets_the_single_use_voucher(suite) {
        suite.kingsoft("acme", 16 * 20_00).await;
        let terms = VoucherTerms { single_use: true, ..from_twenty() };
        let voucher = suite.issue_with("acme", 30_00, terms).await;
        suite.register(eips()).await;

        let orders = sixteen_orders(suite, &PaymentChoice::default()).await;

        let mut paid = by_vouchers(&orders);
        paid.sort_unstable();
        assert_eq!(paid, [vec![0; 15], vec![20_00]].concat());
        assert_eq!(suite.cash("acme").await, 20_00);
        assert_eq!(face(suite, &voucher.voucher_id).await, (0, 20_00, 10_00));
        suite.audit().await;
    }

    /// V-1, V-2: named by all sixteen, it pays one; the others are told that it cannot pay them.
    async fn of_sixteen_charges_that_name_one_voucher_one_wins(suite) {
        suite.kingsoft("acme", 16 * 20_00).await;
        let terms = VoucherTerms { single_use: true, ..from_twenty() };
        let voucher = suite.issue_with("acme", 30_00, terms).await;
        suite.register(eips()).await;
        let named = payment_choice::Named { voucher_ids: vec![voucher.voucher_id.clone()] };
        let pay = PaymentChoice { vouchers: Some(payment_choice::Vouchers::Named(named)) };

        let orders = sixteen_orders(suite, &pay).await;

        assert_eq!(by_vouchers(&orders), [20_00]);
        for order in orders.iter().filter(|order| order.state() != State::Completed) {
            assert_eq!(order.state(), State::PendingPayment);
            assert_eq!(order.payment_refusal.as_ref().unwrap().reason, "VOUCHER_NOT_APPLICABLE");
        }
        assert_eq!(suite.cash("acme").await, 16 * 20_00);
        assert_eq!(face(suite, &voucher.voucher_id).await, (0, 20_00, 10_00));
        suite.audit().await;
    }

    /// V-1, W-1: of a voucher that may be used again, but suffices once, the rest stays for another day.
    async fn of_sixteen_charges_on_a_voucher_for_one_one_is_paid(suite) {
        suite.kingsoft("acme", 0).await;
        let voucher = suite.issue_with("acme", 30_00, from_twenty()).await;
        suite.register(eips()).await;

        let orders = sixteen_orders(suite, &PaymentChoice::default()).await;

        assert_eq!(by_vouchers(&orders), [20_00]);
        for order in orders.iter().filter(|order| order.state() != State::Completed) {
            let refusal = order.payment_refusal.as_ref().unwrap();
            assert_eq!((refusal.reason.as_str(), &refusal.missing), ("INSUFFICIENT_FUNDS", &Some(cny(10_00))));
        }
        assert_eq!(face(suite, &voucher.voucher_id).await, (10_00, 20_00, 0));
        suite.audit().await;
    }

    /// O-3: one checkout, in flight sixteen times, is made once, and each caller hears of it.
    async fn one_checkout_in_flight_sixteen_times_answers_all_alike(suite) {
        let order = unpaid(suite).await;
        let request = checkout_of("acme", &order);

        let calls = (0..16).map(|_| insist(|| checkout(suite, &request)));
        let answers: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();

        let intents: BTreeSet<_> = answers.iter().map(intent_of).collect();
        assert_eq!(intents.len(), 1);
        assert_eq!(states(suite, &intents).await, [payment::State::Pending]);
        assert_eq!((suite.cash("acme").await, held(suite).await), (0, 16_00));
        suite.audit().await;
    }

    /// W-3, W-4: of sixteen checkouts of one order one is open in the end; nothing is held twice, and the
    /// channel pays it once.
    async fn of_sixteen_checkouts_of_one_order_one_is_open_in_the_end(suite) {
        let order = unpaid(suite).await;

        let requests: Vec<_> = (0..16).map(|_| checkout_of("acme", &order)).collect();
        let mut intents = BTreeSet::new();
        for answer in join_all(requests.iter().map(|request| checkout(suite, request))).await {
            match answer {
                // The next one may have called it off since.
                Ok(order) => assert!(intents.insert(intent_of(&order))),
                Err(status) => assert_eq!(reason(&status), "BUSY", "{status}"),
            }
        }
        assert!(!intents.is_empty());

        let open = suite.order("acme", &order.order_id).await;
        let intent = intent_of(&open);
        assert!(intents.contains(&intent));
        let states = states(suite, &intents).await;
        assert_eq!(states.len(), intents.len());
        for (state, known) in states.iter().zip(&intents) {
            let expected =
                if *known == intent { payment::State::Pending } else { payment::State::Voided };
            assert_eq!(*state, expected);
        }
        assert_eq!((suite.cash("acme").await, held(suite).await), (0, 16_00));
        suite.audit().await;

        suite.payments().confirm_payment(confirmation_of(&open, suite.now())).await.unwrap();
        suite.set_clock(suite.now() + chrono::TimeDelta::seconds(12));
        suite.advance().await;
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::Completed);
        assert_eq!((suite.cash("acme").await, held(suite).await), (0, 0));
        suite.audit().await;
    }

    /// W-4: one message, sixteen messages of the same money, and sixteen payments: one pays, and only what
    /// was paid again goes to the cash balance.
    async fn of_sixteen_confirmations_of_one_checkout_one_pays(suite) {
        let order = unpaid(suite).await;
        let open = checkout(suite, &checkout_of("acme", &order)).await.unwrap();
        let confirm = async |request: ConfirmPaymentRequest| {
            let call = async || {
                let answer = suite.payments().confirm_payment(request.clone()).await;
                answer.map(tonic::Response::into_inner)
            };
            insist(call).await.unwrap()
        };
        // The same money under sixteen ids of messages, and one message sixteen times.
        let first = confirmation_of(&open, suite.now());
        let messages = (0..16).map(|number| match number {
            0..8 => first.clone(),
            _ => confirmation_of(&open, suite.now()),
        });
        for answer in join_all(messages.map(&confirm)).await {
            assert_eq!((answer.outcome(), &answer.amount), (Outcome::Paid, &Some(cny(40_00))));
        }
        assert_eq!((suite.cash("acme").await, held(suite).await), (0, 0));
        suite.audit().await;

        let payments = (1..=16).map(|number| confirmation_by(&open, suite.now(), &format!("other-{number}")));
        for answer in join_all(payments.map(&confirm)).await {
            assert_eq!((answer.outcome(), answer.reason.as_str()), (Outcome::ToCashBalance, "PAID_TWICE"));
        }
        assert_eq!(suite.cash("acme").await, 16 * 40_00);
        suite.audit().await;
    }

    /// W-4: sixteen payments for one checkout that was not paid before: one pays it.
    async fn of_sixteen_payments_of_one_checkout_one_pays(suite) {
        let order = unpaid(suite).await;
        let open = checkout(suite, &checkout_of("acme", &order)).await.unwrap();

        let calls = (1..=16).map(|number| {
            let request = confirmation_by(&open, suite.now(), &format!("money-{number}"));
            async move {
                insist(|| async {
                    let answer = suite.payments().confirm_payment(request.clone()).await;
                    answer.map(tonic::Response::into_inner)
                })
                .await
                .unwrap()
            }
        });
        let answers = join_all(calls).await;

        let paid = answers.iter().filter(|answer| answer.outcome() == Outcome::Paid).count();
        let twice = answers.iter().filter(|answer| answer.reason == "PAID_TWICE").count();
        assert_eq!((paid, twice), (1, 15));
        assert_eq!((suite.cash("acme").await, held(suite).await), (15 * 40_00, 0));
        suite.audit().await;
    }

    /// O-3, V-1: of sixteen who redeem one code one gets the voucher, whoever asks as often as it likes.
    async fn of_sixteen_who_redeem_one_code_one_gets_the_voucher(suite) {
        suite.kingsoft("acme", 0).await;
        for number in 1..=16 {
            suite.open_account(&format!("c-{number}"), "kingsoft", 0).await;
        }
        let request = IssueVoucherCodesRequest {
            request_id: new_id(),
            count: 2,
            face: Some(cny(30_00)),
            terms: Some(from_twenty()),
        };
        let codes = suite.vouchers().issue_voucher_codes(request).await.unwrap().into_inner().codes;
        let redeem = |account: String, code: &String| RedeemVoucherRequest {
            request_id: new_id(),
            account_id: account,
            code: code.clone(),
        };
        let call = async |request: RedeemVoucherRequest| {
            insist(|| async {
                let answer = suite.vouchers().redeem_voucher(request.clone()).await;
                answer.map(|answer| answer.into_inner().voucher.unwrap())
            })
            .await
        };

        let requests = (1..=16).map(|number| redeem(format!("c-{number}"), &codes[0]));
        let (won, lost): (Vec<_>, Vec<_>) =
            join_all(requests.map(&call)).await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 15));
        for status in lost.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&status), "VOUCHER_CODE_USED");
        }

        let request = redeem("acme".to_owned(), &codes[1]);
        let answers = join_all((0..16).map(|_| call(request.clone()))).await;
        let vouchers: BTreeSet<_> =
            answers.into_iter().map(|answer| answer.unwrap().voucher_id).collect();
        assert_eq!(vouchers.len(), 1);
        let voucher = suite.voucher("acme", vouchers.first().unwrap()).await;
        assert_eq!(voucher.remaining, Some(cny(30_00)));
        suite.audit().await;
    }
}
