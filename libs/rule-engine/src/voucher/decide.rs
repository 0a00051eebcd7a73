//! The whole decision of a payment: vouchers one after the other, then cash (V-2 … V-4, W-1).

use std::collections::BTreeMap;

use kernel::ids::VoucherId;

use super::{
    Coverage, Decision, Explanation, ItemParts, NotApplicable, Payment, PaymentRefused, Shortfall,
    Unpaid, Unused, VoucherChoice, VoucherPayment, WhyNot, split,
    strategy::{Candidate, first},
    usable::{Usable, judge},
};

/// Decides a payment: the vouchers that may pay do so one after the other, each as much as it can,
/// until nothing is left or the maximum is reached; cash pays the rest; if it cannot, nothing pays
/// (V-2, V-3, V-4, W-1).
///
/// Does not depend on the order of the items or vouchers. Errors: a named voucher cannot be used,
/// or the items cost more together than [`i64::MAX`] minor units.
///
/// The voucher that ends first pays first, so cash is the last to go (V-3):
///
/// ```
/// use chrono::{DateTime, Utc};
/// use kernel::{Currency, ids::VoucherId};
/// use rule_engine::{
///     kind::{BillingMode, OrderKind},
///     profile::{VoucherRule, VoucherStrategy},
///     voucher::{
///         Decision, PayableItem, Payment, Voucher, VoucherChoice, VoucherTerms, decide,
///     },
/// };
///
/// let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// let voucher = |id, remaining, expires: &str| Voucher {
///     id: VoucherId(uuid::Uuid::from_u128(id)),
///     remaining,
///     terms: VoucherTerms::within(at("2026-01-01T00:00:00Z"), at(expires)),
/// };
/// let item = PayableItem {
///     instance: "kec-1".parse().unwrap(),
///     product: "kec".parse().unwrap(),
///     region: "cn-beijing-6".parse().unwrap(),
///     billing_mode: BillingMode::Prepaid,
///     order_kind: OrderKind::Renewal,
///     term_months: 1,
///     discounted: false,
///     payable: 100,
/// };
/// let rule = VoucherRule {
///     strategy: VoucherStrategy::NearestExpiryThenLargest,
///     max_per_payment: None,
/// };
/// let decision = decide(&Payment {
///     items: &[item],
///     vouchers: &[
///         voucher(1, 30, "2026-12-01T00:00:00Z"),
///         voucher(2, 80, "2026-12-01T00:00:00Z"),
///         voucher(3, 10, "2026-11-30T00:00:00Z"),
///     ],
///     cash: 25,
///     choice: &VoucherChoice::Rule(rule),
///     at: at("2026-11-01T00:00:00Z"),
///     automatic: false,
///     currency: Currency::Cny,
/// });
/// let Ok(Decision::Covered(coverage)) = decision else { panic!() };
/// let paid: Vec<_> = coverage.vouchers.iter().map(|it| (it.voucher.0.as_u128(), it.paid)).collect();
/// assert_eq!(paid, [(3, 10), (2, 80), (1, 10)]);
/// assert_eq!(coverage.cash, 0);
/// ```
pub fn decide(payment: &Payment<'_>) -> Result<Decision, PaymentRefused> {
    let explanation = explain(payment)?;
    let Explanation { needed, missing, coverage, .. } = explanation;
    Ok(if missing == 0 {
        Decision::Covered(coverage)
    } else {
        Decision::Short(Shortfall { needed, available: needed - missing, missing })
    })
}

