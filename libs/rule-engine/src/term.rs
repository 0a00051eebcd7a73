//! The terms that renewals pay for: where they start, where they end, and what of them is priced.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use self::base::{Base, Whole};
use crate::{
    calendar::{DateOutOfRange, DayOfMonth, add_months, last_day, local, local_date},
    duration::TermDuration,
    lifecycle::{LifecycleRules, lifecycle},
    profile::{Boundary, LateStart, ProductProfile},
    reason::Reason,
};

pub(crate) mod base;

/// What of a term is priced: whole months, and days beyond them (M-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricedSpan {
    /// The duration that was chosen; absent where only a date was.
    pub duration: Option<TermDuration>,
    /// The whole months that fit where no duration was chosen, may be 0; else the duration's.
    pub whole_months: u32,
    /// The days beyond them: 0 for a plain renewal.
    pub odd_days: u32,
    /// All days that are added, from the first one after the last day before to the new last day.
    pub total_days: u32,
}

/// What has been paid for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The end of the last live term: expired from this instant on.
    pub end: DateTime<Utc>,
    /// The day of the month that the next term keeps to (T-6).
    pub anchor: DayOfMonth,
}

/// A paid interval: `start` is in it, `end` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Term {
    /// Its first instant.
    pub start: DateTime<Utc>,
    /// The first instant after it.
    pub end: DateTime<Utc>,
    /// The anchor day that holds from it on (T-6).
    pub anchor: DayOfMonth,
}

impl Term {
    /// What has been paid for once this is the last live term.
    #[must_use]
    pub const fn lease(self) -> Lease {
        Lease { end: self.end, anchor: self.anchor }
    }
}

/// A term that a renewal would append, and what people are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalTerm {
    /// The term.
    pub term: Term,
    /// Its last day, in the account's zone (T-4).
    pub last_day: NaiveDate,
    /// What of it is priced.
    pub span: PricedSpan,
    /// Whole days of it that have passed at the payment: more than 0 only where a late renewal
    /// starts at the old expiry (L-2).
    pub days_passed: u32,
}

/// What decides the terms of one instance.
///
/// In a group, the lifecycle is the primary's, and the durations are those that all members offer
/// (B-4).
#[derive(Debug, Clone, Copy)]
pub struct TermRules<'a> {
    /// Those in force at the instance's expiry (L-5).
    pub lifecycle: LifecycleRules,
    /// What is sold (T-1).
    pub durations: &'a [TermDuration],
    /// How many months ahead may be owned at most (T-7).
    pub max_total_months: Option<u32>,
    /// The account's zone.
    pub zone: Tz,
}

impl<'a> TermRules<'a> {
    /// Those of an instance of its own, by `profile` as it is now.
    #[must_use]
    pub fn of(profile: &'a ProductProfile, zone: Tz) -> Self {
        Self {
            lifecycle: LifecycleRules::of(profile),
            durations: &profile.durations,
            max_total_months: profile.max_total_months,
            zone,
        }
    }

    /// These rules where a late renewal starts at the old expiry whatever the product says, because
    /// it is late by our fault (A-6).
    #[must_use]
    pub const fn after_outage(mut self) -> Self {
        self.lifecycle.late_start = LateStart::OldExpiry;
        self
    }
}

/// Why there is no such term. Instants are told where the zone of the reader is known, and not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermRefused {
    /// The product does not sell this duration (T-1).
    #[error("{duration} is not a duration that the product sells")]
    NotOffered {
        /// What was asked for.
        duration: TermDuration,
    },
    /// The time to renew it is over (L-1).
    #[error("the instance was released and can no longer be renewed")]
    WindowClosed {
        /// Since when.
        released_at: DateTime<Utc>,
    },
    /// It would end after the latest day that the product lets anyone own (T-7).
    #[error("the term would end after {latest}, the latest day that may be paid for")]
    TooLong {
        /// The latest day, in the account's zone.
        latest: NaiveDate,
        /// The longest duration that fits, if any does.
        longest: Option<TermDuration>,
    },
    /// The whole of it has already passed at the payment (L-2).
    #[error("the term would already be over")]
    AlreadyOver {
        /// Where it would end.
        end: DateTime<Utc>,
        /// The shortest duration that reaches beyond the payment, if any does.
        shortest: Option<TermDuration>,
    },
    /// It would end beyond the year 9999 (T-8).
    #[error(transparent)]
    OutOfRange(#[from] DateOutOfRange),
}

impl TermRefused {
    /// The code that callers compare.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NotOffered { .. } => Reason::TermNotOffered,
            Self::WindowClosed { .. } => Reason::RenewalWindowClosed,
            Self::TooLong { .. } => Reason::TermTooLong,
            Self::AlreadyOver { .. } => Reason::TermAlreadyOver,
            Self::OutOfRange(_) => Reason::DateOutOfRange,
        }
    }
}

