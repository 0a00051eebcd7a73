//! Attempts to renew an instance, or a group, by itself.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::identity::{AttemptKind, Decision, latest_decision};
use crate::{
    calendar::{at_local, end_of_day, last_day},
    lifecycle::{Lifecycle, LifecycleRules, lifecycle},
    profile::{AccountProfile, AccountSettings, AutoSchedule, StopsWhen},
};

/// When an instance, or the group that it is the root of, is tried to be renewed (A-1).
///
/// In a group, schedule and lifecycle are the primary's (B-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoPlan {
    /// Days before the last day of the first attempt.
    pub days_before: u32,
    /// Local time of day of every attempt.
    pub time: NaiveTime,
    /// When attempts stop.
    pub stop: StopsWhen,
    /// Tried again on the last day when money arrives, and at 23:00.
    pub last_day_retry: bool,
    /// Those in force at the expiry (L-5).
    pub lifecycle: LifecycleRules,
    /// The account's zone.
    pub zone: Tz,
    /// How long past its expiry an instance is still renewed where the system was down (A-6).
    pub outage: TimeDelta,
}

impl AutoPlan {
    /// The plan of a product's schedule for an account: its own number of days counts where the
    /// product lets it (A-1).
    #[must_use]
    pub fn of(
        schedule: &AutoSchedule,
        lifecycle: LifecycleRules,
        settings: &AccountSettings,
        profile: &AccountProfile,
    ) -> Self {
        let range = schedule.account_override;
        let own = settings.auto_days_before.filter(|days| range.is_some_and(|r| r.contains(*days)));
        Self {
            days_before: own.unwrap_or(schedule.days_before),
            time: schedule.time,
            stop: schedule.stop,
            last_day_retry: schedule.last_day_retry,
            lifecycle,
            zone: settings.zone,
            outage: TimeDelta::hours(profile.outage_hours.into()),
        }
    }

    fn lifecycle(&self, end: DateTime<Utc>) -> Lifecycle {
        lifecycle(&self.lifecycle, end, self.zone)
    }

    /// From when on nothing is tried any more that ends at `end`.
    #[must_use]
    pub fn stops_at(&self, end: DateTime<Utc>) -> DateTime<Utc> {
        match self.stop {
            StopsWhen::OneDay | StopsWhen::UntilExpiry => end,
            StopsWhen::UntilSuspension => self.lifecycle(end).retained_at,
        }
    }
}

/// A day on which an instance is to be tried (A-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedAttempt {
    /// The local date that identifies the attempt, however late it is made (A-2).
    pub date: NaiveDate,
    /// The instant for which it is planned.
    pub at: DateTime<Utc>,
}

/// An attempt that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The expiry that it would move.
    pub expiry: DateTime<Utc>,
    /// The date that identifies it.
    pub date: NaiveDate,
    /// Scheduled, or which retry.
    pub kind: AttemptKind,
    /// Since when it is due.
    pub at: DateTime<Utc>,
    /// None is planned after it: an unpaid order stands no longer in its way (A-8), and this is the
    /// last moment to pay.
    pub is_last: bool,
    /// The instance expired before the attempt could be decided: the term starts at the old expiry
    /// whatever the product says; see
    /// [`after_outage`](crate::term::TermRules::after_outage) (A-6).
    pub after_outage: bool,
}

/// What is to be done about renewing an instance by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// This attempt is to be made now.
    Due(Attempt),
    /// Nothing before this instant.
    Later(DateTime<Utc>),
    /// The attempt of this date was never decided, and it is too late for it: an event and an
    /// alert, then a decision like any other (A-6).
    Missed {
        /// The expiry that it would have moved.
        expiry: DateTime<Utc>,
        /// The date that identifies it.
        date: NaiveDate,
        /// Since when it was due.
        at: DateTime<Utc>,
    },
    /// Nothing for this expiry any more.
    Never,
}

