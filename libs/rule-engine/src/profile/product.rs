//! What a product says of its renewals.

use serde::{Deserialize, Serialize};

use super::{AutoSchedule, Policy, ProfileMistake, Reminders, Unify, check_once};
use crate::duration::TermDuration;

/// What a product says of its renewals.
///
/// A product that says no more than it must sells its durations to the end of the day, converts and
/// changes nothing, and aligns no dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductProfile {
    /// What it sells (T-1).
    pub durations: Vec<TermDuration>,
    /// Cycles that automatic renewal may have; see [`ProductProfile::cycles`] (P-3).
    #[serde(default)]
    pub auto_cycles: Option<Vec<TermDuration>>,
    /// Policies that it allows (P-1).
    pub policies: Vec<Policy>,
    /// When in the day its terms end (T-5).
    #[serde(default)]
    pub boundary: Boundary,
    /// How an end is shown to people (T-4).
    #[serde(default)]
    pub end_shown: EndShown,
    /// Where the term of an instance renewed late begins (T-3).
    pub late_start: LateStart,
    /// Calendar days, in the account's zone, that an expired instance keeps running (L-1).
    pub grace_days: u32,
    /// Calendar days after grace that a stopped instance can still be renewed (L-1).
    pub retention_days: u32,
    /// How many months ahead of the payment an account may own at most; no limit if absent (T-7).
    #[serde(default)]
    pub max_total_months: Option<u32>,
    /// Why no instance of it is renewed, for people; they are if absent.
    #[serde(default)]
    pub not_renewable: Option<String>,
    /// No longer sold: still renewed by hand, never newly set to renew by itself (P-8).
    #[serde(default)]
    pub discontinued: bool,
    /// Renewing a postpaid instance makes it prepaid (C-1).
    #[serde(default)]
    pub converts_postpaid: bool,
    /// A renewal may carry a new configuration (C-2, C-3).
    #[serde(default)]
    pub configuration_change: bool,
    /// Whether and how expiries may be aligned (U-1).
    #[serde(default)]
    pub unify: Unify,
    /// Whether strongly bound instances may stand in a batch with others (B-4).
    #[serde(default)]
    pub strong_in_batch: StrongInBatch,
    /// When it renews by itself; required where the policies allow that.
    #[serde(default)]
    pub auto_schedule: Option<AutoSchedule>,
    /// When its users are reminded.
    #[serde(default)]
    pub reminders: Reminders,
    /// How exact amounts become prices (M-9).
    pub money_policy: MoneyPolicy,
    /// Address of the service that delivers what was paid for; the event is the notice if absent
    /// (O-5).
    #[serde(default)]
    pub provisioner: Option<String>,
}

/// When in the day a term ends (T-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Boundary {
    /// With the day: at the first instant of the next local date.
    #[default]
    EndOfDay,
    /// At the local time of day at which it began.
    Exact,
}

/// How the end of a whole day is shown to people (T-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndShown {
    /// By the last second that was paid for: 2024-06-20 23:59:59.
    #[default]
    LastSecond,
    /// By the first one that was not: 2024-06-21 00:00:00.
    NextMidnight,
}

/// Where the term of an instance renewed after its expiry begins (T-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LateStart {
    /// At the payment, which sets a new anchor day: the days between cost nothing.
    RenewalDate,
    /// At the expiry: the days between are paid for.
    OldExpiry,
}

/// Whether strongly bound instances may stand in a batch with others (B-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StrongInBatch {
    /// They may.
    #[default]
    Allowed,
    /// They may not.
    Refused,
}

/// How exact amounts become prices, under a name that quotes and orders carry (M-9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoneyPolicy {
    /// Its name.
    pub name: String,
    /// Counted up with every change of what the name stands for, from 1.
    pub version: u32,
    /// How an item's payable becomes whole minor units (M-5).
    pub rounding: Rounding,
    /// How days beyond whole months are counted (M-4).
    #[serde(default)]
    pub odd_days: OddDays,
    /// How many days the monthly price is divided by to price one day (M-4).
    #[serde(default = "thirty")]
    pub divisor: u32,
}

const fn thirty() -> u32 {
    30
}

/// How an exact amount becomes whole minor units (M-5). Never half to even.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rounding {
    /// To the nearest, a half upwards.
    HalfUp,
    /// Downwards: what is less than one minor unit is erased.
    Truncate,
}

/// How days beyond whole months are counted (M-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OddDays {
    /// The days after the last whole month of the term.
    #[default]
    DaysBeyondTerm,
    /// Where the term is one month or none: all its days less 30.
    #[serde(rename = "DAYS_BEYOND_30")]
    DaysBeyond30,
}