/// The term that renewing `lease` for `duration` at the instant `paid_at` appends (T-2, T-3, T-5).
///
/// Before the expiry it starts there, so that renewing early costs no day; after it, where the
/// product says. A renewal that starts at the expiry keeps the anchor day, one that starts at the
/// payment sets it anew (T-6).
///
/// A short month does not move the months after it:
///
/// ```
/// # use chrono::{DateTime, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{calendar::DayOfMonth, lifecycle::LifecycleRules, profile::*, term::*};
/// # let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// # let durations = ["1m".parse().unwrap()];
/// # let rules = TermRules {
/// #     lifecycle: LifecycleRules {
/// #         boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #         grace_days: 0, retention_days: 7,
/// #     },
/// #     durations: &durations, max_total_months: None, zone: Shanghai,
/// # };
/// // Paid through the 28th of February, bought on a 31st.
/// let lease = Lease { end: at("2026-03-01T00:00:00+08:00"), anchor: DayOfMonth::LAST };
/// let renewal = renewal_term(&rules, lease, durations[0], at("2026-02-20T09:00:00+08:00"))?;
///
/// assert_eq!(renewal.term.start, lease.end);
/// assert_eq!(renewal.last_day.to_string(), "2026-03-31"); // not the 28th
/// # Ok::<(), TermRefused>(())
/// ```
pub fn renewal_term(
    rules: &TermRules<'_>,
    lease: Lease,
    duration: TermDuration,
    paid_at: DateTime<Utc>,
) -> Result<RenewalTerm, TermRefused> {
    check_window(rules, lease, paid_at)?;
    plain_term(rules, Base::of_renewal(rules, lease, paid_at), duration, paid_at)
}

/// The term of `duration` that starts at the instant `paid_at` and sets the anchor day: of a
/// purchase, of a conversion from postpaid (C-1), of a renewal with change after expiry (C-2).
///
/// ```
/// # use chrono::{DateTime, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{lifecycle::LifecycleRules, profile::*, term::*};
/// # let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// # let durations = ["6m".parse().unwrap()];
/// # let rules = TermRules {
/// #     lifecycle: LifecycleRules {
/// #         boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #         grace_days: 0, retention_days: 7,
/// #     },
/// #     durations: &durations, max_total_months: None, zone: Shanghai,
/// # };
/// let bought = term_from_payment(&rules, durations[0], at("2018-08-02T10:00:00+08:00"))?;
/// assert_eq!(bought.last_day.to_string(), "2019-02-02"); // not the 1st
/// # Ok::<(), TermRefused>(())
/// ```
pub fn term_from_payment(
    rules: &TermRules<'_>,
    duration: TermDuration,
    paid_at: DateTime<Utc>,
) -> Result<RenewalTerm, TermRefused> {
    plain_term(rules, Base::of_payment(rules, paid_at), duration, paid_at)
}

/// The term of a renewal of `lease` that carries a new configuration (C-2): before the expiry like
/// any other, after it from the instant `paid_at`, whatever the product says of late renewals.
///
/// ```
/// # use chrono::{DateTime, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{lifecycle::LifecycleRules, profile::*, term::*};
/// # let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// # let durations = ["1m".parse().unwrap()];
/// # let rules = TermRules {
/// #     lifecycle: LifecycleRules {
/// #         boundary: Boundary::EndOfDay, late_start: LateStart::OldExpiry,
/// #         grace_days: 0, retention_days: 7,
/// #     },
/// #     durations: &durations, max_total_months: None, zone: Shanghai,
/// # };
/// // The product renews late from the old expiry; a change cannot begin in the past.
/// let lease = Lease { end: at("2024-06-21T00:00:00+08:00"), anchor: 20.try_into().unwrap() };
/// let paid_at = at("2024-06-25T08:00:00+08:00");
/// assert_eq!(renewal_term(&rules, lease, durations[0], paid_at)?.term.start, lease.end);
/// assert_eq!(changed_term(&rules, lease, durations[0], paid_at)?.term.start, paid_at);
/// # Ok::<(), TermRefused>(())
/// ```
pub fn changed_term(
    rules: &TermRules<'_>,
    lease: Lease,
    duration: TermDuration,
    paid_at: DateTime<Utc>,
) -> Result<RenewalTerm, TermRefused> {
    if paid_at < lease.end {
        return renewal_term(rules, lease, duration, paid_at);
    }
    check_window(rules, lease, paid_at)?;
    term_from_payment(rules, duration, paid_at)
}

