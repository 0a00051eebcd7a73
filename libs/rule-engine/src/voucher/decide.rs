//! The whole decision of a payment: vouchers one after the other, then cash (V-2 … V-4, W-1).

use std::collections::BTreeMap;

use kernel::{
    Currency, Money,
    ids::{InstanceId, VoucherId},
};

use super::{
    Payment, Unpaid, VoucherChoice, WhyNot, split,
    strategy::{Candidate, first},
    usable::{Usable, judge},
};
use crate::reason::{Reason, Refusal};

/// How a payment ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Vouchers and cash pay the whole of it.
    Covered(Coverage),
    /// They do not, and nothing is taken (V-3).
    Short(Shortfall),
}

/// Too little money, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// What was to be paid.
    pub needed: i64,
    /// What vouchers and cash could have paid (W-1).
    pub available: i64,
    /// `needed - available`. Always positive.
    pub missing: i64,
}

impl Shortfall {
    /// `INSUFFICIENT_FUNDS`, with `needed`, `available` and `missing` in minor units of
    /// `currency` (W-1).
    #[must_use]
    pub fn refusal(&self, currency: Currency) -> Refusal {
        let money = |minor| Money::new(minor, currency);
        let message = format!(
            "{} is needed and {} is available, so {} is missing.",
            money(self.needed),
            money(self.available),
            money(self.missing)
        );
        Refusal::new(Reason::InsufficientFunds, message)
            .with("needed", self.needed)
            .with("available", self.available)
            .with("missing", self.missing)
            .with("currency", currency)
    }
}

/// What pays what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// What each voucher pays, in the order in which they are taken.
    pub vouchers: Vec<VoucherPayment>,
    /// What cash pays, in minor units.
    pub cash: i64,
    /// What pays each item, in the order of [`Payment::items`] (V-4).
    pub items: Vec<ItemParts>,
}

/// What one voucher pays of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoucherPayment {
    /// The voucher.
    pub voucher: VoucherId,
    /// What it pays, in minor units. Always positive.
    pub paid: i64,
    /// What a single-use voucher loses by it, in minor units (V-1, V-5).
    pub forfeited: i64,
}

/// What one item is paid with (V-4). Refunds use these parts, never a new split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemParts {
    /// The item's instance.
    pub instance: InstanceId,
    /// What vouchers pay of it, in the order in which they are taken; each more than nothing.
    pub vouchers: Vec<(VoucherId, i64)>,
    /// What cash pays of it, in minor units.
    pub cash: i64,
}

/// What would pay, and why not the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What is to be paid, in minor units.
    pub needed: i64,
    /// What would pay; less than the whole where something is missing.
    pub coverage: Coverage,
    /// What is missing, in minor units; zero where the whole is covered (W-1).
    pub missing: i64,
    /// The vouchers that would not pay, nearest end first, then by id.
    pub unused: Vec<Unused>,
}

/// A voucher that does not pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// The voucher.
    pub voucher: VoucherId,
    /// Every reason; at least one.
    pub why_not: Vec<WhyNot>,
}

/// Why a payment is refused whatever money there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentRefused {
    /// Vouchers were named that cannot be used (V-2): `VOUCHER_NOT_APPLICABLE`. By id.
    #[error("{}.", sentences(.0))]
    VoucherNotApplicable(Vec<NotApplicable>),
    /// The items cost more together than an amount can be: `AMOUNT_TOO_LARGE`.
    #[error("The items cost more together than can be paid at once.")]
    AmountTooLarge,
}

/// A voucher that was named and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotApplicable {
    /// The voucher.
    pub voucher: VoucherId,
    /// Every reason; at least one.
    pub why_not: Vec<WhyNot>,
}

impl PaymentRefused {
    /// The reason code, the sentence, and the vouchers concerned (V-2).
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::VoucherNotApplicable(refused) => {
                Refusal::new(Reason::VoucherNotApplicable, self.to_string())
                    .with_all("voucher_ids", refused.iter().map(|it| it.voucher))
            }
            Self::AmountTooLarge => Refusal::new(Reason::AmountTooLarge, self.to_string()),
        }
    }
}

fn sentences(refused: &[NotApplicable]) -> String {
    let sentence = |NotApplicable { voucher, why_not }: &NotApplicable| {
        let reasons: Vec<_> = why_not.iter().map(ToString::to_string).collect();
        format!("Voucher {voucher} {}", reasons.join(" and "))
    };
    refused.iter().map(sentence).collect::<Vec<_>>().join("; ")
}

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
/// It is not the sum of the balances: a voucher of 80 pays 50 of a fee of 50. Errors: as
/// [`decide`].
pub fn spendable(payment: &Payment<'_>) -> Result<i64, PaymentRefused> {
    let explanation = explain(payment)?;
    let vouchers: i64 = explanation.coverage.vouchers.iter().map(|voucher| voucher.paid).sum();
    Ok(payment.cash.max(0).saturating_add(vouchers))
}

/// What [`decide`] would take from where, and why the vouchers that would not pay would not
/// (V-1, V-2). Where money is missing, all that there is stands in the coverage.
///
/// Errors: as [`decide`].
pub fn explain(payment: &Payment<'_>) -> Result<Explanation, PaymentRefused> {
    let mut unpaid: Vec<i64> = payment.items.iter().map(|item| item.payable.max(0)).collect();
    let needed: i128 = unpaid.iter().copied().map(i128::from).sum();
    let needed = i64::try_from(needed).map_err(|_| PaymentRefused::AmountTooLarge)?;

    let judged: BTreeMap<_, _> =
        payment.vouchers.iter().map(|voucher| (voucher.id, judge(voucher, payment))).collect();
    check_named(payment, &judged)?;

    let mut items: Vec<ItemParts> = payment
        .items
        .iter()
        .map(|item| ItemParts { instance: item.instance.clone(), vouchers: Vec::new(), cash: 0 })
        .collect();
    let vouchers = take_vouchers(payment, &judged, &mut unpaid, &mut items);

    let unused = unused(payment, judged, &vouchers, &unpaid);
    let rest: i64 = unpaid.iter().sum();
    let cash = rest.min(payment.cash.max(0));
    let everything: Vec<usize> = (0..items.len()).collect();
    for (item, part) in pay(payment, cash, &everything, &mut unpaid) {
        items[item].cash = part;
    }
    let coverage = Coverage { vouchers, cash, items };
    Ok(Explanation { needed, coverage, missing: rest - cash, unused })
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
