//! Values as people type them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use kernel::Currency;
use proto::{
    convert::{WireError, timestamp},
    renewal::v1::{StandardDate, StandardDay, standard_day::Day},
    r#type::v1::{Configuration, Date, Money, Setting, TermDuration},
};

/// A duration: `6m`, `1y`.
pub fn duration(text: &str) -> Result<TermDuration, String> {
    text.parse().map_err(|error: WireError| error.to_string())
}

/// A civil date: `2026-01-31`.
pub fn date(text: &str) -> Result<Date, String> {
    let date: NaiveDate = text.parse().map_err(|_| "must be a date such as 2026-01-31")?;
    Ok(date.into())
}

/// An instant: `2026-01-31T08:00:00+08:00`, or without an offset in `zone`: `2026-01-31 08:00:00`,
/// `2026-01-31` (its first instant).
pub fn instant(text: &str, zone: Tz) -> Result<prost_types::Timestamp, String> {
    let local = || {
        let text = text.replace('T', " ");
        let date = NaiveDate::parse_from_str(&text, "%F").map(|date| date.and_time(NaiveTime::MIN));
        let formats = ["%F %T", "%F %H:%M", "%F %T%.f"];
        let times = formats.iter().find_map(|f| NaiveDateTime::parse_from_str(&text, f).ok());
        date.ok().or(times)
    };
    let time = DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .ok()
        .or_else(|| local().and_then(|local| in_zone(local, zone)))
        .ok_or("must be a time such as 2026-01-31 or 2026-01-31T08:00:00+08:00")?;
    Ok(timestamp(time))
}

/// The instant of a local time: the first, where there are two.
fn in_zone(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    zone.from_local_datetime(&local).earliest().map(|time| time.to_utc())
}

/// An amount with its currency: `CNY 100.00`, `100 CNY`, `JPY 500`.
pub fn money(text: &str) -> Result<Money, String> {
    let wrong = || "must be an amount with its currency, such as \"CNY 100.00\"".to_owned();
    let (left, right) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let parsed = |code: &str, amount: &str| {
        let currency = code.parse::<Currency>().ok()?;
        Some((currency, plain_decimal(amount.trim())?))
    };
    let (currency, amount) =
        parsed(left, right).or_else(|| parsed(right, left)).ok_or_else(wrong)?;
    let minor = amount * rust_decimal::Decimal::from(10_u32.pow(currency.digits()));
    let whole = minor.is_integer().then(|| i64::try_from(minor).ok()).flatten();
    let minor_units = whole
        .ok_or_else(|| format!("must have at most {} digits after the point", currency.digits()))?;
    Ok(kernel::Money::new(minor_units, currency).into())
}

/// Digits, with at most a sign in front and one point. Commas are refused: they part thousands for
/// some people and decimals for others, and a guess would be wrong by a factor of ten.
fn plain_decimal(text: &str) -> Option<rust_decimal::Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let begins = digits.starts_with(|first: char| first.is_ascii_digit());
    (plain && begins).then(|| rust_decimal::Decimal::from_str_exact(text).ok()).flatten()
}

/// A standard renewal date: `1` to `28`, or `last` for the last day of the month (U-1).
pub fn standard_day(text: &str) -> Result<StandardDay, String> {
    let day = match text {
        "last" => Day::LastOfMonth(true),
        number => Day::DayOfMonth(
            number.parse().map_err(|_| "must be a day from 1 to 28, or last".to_owned())?,
        ),
    };
    Ok(StandardDay { day: Some(day) })
}

/// The standard date of a request: its own day, or `account` for the account's (U-1).
pub fn standard_date(text: &str) -> Result<StandardDate, String> {
    let day = if text == "account" { None } else { Some(standard_day(text)?) };
    Ok(StandardDate { day })
}

/// A name and its value: `flavor=g.n2.medium`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

/// A configuration of settings in the order in which they were typed.
pub fn configuration(pairs: &[(String, String)]) -> Configuration {
    let settings = pairs.iter().cloned().map(|(name, value)| Setting { name, value });
    Configuration { settings: settings.collect() }
}

#[cfg(test)]
mod tests;
