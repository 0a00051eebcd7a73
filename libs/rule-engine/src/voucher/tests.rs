use kernel::Currency::Cny;
use proptest::prelude::*;

use super::*;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Noon of 1 November 2026.
pub(super) fn now() -> DateTime<Utc> {
    at("2026-11-01T12:00:00Z")
}

pub(super) fn id(number: u128) -> VoucherId {
    VoucherId(uuid::Uuid::from_u128(number))
}

pub(super) fn voucher(number: u128, remaining: i64, expires: &str) -> Voucher {
    let terms = VoucherTerms::within(at("2026-01-01T00:00:00Z"), at(expires));
    Voucher { id: id(number), remaining, terms }
}

pub(super) fn item(instance: &str, payable: i64) -> PayableItem {
    PayableItem {
        instance: instance.parse().unwrap(),
        product: "vm".parse().unwrap(),
        region: "cn-north-1".parse().unwrap(),
        billing_mode: BillingMode::Prepaid,
        order_kind: OrderKind::Renewal,
        term_months: 1,
        discounted: false,
        payable,
    }
}

pub(super) fn by(strategy: VoucherStrategy, max_per_payment: Option<u32>) -> VoucherChoice {
    VoucherChoice::Rule(VoucherRule { strategy, max_per_payment })
}

pub(super) fn named(numbers: &[u128], max_per_payment: Option<u32>) -> VoucherChoice {
    let ids = numbers.iter().map(|&number| id(number)).collect();
    VoucherChoice::Named { ids, max_per_payment }
}

pub(super) fn payment<'a>(
    items: &'a [PayableItem],
    vouchers: &'a [Voucher],
    cash: i64,
    choice: &'a VoucherChoice,
) -> Payment<'a> {
    Payment { items, vouchers, cash, choice, at: now(), automatic: false, currency: Cny }
}

const STRATEGIES: [VoucherStrategy; 5] = [
    VoucherStrategy::NearestExpiryThenLargest,
    VoucherStrategy::SmallestThenNearest,
    VoucherStrategy::LargestFirst,
    VoucherStrategy::CoverWholeFirst,
    VoucherStrategy::ChosenByUser,
];

