use kernel::Currency;

use super::*;
use crate::{
    profile::VoucherStrategy::{self, *},
    reason::Reason,
    voucher::{
        PayableItem, ProductScope, Voucher,
        tests::{by, id, item, named, payment, voucher},
    },
};

/// Decides and shows who pays what, such as `3:10 2:80 cash:10` or `145 of 150`.
#[track_caller]
fn shown(payment: &Payment<'_>) -> String {
    match decide(payment) {
        Ok(Decision::Covered(coverage)) => {
            let vouchers = coverage.vouchers.iter();
            let mut parts: Vec<_> =
                vouchers.map(|it| format!("{}:{}", it.voucher.0.as_u128(), it.paid)).collect();
            if coverage.cash > 0 {
                parts.push(format!("cash:{}", coverage.cash));
            }
            parts.join(" ")
        }
        Ok(Decision::Short(short)) => format!("{} of {}", short.available, short.needed),
        Err(refused) => refused.refusal().reason.to_string(),
    }
}

#[track_caller]
fn check(choice: &VoucherChoice, vouchers: &[Voucher], fee: i64, cash: i64, expected: &str) {
    let items = [item("i-1", fee)];
    assert_eq!(shown(&payment(&items, vouchers, cash, choice)), expected);
}

/// The vouchers of the example of Kingsoft Cloud.
fn kingsoft() -> [Voucher; 3] {
    [
        voucher(1, 30, "2026-12-01T00:00:00Z"),
        voucher(2, 80, "2026-12-01T00:00:00Z"),
        voucher(3, 10, "2026-11-30T00:00:00Z"),
    ]
}

/// The vouchers A, B, C, D of the second example.
fn whole() -> [Voucher; 4] {
    [
        voucher(0xA, 5, "2027-03-09T00:00:00Z"),
        voucher(0xB, 8, "2027-03-09T00:00:00Z"),
        voucher(0xC, 10, "2027-03-10T00:00:00Z"),
        voucher(0xD, 12, "2027-03-11T00:00:00Z"),
    ]
}

// V-3
#[test]
fn vouchers_that_end_first_pay_first_and_cash_is_untouched() {
    let choice = by(NearestExpiryThenLargest, None);
    check(&choice, &kingsoft(), 100, 25, "3:10 2:80 1:10");
}

// V-3
#[test]
fn too_little_money_takes_nothing() {
    let choice = by(NearestExpiryThenLargest, None);
    check(&choice, &kingsoft(), 150, 25, "145 of 150");
    check(&choice, &kingsoft(), 150, 29, "149 of 150");
    check(&choice, &kingsoft(), 150, 30, "3:10 2:80 1:30 cash:30");
}

// V-3
#[test]
fn one_voucher_that_covers_the_whole_is_preferred() {
    check(&by(CoverWholeFirst, Some(1)), &whole(), 10, 0, "12:10");
    // Nothing covers 13: of all the nearest end, then what it can deduct; then the rest is asked anew.
    check(&by(CoverWholeFirst, None), &whole(), 13, 0, "11:8 10:5");
    check(&by(CoverWholeFirst, None), &whole(), 14, 0, "11:8 12:6");
}

// V-2
#[test]
fn each_strategy_has_its_own_order() {
    let vouchers = [
        voucher(1, 30, "2026-12-03T00:00:00Z"),
        voucher(2, 30, "2026-12-02T00:00:00Z"),
        voucher(3, 50, "2026-12-03T00:00:00Z"),
        voucher(4, 10, "2026-12-04T00:00:00Z"),
        voucher(5, 10, "2026-12-04T00:00:00Z"),
    ];
    for (strategy, expected) in [
        (NearestExpiryThenLargest, "2:30 3:50 1:30 4:10 5:10"),
        (SmallestThenNearest, "4:10 5:10 2:30 1:30 3:50"),
        (LargestFirst, "3:50 2:30 1:30 4:10 5:10"),
        (CoverWholeFirst, "2:30 3:50 1:30 4:10 5:10"),
    ] {
        check(&by(strategy, None), &vouchers, 130, 0, expected);
    }
    // Balances are compared as they are, not capped by the fee.
    check(&by(LargestFirst, None), &vouchers, 5, 0, "3:5");
    check(&by(SmallestThenNearest, None), &vouchers, 5, 0, "4:5");
    check(&by(CoverWholeFirst, None), &vouchers, 40, 0, "3:40");
    // The smallest of those that deduct the same from the same end.
    check(&by(CoverWholeFirst, None), &vouchers, 30, 0, "2:30");
    check(&by(CoverWholeFirst, None), &vouchers[..1], 30, 0, "1:30");
    check(&by(CoverWholeFirst, None), &[vouchers[2].clone(), vouchers[0].clone()], 30, 0, "1:30");
}

