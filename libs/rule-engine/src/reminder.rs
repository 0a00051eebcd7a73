//! When users are reminded, and of what.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::{
    calendar::{at_local, last_day, local_date},
    lifecycle::{Lifecycle, LifecycleRules, lifecycle},
    profile::{Policy, Reminders},
};

/// The local time of day of every reminder (R-1).
pub const REMINDER_TIME: NaiveTime = NaiveTime::from_hms_opt(9, 0, 0).expect("a day has 9 o'clock");

/// The days before the last day on which a user is reminded who said not to renew (R-1).
const NOT_RENEW_DAYS: i64 = 3;

/// What decides when the users of an instance are reminded.
#[derive(Debug, Clone, Copy)]
pub struct ReminderFacts<'a> {
    /// What the product says.
    pub reminders: &'a Reminders,
    /// Those in force at the expiry (L-5).
    pub lifecycle: LifecycleRules,
    /// The account's zone.
    pub zone: Tz,
    /// The end of the last live term.
    pub end: DateTime<Utc>,
    /// The renewal policy.
    pub policy: Policy,
    /// When it is first tried to be renewed by itself, where it is.
    pub first_attempt: Option<DateTime<Utc>>,
}

/// What a reminder is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReminderKind {
    /// The instance will expire.
    BeforeExpiry,
    /// The next automatic renewal costs something else; on the day before it is tried, where the
    /// product reminds no earlier.
    BeforeAttempt,
    /// This is the last day.
    AtExpiry,
    /// The instance will be released.
    BeforeRelease,
}

/// One reminder; there is one per instance, expiry and offset (R-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminder {
    /// The day relative to the last day: −7 is a week before it, 4 is four days after.
    pub offset: i32,
    /// What it is of.
    pub kind: ReminderKind,
    /// When it is sent.
    pub at: DateTime<Utc>,
    /// From when on it would say something that is no longer true: nobody is told that an instance
    /// will expire once it has.
    pub until: DateTime<Utc>,
    /// Before the first attempt to renew the instance by itself.
    pub before_attempt: bool,
}

/// What the forecast says of the next automatic renewal (R-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// The money suffices, and the price is the last renewal's or the user was told of it.
    Pays,
    /// The money suffices, and the price is not the last renewal's.
    PaysAnotherPrice,
    /// It will fail: for want of money, or because its cycle is no longer sold (P-3).
    Fails,
}

/// The reminders of an instance, in order of time (R-1).
///
/// The product's days before the last day, the last day itself, and release warnings, each at 09:00
/// in the account's zone. `NOT_RENEW` has one 3 days before and the last release warning;
/// `POSTPAID_AFTER_EXPIRY` has no release to be warned of. Whether a reminder of an instance that
/// renews itself [is wanted](Reminder::is_wanted) is known when its time has come.
///
/// ```
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{lifecycle::*, profile::*, reminder::*};
/// # let lifecycle = LifecycleRules {
/// #     boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #     grace_days: 0, retention_days: 7,
/// # };
/// let (before_expiry, before_release) = (vec![1], vec![0]);
/// let reminders = Reminders { before_expiry, before_release, ..Reminders::default() };
/// let planned = planned_reminders(&ReminderFacts {
///     reminders: &reminders,
///     end: "2024-06-21T00:00:00+08:00".parse()?, // the last day is the 20th
///     // …
/// #     lifecycle, zone: Shanghai, policy: Policy::Manual, first_attempt: None,
/// });
/// let on = |place: usize| planned[place].at.date_naive().to_string();
/// assert_eq!(on(0), "2024-06-19");
/// assert_eq!(on(1), "2024-06-27"); // the last day to renew on
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn planned_reminders(facts: &ReminderFacts<'_>) -> Vec<Reminder> {
    let mut planned = match facts.policy {
        Policy::NotRenew => {
            let mut planned = release_warnings(facts);
            planned.sort_by_key(|reminder| reminder.at);
            planned.drain(..planned.len().saturating_sub(1));
            planned.extend(facts.on_day(-NOT_RENEW_DAYS, ReminderKind::BeforeExpiry));
            planned
        }
        Policy::PostpaidAfterExpiry => before_expiry(facts),
        Policy::Manual | Policy::Auto => {
            let mut planned = before_expiry(facts);
            planned.extend(release_warnings(facts));
            planned
        }
    };
    planned.sort_by_key(|reminder| reminder.offset);
    planned.dedup_by_key(|reminder| reminder.offset);
    planned
}

