//! Values on the wire to values that cannot hold nonsense, and back.
//!
//! Each error is the rest of a sentence that begins with the field's name.

use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, SubsecRound as _, Utc};
use kernel::{Currency, Money};
use prost_types::Timestamp;
use rust_decimal::Decimal;

use crate::r#type::v1 as pb;

/// Why a value on the wire means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It is not there.
    #[error("is required")]
    Missing,
    /// Its currency is none that accounts may have.
    #[error("has the currency code {0:?}, which is not supported")]
    UnknownCurrency(String),
    /// It is not a decimal in plain notation.
    #[error("must be a decimal such as 136.5")]
    InvalidDecimal,
    /// There is no such day.
    #[error("is not a date of the calendar")]
    InvalidDate,
    /// It is before 1970 or after 9999 (T-8).
    #[error("must lie in the years 1970 to 9999")]
    DateOutOfRange,
    /// Its nanoseconds are not between 0 and 999,999,999.
    #[error("has invalid nanoseconds")]
    InvalidTimestamp,
    /// It is not a number of months or years.
    #[error("must be 1 or more months or years, such as 6m or 1y")]
    InvalidDuration,
    /// It is no value of its enumeration, or the unspecified one.
    #[error("must be one of the values of the enumeration, and not the unspecified one")]
    UnknownValue,
}

/// `field`, which must be set.
pub fn required<T>(field: Option<T>) -> Result<T, WireError> {
    field.ok_or(WireError::Missing)
}

/// The value numbered `number` of the enumeration `E`; neither a number that this version does not
/// know nor the unspecified value, which is every enumeration's default.
///
/// ```
/// use proto::{convert::known, r#type::v1::BillingMode};
/// assert_eq!(known(1), Ok(BillingMode::Prepaid));
/// assert!(known::<BillingMode>(0).is_err());
/// assert!(known::<BillingMode>(99).is_err());
/// ```
pub fn known<E: TryFrom<i32> + Default + PartialEq>(number: i32) -> Result<E, WireError> {
    match E::try_from(number) {
        Ok(value) if value != E::default() => Ok(value),
        _ => Err(WireError::UnknownValue),
    }
}

impl From<Money> for pb::Money {
    fn from(money: Money) -> Self {
        Self { minor_units: money.minor(), currency_code: money.currency().code().to_owned() }
    }
}

impl TryFrom<pb::Money> for Money {
    type Error = WireError;

    fn try_from(money: pb::Money) -> Result<Self, WireError> {
        let currency = money.currency_code.parse::<Currency>();
        let currency = currency.map_err(|_| WireError::UnknownCurrency(money.currency_code))?;
        Ok(Self::new(money.minor_units, currency))
    }
}

impl From<Decimal> for pb::Decimal {
    fn from(decimal: Decimal) -> Self {
        Self { value: decimal.to_string() }
    }
}

impl TryFrom<pb::Decimal> for Decimal {
    type Error = WireError;

    /// Exact: what has more digits than fit is refused, not rounded.
    fn try_from(decimal: pb::Decimal) -> Result<Self, WireError> {
        Self::from_str_exact(&decimal.value).map_err(|_| WireError::InvalidDecimal)
    }
}

impl From<NaiveDate> for pb::Date {
    fn from(date: NaiveDate) -> Self {
        let small = |part: u32| i32::try_from(part).unwrap_or_default();
        Self { year: date.year(), month: small(date.month()), day: small(date.day()) }
    }
}

impl TryFrom<pb::Date> for NaiveDate {
    type Error = WireError;

    /// Only the years 1970 to 9999 (T-8).
    fn try_from(date: pb::Date) -> Result<Self, WireError> {
        if !(1970..=9999).contains(&date.year) {
            return Err(WireError::DateOutOfRange);
        }
        let part = |part: i32| u32::try_from(part).map_err(|_| WireError::InvalidDate);
        Self::from_ymd_opt(date.year, part(date.month)?, part(date.day)?)
            .ok_or(WireError::InvalidDate)
    }
}

/// `instant` on the wire.
#[must_use]
pub fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(instant.timestamp_subsec_nanos()).unwrap_or_default();
    Timestamp { seconds: instant.timestamp(), nanos }
}

/// The instant of `timestamp`, cut to whole microseconds, in UTC. Only the years 1970 to 9999
/// (T-8).
///
/// ```
/// use proto::convert::{WireError, instant};
/// use prost_types::Timestamp;
/// let beyond = Timestamp { seconds: i64::MAX, nanos: 0 };
/// assert_eq!(instant(beyond), Err(WireError::DateOutOfRange));
/// ```
pub fn instant(timestamp: Timestamp) -> Result<DateTime<Utc>, WireError> {
    let nanos = u32::try_from(timestamp.nanos).map_err(|_| WireError::InvalidTimestamp)?;
    if nanos >= 1_000_000_000 {
        return Err(WireError::InvalidTimestamp);
    }
    DateTime::from_timestamp(timestamp.seconds, nanos)
        .filter(|instant| (1970..=9999).contains(&instant.year()))
        .map(|instant| instant.trunc_subsecs(6))
        .ok_or(WireError::DateOutOfRange)
}

impl pb::TermDuration {
    /// The short text that the rules know it by: `6m`, `1y`.
    ///
    /// ```
    /// use proto::r#type::v1::TermDuration;
    /// let year: TermDuration = "1y".parse()?;
    /// assert_eq!(year.short()?, "1y");
    /// assert_ne!(year, "12m".parse()?); // T-1
    /// # Ok::<(), proto::convert::WireError>(())
    /// ```
    pub fn short(&self) -> Result<String, WireError> {
        let letter = match self.unit() {
            pb::term_duration::Unit::Unspecified => return Err(WireError::InvalidDuration),
            pb::term_duration::Unit::Month => 'm',
            pb::term_duration::Unit::Year => 'y',
        };
        if self.count < 1 {
            return Err(WireError::InvalidDuration);
        }
        Ok(format!("{}{letter}", self.count))
    }
}

impl FromStr for pb::TermDuration {
    type Err = WireError;

    /// Reads the short text, such as `6m`.
    fn from_str(text: &str) -> Result<Self, WireError> {
        let units = [('m', pb::term_duration::Unit::Month), ('y', pb::term_duration::Unit::Year)];
        let split =
            units.into_iter().find_map(|(letter, unit)| Some((text.strip_suffix(letter)?, unit)));
        let (count, unit) = split.ok_or(WireError::InvalidDuration)?;
        match count.parse() {
            Ok(count @ 1..) => Ok(Self { unit: unit.into(), count }),
            _ => Err(WireError::InvalidDuration),
        }
    }
}

#[cfg(test)]
mod tests;
