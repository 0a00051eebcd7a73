//! When a product renews by itself, and when it reminds.

use std::fmt;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use super::{ProfileMistake, check_once, yes};

/// When a product tries to renew by itself (A-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoSchedule {
    /// Days before the last day on which the first attempt is made: 0 to 9.
    pub days_before: u32,
    /// Local time of day of every attempt, in the account's zone.
    pub time: NaiveTime,
    /// When attempts stop; until then there is one a day.
    pub stop: StopsWhen,
    /// What an account may set in place of `days_before`; nothing if absent.
    #[serde(default)]
    pub account_override: Option<DayRange>,
    /// On the last day, an instance refused for money is tried again when money arrives, and at
    /// 23:00 local.
    #[serde(default = "yes")]
    pub last_day_retry: bool,
}

/// The last day before expiry that an attempt may begin on, by product or account.
pub const LAST_OVERRIDE_DAY: u32 = 9;

/// When attempts to renew stop (A-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StopsWhen {
    /// After the first day.
    OneDay,
    /// At the expiry, which no attempt reaches.
    UntilExpiry,
    /// At the end of grace, when the instance is stopped.
    UntilSuspension,
}

/// A range of days, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayRange {
    /// The least.
    pub least: u32,
    /// The most.
    pub most: u32,
}

impl DayRange {
    /// Whether `day` is in the range.
    #[must_use]
    pub const fn contains(self, day: u32) -> bool {
        self.least <= day && day <= self.most
    }
}

impl fmt::Display for DayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.least, self.most)
    }
}

/// Whether an account may make its first automatic attempts `days` days before expiry, where its
/// products offer `offered`; the mistake names what it may choose (A-1). It needs to be offered by
/// one of them: the others go by their own schedules.
///
/// ```
/// use rule_engine::profile::{DayRange, check_auto_days};
/// let offered = [DayRange { least: 0, most: 7 }];
/// assert_eq!(check_auto_days(7, &offered), Ok(()));
/// assert!(check_auto_days(8, &offered).unwrap_err().problem.ends_with("must be 0 to 7"));
/// assert!(check_auto_days(0, &[]).is_err());
/// ```
pub fn check_auto_days(days: u32, offered: &[DayRange]) -> Result<(), ProfileMistake> {
    if offered.iter().any(|range| range.contains(days)) {
        return Ok(());
    }
    let mut ranges: Vec<_> = offered.iter().map(ToString::to_string).collect();
    ranges.sort();
    ranges.dedup();
    let problem = if ranges.is_empty() {
        "cannot be chosen: none of its products lets an account do so".to_owned()
    } else {
        format!("is {days}, and must be {}", ranges.join(" or "))
    };
    Err(ProfileMistake::new("auto_days_before", problem))
}

/// When a product's users are reminded, in days of the account's zone (R-1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminders {
    /// Days before the last day.
    #[serde(default)]
    pub before_expiry: Vec<u32>,
    /// Also on the last day itself.
    #[serde(default = "yes")]
    pub at_expiry: bool,
    /// Release warnings, as days after the last day.
    #[serde(default)]
    pub after_expiry: Vec<u32>,
    /// Release warnings, as days before the last day on which the instance can be renewed.
    #[serde(default)]
    pub before_release: Vec<u32>,
}

/// The longest time before expiry at which a reminder may be.
const MAX_REMINDER_DAYS: u32 = 366;

impl AutoSchedule {
    pub(super) fn mistakes(&self) -> Vec<ProfileMistake> {
        let mut mistakes = Vec::new();
        if self.days_before > LAST_OVERRIDE_DAY {
            let problem = format!("must be 0 to {LAST_OVERRIDE_DAY}");
            mistakes.push(ProfileMistake::new("auto_schedule.days_before", problem));
        }
        if let Some(range) = self.account_override
            && (range.least > range.most || range.most > LAST_OVERRIDE_DAY)
        {
            let problem = format!("must be a range within 0 to {LAST_OVERRIDE_DAY}");
            let field = "auto_schedule.account_override";
            let mistake = ProfileMistake::new(field, problem);
            mistakes.push(mistake.by(&["auto_schedule.account_override"]));
        }
        mistakes
    }
}

impl Reminders {
    /// `renewable_days` are those after the last day on which the instance can be renewed.
    pub(super) fn mistakes(&self, renewable_days: u32) -> Vec<ProfileMistake> {
        let mut mistakes = Vec::new();
        let mut check = |field, days: &[u32], least, most, by: &'static [_]| {
            for day in days {
                let problem = match day {
                    day if *day < least => format!("{day} is less than {least}"),
                    day if *day > most => format!("{day} is more than {most}"),
                    _ => continue,
                };
                let by = if *day > most { by } else { &[] };
                mistakes.push(ProfileMistake::new(field, problem).by(by));
            }
            check_once(field, days, &mut mistakes);
        };
        check("reminders.before_expiry", &self.before_expiry, 1, MAX_REMINDER_DAYS, &[]);
        let by = &["grace_days", "retention_days"];
        check("reminders.after_expiry", &self.after_expiry, 1, renewable_days, by);
        let most = renewable_days.saturating_sub(1);
        check("reminders.before_release", &self.before_release, 0, most, by);
        mistakes
    }
}
