use chrono_tz::{
    Africa::Cairo,
    America::{Havana, New_York, Sao_Paulo, St_Johns},
    Asia::{Beirut, Shanghai, Tehran},
    Pacific::{Apia, Kiritimati},
    UTC,
};
use proptest::prelude::*;

use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn anchor(day: u32) -> DayOfMonth {
    DayOfMonth::try_from(day).unwrap()
}

/// Every day of the four years around a leap day.
fn leap_cycle() -> impl Iterator<Item = NaiveDate> {
    date("2023-03-01").iter_days().take(4 * 365 + 1)
}

// T-4: a whole day ends with the first instant of the next local date.
#[test]
#[rustfmt::skip]
fn a_day_ends_where_the_next_date_begins() {
    for (zone, last_day, end) in [
        (Shanghai,   "2024-06-20", "2024-06-21T00:00:00+08:00"),
        (UTC,        "2024-02-29", "2024-03-01T00:00:00Z"),
        (Kiritimati, "2024-06-20", "2024-06-21T00:00:00+14:00"),
        // Clocks go forward elsewhere in the day: the day ends at midnight all the same.
        (New_York,   "2024-03-10", "2024-03-11T00:00:00-04:00"),
        // Midnight is skipped.
        (Sao_Paulo,  "2018-11-03", "2018-11-04T01:00:00-02:00"),
        (Beirut,     "2024-03-30", "2024-03-31T01:00:00+03:00"),
        (Cairo,      "2024-04-25", "2024-04-26T01:00:00+03:00"),
        (Tehran,     "2022-03-21", "2022-03-22T01:00:00+04:30"),
        // Midnight comes twice: it ends at the first.
        (Havana,     "2024-11-02", "2024-11-03T00:00:00-04:00"),
        (St_Johns,   "2010-11-06", "2010-11-07T00:00:00-02:30"),
        // A whole date is skipped.
        (Apia,       "2011-12-29", "2011-12-31T00:00:00+14:00"),
    ] {
        let actual = end_of_day(zone, date(last_day)).unwrap();
        assert_eq!(actual, at(end), "{zone} {last_day}");
        assert_eq!(super::last_day(zone, actual), date(last_day), "{zone} {last_day}");
    }
}

// T-8: the years 1970 to 9999, and not a day more.
#[test]
fn dates_have_a_first_and_a_last() {
    for (good, bad) in [("1970-01-01", "1969-12-31"), ("9999-12-31", "+10000-01-01")] {
        assert_eq!(check_date(date(good)), Ok(date(good)));
        assert_eq!(check_date(date(bad)), Err(DateOutOfRange));
        assert_eq!(end_of_day(Shanghai, date(bad)), Err(DateOutOfRange));
        assert_eq!(at_local(Shanghai, date(bad), NaiveTime::MIN), Err(DateOutOfRange));
        assert!(at_local(Shanghai, date(good), NaiveTime::MIN).is_ok());
    }
    assert!(end_of_day(Shanghai, date("9999-12-31")).is_ok());
    // In UTC the end of that day is in the year 10000.
    assert_eq!(end_of_day(UTC, date("9999-12-31")), Err(DateOutOfRange));
    assert!(end_of_day(UTC, date("9999-12-30")).is_ok());
    assert_eq!(add_months(date("9999-11-30"), 1, anchor(31)), Ok(date("9999-12-31")));
    assert_eq!(add_months(date("9999-11-30"), 2, anchor(31)), Err(DateOutOfRange));
    assert_eq!(add_months(date("9999-11-30"), u32::MAX, anchor(31)), Err(DateOutOfRange));
    assert_eq!(add_months(NaiveDate::MAX, 1, anchor(31)), Err(DateOutOfRange));
    assert_eq!(add_days(NaiveDate::MAX, u32::MAX), NaiveDate::MAX);
}

// T-8: nothing wraps or panics, whatever the instant.
#[test]
fn the_ends_of_time_have_local_dates() {
    for zone in [Shanghai, UTC, Kiritimati, New_York] {
        for instant in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert_eq!(check_end(zone, instant), Err(DateOutOfRange));
            let _ = (local(zone, instant), is_day_start(zone, instant));
        }
    }
}

// T-6
#[test]
fn days_of_months_are_1_to_31() {
    for bad in [0, 32, 256 + 1, u32::MAX] {
        assert_eq!(DayOfMonth::try_from(bad), Err(NoSuchDay));
    }
    for day in 1..=31 {
        assert_eq!(anchor(day).get(), day);
        assert_eq!(u32::from(anchor(day)), day);
    }
}

// T-6: clamped in short months, and back again.
#[test]
#[rustfmt::skip]
fn the_anchor_sticks() {
    for (base, months, day, expected) in [
        ("2025-01-31",  1, 31, "2025-02-28"),
        ("2024-01-31",  1, 31, "2024-02-29"),
        ("2025-02-28",  1, 31, "2025-03-31"),
        ("2025-03-31",  1, 31, "2025-04-30"),
        ("2025-04-30",  1, 31, "2025-05-31"),
        ("2025-02-28",  1, 28, "2025-03-28"),
        ("2025-02-28",  1, 30, "2025-03-30"),
        ("2024-02-29", 12, 29, "2025-02-28"),
        ("2025-02-28", 36, 29, "2028-02-29"),
        ("2018-08-02",  6,  2, "2019-02-02"),
    ] {
        assert_eq!(add_months(date(base), months, anchor(day)), Ok(date(expected)), "{base}");
    }
}

