//! What an account lives under, and what it sets for itself.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use kernel::Currency;

use super::{ProfileMistake, schedule::LAST_OVERRIDE_DAY};
use crate::calendar::DayOfMonth;

/// What a cloud says of all accounts that live under one catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountProfile {
    /// Which vouchers pay first (V-2).
    pub vouchers: VoucherRules,
    /// Days that an unpaid order lives.
    #[serde(default = "fifteen")]
    pub unpaid_order_days: u32,
    /// Minutes that a quote's price holds (M-6).
    #[serde(default = "fifteen")]
    pub quote_hold_minutes: u32,
    /// How many instances a call may name.
    #[serde(default = "hundred")]
    pub batch_limit: u32,
    /// How many a call may come to with those that come along.
    #[serde(default = "thousand")]
    pub batch_limit_with_bound: u32,
    /// Hours past its expiry that an instance is still renewed by itself if the system was down
    ///
    #[serde(default = "day")]
    pub outage_hours: u32,
}

const fn fifteen() -> u32 {
    15
}

const fn hundred() -> u32 {
    100
}

const fn thousand() -> u32 {
    1_000
}

const fn day() -> u32 {
    24
}

/// Which vouchers pay first, by who pays (V-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoucherRules {
    /// When a person pays.
    pub manual: VoucherRule,
    /// When an instance is renewed by itself.
    pub automatic: VoucherRule,
}

/// Which vouchers pay first, and how many (V-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoucherRule {
    /// The order in which they are taken.
    pub strategy: VoucherStrategy,
    /// How many may pay at most; any number if absent.
    #[serde(default)]
    pub max_per_payment: Option<u32>,
}

/// The order in which vouchers are taken (V-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VoucherStrategy {
    /// The one that ends first, then the larger one.
    NearestExpiryThenLargest,
    /// The smallest, then the one that ends first.
    SmallestThenNearest,
    /// The largest, then the one that ends first.
    LargestFirst,
    /// One that pays all the rest, of these the one that ends first.
    CoverWholeFirst,
    /// Those that the payer names.
    ChosenByUser,
}

/// What an account sets for itself. Zone and currency are fixed once it owns an instance (T-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// The zone whose calendar its days are of.
    pub zone: Tz,
    /// What it pays in.
    pub currency: Currency,
    /// The day on which its expiries are aligned (U-1).
    #[serde(default)]
    pub standard_day: Option<StandardDay>,
    /// What that day means (U-1).
    #[serde(default)]
    pub day_meaning: StandardDayMeaning,
    /// Automatic renewals go to that day too (U-4).
    #[serde(default)]
    pub auto_follows_standard_day: bool,
    /// Its own number of days before expiry for the first automatic attempt, where the product lets
    /// it.
    #[serde(default)]
    pub auto_days_before: Option<u32>,
}

/// A day of the month on which expiries are aligned (U-1): written as a number, or as
/// `LAST_OF_MONTH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "StandardDayText", into = "StandardDayText")]
pub enum StandardDay {
    /// Day 1 to 28.
    Day(DayOfMonth),
    /// The last day of the month.
    LastOfMonth,
}

/// How a standard day is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StandardDayText {
    Number(u32),
    Word(StandardDayWord),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum StandardDayWord {
    LastOfMonth,
}

/// A number is no day to align expiries on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 28, or LAST_OF_MONTH")]
pub struct InvalidStandardDay;

impl StandardDay {
    /// Day `number` of the month, from 1 to 28 (U-1).
    pub fn day(number: u32) -> Result<Self, InvalidStandardDay> {
        let day = DayOfMonth::try_from(number).map_err(|_| InvalidStandardDay)?;
        if number <= 28 { Ok(Self::Day(day)) } else { Err(InvalidStandardDay) }
    }
}

impl TryFrom<StandardDayText> for StandardDay {
    type Error = InvalidStandardDay;

    fn try_from(text: StandardDayText) -> Result<Self, InvalidStandardDay> {
        match text {
            StandardDayText::Number(number) => Self::day(number),
            StandardDayText::Word(StandardDayWord::LastOfMonth) => Ok(Self::LastOfMonth),
        }
    }
}

impl From<StandardDay> for StandardDayText {
    fn from(day: StandardDay) -> Self {
        match day {
            StandardDay::Day(day) => Self::Number(day.get()),
            StandardDay::LastOfMonth => Self::Word(StandardDayWord::LastOfMonth),
        }
    }
}

/// What a standard day means (U-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StandardDayMeaning {
    /// Paid through that day.
    #[default]
    LastDay,
    /// Ends at 00:00 of that day: the last day is the one before.
    StartOfDay,
}

impl AccountProfile {
    /// Every mistake in it, in the order of its fields; none if it can be used.
    #[must_use]
    pub fn validate(&self) -> Vec<ProfileMistake> {
        let mut mistakes = Vec::new();
        for (field, rule) in [
            ("vouchers.manual.max_per_payment", &self.vouchers.manual),
            ("vouchers.automatic.max_per_payment", &self.vouchers.automatic),
        ] {
            if rule.max_per_payment == Some(0) {
                mistakes.push(ProfileMistake::new(field, "must be at least 1, or be left out"));
            }
        }
        if self.vouchers.automatic.strategy == VoucherStrategy::ChosenByUser {
            let problem = "cannot be CHOSEN_BY_USER: nobody is there to choose";
            mistakes.push(ProfileMistake::new("vouchers.automatic.strategy", problem));
        }
        for (field, value, most) in [
            ("unpaid_order_days", self.unpaid_order_days, 366),
            ("quote_hold_minutes", self.quote_hold_minutes, 7 * 24 * 60),
            ("batch_limit", self.batch_limit, 1_000),
            ("batch_limit_with_bound", self.batch_limit_with_bound, 10_000),
        ] {
            if !(1..=most).contains(&value) {
                mistakes.push(ProfileMistake::new(field, format!("must be 1 to {most}")));
            }
        }
        if self.batch_limit > self.batch_limit_with_bound {
            let problem = "must not be below batch_limit";
            let mistake = ProfileMistake::new("batch_limit_with_bound", problem);
            mistakes.push(mistake.by(&["batch_limit", "batch_limit_with_bound"]));
        }
        if self.outage_hours > 24 * 31 {
            mistakes.push(ProfileMistake::new("outage_hours", "must be at most 744"));
        }
        mistakes
    }
}

impl AccountSettings {
    /// Every mistake in them, in the order of their fields; none if they can be used.
    #[must_use]
    pub fn validate(&self) -> Vec<ProfileMistake> {
        let mut mistakes = Vec::new();
        match self.standard_day {
            Some(StandardDay::Day(day)) if day.get() > 28 => {
                mistakes.push(ProfileMistake::new("standard_day", InvalidStandardDay.to_string()));
            }
            Some(StandardDay::LastOfMonth)
                if self.day_meaning == StandardDayMeaning::StartOfDay =>
            {
                let problem = "START_OF_DAY needs a day 1 to 28, not the last of the month";
                mistakes.push(ProfileMistake::new("day_meaning", problem));
            }
            _ => {}
        }
        if self.auto_days_before.is_some_and(|days| days > LAST_OVERRIDE_DAY) {
            let problem = format!("must be 0 to {LAST_OVERRIDE_DAY}");
            mistakes.push(ProfileMistake::new("auto_days_before", problem));
        }
        mistakes
    }
}