/// The days on which an instance that ends at `end` is to be tried, in order (A-1).
///
/// From day −n on once a day until the schedule stops. An attempt that would fall at or after the
/// end, which only an end within a day lets happen, is made on the day before; where attempts go on
/// through grace, also on its own day.
///
/// ```
/// # use chrono::{DateTime, TimeDelta, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{due::*, lifecycle::*, profile::*};
/// # let lifecycle = LifecycleRules {
/// #     boundary: Boundary::Exact, late_start: LateStart::RenewalDate,
/// #     grace_days: 0, retention_days: 7,
/// # };
/// let plan = AutoPlan {
///     days_before: 0,
///     time: "09:00:00".parse()?,
///     stop: StopsWhen::OneDay,
///     // …
/// #     last_day_retry: true, lifecycle, zone: Shanghai, outage: TimeDelta::hours(24),
/// };
/// // Expires at eight: at nine it would be too late.
/// let planned = planned_attempts(&plan, "2024-06-20T08:00:00+08:00".parse()?);
/// let nine_the_day_before: DateTime<Utc> = "2024-06-19T09:00:00+08:00".parse()?;
/// assert_eq!(planned[0].at, nine_the_day_before);
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn planned_attempts(plan: &AutoPlan, end: DateTime<Utc>) -> Vec<PlannedAttempt> {
    let last_day = last_day(plan.zone, end);
    let before = i64::from(plan.days_before);
    let after = match plan.stop {
        StopsWhen::OneDay => -before,
        StopsWhen::UntilExpiry => 0,
        // A whole day more: where ends lie within a day, grace does too. What is too late is cut.
        StopsWhen::UntilSuspension => i64::from(plan.lifecycle.grace_days) + 1,
    };
    let stops_at = plan.stops_at(end);
    let on_day = |day: i64| {
        let date = last_day.checked_add_signed(TimeDelta::days(day))?;
        let at = at_local(plan.zone, date, plan.time).ok()?;
        Some(PlannedAttempt { date, at })
    };
    let mut planned: Vec<_> =
        (-before..=after).filter_map(on_day).filter(|attempt| attempt.at < stops_at).collect();
    if planned.first().is_none_or(|first| first.at >= end) {
        let day_before = on_day(-before - 1).filter(|attempt| attempt.at < end);
        planned.splice(0..0, day_before);
    }
    planned
}

