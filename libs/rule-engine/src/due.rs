//! What is due by itself, and when: automatic renewals, the steps of the lifecycle, reminders.
//!
//! Nothing is queued. What is due follows from facts and the time, so a sweep that runs late, twice
//! or on two machines finds the same work under the same identity.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

pub use self::{
    attempt::{
        Attempt, AutoPlan, NextAttempt, PlannedAttempt, next_attempt, next_group_attempt,
        planned_attempts,
    },
    identity::{AttemptIdentity, AttemptKind, Decision},
};
use crate::{
    lifecycle::{AtExpiry, LifecycleRules, State, at_expiry, lifecycle},
    profile::{Policy, Reminders},
    reminder::{Reminder, ReminderFacts, planned_reminders},
};

mod attempt;
mod identity;

/// What decides when an instance is next to be looked at.
#[derive(Debug, Clone, Copy)]
pub struct DueFacts<'a> {
    /// The account's zone.
    pub zone: Tz,
    /// Those in force at the expiry (L-5).
    pub lifecycle: LifecycleRules,
    /// The end of the last live term; nothing for a postpaid instance, of which nothing is due.
    pub end: Option<DateTime<Utc>>,
    /// The state that was last recorded, with its event.
    pub state: State,
    /// The renewal policy.
    pub policy: Policy,
    /// An order of it is being paid or delivered: it is not released meanwhile (L-3).
    pub payment_running: bool,
    /// When its users are reminded.
    pub reminders: &'a Reminders,
    /// The last [offset](crate::reminder::Reminder::offset) that was dealt with for this expiry.
    pub reminded: Option<i32>,
    /// How it renews itself; nothing unless its policy is `AUTO`, and nothing for a child, which is
    /// never due by itself (B-5).
    pub automatic: Option<AutoFacts<'a>>,
}

/// What decides when an instance, or the group that it is the root of, is next to be renewed.
#[derive(Debug, Clone, Copy)]
pub struct AutoFacts<'a> {
    /// When it is tried.
    pub plan: &'a AutoPlan,
    /// The ends of all members of the group, its own among them (B-5).
    pub ends: &'a [DateTime<Utc>],
    /// The latest decision for each expiry.
    pub decided: &'a [Decision],
    /// When money last reached the account.
    pub money_at: Option<DateTime<Utc>>,
}

/// A step of the lifecycle that is to be recorded (L-3, L-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It enters this state.
    Enters(State),
    /// It becomes postpaid instead of expiring.
    BecomesPostpaid,
}

/// The earliest instant at which anything of the instance is due: an attempt to renew it, a step of
/// its lifecycle, a reminder. Nothing if nothing ever will be.
///
/// It lies in the past of `now` where something is due already. It is never too late; it may be too
/// early, as for a reminder that turns out not to be wanted, which is harmless: what is due is
/// decided again then.
///
/// ```
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{due::*, lifecycle::*, profile::*};
/// # let lifecycle = LifecycleRules {
/// #     boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #     grace_days: 0, retention_days: 7,
/// # };
/// # let reminders = Reminders::default();
/// let expired = DueFacts {
///     zone: Shanghai,
///     lifecycle,
///     end: Some("2024-06-21T00:00:00+08:00".parse()?),
///     state: State::Retained,
///     policy: Policy::Manual,
///     payment_running: false,
///     reminders: &reminders,
///     reminded: Some(0),
///     automatic: None,
/// };
/// // Nothing but its release, after seven whole days.
/// let now = "2024-06-22T00:00:00+08:00".parse()?;
/// assert_eq!(due_time(&expired, now), Some("2024-06-28T00:00:00+08:00".parse()?));
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn due_time(facts: &DueFacts<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let transition = transition_time(facts).map(|(at, _)| at);
    let reminder = facts.pending_reminders().next().map(|reminder| reminder.at);
    let attempt = facts.automatic.and_then(|automatic| automatic.due_time(now));
    [transition, reminder, attempt].into_iter().flatten().min()
}

/// The step of the lifecycle that is due at `now`, if one is (L-3).
///
/// One at a time: where a sweep comes late, each is recorded with its own event, in order.
#[must_use]
pub fn due_transition(facts: &DueFacts<'_>, now: DateTime<Utc>) -> Option<Transition> {
    transition_time(facts).filter(|(at, _)| *at <= now).map(|(_, transition)| transition)
}

/// The reminder that is due at `now`, if one is (R-1).
///
/// Of several that have come up only the latest: the others are not made up for. Whether it is
/// [wanted](crate::reminder::Reminder::is_wanted) is asked then; either way it is dealt with.
#[must_use]
pub fn due_reminder(facts: &DueFacts<'_>, now: DateTime<Utc>) -> Option<Reminder> {
    facts.pending_reminders().take_while(|reminder| reminder.at <= now).last()
}

/// When the recorded state ends, and with what.
fn transition_time(facts: &DueFacts<'_>) -> Option<(DateTime<Utc>, Transition)> {
    let end = facts.end?;
    let (at, next) = lifecycle(&facts.lifecycle, end, facts.zone).leaves(facts.state)?;
    let transition = match (facts.state, at_expiry(facts.policy)) {
        (State::Active, AtExpiry::BecomesPostpaid) => Transition::BecomesPostpaid,
        // Released while it is being paid for, the customer would have paid for nothing.
        _ if next == State::Released && facts.payment_running => return None,
        _ => Transition::Enters(next),
    };
    Some((at, transition))
}

impl DueFacts<'_> {
    /// Reminders that were not dealt with, in order of time.
    fn pending_reminders(&self) -> impl Iterator<Item = Reminder> {
        let planned = self.end.map_or_else(Vec::new, |end| {
            planned_reminders(&ReminderFacts {
                reminders: self.reminders,
                lifecycle: self.lifecycle,
                zone: self.zone,
                end,
                policy: self.policy,
                first_attempt: self.first_attempt(end),
            })
        });
        let reminded = self.reminded;
        planned.into_iter().filter(move |reminder| Some(reminder.offset) > reminded)
    }

    fn first_attempt(&self, end: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let planned = planned_attempts(self.automatic?.plan, end);
        planned.first().map(|attempt| attempt.at)
    }
}

impl AutoFacts<'_> {
    /// What is to be done at `now` about renewing the instance or group.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> NextAttempt {
        next_group_attempt(self.plan, self.ends, self.decided, self.money_at, now)
    }

    fn due_time(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.next(now) {
            NextAttempt::Due(Attempt { at, .. })
            | NextAttempt::Missed { at, .. }
            | NextAttempt::Later(at) => Some(at),
            NextAttempt::Never => None,
        }
    }
}

#[cfg(test)]
mod tests;