// V-2
#[test]
fn no_more_vouchers_pay_than_may() {
    check(&by(NearestExpiryThenLargest, Some(1)), &kingsoft(), 100, 90, "3:10 cash:90");
    check(&by(NearestExpiryThenLargest, Some(2)), &kingsoft(), 100, 9, "99 of 100");
    check(&by(LargestFirst, Some(1)), &kingsoft(), 100, 20, "2:80 cash:20");
    check(&by(LargestFirst, Some(0)), &kingsoft(), 100, 100, "cash:100");
}

// V-2: a voucher that has nothing to deduct does not use up the maximum.
#[test]
fn a_voucher_without_a_part_does_not_count() {
    let mut first = voucher(1, 30, "2026-11-15T00:00:00Z");
    first.terms.products = ProductScope::Only(["disk".parse().unwrap()].into());
    let vouchers = [first, voucher(2, 80, "2026-12-01T00:00:00Z")];
    let free_disk = PayableItem { product: "disk".parse().unwrap(), ..item("i-2", 0) };
    let items = [item("i-1", 50), free_disk];
    let choice = by(NearestExpiryThenLargest, Some(1));
    assert_eq!(shown(&payment(&items, &vouchers, 0, &choice)), "2:50");
}

// V-2
#[test]
fn a_payer_may_name_vouchers_or_say_none() {
    check(&named(&[1], None), &kingsoft(), 100, 70, "1:30 cash:70");
    check(&named(&[1, 3], None), &kingsoft(), 35, 0, "3:10 1:25");
    check(&named(&[2, 3], Some(2)), &kingsoft(), 5, 0, "3:5");
    check(&VoucherChoice::None, &kingsoft(), 100, 100, "cash:100");
    check(&VoucherChoice::None, &kingsoft(), 100, 99, "99 of 100");
    // Who has to name vouchers and names none uses none.
    check(&by(ChosenByUser, Some(1)), &kingsoft(), 100, 100, "cash:100");
    check(&named(&[], Some(1)), &kingsoft(), 100, 100, "cash:100");
}

// V-2
#[test]
fn a_named_voucher_that_cannot_be_used_refuses_the_payment() {
    let mut vouchers = kingsoft();
    vouchers[0].terms.not_with_discounts = true;
    vouchers[2].remaining = 0;
    let items = [PayableItem { discounted: true, ..item("i-1", 100) }];
    let choice = named(&[1, 2, 3, 9], None);

    let refused = decide(&payment(&items, &vouchers, 1000, &choice)).unwrap_err();
    let PaymentRefused::VoucherNotApplicable(reasons) = &refused else { panic!("{refused}") };
    let reasons: Vec<_> =
        reasons.iter().map(|it| (it.voucher.0.as_u128(), it.why_not.as_slice())).collect();
    assert_eq!(
        reasons,
        [(1, &[WhyNot::WithDiscount][..]), (3, &[WhyNot::UsedUp]), (9, &[WhyNot::NotFound])]
    );
    let refusal = refused.refusal();
    assert_eq!(refusal.reason, Reason::VoucherNotApplicable);
    insta::assert_snapshot!(
        refusal.message,
        @"Voucher 00000000-0000-0000-0000-000000000001 cannot be combined with a discount; Voucher 00000000-0000-0000-0000-000000000003 is used up; Voucher 00000000-0000-0000-0000-000000000009 does not exist."
    );
    assert_eq!(
        refusal.metadata["voucher_ids"],
        [id(1), id(3), id(9)].map(|id| id.to_string()).join(",")
    );
}