/// What can be spent on a payment: the cash, and what the vouchers that would be selected for it
/// can pay of it (W-1). In minor units; [`i64::MAX`] where it is more.
///
/// Errors: as [`decide`].
///
/// It is not the sum of the balances: for a fee of 50, cash of 25 and a voucher of 80 are 75.
///
/// ```
/// # use chrono::{DateTime, TimeDelta};
/// # use kernel::Currency;
/// # use rule_engine::{
/// #     kind::{BillingMode, OrderKind},
/// #     profile::{VoucherRule, VoucherStrategy::NearestExpiryThenLargest},
/// #     voucher::{PayableItem, Payment, Voucher, VoucherChoice, VoucherTerms},
/// # };
/// # let at = DateTime::UNIX_EPOCH;
/// # let terms = VoucherTerms::within(at, at + TimeDelta::days(30));
/// # let rule = VoucherRule { strategy: NearestExpiryThenLargest, max_per_payment: None };
/// # let items = [PayableItem {
/// #     instance: "i-1".parse().unwrap(),
/// #     product: "vm".parse().unwrap(),
/// #     region: "cn-north-1".parse().unwrap(),
/// #     billing_mode: BillingMode::Prepaid,
/// #     order_kind: OrderKind::Renewal,
/// #     term_months: 1,
/// #     discounted: false,
/// #     payable: 50,
/// # }];
/// # let id = "00000000-0000-0000-0000-000000000001".parse().unwrap();
/// # let vouchers = [Voucher { id, remaining: 80, terms }];
/// # let payment = Payment {
/// #     items: &items,
/// #     vouchers: &vouchers,
/// #     cash: 25,
/// #     choice: &VoucherChoice::Rule(rule),
/// #     at,
/// #     automatic: false,
/// #     currency: Currency::Cny,
/// # };
/// assert_eq!(rule_engine::voucher::spendable(&payment), Ok(75));
/// ```
pub fn spendable(payment: &Payment<'_>) -> Result<i64, PaymentRefused> {
    let explanation = explain(payment)?;
    let vouchers: i64 = explanation.coverage.vouchers.iter().map(|voucher| voucher.paid).sum();
    Ok(payment.cash.max(0).saturating_add(vouchers))
}

/// What [`decide`] would take from where, and why the vouchers that would not pay would not
/// (V-1, V-2). Where money is missing, all that there is stands in the coverage.
///
/// Errors: as [`decide`].
///
/// A voucher that pays the whole leaves the cash alone, and nothing of it is lost:
///
/// ```
/// # use chrono::{DateTime, TimeDelta};
/// # use kernel::Currency;
/// # use rule_engine::{
/// #     kind::{BillingMode, OrderKind},
/// #     profile::{VoucherRule, VoucherStrategy::NearestExpiryThenLargest},
/// #     voucher::{PayableItem, Payment, Voucher, VoucherChoice, VoucherTerms},
/// # };
/// # let at = DateTime::UNIX_EPOCH;
/// # let terms = VoucherTerms::within(at, at + TimeDelta::days(30));
/// # let rule = VoucherRule { strategy: NearestExpiryThenLargest, max_per_payment: None };
/// # let items = [PayableItem {
/// #     instance: "i-1".parse().unwrap(),
/// #     product: "vm".parse().unwrap(),
/// #     region: "cn-north-1".parse().unwrap(),
/// #     billing_mode: BillingMode::Prepaid,
/// #     order_kind: OrderKind::Renewal,
/// #     term_months: 1,
/// #     discounted: false,
/// #     payable: 50,
/// # }];
/// # let id = "00000000-0000-0000-0000-000000000001".parse().unwrap();
/// # let vouchers = [Voucher { id, remaining: 80, terms }];
/// # let payment = Payment {
/// #     items: &items,
/// #     vouchers: &vouchers,
/// #     cash: 25,
/// #     choice: &VoucherChoice::Rule(rule),
/// #     at,
/// #     automatic: false,
/// #     currency: Currency::Cny,
/// # };
/// let explained = rule_engine::voucher::explain(&payment)?;
/// assert_eq!((explained.missing, explained.coverage.cash), (0, 0));
/// assert_eq!(explained.coverage.vouchers[0].forfeited, 0);
/// # Ok::<(), rule_engine::voucher::PaymentRefused>(())
/// ```
pub fn explain(payment: &Payment<'_>) -> Result<Explanation, PaymentRefused> {
    weigh(payment, false)
}

