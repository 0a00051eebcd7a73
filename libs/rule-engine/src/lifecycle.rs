//! The states of an instance, read from its dates.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{
    calendar::{DateOutOfRange, add_days, at_local, last_day, local},
    profile::{Boundary, LateStart, Policy, ProductProfile},
};

/// What of a product's profile holds from an instance's expiry on, as it was then (L-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRules {
    /// When in the day terms end.
    pub boundary: Boundary,
    /// Where the term of an instance renewed late begins.
    pub late_start: LateStart,
    /// Calendar days that it keeps running after expiry.
    pub grace_days: u32,
    /// Calendar days after these that it is kept, stopped.
    pub retention_days: u32,
}

impl LifecycleRules {
    /// Those of `profile`.
    #[must_use]
    pub const fn of(profile: &ProductProfile) -> Self {
        Self {
            boundary: profile.boundary,
            late_start: profile.late_start,
            grace_days: profile.grace_days,
            retention_days: profile.retention_days,
        }
    }
}

/// Where an instance is in its life (L-1). The order is that in which it goes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Paid for; postpaid instances always are.
    Active,
    /// Expired, and still running.
    Grace,
    /// Stopped; its data are kept.
    Retained,
    /// Gone.
    Released,
}

impl State {
    /// Its name in messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Grace => "GRACE",
            Self::Retained => "RETAINED",
            Self::Released => "RELEASED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The instants at which an instance leaves its states (L-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifecycle {
    /// The end of what was paid for: expired from this instant on.
    pub expires_at: DateTime<Utc>,
    /// Stopped from this instant on; the expiry itself where there is no grace.
    pub retained_at: DateTime<Utc>,
    /// Gone, and no longer renewable, from this instant on.
    pub released_at: DateTime<Utc>,
}

/// The lifecycle of an instance whose last term ends at `end`, in days of `zone` (L-1).
///
/// With *g* days of grace and *r* of retention it is renewable through day +(*g* + *r*) and
/// released when the next day begins; with exact ends, at the same local time of day after as many
/// days. Instants beyond the year 9999 are its last one (T-8).
///
/// ```
/// use chrono_tz::Asia::Shanghai;
/// use rule_engine::lifecycle::{LifecycleRules, lifecycle};
/// use rule_engine::profile::{Boundary, LateStart};
/// let rules = LifecycleRules {
///     boundary: Boundary::EndOfDay,
///     late_start: LateStart::RenewalDate,
///     grace_days: 0,
///     retention_days: 7,
/// };
/// let expiry = "2024-06-21T00:00:00+08:00".parse()?; // shown as 2024-06-20 23:59:59
/// let released_at = lifecycle(&rules, expiry, Shanghai).released_at;
/// assert_eq!(released_at.with_timezone(&Shanghai).to_string(), "2024-06-28 00:00:00 CST");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn lifecycle(rules: &LifecycleRules, end: DateTime<Utc>, zone: Tz) -> Lifecycle {
    let after = |days: u32| {
        let instant = match rules.boundary {
            Boundary::EndOfDay => day_start(zone, add_days(last_day(zone, end), days)),
            Boundary::Exact => {
                let local = local(zone, end);
                at_local(zone, add_days(local.date(), days), local.time())
            }
        };
        // An end within a day never comes after what follows it.
        instant.unwrap_or(LATEST).max(end)
    };
    Lifecycle {
        expires_at: end,
        retained_at: if rules.grace_days == 0 { end } else { after(rules.grace_days) },
        released_at: match rules.grace_days.saturating_add(rules.retention_days) {
            0 => end,
            days => after(days),
        },
    }
}

/// The last instant of the year 9999, in UTC and whole microseconds.
const LATEST: DateTime<Utc> = DateTime::from_timestamp(253_402_300_799, 999_999_000)
    .expect("the year 9999 can be represented");

/// The instant at which the day after `date` begins.
fn day_start(zone: Tz, date: NaiveDate) -> Result<DateTime<Utc>, DateOutOfRange> {
    at_local(zone, add_days(date, 1), NaiveTime::MIN)
}

impl Lifecycle {
    /// Where the instance is at `now`, whatever any sweep has done (L-3).
    #[must_use]
    pub fn state_at(&self, now: DateTime<Utc>) -> State {
        if now < self.expires_at {
            State::Active
        } else if now < self.retained_at {
            State::Grace
        } else if now < self.released_at {
            State::Retained
        } else {
            State::Released
        }
    }

    /// Whether it may be renewed at `now`, as far as the dates go (L-1).
    #[must_use]
    pub fn is_renewable_at(&self, now: DateTime<Utc>) -> bool {
        now < self.released_at
    }

    /// The last day, in `zone`, on which it may be renewed (L-1).
    #[must_use]
    pub fn last_renewable_day(&self, zone: Tz) -> NaiveDate {
        last_day(zone, self.released_at)
    }

    /// When it leaves `state`, and for which state; nothing once it is released.
    ///
    /// States that last no time are left out: without grace, `ACTIVE` ends in `RETAINED`.
    #[must_use]
    pub fn leaves(&self, state: State) -> Option<(DateTime<Utc>, State)> {
        let at = match state {
            State::Active => self.expires_at,
            State::Grace => self.retained_at,
            State::Retained => self.released_at,
            State::Released => return None,
        };
        Some((at, self.state_at(at)))
    }
}

/// What happens to an instance at its expiry (L-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtExpiry {
    /// It expires: grace, then retention, then release.
    Expires,
    /// It becomes postpaid and keeps running; its policy becomes `MANUAL`, its unpaid orders
    /// `EXPIRED`.
    BecomesPostpaid,
}

/// What happens at its expiry to an instance with this policy (L-4).
#[must_use]
pub const fn at_expiry(policy: Policy) -> AtExpiry {
    match policy {
        Policy::PostpaidAfterExpiry => AtExpiry::BecomesPostpaid,
        Policy::Manual | Policy::Auto | Policy::NotRenew => AtExpiry::Expires,
    }
}

/// Of several versions of rules, each with the instant from which it holds, the one in force at
/// `instant` (L-5).
///
/// The newest that has begun; on the same instant the later in order. Nothing if none has begun.
/// For an instance that has expired, `instant` is its expiry: a later version counts for later
/// expiries.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use rule_engine::lifecycle::in_force;
/// let at = |text: &str| text.parse::<DateTime<Utc>>();
/// let retention_days = [(at("2024-01-01T00:00:00Z")?, 7), (at("2024-06-25T00:00:00Z")?, 3)];
/// let expiry = at("2024-06-21T00:00:00+08:00")?;
/// assert_eq!(in_force(retention_days, expiry), Some(7)); // on the 26th too
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn in_force<T>(
    versions: impl IntoIterator<Item = (DateTime<Utc>, T)>,
    instant: DateTime<Utc>,
) -> Option<T> {
    let begun = versions.into_iter().filter(|(from, _)| *from <= instant);
    begun.max_by_key(|(from, _)| *from).map(|(_, rules)| rules)
}

/// How the release of an instance that ends at `end` would move with other rules: the instant
/// before and after, if they differ (L-5).
#[must_use]
pub fn moved_release(
    before: &LifecycleRules,
    after: &LifecycleRules,
    end: DateTime<Utc>,
    zone: Tz,
) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let [before, after] = [before, after].map(|rules| lifecycle(rules, end, zone).released_at);
    (before != after).then_some((before, after))
}

#[cfg(test)]
mod tests;
