//! The order in which vouchers are taken (V-2).

use std::cmp::Ordering;

use super::Voucher;
use crate::profile::VoucherStrategy;

/// A voucher that could pay next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub voucher: &'a Voucher,
    /// What it can pay now, after its constraints and what is unpaid. Always positive.
    pub deductible: i64,
    /// Whether that is all that is unpaid.
    pub covers: bool,
}

/// Which of two vouchers is taken first (V-2). The balances compared are remaining balances, not
/// capped by what is to be paid; no two vouchers are equal, because the last word has the id.
pub(super) fn first(strategy: VoucherStrategy, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let nearest = || a.voucher.terms.expires.cmp(&b.voucher.terms.expires);
    let smallest = || a.voucher.remaining.cmp(&b.voucher.remaining);
    let largest = || smallest().reverse();
    let order = match strategy {
        VoucherStrategy::NearestExpiryThenLargest | VoucherStrategy::ChosenByUser => {
            nearest().then_with(largest)
        }
        VoucherStrategy::SmallestThenNearest => smallest().then_with(nearest),
        VoucherStrategy::LargestFirst => largest().then_with(nearest),
        VoucherStrategy::CoverWholeFirst => b
            .covers
            .cmp(&a.covers)
            .then_with(nearest)
            .then_with(|| b.deductible.cmp(&a.deductible))
            .then_with(smallest),
    };
    order.then_with(|| a.voucher.id.cmp(&b.voucher.id))
}