/// What pays where a third-party channel pays whatever vouchers and cash leave, split over the
/// items in the same way (V-4, W-4). Nothing is missing then, and what the channel pays may be
/// nothing.
///
/// Errors: as [`decide`].
///
/// Cash that is not to be touched is not there; the channel then pays the whole:
///
/// ```
/// # use chrono::DateTime;
/// # use kernel::Currency;
/// # use rule_engine::{
/// #     kind::{BillingMode, OrderKind},
/// #     voucher::{PayableItem, Payment, VoucherChoice},
/// # };
/// # let item = |instance: &str, payable| PayableItem {
/// #     instance: instance.parse().unwrap(),
/// #     product: "vm".parse().unwrap(),
/// #     region: "cn-north-1".parse().unwrap(),
/// #     billing_mode: BillingMode::Prepaid,
/// #     order_kind: OrderKind::Renewal,
/// #     term_months: 1,
/// #     discounted: false,
/// #     payable,
/// # };
/// # let items = [item("i-1", 100), item("i-2", 200)];
/// # let payment = |cash| Payment {
/// #     items: &items,
/// #     vouchers: &[],
/// #     cash,
/// #     choice: &VoucherChoice::None,
/// #     at: DateTime::UNIX_EPOCH,
/// #     automatic: false,
/// #     currency: Currency::Cny,
/// # };
/// let parts = |cash| {
///     let coverage = rule_engine::voucher::cover(&payment(cash)).unwrap();
///     coverage.items.iter().map(|item| (item.cash, item.channel)).collect::<Vec<_>>()
/// };
/// assert_eq!(parts(90), [(30, 70), (60, 140)]);
/// assert_eq!(parts(0), [(0, 100), (0, 200)]);
/// ```
pub fn cover(payment: &Payment<'_>) -> Result<Coverage, PaymentRefused> {
    weigh(payment, true).map(|explanation| explanation.coverage)
}

/// What pays what; a `channel` pays the rest where there is one.
fn weigh(payment: &Payment<'_>, channel: bool) -> Result<Explanation, PaymentRefused> {
    let mut unpaid: Vec<i64> = payment.items.iter().map(|item| item.payable.max(0)).collect();
    let needed: i128 = unpaid.iter().copied().map(i128::from).sum();
    let needed = i64::try_from(needed).map_err(|_| PaymentRefused::AmountTooLarge)?;

    let judged: BTreeMap<_, _> =
        payment.vouchers.iter().map(|voucher| (voucher.id, judge(voucher, payment))).collect();
    check_named(payment, &judged)?;

    let mut items: Vec<ItemParts> = payment
        .items
        .iter()
        .map(|item| ItemParts {
            instance: item.instance.clone(),
            vouchers: Vec::new(),
            cash: 0,
            channel: 0,
        })
        .collect();
    let vouchers = take_vouchers(payment, &judged, &mut unpaid, &mut items);

    let unused = unused(payment, judged, &vouchers, &unpaid);
    let rest: i64 = unpaid.iter().sum();
    let cash = rest.min(payment.cash.max(0));
    let everything: Vec<usize> = (0..items.len()).collect();
    for (item, part) in pay(payment, cash, &everything, &mut unpaid) {
        items[item].cash = part;
    }
    let channel = if channel { rest - cash } else { 0 };
    for (item, part) in pay(payment, channel, &everything, &mut unpaid) {
        items[item].channel = part;
    }
    let coverage = Coverage { vouchers, cash, channel, items };
    Ok(Explanation { needed, coverage, missing: rest - cash - channel, unused })
}

type Judged<'a> = BTreeMap<VoucherId, Result<Usable<'a>, Vec<WhyNot>>>;

/// Refuses the payment if a voucher that the payer named cannot be used (V-2).
fn check_named(payment: &Payment<'_>, judged: &Judged<'_>) -> Result<(), PaymentRefused> {
    let VoucherChoice::Named { ids, max_per_payment } = payment.choice else { return Ok(()) };
    let maximum = max_per_payment.unwrap_or(u32::MAX);
    let too_many = u32::try_from(ids.len()).unwrap_or(u32::MAX) > maximum;
    let refused: Vec<_> = ids
        .iter()
        .filter_map(|&voucher| {
            let mut why_not = match judged.get(&voucher) {
                Some(Ok(_)) => Vec::new(),
                Some(Err(why_not)) => why_not.clone(),
                None => vec![WhyNot::NotFound],
            };
            if too_many {
                why_not.push(WhyNot::TooManyNamed { maximum });
            }
            (!why_not.is_empty()).then_some(NotApplicable { voucher, why_not })
        })
        .collect();
    if refused.is_empty() { Ok(()) } else { Err(PaymentRefused::VoucherNotApplicable(refused)) }
}

