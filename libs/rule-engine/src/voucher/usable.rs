//! Whether a voucher can be used, and why not (V-1, V-5).

use chrono::{DateTime, SecondsFormat, Utc};
use kernel::Money;

use super::{PayableItem, Payment, Voucher, VoucherTerms};

/// Why a voucher does not pay. The text is a sentence for people that goes on after "the voucher".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// There is none with this id, or it is another account's (V-1).
    #[error("does not exist")]
    NotFound,
    /// Its validity has not begun (V-1).
    #[error("is valid from {}", instant(.from))]
    NotYetValid {
        /// The first instant of its validity.
        from: DateTime<Utc>,
    },
    /// Its validity is over (V-5).
    #[error("expired at {}", instant(.at))]
    Expired {
        /// The first instant at which it no longer pays.
        at: DateTime<Utc>,
    },
    /// Nothing remains of it.
    #[error("is used up")]
    UsedUp,
    /// Automatic renewals may not use it (V-1).
    #[error("is not for automatic renewals")]
    NotForAutomaticRenewal,
    /// It is for other products (V-1).
    #[error("is for other products")]
    OtherProducts,
    /// It is for other billing modes (V-1).
    #[error("is for instances of another billing mode")]
    OtherBillingModes,
    /// It is for other kinds of orders (V-1).
    #[error("is for orders of another kind")]
    OtherOrderKinds,
    /// It is for other regions (V-1).
    #[error("is for other regions")]
    OtherRegions,
    /// It is for shorter terms (V-1).
    #[error("pays for terms of up to {longest} months")]
    TermTooLong {
        /// The longest term in months.
        longest: u32,
    },
    /// It is not for prices with a discount (V-1).
    #[error("cannot be combined with a discount")]
    WithDiscount,
    /// The items that it may pay cost less than its minimum (V-1).
    #[error("needs a spend of {minimum}, and what it may pay costs {spend}")]
    BelowMinimum {
        /// Its minimum.
        minimum: Money,
        /// What the items that it may pay cost together.
        spend: Money,
    },
    /// Its share of the payment, rounded down, is nothing (V-1).
    #[error("may pay {percent} % at the most, which is less than one minor unit")]
    ShareTooSmall {
        /// Its largest share.
        percent: u8,
    },
    /// More vouchers are named than may pay one payment (V-2).
    #[error("is one too many: {maximum} may pay at the most")]
    TooManyNamed {
        /// How many may be named.
        maximum: u32,
    },
    /// The payer named others (V-2).
    #[error("was not named")]
    NotNamed,
    /// The payer wants none, or has to name vouchers and named none (V-2).
    #[error("was not chosen, and vouchers are only used where the payer chooses them")]
    NotChosen,
    /// As many vouchers pay as may pay one payment (V-2).
    #[error("comes after the {maximum} that may pay at the most")]
    MaximumReached {
        /// How many may pay.
        maximum: u32,
    },
    /// All that it may pay is paid by vouchers before it.
    #[error("is not needed")]
    NotNeeded,
}

fn instant(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A voucher that can be used, and for what.
#[derive(Debug, Clone)]
pub(super) struct Usable<'a> {
    pub voucher: &'a Voucher,
    /// Positions of the items that it may pay, ascending.
    pub items: Vec<usize>,
    /// The most that it pays, by its balance and its share. Always positive.
    pub cap: i64,
}

impl Usable<'_> {
    /// What it can pay of what is `unpaid`, by position.
    pub fn deductible(&self, unpaid: &[i64]) -> i64 {
        let unpaid: i128 = self.items.iter().map(|&item| i128::from(unpaid[item])).sum();
        i64::try_from(unpaid).unwrap_or(i64::MAX).min(self.cap)
    }
}

/// For what `voucher` can be used in `payment` (V-1), or every reason why it cannot.
pub(super) fn judge<'a>(
    voucher: &'a Voucher,
    payment: &Payment<'_>,
) -> Result<Usable<'a>, Vec<WhyNot>> {
    let terms = &voucher.terms;
    let mut why_not = whole_voucher(voucher, payment);

    let mut items = Vec::new();
    let mut excluded = [const { None }; ITEM_CONSTRAINTS];
    for (position, item) in payment.items.iter().enumerate() {
        let reasons = of_item(terms, item);
        if reasons.iter().all(Option::is_none) {
            items.push(position);
        }
        for (known, reason) in excluded.iter_mut().zip(reasons) {
            *known = known.take().or(reason);
        }
    }
    if items.is_empty() {
        why_not.extend(excluded.into_iter().flatten());
        return Err(why_not);
    }

    let spend: i128 =
        items.iter().map(|&item| i128::from(payment.items[item].payable.max(0))).sum();
    if spend < i128::from(terms.minimum_spend) {
        let money = |minor| Money::new(minor, payment.currency);
        let spend = money(i64::try_from(spend).unwrap_or(i64::MAX));
        why_not.push(WhyNot::BelowMinimum { minimum: money(terms.minimum_spend), spend });
    }
    let share =
        terms.largest_share_percent.map(|percent| (percent, spend * i128::from(percent) / 100));
    if let Some((percent, 0)) = share
        && spend > 0
    {
        why_not.push(WhyNot::ShareTooSmall { percent });
    }
    if !why_not.is_empty() {
        return Err(why_not);
    }
    let share = share.map_or(i128::MAX, |(_, share)| share);
    let cap = i64::try_from(share).unwrap_or(i64::MAX).min(voucher.remaining);
    Ok(Usable { voucher, items, cap })
}

/// What speaks against a voucher whatever is paid for.
fn whole_voucher(voucher: &Voucher, payment: &Payment<'_>) -> Vec<WhyNot> {
    let terms = &voucher.terms;
    [
        (payment.at < terms.valid_from, WhyNot::NotYetValid { from: terms.valid_from }),
        (payment.at >= terms.expires, WhyNot::Expired { at: terms.expires }),
        (voucher.remaining <= 0, WhyNot::UsedUp),
        (payment.automatic && !terms.automatic_use, WhyNot::NotForAutomaticRenewal),
    ]
    .into_iter()
    .filter_map(|(holds, why)| holds.then_some(why))
    .collect()
}

/// How many constraints are asked of each item by itself.
const ITEM_CONSTRAINTS: usize = 6;

/// What speaks against paying `item`, each constraint in its place.
fn of_item(terms: &VoucherTerms, item: &PayableItem) -> [Option<WhyNot>; ITEM_CONSTRAINTS] {
    fn excludes<T: PartialEq>(these: &[T], it: &T) -> bool {
        !these.is_empty() && !these.contains(it)
    }
    let longest = terms.longest_term_months.unwrap_or(u32::MAX);
    [
        (!terms.products.covers(&item.product), WhyNot::OtherProducts),
        (excludes(&terms.billing_modes, &item.billing_mode), WhyNot::OtherBillingModes),
        (excludes(&terms.order_kinds, &item.order_kind), WhyNot::OtherOrderKinds),
        (excludes(&terms.regions, &item.region), WhyNot::OtherRegions),
        (item.term_months > longest, WhyNot::TermTooLong { longest }),
        (terms.not_with_discounts && item.discounted, WhyNot::WithDiscount),
    ]
    .map(|(holds, why)| holds.then_some(why))
}

#[cfg(test)]
mod tests;
