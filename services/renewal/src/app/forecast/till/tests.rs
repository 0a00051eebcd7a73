use kernel::{Currency::Cny, Money};
use rule_engine::{
    kind::{BillingMode, OrderKind},
    profile::VoucherStrategy,
    voucher::VoucherTerms,
};
use uuid::Uuid;

use super::*;
use crate::tests::cloud::at;

fn now() -> DateTime<Utc> {
    at("2026-03-10 00:00")
}

/// A till of so many fen and these vouchers.
fn till(cash: i64, vouchers: Vec<Voucher>) -> Till {
    let rule =
        VoucherRule { strategy: VoucherStrategy::NearestExpiryThenLargest, max_per_payment: None };
    Till::new(Some(Purse { cash: Money::new(cash, Cny), vouchers }), Cny, rule)
}

/// A voucher that expires a month later, changed by `change`.
fn voucher(remaining: i64, change: impl FnOnce(&mut VoucherTerms)) -> Voucher {
    let mut terms = VoucherTerms::within(at("2026-03-01 00:00"), at("2026-04-10 00:00"));
    change(&mut terms);
    Voucher { id: VoucherId(Uuid::from_u128(1)), remaining, terms }
}

/// What a renewal of one instance costs.
fn renewal(payable: i64) -> Vec<PayableItem> {
    vec![PayableItem {
        instance: "a".parse().unwrap(),
        product: "vm".parse().unwrap(),
        region: "cn-north-1".parse().unwrap(),
        billing_mode: BillingMode::Prepaid,
        order_kind: OrderKind::Renewal,
        term_months: 1,
        discounted: false,
        payable,
    }]
}

fn short(missing: i64) -> Paid {
    Paid::Refused { reason: "INSUFFICIENT_FUNDS", missing: Some(missing) }
}

// V-3, V-5: once is once, and what a renewal leaves of such a voucher is lost and pays nothing any more.
#[test]
fn what_a_single_use_voucher_does_not_pay_is_lost() {
    let mut till = till(10, vec![voucher(150, |terms| terms.single_use = true)]);
    assert!(matches!(till.pay(&renewal(100), now()), Paid::With(_)));
    assert_eq!((till.vouchers_paid, till.forfeited, till.vouchers_left()), (100, 50, 0));
    assert_eq!(till.pay(&renewal(20), now()), short(10));
    assert_eq!(till.expire(at("2026-04-10 00:00")), []);
}

#[test]
fn what_a_voucher_has_left_pays_the_next_and_then_expires() {
    let mut till = till(10, vec![voucher(150, |_| {})]);
    for left in [100, 50] {
        assert!(matches!(till.pay(&renewal(50), now()), Paid::With(_)));
        assert_eq!((till.forfeited, till.vouchers_left(), till.cash), (0, left, 10));
    }
    assert_eq!(till.next_expiry(), Some(at("2026-04-10 00:00")));
    assert_eq!(till.expire(at("2026-04-09 23:59")), []);
    assert_eq!(till.expire(at("2026-04-10 00:00")), [(VoucherId(Uuid::from_u128(1)), 50)]);
    assert_eq!((till.next_expiry(), till.vouchers_left()), (None, 0));
}

// V-1: renewals of a forecast are automatic ones.
#[test]
fn a_voucher_that_only_people_may_use_pays_nothing() {
    let mut till = till(0, vec![voucher(150, |terms| terms.automatic_use = false)]);
    assert_eq!(till.pay(&renewal(100), now()), short(100));
}

// W-5: what costs nothing needs no money, nor anything to keep it in.
#[test]
fn nothing_is_paid_with_nothing() {
    let rule =
        VoucherRule { strategy: VoucherStrategy::NearestExpiryThenLargest, max_per_payment: None };
    let mut till = Till::new(None, Cny, rule);
    assert_eq!(till.pay(&renewal(0), now()), Paid::With(Vec::new()));
    let refused = Paid::Refused { reason: "WALLET_NOT_FOUND", missing: None };
    assert_eq!(till.pay(&renewal(1), now()), refused);
    assert_eq!(till.missing(&[renewal(1)], now()), 0, "money would not help");
}

// each of several renewals is paid with what those before it have left.
#[test]
fn what_is_missing_is_missing_for_all_of_them() {
    let till = till(30, vec![voucher(150, |_| {})]);
    for (renewals, missing) in [
        (vec![], 0),
        (vec![renewal(180)], 0),
        (vec![renewal(100), renewal(80)], 0),
        (vec![renewal(100), renewal(81)], 1),
        (vec![renewal(100), renewal(100), renewal(100)], 120),
    ] {
        assert_eq!(till.missing(&renewals, now()), missing, "{renewals:?}");
    }
    assert_eq!((till.cash, till.vouchers_left()), (30, 150), "it is only asked");
}
