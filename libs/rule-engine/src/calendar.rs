//! Days of a calendar, in the zone of an account.
//!
//! Terms end with a day, and the instant at which they end already lies in the next one. So days
//! are counted from **last days**, never from the date of a stored end (T-4).

use chrono::{
    DateTime, Datelike as _, Days, MappedLocalTime, Months, NaiveDate, NaiveDateTime, NaiveTime,
    TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::{GapInfo, Tz};
use serde::{Deserialize, Serialize};

use crate::profile::{Boundary, EndShown};

/// A day of the month that dates keep to, 1 to 31; in a month that is too short for it, its last
/// day (T-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct DayOfMonth(u8);

/// No month has this day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a day of a month: 1 to 31")]
pub struct NoSuchDay;

/// A date or an instant lies outside of the years 1970 to 9999 (T-8).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the date is outside of the years 1970 to 9999")]
pub struct DateOutOfRange;

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

    /// This day in the month of `date`, or the last day of a month that is too short (T-6).
    #[must_use]
    pub fn in_month_of(self, date: NaiveDate) -> NaiveDate {
        let day = self.get().min(date.num_days_in_month().into());
        date.with_day(day).unwrap_or(date)
    }

    /// Whether `date` is where this anchor puts it in its month (T-6).
    #[must_use]
    pub fn fits(self, date: NaiveDate) -> bool {
        self.in_month_of(date) == date
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

/// `date`, if it lies in the years 1970 to 9999 (T-8).
pub fn check_date(date: NaiveDate) -> Result<NaiveDate, DateOutOfRange> {
    if (1970..=9999).contains(&date.year()) { Ok(date) } else { Err(DateOutOfRange) }
}

/// `instant`, if it lies in the years 1970 to 9999 both in UTC and in `zone` (T-8).
///
/// An end counts by the day before it, so that a term may run through 9999-12-31 in zones east of
/// Greenwich; in UTC itself its end would be in the year 10000, which no message can carry.
pub fn check_end(zone: Tz, end: DateTime<Utc>) -> Result<DateTime<Utc>, DateOutOfRange> {
    check_date(end.date_naive())?;
    check_date(last_day(zone, end))?;
    Ok(end)
}

/// The local date and time of `instant` in `zone`.
#[must_use]
pub fn local(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    // Far outside of all dates that are accepted, the conversion would overflow.
    let bounded = instant.clamp(DateTime::UNIX_EPOCH - BOUND, DateTime::UNIX_EPOCH + BOUND);
    bounded.with_timezone(&zone).naive_local()
}

/// `instant` in a sentence for people: local date and time in `zone`, to the second, and the zone.
///
/// ```
/// use rule_engine::calendar::told;
/// let instant = "2024-06-27T16:00:00Z".parse()?;
/// assert_eq!(told(chrono_tz::Asia::Shanghai, instant), "2024-06-28 00:00:00 Asia/Shanghai");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn told(zone: Tz, instant: DateTime<Utc>) -> String {
    format!("{} {zone}", local(zone, instant).format("%Y-%m-%d %H:%M:%S"))
}

/// A little more than the years from 1970 to 9999.
const BOUND: TimeDelta = TimeDelta::days(3_000_000);

/// The local date of `instant` in `zone`.
#[must_use]
pub fn local_date(zone: Tz, instant: DateTime<Utc>) -> NaiveDate {
    local(zone, instant).date()
}

/// The last day of a term that ends at `end`: the local date of the nanosecond before (T-4).
///
/// ```
/// use chrono::{DateTime, Utc};
/// use chrono_tz::Asia::Shanghai;
/// use rule_engine::calendar::last_day;
/// // "2024-06-20 23:59:59" is stored as the first instant of the 21st.
/// let end: DateTime<Utc> = "2024-06-21T00:00:00+08:00".parse()?;
/// assert_eq!(last_day(Shanghai, end).to_string(), "2024-06-20");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn last_day(zone: Tz, end: DateTime<Utc>) -> NaiveDate {
    local_date(zone, end.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(end))
}

/// The instant at which the day after `last_day` begins in `zone`: where a term through that day
/// ends (T-4).
///
/// Where midnight is skipped, the next day begins later:
///
/// ```
/// use chrono::NaiveDate;
/// use chrono_tz::America::Sao_Paulo;
/// use rule_engine::calendar::end_of_day;
/// let last_day = NaiveDate::from_ymd_opt(2018, 11, 3).unwrap();
/// let end = end_of_day(Sao_Paulo, last_day)?;
/// assert_eq!(end.with_timezone(&Sao_Paulo).to_string(), "2018-11-04 01:00:00 -02");
/// # Ok::<(), rule_engine::calendar::DateOutOfRange>(())
/// ```
pub fn end_of_day(zone: Tz, last_day: NaiveDate) -> Result<DateTime<Utc>, DateOutOfRange> {
    let next = check_date(last_day)?.succ_opt().ok_or(DateOutOfRange)?;
    check_end(zone, first_at(zone, next.and_time(NaiveTime::MIN)))
}

