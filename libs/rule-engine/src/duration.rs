//! How long a renewal runs, as it is sold.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a duration is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TermUnit {
    /// A calendar month.
    Month,
    /// A calendar year. It is as long as 12 months but sold as something else, at its own price
    /// (T-1).
    Year,
}

impl TermUnit {
    /// How many months one unit is as long as.
    #[must_use]
    pub const fn months(self) -> u32 {
        match self {
            Self::Month => 1,
            Self::Year => 12,
        }
    }
}

/// A number of months or years that a product sells (T-1).
///
/// 12 months and 1 year are as long as each other and are not the same: each has its own price, and
/// a product may sell one without the other. The order is by length, then months before years.
///
/// The text form is short (`6m`, `1y`), what people read is longer:
///
/// ```
/// use rule_engine::duration::TermDuration;
/// let [months, year]: [TermDuration; 2] = ["12m".parse()?, "1y".parse()?];
/// assert_eq!(months.months(), year.months());
/// assert_ne!(months, year);
/// assert!(months < year);
/// assert_eq!(year.to_string(), "1 year");
/// # Ok::<(), rule_engine::duration::InvalidDuration>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TermDuration {
    unit: TermUnit,
    count: u32,
}

/// A duration is not a whole number of months or years that is sold anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a number of months or years such as 6m or 1y, at most {MAX_COUNT}")]
pub struct InvalidDuration;

/// The largest count of a duration, in either unit.
pub const MAX_COUNT: u32 = 999;

impl TermDuration {
    /// One month, the shortest.
    pub const ONE_MONTH: Self = Self { unit: TermUnit::Month, count: 1 };

    /// `count` units, from 1 to [`MAX_COUNT`].
    pub const fn new(unit: TermUnit, count: u32) -> Result<Self, InvalidDuration> {
        if count == 0 || count > MAX_COUNT {
            return Err(InvalidDuration);
        }
        Ok(Self { unit, count })
    }

    /// What it is counted in.
    #[must_use]
    pub const fn unit(self) -> TermUnit {
        self.unit
    }

    /// How many of its [unit](Self::unit): 1 to [`MAX_COUNT`].
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// How long it is, in months.
    #[must_use]
    pub const fn months(self) -> u32 {
        self.count * self.unit.months()
    }

    /// The short text form: `6m`, `1y`.
    #[must_use]
    pub fn short(self) -> String {
        let unit = match self.unit {
            TermUnit::Month => 'm',
            TermUnit::Year => 'y',
        };
        format!("{}{unit}", self.count)
    }
}

impl Ord for TermDuration {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.months(), self.unit).cmp(&(other.months(), other.unit))
    }
}

impl PartialOrd for TermDuration {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for TermDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let (count, unit) = if let Some(count) = text.strip_suffix('m') {
            (count, TermUnit::Month)
        } else {
            (text.strip_suffix('y').ok_or(InvalidDuration)?, TermUnit::Year)
        };
        // `parse` would let a sign and leading zeros pass: two texts for one duration.
        if !count.starts_with(|first: char| ('1'..='9').contains(&first)) {
            return Err(InvalidDuration);
        }
        Self::new(unit, count.parse().map_err(|_| InvalidDuration)?)
    }
}

impl TryFrom<String> for TermDuration {
    type Error = InvalidDuration;

    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        text.parse()
    }
}

impl From<TermDuration> for String {
    fn from(duration: TermDuration) -> Self {
        duration.short()
    }
}

impl fmt::Display for TermDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            TermUnit::Month => "month",
            TermUnit::Year => "year",
        };
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} {unit}{plural}", self.count)
    }
}

#[cfg(test)]
mod tests;
