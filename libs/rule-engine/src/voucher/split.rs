//! Splitting an amount over items, exact to the minor unit (V-4).

use std::cmp::Reverse;

use kernel::ids::InstanceId;

/// What is still unpaid of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpaid<'a> {
    /// The item's instance: the last tie-break.
    pub instance: &'a InstanceId,
    /// Minor units. Never negative.
    pub amount: i64,
}

/// Splits `amount` minor units over items in proportion to what is unpaid of them, by largest
/// remainder; of equal remainders the larger unpaid gets the unit, then the lower instance id
/// (V-4).
///
/// The parts stand in the order of `items`, add up to `amount` exactly, and none is larger than
/// what is unpaid of its item. An amount above all that is unpaid is split as far as that goes.
///
/// A unit that cannot be split goes to one item; it is neither lost nor doubled:
///
/// ```
/// use kernel::ids::InstanceId;
/// use rule_engine::voucher::{Unpaid, split};
///
/// let [a, b]: [InstanceId; 2] = ["i-a", "i-b"].map(|id| id.parse().unwrap());
/// let items = |first, second| {
///     [Unpaid { instance: &a, amount: first }, Unpaid { instance: &b, amount: second }]
/// };
/// assert_eq!(split(90, &items(100, 200)), [30, 60]);
/// assert_eq!(split(3, &items(50, 50)), [2, 1]);
/// ```
#[must_use]
pub fn split(amount: i64, items: &[Unpaid<'_>]) -> Vec<i64> {
    let whole: i128 = items.iter().map(|item| i128::from(item.amount.max(0))).sum();
    let amount = i128::from(amount).clamp(0, whole);
    if amount == 0 {
        return vec![0; items.len()];
    }
    let exact = |item: &Unpaid<'_>| amount * i128::from(item.amount.max(0));
    let mut parts: Vec<i128> = items.iter().map(|item| exact(item) / whole).collect();

    let mut by_remainder: Vec<usize> = (0..items.len()).collect();
    by_remainder.sort_by_key(|&index| {
        let item = &items[index];
        (Reverse(exact(item) % whole), Reverse(item.amount), item.instance)
    });
    let short = amount - parts.iter().sum::<i128>();
    let short = usize::try_from(short).expect("fewer units are left over than there are items");
    for &index in by_remainder.iter().take(short) {
        parts[index] += 1;
    }
    parts
        .into_iter()
        .map(|part| i64::try_from(part).expect("a part is at most what is unpaid of its item"))
        .collect()
}

#[cfg(test)]
mod tests;
