use kernel::Currency::Cny;

use super::*;
use crate::{
    kind::{BillingMode, OrderKind},
    voucher::{
        ProductScope, VoucherChoice,
        tests::{at, item, now, voucher},
    },
};

const NONE: &VoucherChoice = &VoucherChoice::None;

/// Judges a voucher of 100 with `terms` for a payment of one `item`.
fn verdict(change: impl FnOnce(&mut VoucherTerms), item: PayableItem) -> Result<i64, Vec<WhyNot>> {
    let mut voucher = voucher(1, 100, "2026-12-01T00:00:00Z");
    change(&mut voucher.terms);
    judge(&voucher, &one(&[item], false)).map(|usable| usable.cap)
}

fn one(items: &[PayableItem], automatic: bool) -> Payment<'_> {
    Payment { items, vouchers: &[], cash: 0, choice: NONE, at: now(), automatic, currency: Cny }
}

/// A change of terms, a change of the item, and why the voucher cannot be used then.
type Case = (fn(&mut VoucherTerms), fn(&mut PayableItem), Option<WhyNot>);

// V-1: each constraint on both of its sides.
#[test]
fn every_constraint_holds_on_one_side_and_not_on_the_other() {
    let vm = || ["vm".parse().unwrap()].into();
    assert!(ProductScope::Only(vm()).covers(&"vm".parse().unwrap()));
    let cases: &[Case] = &[
        (|_| (), |_| (), None),
        (|it| it.products = ProductScope::Only(["vm".parse().unwrap()].into()), |_| (), None),
        (
            |it| it.products = ProductScope::Only(["disk".parse().unwrap()].into()),
            |_| (),
            Some(WhyNot::OtherProducts),
        ),
        (|it| it.products = ProductScope::Except(["disk".parse().unwrap()].into()), |_| (), None),
        (
            |it| it.products = ProductScope::Except(["vm".parse().unwrap()].into()),
            |_| (),
            Some(WhyNot::OtherProducts),
        ),
        (|it| it.billing_modes = vec![BillingMode::Prepaid], |_| (), None),
        (
            |it| it.billing_modes = vec![BillingMode::Prepaid],
            |item| item.billing_mode = BillingMode::Postpaid,
            Some(WhyNot::OtherBillingModes),
        ),
        (|it| it.order_kinds = vec![OrderKind::Change, OrderKind::Renewal], |_| (), None),
        (|it| it.order_kinds = vec![OrderKind::Conversion], |_| (), Some(WhyNot::OtherOrderKinds)),
        (|it| it.regions = vec!["cn-north-1".parse().unwrap()], |_| (), None),
        (|it| it.regions = vec!["cn-south-1".parse().unwrap()], |_| (), Some(WhyNot::OtherRegions)),
        (|it| it.longest_term_months = Some(12), |item| item.term_months = 12, None),
        (
            |it| it.longest_term_months = Some(12),
            |item| item.term_months = 13,
            Some(WhyNot::TermTooLong { longest: 12 }),
        ),
        (|it| it.not_with_discounts = true, |_| (), None),
        (|_| (), |item| item.discounted = true, None),
        (
            |it| it.not_with_discounts = true,
            |item| item.discounted = true,
            Some(WhyNot::WithDiscount),
        ),
        (|it| it.minimum_spend = 50, |_| (), None),
        (
            |it| it.minimum_spend = 51,
            |_| (),
            Some(WhyNot::BelowMinimum { minimum: Money::new(51, Cny), spend: Money::new(50, Cny) }),
        ),
        (|it| it.largest_share_percent = Some(2), |_| (), None),
        (
            |it| it.largest_share_percent = Some(1),
            |_| (),
            Some(WhyNot::ShareTooSmall { percent: 1 }),
        ),
        // Of what costs nothing no share is too small.
        (|it| it.largest_share_percent = Some(1), |item| item.payable = 0, None),
    ];
    for (number, (terms, change, why_not)) in cases.iter().enumerate() {
        let mut item = item("i-1", 50);
        change(&mut item);
        let actual = verdict(terms, item).err();
        assert_eq!(actual, why_not.clone().map(|why| vec![why]), "case {number}");
    }
}

