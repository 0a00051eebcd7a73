//! Which voucher pays what, told naively: one voucher after the other, one item after the other (V-1 … V-4).
//! Not a line of it is the rule engine's.

use std::collections::BTreeSet;

use proto::r#type::v1::VoucherStrategy;

use super::op::{At, Charge, Choice, Item, Label, Part, Terms};

/// What pays a payment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// The vouchers in the order in which they were taken: what they pay, and what they lose.
    pub vouchers: Vec<(Label, i64, i64)>,
    pub parts: Vec<Part>,
    pub cash: i64,
    pub channel: i64,
    pub missing: i64,
}

/// A voucher of the payer, and what remains of it.
#[derive(Debug, Clone)]
pub struct Purse {
    pub label: Label,
    pub remaining: i64,
    pub terms: Terms,
}

/// What pays `charge`; nothing where a voucher was named that cannot.
pub fn cover(
    charge: &Charge,
    at: At,
    purses: &[Purse],
    cash: i64,
    channel: bool,
) -> Option<Coverage> {
    let mut unpaid: Vec<i64> = charge.items.iter().map(|item| item.payable).collect();
    let part = |item: &Item| Part { instance: item.instance, ..Part::default() };
    let mut covered =
        Coverage { parts: charge.items.iter().map(part).collect(), ..Coverage::default() };
    let (mut waiting, maximum, strategy) = candidates(charge, at, purses)?;
    while covered.vouchers.len() < maximum {
        let rest: i64 = unpaid.iter().sum();
        let can = |purse: &Purse| {
            let open: i64 = places(charge, &purse.terms).iter().map(|&at| unpaid[at]).sum();
            open.min(most(charge, at, purse))
        };
        let next = waiting.iter().filter(|purse| can(purse) > 0);
        let Some(next) = next.min_by_key(|purse| key(strategy, purse, can(purse), rest)).copied()
        else {
            break;
        };
        let paid = can(next);
        for (place, amount) in split(paid, &places(charge, &next.terms), charge, &mut unpaid) {
            covered.parts[place].vouchers.push((next.label, amount));
        }
        let lost = if next.terms.single_use { next.remaining - paid } else { 0 };
        covered.vouchers.push((next.label, paid, lost));
        waiting.retain(|purse| purse.label != next.label);
    }
    let all: Vec<usize> = (0..unpaid.len()).collect();
    covered.cash = cash.min(unpaid.iter().sum());
    for (place, amount) in split(covered.cash, &all, charge, &mut unpaid) {
        covered.parts[place].cash = amount;
    }
    let rest: i64 = unpaid.iter().sum();
    if channel {
        covered.channel = rest;
        for (place, amount) in split(rest, &all, charge, &mut unpaid) {
            covered.parts[place].channel = amount;
        }
    } else {
        covered.missing = rest;
    }
    Some(covered)
}

/// The vouchers that may pay, how many at the most, and in which order.
fn candidates<'a>(
    charge: &Charge,
    at: At,
    purses: &'a [Purse],
) -> Option<(Vec<&'a Purse>, usize, VoucherStrategy)> {
    let usable = |purse: &&Purse| most(charge, at, purse) > 0 || free(charge, at, purse);
    let (these, maximum, strategy): (Vec<_>, _, _) = match &charge.choice {
        Choice::None | Choice::Rule(VoucherStrategy::ChosenByUser, _) => {
            (Vec::new(), None, VoucherStrategy::Unspecified)
        }
        Choice::Rule(strategy, maximum) => {
            (purses.iter().filter(usable).collect(), *maximum, *strategy)
        }
        Choice::Named(labels, maximum) => {
            let labels: BTreeSet<_> = labels.iter().collect();
            let named = purses.iter().filter(|purse| labels.contains(&purse.label));
            let named: Vec<_> = named.filter(usable).collect();
            let too_many =
                maximum.is_some_and(|most| labels.len() > usize::try_from(most).unwrap());
            if named.len() != labels.len() || too_many {
                return None;
            }
            (named, *maximum, VoucherStrategy::NearestExpiryThenLargest)
        }
    };
    let maximum = maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap());
    Some((these, maximum, strategy))
}

/// Which voucher is taken first: the one with the least key (V-2).
fn key(strategy: VoucherStrategy, purse: &Purse, can: i64, rest: i64) -> [i64; 4] {
    let (expires, remaining) = (purse.terms.expires, purse.remaining);
    match strategy {
        VoucherStrategy::SmallestThenNearest => [remaining, expires, 0, 0],
        VoucherStrategy::LargestFirst => [-remaining, expires, 0, 0],
        VoucherStrategy::CoverWholeFirst => [i64::from(can != rest), expires, -can, remaining],
        _ => [expires, -remaining, 0, 0],
    }
}

/// Which items a voucher may pay.
fn places(charge: &Charge, terms: &Terms) -> Vec<usize> {
    let may = |item: &Item| {
        terms.only.is_none_or(|only| only == item.product)
            && terms.longest.is_none_or(|longest| item.months <= longest)
            && !(terms.not_with_discounts && item.discounted)
    };
    (0..charge.items.len()).filter(|&place| may(&charge.items[place])).collect()
}

/// Whether nothing but its amount speaks against a voucher.
fn open(charge: &Charge, at: At, purse: &Purse) -> Option<i64> {
    let terms = &purse.terms;
    let places = places(charge, terms);
    let spend: i64 = places.iter().map(|&place| charge.items[place].payable).sum();
    let good = terms.from <= at
        && at < terms.expires
        && purse.remaining > 0
        && (terms.automatic || !charge.automatic)
        && !places.is_empty()
        && spend >= terms.minimum;
    good.then_some(spend)
}

/// The most that a voucher can pay of the whole payment (V-1); nothing where it cannot be used.
fn most(charge: &Charge, at: At, purse: &Purse) -> i64 {
    let Some(spend) = open(charge, at, purse) else { return 0 };
    let share = purse.terms.share.map_or(i64::MAX, |percent| spend * percent / 100);
    share.min(purse.remaining)
}

/// Whether a voucher can be used though there is nothing to pay.
fn free(charge: &Charge, at: At, purse: &Purse) -> bool {
    open(charge, at, purse) == Some(0)
}

/// Splits `amount` in proportion to what is unpaid; what is left over goes, unit by unit, to where the
/// most was cut off; then to the larger; then to the lower instance (V-4).
fn split(amount: i64, places: &[usize], charge: &Charge, unpaid: &mut [i64]) -> Vec<(usize, i64)> {
    let whole: i64 = places.iter().map(|&place| unpaid[place]).sum();
    if amount == 0 {
        return Vec::new();
    }
    let mut parts: Vec<(usize, i64)> =
        places.iter().map(|&place| (place, amount * unpaid[place] / whole)).collect();
    let mut ranked = places.to_vec();
    ranked.sort_by_key(|&place| {
        let cut = amount * unpaid[place] % whole;
        (-cut, -unpaid[place], charge.items[place].instance)
    });
    let mut left = amount - parts.iter().map(|part| part.1).sum::<i64>();
    for place in ranked {
        if left > 0 {
            parts.iter_mut().find(|part| part.0 == place).expect("it is one of them").1 += 1;
            left -= 1;
        }
    }
    for &(place, part) in &parts {
        unpaid[place] -= part;
    }
    parts.retain(|part| part.1 > 0);
    parts
}
