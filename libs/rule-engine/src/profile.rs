//! What differs from product to product and from account to account, as data.
//!
//! Profiles are read from catalog files: names are snake case, values that are one of a few are
//! upper case, and a field that is not known is an error, not a silence. `validate` then names
//! every mistake that the types alone do not refuse.

mod account;
mod product;
mod schedule;
mod unify;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    account::{
        AccountProfile, AccountSettings, InvalidStandardDay, StandardDay, StandardDayMeaning,
        VoucherRule, VoucherRules, VoucherStrategy,
    },
    product::{
        Boundary, EndShown, LateStart, MoneyPolicy, OddDays, ProductProfile, Rounding,
        StrongInBatch,
    },
    schedule::{AutoSchedule, DayRange, LAST_OVERRIDE_DAY, Reminders, StopsWhen, check_auto_days},
    unify::{AllowedDays, SmallestExtension, Unify, UnifyOffer},
};

/// What happens to an instance at its expiry (P-1).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Policy {
    /// It expires unless somebody renews it.
    #[default]
    Manual,
    /// It is renewed without being asked.
    Auto,
    /// It becomes postpaid and keeps running (L-4).
    PostpaidAfterExpiry,
    /// It expires, and nobody is reminded but at the end.
    NotRenew,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 4] =
        [Self::Manual, Self::Auto, Self::PostpaidAfterExpiry, Self::NotRenew];

    /// Its name in profiles and messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Manual => "MANUAL",
            Self::Auto => "AUTO",
            Self::PostpaidAfterExpiry => "POSTPAID_AFTER_EXPIRY",
            Self::NotRenew => "NOT_RENEW",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Something in a profile that no product or account can live by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ProfileMistake {
    /// The path of the field within the profile, such as `unify.days.most`.
    pub field: &'static str,
    /// What is wrong with it, for people.
    pub problem: String,
    /// The fields that it is wrong by, whole: where one of them could not be read and has a
    /// stand-in, nothing may be wrong.
    pub needs: &'static [&'static str],
}

impl ProfileMistake {
    fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into(), needs: &[] }
    }

    /// A mistake that also comes from other fields.
    fn by(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }
}

/// Notes what stands more than once in `values`.
fn check_once<T: PartialEq + ToString>(
    field: &'static str,
    values: &[T],
    mistakes: &mut Vec<ProfileMistake>,
) {
    for (place, value) in values.iter().enumerate() {
        if values[..place].contains(value) {
            let problem = format!("names {} twice", value.to_string());
            mistakes.push(ProfileMistake::new(field, problem));
        }
    }
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