/// Lets vouchers pay, one after the other, the strategy applied anew after each (V-2).
fn take_vouchers(
    payment: &Payment<'_>,
    judged: &Judged<'_>,
    unpaid: &mut [i64],
    items: &mut [ItemParts],
) -> Vec<VoucherPayment> {
    let Some(strategy) = payment.choice.strategy() else { return Vec::new() };
    let maximum = payment.choice.maximum().map_or(usize::MAX, |maximum| maximum as usize);
    let mut waiting: Vec<&Usable<'_>> = judged
        .values()
        .flatten()
        .filter(|usable| may_pay(payment.choice, usable.voucher.id))
        .collect();
    let mut taken = Vec::new();
    while taken.len() < maximum {
        let rest: i64 = unpaid.iter().sum();
        let next = waiting
            .iter()
            .enumerate()
            .map(|(place, usable)| {
                let deductible = usable.deductible(unpaid);
                let covers = deductible == rest;
                (place, Candidate { voucher: usable.voucher, deductible, covers })
            })
            .filter(|(_, candidate)| candidate.deductible > 0)
            .min_by(|(_, a), (_, b)| first(strategy, a, b));
        let Some((place, Candidate { voucher, deductible: paid, .. })) = next else { break };
        let usable = waiting.swap_remove(place);
        for (item, part) in pay(payment, paid, &usable.items, unpaid) {
            items[item].vouchers.push((voucher.id, part));
        }
        let forfeited = if voucher.terms.single_use { voucher.remaining - paid } else { 0 };
        taken.push(VoucherPayment { voucher: voucher.id, paid, forfeited });
    }
    taken
}

fn may_pay(choice: &VoucherChoice, voucher: VoucherId) -> bool {
    match choice {
        VoucherChoice::Rule(_) => true,
        VoucherChoice::Named { ids, .. } => ids.contains(&voucher),
        VoucherChoice::None => false,
    }
}

/// Splits `amount` over the items at `positions` (V-4), takes it off what is unpaid, and returns
/// the parts that are more than nothing with their positions.
fn pay(
    payment: &Payment<'_>,
    amount: i64,
    positions: &[usize],
    unpaid: &mut [i64],
) -> Vec<(usize, i64)> {
    let shares: Vec<_> = positions
        .iter()
        .map(|&item| Unpaid { instance: &payment.items[item].instance, amount: unpaid[item] })
        .collect();
    let parts = split(amount, &shares);
    let parts: Vec<_> =
        positions.iter().copied().zip(parts).filter(|&(_, part)| part > 0).collect();
    for &(item, part) in &parts {
        unpaid[item] -= part;
        assert!(unpaid[item] >= 0, "no item is paid more than it costs");
    }
    parts
}

/// The vouchers that do not pay, and why; `unpaid` is what vouchers leave of each item.
fn unused(
    payment: &Payment<'_>,
    mut judged: Judged<'_>,
    taken: &[VoucherPayment],
    unpaid: &[i64],
) -> Vec<Unused> {
    let passed_over = |usable: &Usable<'_>| match payment.choice {
        VoucherChoice::Named { ids, .. } if !ids.contains(&usable.voucher.id) => WhyNot::NotNamed,
        choice if choice.strategy().is_none() => WhyNot::NotChosen,
        choice => match choice.maximum() {
            Some(maximum) if usable.deductible(unpaid) > 0 => WhyNot::MaximumReached { maximum },
            _ => WhyNot::NotNeeded,
        },
    };
    let mut ends: Vec<_> =
        payment.vouchers.iter().map(|voucher| (voucher.terms.expires, voucher.id)).collect();
    ends.sort();
    ends.into_iter()
        .filter(|(_, id)| !taken.iter().any(|payment| payment.voucher == *id))
        .filter_map(|(_, id)| judged.remove(&id).map(|verdict| (id, verdict)))
        .map(|(voucher, verdict)| {
            let why_not = verdict.map_or_else(|why_not| why_not, |it| vec![passed_over(&it)]);
            Unused { voucher, why_not }
        })
        .collect()
}

#[cfg(test)]
mod tests;