// V-1, V-5: from the first instant of its validity, and no longer from its last.
#[test]
fn a_voucher_is_valid_from_its_start_up_to_its_end() {
    let instant = chrono::TimeDelta::microseconds(1);
    let items = [item("i-1", 50)];
    let voucher = voucher(1, 100, "2026-12-01T00:00:00Z");
    let VoucherTerms { valid_from, expires, .. } = voucher.terms;
    for (at, why_not) in [
        (valid_from - instant, Some(WhyNot::NotYetValid { from: valid_from })),
        (valid_from, None),
        (expires - instant, None),
        (expires, Some(WhyNot::Expired { at: expires })),
    ] {
        let actual = judge(&voucher, &Payment { at, ..one(&items, false) }).err();
        assert_eq!(actual, why_not.map(|why| vec![why]), "at {at}");
    }
}

// V-1
#[test]
fn automatic_renewals_use_only_what_they_may() {
    let items = [item("i-1", 50)];
    let mut voucher = voucher(1, 100, "2026-12-01T00:00:00Z");
    assert!(judge(&voucher, &one(&items, true)).is_ok());
    voucher.terms.automatic_use = false;
    assert!(judge(&voucher, &one(&items, false)).is_ok());
    let why_not = judge(&voucher, &one(&items, true)).unwrap_err();
    assert_eq!(why_not, [WhyNot::NotForAutomaticRenewal]);
}

// V-1: every reason at once, and each once.
#[test]
fn all_reasons_are_given() {
    let mut spent = voucher(1, 0, "2026-10-01T00:00:00Z");
    spent.terms.products = ProductScope::Only(["disk".parse().unwrap()].into());
    spent.terms.not_with_discounts = true;
    let discounted = PayableItem { discounted: true, ..item("i-2", 50) };
    let items = [item("i-1", 50), discounted];
    let expired = WhyNot::Expired { at: at("2026-10-01T00:00:00Z") };
    assert_eq!(
        judge(&spent, &one(&items, false)).unwrap_err(),
        [expired, WhyNot::UsedUp, WhyNot::OtherProducts, WhyNot::WithDiscount]
    );
}

// V-1: minimum and share are measured on what the voucher may pay, not on the whole order.
#[test]
fn minimum_and_share_are_of_the_items_that_it_may_pay() {
    let disk = PayableItem { product: "disk".parse().unwrap(), ..item("i-2", 1000) };
    let items = [item("i-1", 99), disk];
    let mut voucher = voucher(1, 500, "2026-12-01T00:00:00Z");
    voucher.terms.products = ProductScope::Only(["vm".parse().unwrap()].into());
    voucher.terms.largest_share_percent = Some(50);
    voucher.terms.minimum_spend = 99;

    let usable = judge(&voucher, &one(&items, false)).unwrap();
    // Half of 99, rounded down.
    assert_eq!((usable.items, usable.cap), (vec![0], 49));

    voucher.terms.minimum_spend = 100;
    assert!(judge(&voucher, &one(&items, false)).is_err());
}

// V-1
#[test]
fn reasons_read_as_sentences() {
    let reasons = [
        WhyNot::NotFound,
        WhyNot::Expired { at: at("2026-12-01T00:00:00Z") },
        WhyNot::TermTooLong { longest: 12 },
        WhyNot::BelowMinimum { minimum: Money::new(100_00, Cny), spend: Money::new(99_50, Cny) },
    ];
    let sentences: Vec<_> = reasons.iter().map(|why| format!("Voucher 7 {why}.")).collect();
    insta::assert_snapshot!(sentences.join("\n"), @r"
    Voucher 7 does not exist.
    Voucher 7 expired at 2026-12-01T00:00:00Z.
    Voucher 7 pays for terms of up to 12 months.
    Voucher 7 needs a spend of CNY 100.00, and what it may pay costs CNY 99.50.
    ");
}
