//! Values as people write them: `CNY 672.00`, `2026-01-31`, `6 months`.

use chrono_tz::Tz;
use proto::{
    catalog::v1::PricedSpan,
    convert,
    r#type::v1::{Configuration, Decimal, Money, TermDuration, term_duration::Unit},
};

/// What stands where there is nothing.
pub const NOTHING: &str = "-";

/// An amount: `CNY 672.00`; of a currency that we do not know, its minor units as they are.
pub fn money(amount: Option<&Money>) -> String {
    let Some(amount) = amount else { return NOTHING.to_owned() };
    match kernel::Money::try_from(amount.clone()) {
        Ok(amount) => amount.to_string(),
        Err(_) => format!("{} {} (minor units)", amount.currency_code, amount.minor_units),
    }
}

/// An exact amount, with at least the digits of a coin: `236.60`, `19.83305`.
pub fn exact(amount: Option<&Decimal>) -> String {
    let Some(Decimal { value }) = amount else { return NOTHING.to_owned() };
    let Ok(value) = value.parse::<rust_decimal::Decimal>() else { return value.clone() };
    let mut value = value.normalize();
    if value.scale() < 2 {
        value.rescale(2);
    }
    value.to_string()
}

/// An instant in `zone`, to the second: `2026-01-31 08:00:00`.
pub fn instant(instant: Option<&prost_types::Timestamp>, zone: Tz) -> String {
    let time = instant.and_then(|&instant| convert::instant(instant).ok());
    time.map_or_else(
        || NOTHING.to_owned(),
        |time| time.with_timezone(&zone).format("%F %T").to_string(),
    )
}

/// A duration: `1 month`, `3 years`.
pub fn duration(duration: Option<&TermDuration>) -> String {
    let Some(duration) = duration else { return NOTHING.to_owned() };
    let unit = match duration.unit() {
        Unit::Month => "month",
        Unit::Year => "year",
        Unit::Unspecified => "?",
    };
    counted(duration.count.into(), unit)
}

/// Durations, as they are typed: `1m 2m 1y`.
pub fn durations(durations: &[TermDuration]) -> String {
    or_nothing(&durations.iter().filter_map(|d| d.short().ok()).collect::<Vec<_>>().join(" "))
}

/// The time that is priced: `3 months + 22 days`.
pub fn span(span: &PricedSpan) -> String {
    let term = match &span.duration {
        Some(chosen) => duration(Some(chosen)),
        None => counted(span.whole_months.into(), "month"),
    };
    match span.odd_days {
        0 => term,
        days => format!("{term} + {}", counted(days.into(), "day")),
    }
}

/// A configuration: `flavor=g.n2.medium bandwidth_mbps=5`.
pub fn configuration(configuration: Option<&Configuration>) -> String {
    let settings = configuration.map(|configuration| configuration.settings.as_slice());
    let pairs = settings.unwrap_or_default().iter().map(|s| format!("{}={}", s.name, s.value));
    or_nothing(&pairs.collect::<Vec<_>>().join(" "))
}

/// The word of an enum of the contract without the prefix that all its words have:
/// `RENEWAL_POLICY_AUTO` is `AUTO`; the unspecified one is nothing.
pub fn word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix) {
        Some("UNSPECIFIED") => NOTHING.to_owned(),
        Some(word) => word.to_owned(),
        None => name.to_owned(),
    }
}

/// `1 row`, `2 rows`.
pub fn counted(count: i64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `text`, or a dash where it is empty.
pub fn or_nothing(text: &str) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() }
}

/// `yes` or nothing: what is not so need not be read.
pub fn yes(so: bool) -> String {
    if so { "yes".to_owned() } else { NOTHING.to_owned() }
}

#[cfg(test)]
mod tests;