/// What is to be done at `now` about renewing an instance that ends at `end` (A-1, A-2, A-6).
///
/// `decided` is the latest decision for this expiry, `money_at` when a deposit or voucher last
/// reached the account. Late is not missed: if the latest planned attempt is undecided, it is due
/// under its own date, and earlier ones leave no trace.
///
/// ```
/// # use chrono::{DateTime, TimeDelta, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{due::*, lifecycle::*, profile::*};
/// # let lifecycle = LifecycleRules {
/// #     boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #     grace_days: 0, retention_days: 7,
/// # };
/// # let plan = AutoPlan {
/// #     days_before: 7, time: "03:00:00".parse()?, stop: StopsWhen::UntilExpiry,
/// #     last_day_retry: true, lifecycle, zone: Shanghai, outage: TimeDelta::hours(24),
/// # };
/// // Tried daily from the 13th on; nothing ran from the 14th to the 16th.
/// let expiry: DateTime<Utc> = "2024-06-21T00:00:00+08:00".parse()?;
/// let now: DateTime<Utc> = "2024-06-16T12:00:00+08:00".parse()?;
/// let NextAttempt::Due(attempt) = next_attempt(&plan, expiry, None, None, now) else { panic!() };
/// assert_eq!(attempt.date.to_string(), "2024-06-16"); // one attempt, not four
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn next_attempt(
    plan: &AutoPlan,
    end: DateTime<Utc>,
    decided: Option<&Decision>,
    money_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> NextAttempt {
    let planned = planned_attempts(plan, end);
    let come = planned.partition_point(|attempt| attempt.at <= now);
    let Some(latest) = come.checked_sub(1).and_then(|place| planned.get(place)) else {
        return planned.first().map_or(NextAttempt::Never, |first| NextAttempt::Later(first.at));
    };
    let undecided = |date| decided.is_none_or(|decided| decided.date < date);
    let in_time = now < plan.stops_at(end);
    let excused = now - end <= plan.outage && plan.lifecycle(end).is_renewable_at(now);
    let last_in_time = planned.iter().rfind(|attempt| attempt.at < end);
    let expired_undecided = now >= end && last_in_time.is_some_and(|last| undecided(last.date));
    let attempt = |date, kind, at| {
        NextAttempt::Due(Attempt {
            expiry: end,
            date,
            kind,
            at,
            is_last: come == planned.len(),
            after_outage: (expired_undecided || !in_time) && excused,
        })
    };
    if undecided(latest.date) {
        return if in_time || excused {
            attempt(latest.date, AttemptKind::Scheduled, latest.at)
        } else {
            NextAttempt::Missed { expiry: end, date: latest.date, at: latest.at }
        };
    }
    let retry = decided.and_then(|decided| {
        let at = retry_time(plan, end, &planned, decided, money_at)?;
        Some((decided.date, decided.kind.next_retry(), at))
    });
    match (retry, planned.get(come)) {
        (Some((.., at)), _) if at > now => NextAttempt::Later(at),
        (Some((date, kind, at)), _) if in_time || excused => attempt(date, kind, at),
        (_, Some(next)) => NextAttempt::Later(next.at),
        _ => NextAttempt::Never,
    }
}

/// What is to be done at `now` about renewing a group whose members end at `ends` (B-5).
///
/// It is due at the earliest expiry among its unexpired members; an expired one counts as long as
/// something of its own is open (A-6), and one past its window stops nobody. `decided` holds the
/// latest decision for each expiry.
///
/// ```
/// # use chrono::{DateTime, TimeDelta, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{due::*, lifecycle::*, profile::*};
/// # let lifecycle = LifecycleRules {
/// #     boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #     grace_days: 0, retention_days: 7,
/// # };
/// # let plan = AutoPlan {
/// #     days_before: 0, time: "00:00:00".parse()?, stop: StopsWhen::OneDay,
/// #     last_day_retry: true, lifecycle, zone: Shanghai, outage: TimeDelta::hours(24),
/// # };
/// // A disk that ends ten days before its machine makes both due.
/// let [disk, machine]: [DateTime<Utc>; 2] =
///     ["2024-06-21T00:00:00+08:00".parse()?, "2024-07-01T00:00:00+08:00".parse()?];
/// let now = "2024-06-20T00:00:00+08:00".parse()?;
/// let next = next_group_attempt(&plan, &[machine, disk], &[], None, now);
/// let NextAttempt::Due(attempt) = next else { panic!("{next:?}") };
/// assert_eq!(attempt.expiry, disk);
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn next_group_attempt(
    plan: &AutoPlan,
    ends: &[DateTime<Utc>],
    decided: &[Decision],
    money_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> NextAttempt {
    let mut ends = ends.to_vec();
    ends.sort_unstable();
    ends.dedup();
    if ends.iter().any(|end| plan.lifecycle(*end).is_renewable_at(now)) {
        ends.retain(|end| plan.lifecycle(*end).is_renewable_at(now));
    }
    let of_end = |end| next_attempt(plan, end, latest_decision(decided, end), money_at, now);
    ends.into_iter()
        .map(of_end)
        .find(|next| *next != NextAttempt::Never)
        .unwrap_or(NextAttempt::Never)
}

/// When the last day's attempt that was refused for money is tried again: when money arrives, and
/// at 23:00 local, whichever comes first (A-1).
fn retry_time(
    plan: &AutoPlan,
    end: DateTime<Utc>,
    planned: &[PlannedAttempt],
    decided: &Decision,
    money_at: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    let on_last_day = planned.last().is_some_and(|last| last.date == decided.date);
    if !(plan.last_day_retry && on_last_day && decided.refused_for_money) {
        return None;
    }
    let evening = at_local(plan.zone, decided.date, EVENING).ok();
    let stops_at = match plan.stop {
        StopsWhen::OneDay => end_of_day(plan.zone, decided.date).ok()?.min(end),
        StopsWhen::UntilExpiry | StopsWhen::UntilSuspension => plan.stops_at(end),
    };
    let since = |at: &DateTime<Utc>| decided.at < *at && *at < stops_at;
    [evening, money_at].into_iter().flatten().filter(since).min()
}

/// The local time of the last day's last attempt (A-1).
const EVENING: NaiveTime = NaiveTime::from_hms_opt(23, 0, 0).expect("a day has 23 o'clock");