/// The anchor day of an instance that is registered with a term from `start` to `end` and no anchor
/// (I-1): the start's local day if the end fits it by T-6, else the end's own.
///
/// ```
/// use chrono_tz::Asia::Shanghai;
/// use rule_engine::{profile::Boundary::EndOfDay, term::registered_anchor};
/// // Bought on a 31st and paid through the 29th of February: it will go to the 31st of March.
/// let (start, end) = ("2024-01-31T10:00:00+08:00".parse()?, "2024-03-01T00:00:00+08:00".parse()?);
/// assert_eq!(registered_anchor(EndOfDay, Shanghai, start, end).get(), 31);
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn registered_anchor(
    boundary: Boundary,
    zone: Tz,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
) -> DayOfMonth {
    let started = DayOfMonth::of(local_date(zone, start));
    let ends_on = match boundary {
        Boundary::Exact if started.fits(local_date(zone, end)) => local_date(zone, end),
        Boundary::Exact | Boundary::EndOfDay => last_day(zone, end),
    };
    if started.fits(ends_on) { started } else { DayOfMonth::of(ends_on) }
}

/// Whether the anchor day leads to a term's `end` (T-6): the end is on that day, or on the last of a
/// month that is too short for it. Days are last days; an `EXACT` end also counts by its own date
/// (T-5).
///
/// ```
/// use chrono_tz::Asia::Shanghai;
/// use rule_engine::{calendar::DayOfMonth, profile::Boundary::EndOfDay, term::anchor_leads_to};
/// let end = "2024-03-01T00:00:00+08:00".parse()?; // the 29th of February is its last day
/// let leads = |day: u32| anchor_leads_to(day.try_into().unwrap(), EndOfDay, Shanghai, end);
/// assert!(leads(29) && leads(31));
/// assert!(!leads(28) && !leads(1));
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[must_use]
pub fn anchor_leads_to(
    anchor: DayOfMonth,
    boundary: Boundary,
    zone: Tz,
    end: DateTime<Utc>,
) -> bool {
    anchor.fits(last_day(zone, end))
        || boundary == Boundary::Exact && anchor.fits(local_date(zone, end))
}

pub(crate) fn check_window(
    rules: &TermRules<'_>,
    lease: Lease,
    paid_at: DateTime<Utc>,
) -> Result<(), TermRefused> {
    let lifecycle = lifecycle(&rules.lifecycle, lease.end, rules.zone);
    if lifecycle.is_renewable_at(paid_at) {
        Ok(())
    } else {
        Err(TermRefused::WindowClosed { released_at: lifecycle.released_at })
    }
}

pub(crate) fn check_offered(
    rules: &TermRules<'_>,
    duration: TermDuration,
) -> Result<(), TermRefused> {
    if rules.durations.contains(&duration) {
        Ok(())
    } else {
        Err(TermRefused::NotOffered { duration })
    }
}

/// The term of a whole `duration` from `base`.
fn plain_term(
    rules: &TermRules<'_>,
    base: Base,
    duration: TermDuration,
    paid_at: DateTime<Utc>,
) -> Result<RenewalTerm, TermRefused> {
    check_offered(rules, duration)?;
    let end = base.after(duration.months())?;
    if end <= paid_at {
        let reaches = |months| base.after(months).is_ok_and(|end| end > paid_at);
        let sold = rules.durations.iter().copied();
        let shortest = sold.filter(|duration| reaches(duration.months())).min();
        return Err(TermRefused::AlreadyOver { end, shortest });
    }
    let renewal = base.renewal(end, base.anchor, Whole::Sold(duration), paid_at);
    check_total(rules, base, &renewal, paid_at)?;
    Ok(renewal)
}

/// Refuses a term that ends later than anyone may own (T-7).
pub(crate) fn check_total(
    rules: &TermRules<'_>,
    base: Base,
    renewal: &RenewalTerm,
    paid_at: DateTime<Utc>,
) -> Result<(), TermRefused> {
    let Some(most) = rules.max_total_months else { return Ok(()) };
    let today = local_date(rules.zone, paid_at);
    let Ok(latest) = add_months(today, most, DayOfMonth::of(today)) else { return Ok(()) };
    if renewal.last_day <= latest {
        return Ok(());
    }
    let fits = |duration: &TermDuration| {
        base.after(duration.months()).is_ok_and(|end| last_day(rules.zone, end) <= latest)
    };
    let longest = rules.durations.iter().copied().filter(fits).max();
    Err(TermRefused::TooLong { latest, longest })
}

/// Whole days from `start` that have passed at `paid_at`, by the local calendar of `zone`.
fn days_passed(zone: Tz, start: DateTime<Utc>, paid_at: DateTime<Utc>) -> u32 {
    let (from, to) = (local(zone, start), local(zone, paid_at));
    let begun = u32::try_from((to.date() - from.date()).num_days()).unwrap_or(0);
    begun.saturating_sub(u32::from(to.time() < from.time()))
}

#[cfg(test)]
mod tests;
