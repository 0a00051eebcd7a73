//! Less for longer: tiers, which are part of the price and no discount (M-2, M-3).

use std::fmt;

use rust_decimal::Decimal;

use crate::duration::TermDuration;

/// What a duration costs of its months (M-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The shortest duration that the tier holds for; within its unit, up to the next tier.
    pub from: TermDuration,
    /// What is paid of the months.
    pub pays: Pays,
}

/// What is paid of the months of a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pays {
    /// So many percent, 0 to 100.
    Percent(Decimal),
    /// So many months of the tier's own duration; longer ones pay the same share.
    PaysMonths(u32),
}

impl Tier {
    /// The share that is paid, as a fraction: 88 % is 0.88 / 1, "1 year pays 10" is 10 / 12.
    pub(super) fn share(&self) -> (Decimal, u32) {
        match self.pays {
            Pays::Percent(percent) => ((percent * Decimal::new(1, 2)).normalize(), 1),
            Pays::PaysMonths(months) => (months.into(), self.from.months()),
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pays {
            Pays::Percent(percent) => write!(f, "{} %", percent.normalize()),
            Pays::PaysMonths(1) => write!(f, "{} pays 1 month", self.from),
            Pays::PaysMonths(months) => write!(f, "{} pays {months} months", self.from),
        }
    }
}

/// The tier that `duration` is sold at: the one with the longest `from` of the same unit that is
/// no longer than it; none: the full price (M-2).
///
/// Months never reach a year's tier, so a longer duration can cost more than the next unit's:
///
/// ```
/// use rule_engine::price::{Pays, Tier, tier_for};
/// let yearly = Tier { from: "1y".parse()?, pays: Pays::PaysMonths(10) };
/// assert_eq!(tier_for(&[yearly.clone()], "12m".parse()?), None);
/// assert_eq!(tier_for(&[yearly.clone()], "2y".parse()?), Some(&yearly));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn tier_for(tiers: &[Tier], duration: TermDuration) -> Option<&Tier> {
    tiers
        .iter()
        .filter(|tier| tier.from.unit() == duration.unit() && tier.from <= duration)
        .max_by_key(|tier| tier.from)
}
