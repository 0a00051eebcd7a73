//! The day of the month on which an account aligns its expiries.

use chrono::NaiveDate;

use crate::{
    calendar::{DateOutOfRange, DayOfMonth, add_months},
    profile::{AccountSettings, StandardDay, StandardDayMeaning},
};

/// The day of the month on which expiries are aligned, with what it means (U-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandardDate {
    /// The day.
    pub day: StandardDay,
    /// Whether it is the last day of terms, or the day at whose beginning they end.
    pub meaning: StandardDayMeaning,
}

impl StandardDate {
    /// That of an account, if it has set one.
    #[must_use]
    pub fn of_account(settings: &AccountSettings) -> Option<Self> {
        settings.standard_day.map(|day| Self { day, meaning: settings.day_meaning })
    }

    /// The anchor day of terms that end on it: which last days it allows (U-1, U-4).
    ///
    /// Where terms end at 00:00 of the day, the last day is the one before; that before the first
    /// of a month is the last of a month:
    ///
    /// ```
    /// use rule_engine::profile::{StandardDay, StandardDayMeaning::{LastDay, StartOfDay}};
    /// use rule_engine::unify::StandardDate;
    /// let first = StandardDay::day(1)?;
    /// assert_eq!(StandardDate { day: first, meaning: LastDay }.anchor().get(), 1);
    /// assert_eq!(StandardDate { day: first, meaning: StartOfDay }.anchor().get(), 31);
    /// # Ok::<(), rule_engine::profile::InvalidStandardDay>(())
    /// ```
    #[must_use]
    pub fn anchor(self) -> DayOfMonth {
        match (self.day, self.meaning) {
            (StandardDay::LastOfMonth, _) => DayOfMonth::LAST,
            (StandardDay::Day(day), StandardDayMeaning::LastDay) => day,
            // There is no day 0: the day before the first is the last of the month before.
            (StandardDay::Day(day), StandardDayMeaning::StartOfDay) => {
                DayOfMonth::try_from(day.get() - 1).unwrap_or(DayOfMonth::LAST)
            }
        }
    }

    /// The first allowed last day on or after `date` (U-2): `date` itself if it is one.
    ///
    /// ```
    /// use rule_engine::profile::{StandardDay, StandardDayMeaning::LastDay};
    /// use rule_engine::unify::StandardDate;
    /// let last = StandardDate { day: StandardDay::LastOfMonth, meaning: LastDay };
    /// assert_eq!(last.first_from("2019-02-28".parse()?)?.to_string(), "2019-02-28");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_from(self, date: NaiveDate) -> Result<NaiveDate, DateOutOfRange> {
        let anchor = self.anchor();
        let this_month = add_months(date, 0, anchor)?;
        if this_month >= date { Ok(this_month) } else { add_months(date, 1, anchor) }
    }
}