fn any_voucher() -> impl Strategy<Value = Voucher> {
    let amounts = prop_oneof![0i64..200, Just(i64::MAX)];
    let days = (-3i64..3, -2i64..4);
    let scope = prop_oneof![
        Just(ProductScope::All),
        Just(ProductScope::Only(["vm".parse().unwrap()].into())),
        Just(ProductScope::Except(["vm".parse().unwrap()].into())),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let limits = (0i64..150, prop::option::of(1u32..4), prop::option::of(1u8..=100));
    (amounts, days, scope, flags, limits).prop_map(
        |(remaining, (from, until), products, (single, automatic, undiscounted), limits)| {
            let terms = VoucherTerms {
                products,
                single_use: single,
                automatic_use: automatic,
                not_with_discounts: undiscounted,
                minimum_spend: limits.0,
                longest_term_months: limits.1,
                largest_share_percent: limits.2,
                ..VoucherTerms::within(
                    now() + chrono::TimeDelta::days(from),
                    now() + chrono::TimeDelta::days(until),
                )
            };
            Voucher { id: id(0), remaining, terms }
        },
    )
}

fn any_vouchers() -> impl Strategy<Value = Vec<Voucher>> {
    prop::collection::vec(any_voucher(), 0..7).prop_map(|mut vouchers| {
        for (number, voucher) in (1..).zip(&mut vouchers) {
            voucher.id = id(number);
        }
        vouchers
    })
}

fn any_items() -> impl Strategy<Value = Vec<PayableItem>> {
    let payable = prop_oneof![9 => 0i64..200, 1 => Just(i64::MAX / 8)];
    let one = (payable, any::<bool>(), 1u32..4, any::<bool>());
    prop::collection::vec(one, 0..6).prop_map(|rows| {
        (0..)
            .zip(rows)
            .map(|(number, (payable, vm, term_months, discounted))| PayableItem {
                product: if vm { "vm" } else { "disk" }.parse().unwrap(),
                term_months,
                discounted,
                ..item(&format!("i-{number}"), payable)
            })
            .collect()
    })
}

fn any_choice() -> impl Strategy<Value = VoucherChoice> {
    let maximum = || prop::option::of(0u32..4);
    prop_oneof![
        6 => (prop::sample::select(&STRATEGIES), maximum()).prop_map(|(which, max)| by(which, max)),
        2 => (prop::collection::btree_set(1u128..9, 0..4), maximum())
            .prop_map(|(ids, max)| named(&ids.into_iter().collect::<Vec<_>>(), max)),
        1 => Just(VoucherChoice::None),
    ]
}

/// What a decision takes, without regard to the order in which items were given.
fn by_instance(explanation: &Explanation) -> Vec<ItemParts> {
    let mut items = explanation.coverage.items.clone();
    items.sort_by(|a, b| a.instance.cmp(&b.instance));
    items
}

proptest! {
    /// V-2, V-4: every part is accounted for, and no source pays more than it has.
    #[test]
    fn a_payment_adds_up_and_never_overdraws(
        items in any_items(),
        vouchers in any_vouchers(),
        cash in prop_oneof![0i64..500, Just(i64::MAX)],
        choice in any_choice(),
        automatic in any::<bool>(),
    ) {
        let payment = Payment { automatic, ..payment(&items, &vouchers, cash, &choice) };
        let Ok(explanation) = explain(&payment) else { return Ok(()) };
        let Explanation { needed, missing, coverage, unused } = explanation;

        let vouchers_pay: i64 = coverage.vouchers.iter().map(|voucher| voucher.paid).sum();
        prop_assert_eq!(vouchers_pay + coverage.cash + missing, needed);
        prop_assert!(coverage.cash <= cash && missing >= 0);
        prop_assert_eq!(coverage.items.iter().map(|item| item.cash).sum::<i64>(), coverage.cash);
        for (item, parts) in items.iter().zip(&coverage.items) {
            prop_assert_eq!(&item.instance, &parts.instance);
            let paid = parts.cash + parts.vouchers.iter().map(|(_, part)| part).sum::<i64>();
            prop_assert!(paid <= item.payable && (missing > 0 || paid == item.payable));
        }
        for VoucherPayment { voucher, paid, forfeited } in &coverage.vouchers {
            let it = vouchers.iter().find(|it| it.id == *voucher).unwrap();
            prop_assert!(*paid > 0 && *forfeited >= 0);
            prop_assert!(paid + forfeited <= it.remaining);
            prop_assert!(!it.terms.single_use || paid + forfeited == it.remaining);
            let parts = coverage.items.iter().flat_map(|item| &item.vouchers);
            let parts: i64 = parts.filter(|(id, _)| id == voucher).map(|(_, part)| part).sum();
            prop_assert_eq!(parts, *paid);
        }
        let maximum = choice.maximum().map_or(usize::MAX, |maximum| maximum as usize);
        prop_assert!(coverage.vouchers.len() <= maximum);
        prop_assert_eq!(coverage.vouchers.len() + unused.len(), vouchers.len());
    }

    /// V-1, V-5: a voucher pays only what its terms let it.
    #[test]
    fn an_unusable_voucher_pays_nothing(
        items in any_items(),
        vouchers in any_vouchers(),
        choice in any_choice(),
        automatic in any::<bool>(),
    ) {
        let payment = Payment { automatic, ..payment(&items, &vouchers, 0, &choice) };
        let Ok(Explanation { coverage, .. }) = explain(&payment) else { return Ok(()) };
        for parts in &coverage.items {
            let item = items.iter().find(|item| item.instance == parts.instance).unwrap();
            for (voucher, _) in &parts.vouchers {
                let terms = &vouchers.iter().find(|it| it.id == *voucher).unwrap().terms;
                prop_assert!(terms.valid_from <= now() && now() < terms.expires);
                prop_assert!(terms.products.covers(&item.product));
                prop_assert!(terms.longest_term_months.is_none_or(|most| item.term_months <= most));
                prop_assert!(!(terms.not_with_discounts && item.discounted));
                prop_assert!(!automatic || terms.automatic_use);
            }
        }
    }

    /// V-2: the same vouchers pay the same, however items and vouchers are ordered.
    #[test]
    fn the_order_of_the_input_does_not_matter(
        items in any_items(),
        vouchers in any_vouchers(),
        cash in 0i64..500,
        choice in any_choice(),
        turn in 0usize..7,
    ) {
        let (mut turned_items, mut turned_vouchers) = (items.clone(), vouchers.clone());
        turned_items.reverse();
        turned_vouchers.rotate_left(turn.min(vouchers.len()));

        let one = explain(&payment(&items, &vouchers, cash, &choice));
        let other = explain(&payment(&turned_items, &turned_vouchers, cash, &choice));
        match (one, other) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(by_instance(&one), by_instance(&other));
                prop_assert_eq!(one.coverage.vouchers, other.coverage.vouchers);
                prop_assert_eq!(one.unused, other.unused);
                prop_assert_eq!(one.missing, other.missing);
            }
            (one, other) => prop_assert_eq!(one.err(), other.err()),
        }
    }
}

// V-2: what no voucher may pay needs no voucher to be loaded.
#[test]
fn vouchers_are_wanted_where_one_may_pay() {
    use VoucherStrategy::{ChosenByUser, NearestExpiryThenLargest};
    for (choice, wanted) in [
        (by(NearestExpiryThenLargest, None), true),
        (by(NearestExpiryThenLargest, Some(1)), true),
        (by(NearestExpiryThenLargest, Some(0)), false),
        (by(ChosenByUser, None), false),
        (by(ChosenByUser, Some(1)), false),
        (named(&[1], None), true),
        (named(&[1], Some(1)), true),
        (named(&[1], Some(0)), false),
        (named(&[], None), false),
        (named(&[], Some(1)), false),
        (VoucherChoice::None, false),
    ] {
        assert_eq!(choice.allows_vouchers(), wanted, "{choice:?}");
    }
}

// V-1
#[test]
fn begun_months_of_odd_days_count() {
    for (whole, odd, months) in
        [(1, 0, 1), (1, 1, 2), (0, 30, 1), (12, 0, 12), (u32::MAX, 1, u32::MAX)]
    {
        assert_eq!(begun_months(whole, odd), months);
    }
}

// V-1
#[test]
fn terms_that_say_nothing_restrict_nothing() {
    let terms: VoucherTerms = serde_json::from_str(
        r#"{"valid_from": "2026-01-01T00:00:00Z", "expires": "2027-01-01T00:00:00Z"}"#,
    )
    .unwrap();
    let within = VoucherTerms::within(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    assert_eq!(terms, within);
}