/// The instant at which clocks in `zone` show `time` on `date` (A-1).
///
/// A time that is skipped is the first instant after the gap; one that occurs twice is the first.
///
/// ```
/// use chrono_tz::America::New_York;
/// use rule_engine::calendar::at_local;
/// let skipped = at_local(New_York, "2024-03-10".parse()?, "02:30:00".parse()?)?;
/// assert_eq!(skipped.with_timezone(&New_York).to_string(), "2024-03-10 03:00:00 EDT");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn at_local(
    zone: Tz,
    date: NaiveDate,
    time: NaiveTime,
) -> Result<DateTime<Utc>, DateOutOfRange> {
    let instant = first_at(zone, check_date(date)?.and_time(time));
    check_date(instant.date_naive()).or_else(|error| {
        // East of Greenwich, 1970 begins while it is still 1969 in UTC.
        if instant < DateTime::UNIX_EPOCH { Ok(date) } else { Err(error) }
    })?;
    Ok(instant)
}

fn first_at(zone: Tz, wanted: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&wanted) {
        MappedLocalTime::Single(instant) => instant.to_utc(),
        MappedLocalTime::Ambiguous(one, other) => one.min(other).to_utc(),
        MappedLocalTime::None => GapInfo::new(&wanted, &zone)
            .and_then(|gap| gap.end)
            .map_or_else(|| wanted.and_utc(), |end| end.to_utc()),
    }
}

/// `base` and so many `months`, on the day `anchor` or the last day of a short month (T-6).
///
/// The anchor sticks: a short month does not move the months after it.
///
/// ```
/// use chrono::NaiveDate;
/// use rule_engine::calendar::{DayOfMonth, add_months};
/// let february = NaiveDate::from_ymd_opt(2026, 2, 28).unwrap();
/// let march = add_months(february, 1, DayOfMonth::LAST)?;
/// assert_eq!(march.to_string(), "2026-03-31"); // not the 28th
/// # Ok::<(), rule_engine::calendar::DateOutOfRange>(())
/// ```
pub fn add_months(
    base: NaiveDate,
    months: u32,
    anchor: DayOfMonth,
) -> Result<NaiveDate, DateOutOfRange> {
    let first = base.with_day(1).unwrap_or(base);
    let month = first.checked_add_months(Months::new(months)).ok_or(DateOutOfRange)?;
    check_date(anchor.in_month_of(month))
}

/// `date` and so many calendar `days`; stays on the last date there is (T-8).
#[must_use]
pub fn add_days(date: NaiveDate, days: u32) -> NaiveDate {
    date.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX)
}

/// The days from `from` to `to`; 0 if `to` is not after it.
#[must_use]
pub fn days_between(from: NaiveDate, to: NaiveDate) -> u32 {
    u32::try_from((to - from).num_days()).unwrap_or(0)
}

/// How many whole months fit from the last day `from` to the last day `to`, and the days beyond
/// them, counted with the anchor of the term that ends on `from` (M-4, T-6).
///
/// From the 28th of February to the 30th of March there is no whole month where the anchor is 31:
///
/// ```
/// use rule_engine::calendar::{DayOfMonth, whole_months};
/// let [from, to] = ["2025-02-28".parse()?, "2025-03-30".parse()?];
/// assert_eq!(whole_months(from, to, DayOfMonth::LAST), (0, 30));
/// assert_eq!(whole_months(from, to, DayOfMonth::of(from)), (1, 2));
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn whole_months(from: NaiveDate, to: NaiveDate, anchor: DayOfMonth) -> (u32, u32) {
    let months = u32::try_from(
        (to.year() - from.year()) * 12 + to.month0().cast_signed() - from.month0().cast_signed(),
    )
    .unwrap_or(0);
    // The month in which `to` lies counts only if the anchor's day of it is reached.
    [months, months.saturating_sub(1)]
        .into_iter()
        .filter(|&months| months > 0)
        .find_map(|months| {
            let reached = add_months(from, months, anchor).ok().filter(|&date| date <= to)?;
            Some((months, days_between(reached, to)))
        })
        .unwrap_or_else(|| (0, days_between(from, to)))
}

/// The end of a term as people read it, in local time of `zone` (T-4).
///
/// Ends of whole days are shown by the last second paid for, or as the next midnight, as the
/// product wants it; exact ends as they are.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use chrono_tz::Asia::Shanghai;
/// use rule_engine::{calendar::shown_end, profile::{Boundary::EndOfDay, EndShown}};
/// let end: DateTime<Utc> = "2024-06-21T00:00:00+08:00".parse()?;
/// let shown = shown_end(Shanghai, end, EndOfDay, EndShown::LastSecond);
/// assert_eq!(shown.to_string(), "2024-06-20 23:59:59");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn shown_end(
    zone: Tz,
    end: DateTime<Utc>,
    boundary: Boundary,
    shown: EndShown,
) -> NaiveDateTime {
    match (boundary, shown) {
        (Boundary::EndOfDay, EndShown::LastSecond) if is_day_start(zone, end) => {
            local(zone, end.checked_sub_signed(TimeDelta::seconds(1)).unwrap_or(end))
        }
        // The next day may begin at 01:00; people still read it as its midnight.
        (Boundary::EndOfDay, EndShown::NextMidnight) if is_day_start(zone, end) => {
            local_date(zone, end).and_time(NaiveTime::MIN)
        }
        _ => local(zone, end),
    }
}

/// Whether a day begins at `instant` in `zone`.
#[must_use]
pub fn is_day_start(zone: Tz, instant: DateTime<Utc>) -> bool {
    last_day(zone, instant) != local_date(zone, instant)
}

#[cfg(test)]
mod tests;