// V-2
#[test]
fn more_named_vouchers_than_may_pay_refuse_the_payment() {
    check(&named(&[1], Some(1)), &kingsoft(), 30, 0, "1:30");
    check(&named(&[1, 2], Some(1)), &kingsoft(), 30, 0, "VOUCHER_NOT_APPLICABLE");
}

// V-4
#[test]
fn every_item_knows_what_each_source_paid_of_it() {
    let items = [item("i-1", 100), item("i-2", 200), item("i-3", 0)];
    let vouchers = [voucher(1, 90, "2026-12-01T00:00:00Z"), voucher(2, 10, "2026-12-02T00:00:00Z")];
    let choice = by(NearestExpiryThenLargest, None);
    let Ok(Decision::Covered(coverage)) = decide(&payment(&items, &vouchers, 500, &choice)) else {
        panic!()
    };
    // 90 over 100 and 200; then 10 over 70 and 140; cash the rest.
    let parts: Vec<_> = coverage
        .items
        .iter()
        .map(|item| (item.vouchers.iter().map(|&(_, part)| part).collect::<Vec<_>>(), item.cash))
        .collect();
    assert_eq!(parts, [(vec![30, 3], 67), (vec![60, 7], 133), (vec![], 0)]);
    assert_eq!(coverage.cash, 200);
}

// V-4: a voucher is split only over the items that it may pay.
#[test]
fn a_voucher_pays_nothing_of_items_that_it_is_not_for() {
    let disk = PayableItem { product: "disk".parse().unwrap(), ..item("i-2", 50) };
    let items = [item("i-1", 50), disk];
    let mut voucher = voucher(1, 90, "2026-12-01T00:00:00Z");
    voucher.terms.products = ProductScope::Only(["disk".parse().unwrap()].into());
    let vouchers = [voucher];
    let choice = by(NearestExpiryThenLargest, None);
    assert_eq!(shown(&payment(&items, &vouchers, 50, &choice)), "1:50 cash:50");
    assert_eq!(shown(&payment(&items, &vouchers, 49, &choice)), "99 of 100");
}

// V-4, W-4: what vouchers and cash leave is the channel's, in the same proportions.
#[test]
fn a_channel_pays_what_vouchers_and_cash_leave() {
    let items = [item("i-1", 100), item("i-2", 200), item("i-3", 0)];
    let vouchers = [voucher(1, 90, "2026-12-01T00:00:00Z")];
    let choice = by(NearestExpiryThenLargest, None);
    for (cash, expected) in [
        (0, [(0, 70), (0, 140), (0, 0)]),
        (30, [(10, 60), (20, 120), (0, 0)]),
        (209, [(70, 0), (139, 1), (0, 0)]),
        (210, [(70, 0), (140, 0), (0, 0)]),
        (500, [(70, 0), (140, 0), (0, 0)]),
    ] {
        let coverage = cover(&payment(&items, &vouchers, cash, &choice)).unwrap();
        assert_eq!(coverage.vouchers, [VoucherPayment { voucher: id(1), paid: 90, forfeited: 0 }]);
        let parts: Vec<_> = coverage.items.iter().map(|it| (it.cash, it.channel)).collect();
        assert_eq!(parts, expected, "cash {cash}");
        let sums = expected.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        assert_eq!((coverage.cash, coverage.channel), sums);
        let weighed = weigh(&payment(&items, &vouchers, cash, &choice), true).unwrap();
        assert_eq!((weighed.coverage, weighed.missing), (coverage, 0));
    }
    // Nothing is left to a channel where none is asked.
    let explained = explain(&payment(&items, &vouchers, 30, &choice)).unwrap();
    assert_eq!((explained.coverage.channel, explained.missing), (0, 180));
}

// V-5
#[test]
fn what_a_single_use_voucher_has_left_is_forfeited() {
    let mut once = voucher(1, 90, "2026-12-01T00:00:00Z");
    once.terms.single_use = true;
    let (items, vouchers) = ([item("i-1", 50)], [once]);
    let choice = by(NearestExpiryThenLargest, None);
    let Ok(Decision::Covered(coverage)) = decide(&payment(&items, &vouchers, 0, &choice)) else {
        panic!()
    };
    assert_eq!(coverage.vouchers, [VoucherPayment { voucher: id(1), paid: 50, forfeited: 40 }]);
}