impl ProductProfile {
    /// The cycles that automatic renewal may have: its own, else the durations (P-3).
    #[must_use]
    pub fn cycles(&self) -> &[TermDuration] {
        self.auto_cycles.as_deref().unwrap_or(&self.durations)
    }

    /// Every mistake in it, in the order of its fields; none if it can be used.
    #[must_use]
    pub fn validate(&self) -> Vec<ProfileMistake> {
        let mut mistakes = Vec::new();
        self.check_durations(&mut mistakes);
        self.check_policies(&mut mistakes);
        self.check_days(&mut mistakes);
        mistakes.extend(self.unify.mistakes());
        mistakes.extend(self.auto_schedule.iter().flat_map(AutoSchedule::mistakes));
        mistakes.extend(self.reminders.mistakes(self.renewable_days()));
        mistakes.extend(self.money_policy.mistakes());
        if self.provisioner.as_ref().is_some_and(|address| !is_address(address)) {
            let problem = "must be an address such as http://vm-console:50051, or be left out";
            mistakes.push(ProfileMistake::new("provisioner", problem));
        }
        mistakes
    }

    /// Days of grace and retention together (L-1).
    #[must_use]
    pub const fn renewable_days(&self) -> u32 {
        self.grace_days.saturating_add(self.retention_days)
    }

    fn check_durations(&self, mistakes: &mut Vec<ProfileMistake>) {
        if self.durations.is_empty() && self.not_renewable.is_none() {
            let mistake = ProfileMistake::new("durations", "must name at least one");
            mistakes.push(mistake.by(&["durations", "not_renewable"]));
        }
        check_once("durations", &self.durations, mistakes);
        let Some(cycles) = &self.auto_cycles else { return };
        if cycles.is_empty() && self.policies.contains(&Policy::Auto) {
            let mistake = ProfileMistake::new("auto_cycles", "must name at least one for AUTO");
            mistakes.push(mistake.by(&["auto_cycles"]));
        }
        check_once("auto_cycles", cycles, mistakes);
        for cycle in cycles.iter().filter(|cycle| !self.durations.contains(cycle)) {
            let problem = format!("{} is not one of the durations", cycle.short());
            mistakes.push(ProfileMistake::new("auto_cycles", problem).by(&["durations"]));
        }
    }

    fn check_policies(&self, mistakes: &mut Vec<ProfileMistake>) {
        if !self.policies.contains(&Policy::Manual) {
            let problem = "must allow MANUAL, which is the default";
            mistakes.push(ProfileMistake::new("policies", problem).by(&["policies"]));
        }
        check_once("policies", &self.policies, mistakes);
        if self.policies.contains(&Policy::Auto) && self.auto_schedule.is_none() {
            let mistake = ProfileMistake::new("auto_schedule", "is needed where AUTO is allowed");
            mistakes.push(mistake.by(&["auto_schedule"]));
        }
    }

    fn check_days(&self, mistakes: &mut Vec<ProfileMistake>) {
        for (field, days) in
            [("grace_days", self.grace_days), ("retention_days", self.retention_days)]
        {
            if days > MAX_LIFECYCLE_DAYS {
                let problem = format!("must be at most {MAX_LIFECYCLE_DAYS}");
                mistakes.push(ProfileMistake::new(field, problem));
            }
        }
        let shortest = self.durations.iter().min();
        if let (Some(most), Some(shortest)) = (self.max_total_months, shortest)
            && most < shortest.months()
        {
            let problem = format!("leaves no room for the shortest duration, {shortest}");
            mistakes.push(ProfileMistake::new("max_total_months", problem).by(&["durations"]));
        }
        if self.not_renewable.as_ref().is_some_and(|why| why.trim().is_empty()) {
            mistakes.push(ProfileMistake::new("not_renewable", "must say why, or be left out"));
        }
    }
}

/// Whether the text is the address of a service: `http://`, a host, and nothing that is not printed.
fn is_address(text: &str) -> bool {
    let host = text.strip_prefix("http://").unwrap_or_default();
    !host.is_empty() && !host.starts_with(['/', ':']) && host.chars().all(|c| c.is_ascii_graphic())
}

/// The most days that grace or retention may have.
const MAX_LIFECYCLE_DAYS: u32 = 3_650;

impl MoneyPolicy {
    fn mistakes(&self) -> Vec<ProfileMistake> {
        let mut mistakes = Vec::new();
        if self.name.trim().is_empty() {
            mistakes.push(ProfileMistake::new("money_policy.name", "must not be empty"));
        }
        if self.version == 0 {
            mistakes.push(ProfileMistake::new("money_policy.version", "counts from 1"));
        }
        if !(1..=366).contains(&self.divisor) {
            mistakes.push(ProfileMistake::new("money_policy.divisor", "must be 1 to 366 days"));
        }
        mistakes
    }
}
