//! Whether and how expiries of a product may be aligned.

use serde::{Deserialize, Serialize};

use super::{ProfileMistake, StandardDay};

/// Whether and how expiries of a product may be aligned (U-1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unify {
    /// What is offered.
    #[serde(default)]
    pub offer: UnifyOffer,
    /// Which standard days.
    #[serde(default)]
    pub days: AllowedDays,
    /// The least that an ad-hoc date adds (U-5).
    #[serde(default)]
    pub smallest_extension: SmallestExtension,
    /// Automatic renewals go to the standard day of an account that wants it (U-4).
    #[serde(default)]
    pub automatic: bool,
}

/// What a product offers to align expiries (U-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnifyOffer {
    /// Nothing.
    #[default]
    NotOffered,
    /// A renewal to the standard day, without a duration.
    Alone,
    /// A renewal to the standard day, alone or after a duration of choice.
    WithDuration,
    /// A renewal to any date.
    AdHoc,
}

/// Which standard days a product takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedDays {
    /// The first day of the month.
    pub least: u32,
    /// The last one, in it.
    pub most: u32,
    /// Also the last day of the month.
    #[serde(default)]
    pub last_of_month: bool,
}

impl Default for AllowedDays {
    fn default() -> Self {
        Self { least: 1, most: 28, last_of_month: false }
    }
}

impl AllowedDays {
    /// Whether the product takes `day`.
    #[must_use]
    pub fn contains(self, day: StandardDay) -> bool {
        match day {
            StandardDay::Day(day) => (self.least..=self.most).contains(&day.get()),
            StandardDay::LastOfMonth => self.last_of_month,
        }
    }
}

/// The least that a renewal to an ad-hoc date adds (U-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SmallestExtension {
    /// A day.
    #[default]
    None,
    /// A month.
    OneMonth,
}

impl Unify {
    pub(super) fn mistakes(&self) -> Vec<ProfileMistake> {
        let mut mistakes = Vec::new();
        let AllowedDays { least, most, .. } = self.days;
        if least == 0 || least > most || most > 28 {
            let mistake = ProfileMistake::new("unify.days", "must be a range within 1 to 28");
            mistakes.push(mistake.by(&["unify.days"]));
        }
        if self.automatic && !matches!(self.offer, UnifyOffer::Alone | UnifyOffer::WithDuration) {
            let problem = "needs ALONE or WITH_DURATION to be offered";
            mistakes.push(ProfileMistake::new("unify.automatic", problem).by(&["unify.offer"]));
        }
        mistakes
    }
}