// V-1: the largest share caps what is split, and the rest is paid by others.
#[test]
fn a_share_leaves_the_rest_to_other_sources() {
    let mut half = voucher(1, 90, "2026-11-15T00:00:00Z");
    half.terms.largest_share_percent = Some(50);
    let vouchers = [half, voucher(2, 10, "2026-12-01T00:00:00Z")];
    check(&by(NearestExpiryThenLargest, None), &vouchers, 75, 100, "1:37 2:10 cash:28");
}

// W-1
#[test]
fn spendable_is_cash_and_what_the_selected_vouchers_can_pay() {
    let choice = by(NearestExpiryThenLargest, None);
    let spendable_of = |fee, cash, choice: &VoucherChoice| {
        spendable(&payment(&[item("i-1", fee)], &kingsoft(), cash, choice)).unwrap()
    };
    assert_eq!(spendable_of(150, 25, &choice), 145);
    assert_eq!(spendable_of(50, 25, &choice), 75);
    assert_eq!(spendable_of(50, 25, &by(ChosenByUser, None)), 25);
    assert_eq!(spendable_of(50, i64::MAX, &choice), i64::MAX);
}

// W-5
#[test]
fn what_costs_nothing_needs_no_money() {
    check(&by(NearestExpiryThenLargest, None), &kingsoft(), 0, 0, "");
    let choice = VoucherChoice::None;
    assert_eq!(shown(&payment(&[], &[], 0, &choice)), "");
}

#[test]
fn a_sum_that_does_not_fit_is_refused() {
    let items = [item("i-1", i64::MAX), item("i-2", 1)];
    let choice = VoucherChoice::None;
    assert_eq!(shown(&payment(&items, &[], i64::MAX, &choice)), "AMOUNT_TOO_LARGE");
    assert_eq!(shown(&payment(&items[..1], &[], i64::MAX, &choice)), format!("cash:{}", i64::MAX));
}

/// Explains a payment of 100 and shows each voucher that does not pay with its first reason.
#[track_caller]
fn passed_over(choice: &VoucherChoice, vouchers: &[Voucher]) -> Vec<(u128, WhyNot)> {
    let explanation = explain(&payment(&[item("i-1", 100)], vouchers, 0, choice)).unwrap();
    let unused = explanation.unused.into_iter();
    unused.map(|it| (it.voucher.0.as_u128(), it.why_not[0].clone())).collect()
}

// V-2: a preview says of every voucher what it pays or why not.
#[test]
fn every_voucher_that_does_not_pay_says_why() {
    use WhyNot::*;
    let all = kingsoft();
    let rule = |strategy: VoucherStrategy, maximum| by(strategy, maximum);
    assert_eq!(passed_over(&rule(NearestExpiryThenLargest, None), &all), []);
    assert_eq!(
        passed_over(&rule(LargestFirst, Some(1)), &all),
        [(3, MaximumReached { maximum: 1 }), (1, MaximumReached { maximum: 1 })]
    );
    let large = [voucher(4, 100, "2026-11-02T00:00:00Z"), all[1].clone()];
    assert_eq!(passed_over(&rule(NearestExpiryThenLargest, Some(1)), &large), [(2, NotNeeded)]);
    assert_eq!(passed_over(&named(&[1, 2], None), &all), [(3, NotNamed)]);
    assert_eq!(passed_over(&named(&[2, 4], None), &large), [(2, NotNeeded)]);
    let chosen = [(3, NotChosen), (1, NotChosen), (2, NotChosen)];
    assert_eq!(passed_over(&rule(ChosenByUser, None), &all), chosen);
    assert_eq!(passed_over(&VoucherChoice::None, &all), chosen);
}

// W-1
#[test]
fn a_shortfall_says_what_is_needed_available_and_missing() {
    let refusal =
        Shortfall { needed: 150_00, available: 145_00, missing: 5_00 }.refusal(Currency::Cny);
    assert_eq!(refusal.reason, Reason::InsufficientFunds);
    assert_eq!(refusal.metadata["missing"], "500");
    insta::assert_snapshot!(
        refusal.message,
        @"CNY 150.00 is needed and CNY 145.00 is available, so CNY 5.00 is missing."
    );
}
