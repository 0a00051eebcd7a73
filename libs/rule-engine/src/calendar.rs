//! Days of a calendar, in the zone of an account.

use chrono::{Datelike as _, NaiveDate};
use serde::{Deserialize, Serialize};

/// A day of the month that dates keep to, 1 to 31; in a month that is too short for it, its last day
/// (T-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct DayOfMonth(u8);

/// No month has this day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a day of a month: 1 to 31")]
pub struct NoSuchDay;

impl DayOfMonth {
    /// The last day of every month.
    pub const LAST: Self = Self(31);

    /// The day that `date` has.
    #[must_use]
    pub fn of(date: NaiveDate) -> Self {
        u8::try_from(date.day()).map_or(Self::LAST, Self)
    }

    /// 1 to 31.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.into()
    }
}

impl TryFrom<u32> for DayOfMonth {
    type Error = NoSuchDay;

    fn try_from(day: u32) -> Result<Self, NoSuchDay> {
        u8::try_from(day).ok().filter(|day| (1..=31).contains(day)).map(Self).ok_or(NoSuchDay)
    }
}

impl From<DayOfMonth> for u32 {
    fn from(day: DayOfMonth) -> Self {
        day.get()
    }
}