fn before_expiry(facts: &ReminderFacts<'_>) -> Vec<Reminder> {
    let days = facts.reminders.before_expiry.iter();
    let mut planned: Vec<_> = days
        .filter_map(|&days| facts.on_day(-i64::from(days), ReminderKind::BeforeExpiry))
        .collect();
    if facts.reminders.at_expiry {
        planned.extend(facts.on_day(0, ReminderKind::AtExpiry));
    }
    // A user who hears of a new price only after it was charged was not reminded.
    if let Some(first_attempt) = facts.first_attempt
        && !planned.iter().any(|reminder| reminder.before_attempt)
    {
        let date = local_date(facts.zone, first_attempt);
        let day_before = (date - last_day(facts.zone, facts.end)).num_days() - 1;
        planned.extend(facts.on_day(day_before, ReminderKind::BeforeAttempt));
    }
    planned
}

fn release_warnings(facts: &ReminderFacts<'_>) -> Vec<Reminder> {
    let last_day = last_day(facts.zone, facts.end);
    let renewable = (facts.lifecycle().last_renewable_day(facts.zone) - last_day).num_days();
    let after = facts.reminders.after_expiry.iter().map(|&days| i64::from(days));
    let before = facts.reminders.before_release.iter().map(|&days| renewable - i64::from(days));
    after
        .chain(before)
        // With no day between expiry and release there is nothing left to warn of.
        .filter(|&day| day > 0)
        .filter_map(|day| facts.on_day(day, ReminderKind::BeforeRelease))
        .map(|warning| facts.in_time(warning))
        .collect()
}

impl ReminderFacts<'_> {
    /// The reminder on a day relative to the last day; none beyond all dates (T-8).
    fn on_day(&self, day: i64, kind: ReminderKind) -> Option<Reminder> {
        let date = last_day(self.zone, self.end).checked_add_signed(TimeDelta::try_days(day)?)?;
        let at = self.nine_o_clock(date)?;
        let before_attempt = self.first_attempt.is_some_and(|attempt| at < attempt);
        let until = match kind {
            ReminderKind::BeforeExpiry | ReminderKind::BeforeAttempt => self.end,
            ReminderKind::AtExpiry | ReminderKind::BeforeRelease => self.lifecycle().released_at,
        };
        Some(Reminder { offset: i32::try_from(day).ok()?, kind, at, until, before_attempt })
    }

    fn lifecycle(&self) -> Lifecycle {
        lifecycle(&self.lifecycle, self.end, self.zone)
    }

    /// The warning, or the same a day earlier where a release within the day comes before it.
    fn in_time(&self, warning: Reminder) -> Reminder {
        if warning.at < warning.until {
            return warning;
        }
        let earlier = local_date(self.zone, warning.at).pred_opt();
        let at = earlier.and_then(|date| self.nine_o_clock(date)).unwrap_or(warning.at);
        Reminder { at, ..warning }
    }

    fn nine_o_clock(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        at_local(self.zone, date, REMINDER_TIME).ok()
    }
}

impl Reminder {
    /// Whether it is sent at `now` to the users of an instance with this policy; `outlook` matters
    /// only where it renews itself (R-1).
    ///
    /// Then none is while the money suffices, but one when the price differs from the last
    /// renewal's, before it is charged; once that was sent, the outlook is [`Outlook::Pays`].
    #[must_use]
    pub fn is_wanted(&self, policy: Policy, outlook: Outlook, now: DateTime<Utc>) -> bool {
        let wanted = match (policy, outlook) {
            (Policy::Auto, Outlook::Pays) => false,
            (Policy::Auto, Outlook::PaysAnotherPrice) => self.before_attempt,
            (Policy::Auto, Outlook::Fails)
            | (Policy::Manual | Policy::PostpaidAfterExpiry | Policy::NotRenew, _) => {
                self.kind != ReminderKind::BeforeAttempt
            }
        };
        wanted && now < self.until
    }
}

#[cfg(test)]
mod tests;