// T-6, T-8
#[test]
fn month_arithmetic_holds_on_every_day_of_a_leap_cycle() {
    for day in leap_cycle() {
        for number in 1..=31 {
            for months in [0, 1, 2, 11, 12, 36, 48] {
                let moved = add_months(day, months, anchor(number)).unwrap();
                let whole = moved.year() * 12 + moved.month0().cast_signed();
                let base = day.year() * 12 + day.month0().cast_signed();
                assert_eq!(whole - base, months.cast_signed());
                assert!(anchor(number).fits(moved));
            }
        }
    }
}

// M-4: whole months that fit by T-6, and the days beyond.
#[test]
#[rustfmt::skip]
fn whole_months_and_the_days_beyond() {
    for (from, to, day, expected) in [
        ("2018-09-10", "2018-11-01", 10, (1, 22)),
        ("2018-09-10", "2018-10-09", 10, (0, 29)),
        ("2018-09-10", "2018-10-10", 10, (1,  0)),
        ("2025-02-28", "2025-03-30", 31, (0, 30)),
        ("2025-02-28", "2025-03-31", 31, (1,  0)),
        ("2025-02-28", "2025-03-28", 28, (1,  0)),
        ("2025-01-31", "2025-02-28", 31, (1,  0)),
        ("2024-01-31", "2024-02-28", 31, (0, 28)),
        ("2025-12-15", "2026-01-15", 15, (1,  0)),
        ("2025-12-15", "2028-01-14", 15, (24, 30)),
        ("2025-06-20", "2025-06-20", 20, (0,  0)),
        ("2025-06-20", "2025-06-19", 20, (0,  0)),
        ("2025-06-20", "2024-06-19", 20, (0,  0)),
    ] {
        assert_eq!(whole_months(date(from), date(to), anchor(day)), expected, "{from} {to}");
    }
}

// a local time that is skipped, or comes twice.
#[test]
fn local_times_that_do_not_exist_are_the_first_instant_after_the_gap() {
    let half_past_two = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
    let spring = at_local(New_York, date("2024-03-10"), half_past_two);
    assert_eq!(spring, Ok(at("2024-03-10T03:00:00-04:00")));
    let half_past_one = NaiveTime::from_hms_opt(1, 30, 0).unwrap();
    let autumn = at_local(New_York, date("2024-11-03"), half_past_one);
    assert_eq!(autumn, Ok(at("2024-11-03T01:30:00-04:00")));
}

// T-4: ends are shown as the product wants them.
#[test]
#[rustfmt::skip]
fn ends_are_shown_by_the_last_second_or_the_next_midnight() {
    use {Boundary::*, EndShown::*};
    for (zone, end, boundary, shown, expected) in [
        (Shanghai,  "2024-06-21T00:00:00+08:00", EndOfDay, LastSecond,   "2024-06-20 23:59:59"),
        (Shanghai,  "2024-06-21T00:00:00+08:00", EndOfDay, NextMidnight, "2024-06-21 00:00:00"),
        (Sao_Paulo, "2018-11-04T01:00:00-02:00", EndOfDay, LastSecond,   "2018-11-03 23:59:59"),
        (Sao_Paulo, "2018-11-04T01:00:00-02:00", EndOfDay, NextMidnight, "2018-11-04 00:00:00"),
        (Shanghai,  "2024-06-20T10:30:00+08:00", Exact,    LastSecond,   "2024-06-20 10:30:00"),
        (Shanghai,  "2024-06-20T10:30:00+08:00", EndOfDay, LastSecond,   "2024-06-20 10:30:00"),
        (Shanghai,  "2024-06-21T00:00:00+08:00", Exact,    LastSecond,   "2024-06-21 00:00:00"),
    ] {
        assert_eq!(shown_end(zone, at(end), boundary, shown).to_string(), expected);
    }
}

fn zones() -> impl Strategy<Value = Tz> {
    prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec())
}

proptest! {
    /// T-4: in every zone, a day that exists is the last day of what ends with it.
    #[test]
    fn the_last_day_of_the_end_of_a_day_is_that_day(zone in zones(), days in 366u32..60_000) {
        let day = add_days(NaiveDate::default(), days);
        let end = end_of_day(zone, day).unwrap();
        let skipped = local_date(zone, end_of_day(zone, add_days(NaiveDate::default(), days - 1)).unwrap()) != day;
        prop_assert!(skipped || last_day(zone, end) == day);
        prop_assert!(is_day_start(zone, end));
    }

    /// M-4, T-6: whole months and odd days lead from one day to the other.
    #[test]
    fn months_and_days_lead_there(from in 0u32..20_000, days in 0u32..2_000, day in 1u32..=31) {
        let from = anchor(day).in_month_of(add_days(NaiveDate::default(), from));
        let to = add_days(from, days);
        let (months, odd) = whole_months(from, to, anchor(day));
        let reached = add_months(from, months, anchor(day)).unwrap();
        prop_assert_eq!(add_days(reached, odd), to);
        prop_assert!(odd < 31);
    }
}
