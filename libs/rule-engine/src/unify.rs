//! Renewals to a date: the standard date of an account, a date of choice, the expiry of a parent.

use chrono::{DateTime, NaiveDate, Utc};

pub use self::standard::StandardDate;
use crate::{
    calendar::{DateOutOfRange, DayOfMonth, add_days, end_of_day, last_day},
    duration::TermDuration,
    profile::{AccountSettings, SmallestExtension, Unify, UnifyOffer},
    reason::Reason,
    term::{
        Lease, RenewalTerm, TermRefused, TermRules,
        base::{Base, Whole},
        check_offered, check_total, check_window, renewal_term,
    },
};

mod standard;

/// Why an instance is not renewed to a date. Instants are told where the zone of the reader is known,
/// and not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnifyRefused {
    /// The product does not offer this way to a common date, or not this day (U-1).
    #[error("the product does not offer to align expiries in this way")]
    NotOffered,
    /// The account has set no standard date, and the request carries none (U-1).
    #[error("the account has set no standard renewal date")]
    DateNotSet,
    /// It is expired; then nothing of the whole operation is done (U-3).
    #[error("the instance is expired")]
    Expired {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// The date lies before what has been paid for, or adds less than the product lets (U-5).
    #[error("the earliest date to which the instance can be renewed is {earliest}")]
    TooEarly {
        /// The first day that adds something to this instance; for several, see
        /// [`earliest_ad_hoc_date`].
        earliest: NaiveDate,
    },
    /// There is no such term.
    #[error(transparent)]
    Term(#[from] TermRefused),
}

impl From<DateOutOfRange> for UnifyRefused {
    fn from(error: DateOutOfRange) -> Self {
        Self::Term(error.into())
    }
}

impl UnifyRefused {
    /// The code that callers compare.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NotOffered => Reason::UnifyNotOffered,
            Self::DateNotSet => Reason::StandardDateNotSet,
            Self::Expired { .. } => Reason::UnifiedWithExpired,
            Self::TooEarly { .. } => Reason::DateTooEarly,
            Self::Term(refused) => refused.reason(),
        }
    }
}

/// The term that renewing `lease` to the standard date appends, after `duration` if one is chosen
/// and after one month else (U-2).
///
/// Let *m* be the last day of the plain renewal; the new last day is the first that the standard
/// date allows **on or after** *m*, and the days from *m* to it are odd days. So it never shortens,
/// and the odd days may be 0. It ends with a whole day also where the product's terms do not, and
/// sets the anchor day (U-4).
///
/// ```
/// # use chrono::{DateTime, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{lifecycle::LifecycleRules, profile::*, term::*, unify::*};
/// # let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// # let durations = ["1m".parse().unwrap()];
/// # let rules = TermRules {
/// #     lifecycle: LifecycleRules {
/// #         boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #         grace_days: 0, retention_days: 7,
/// #     },
/// #     durations: &durations, max_total_months: None, zone: Shanghai,
/// # };
/// # let unify = Unify { offer: UnifyOffer::WithDuration, ..Unify::default() };
/// # let meaning = StandardDayMeaning::LastDay;
/// # let first = StandardDate { day: StandardDay::day(1).unwrap(), meaning };
/// // Paid through 2018-09-10; the standard day is the first.
/// let lease = Lease { end: at("2018-09-11T00:00:00+08:00"), anchor: 10.try_into().unwrap() };
/// let now = at("2018-08-20T12:00:00+08:00");
/// let renewal = unified_term(&rules, &unify, lease, Some(first), None, now)?;
///
/// assert_eq!(renewal.last_day.to_string(), "2018-11-01"); // not 2018-10-01: a month first
/// assert_eq!((renewal.span.odd_days, renewal.span.total_days), (22, 52));
/// # Ok::<(), UnifyRefused>(())
/// ```
pub fn unified_term(
    rules: &TermRules<'_>,
    unify: &Unify,
    lease: Lease,
    standard: Option<StandardDate>,
    duration: Option<TermDuration>,
    paid_at: DateTime<Utc>,
) -> Result<RenewalTerm, UnifyRefused> {
    if let Some(duration) = duration {
        check_offered(rules, duration)?;
    }
    let offered = match unify.offer {
        UnifyOffer::NotOffered | UnifyOffer::AdHoc => false,
        UnifyOffer::Alone => duration.is_none(),
        UnifyOffer::WithDuration => true,
    };
    if !offered {
        return Err(UnifyRefused::NotOffered);
    }
    let standard = standard.ok_or(UnifyRefused::DateNotSet)?;
    if !unify.days.contains(standard.day) {
        return Err(UnifyRefused::NotOffered);
    }
    check_unexpired(lease, paid_at)?;
    Ok(aligned(rules, lease, standard, duration, paid_at)?)
}

/// The term that an automatic renewal of `lease` by `cycle` appends (U-4).
///
/// To the account's standard date where the account wants that, the product lets it and the
/// instance is not expired; else plain. Either counts as one renewal. The first one may be nearly
/// twice as long as the cycle:
///
/// ```
/// # use chrono::{DateTime, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{lifecycle::LifecycleRules, profile::*, term::*, unify::*};
/// # let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// # let durations = ["1m".parse().unwrap()];
/// # let rules = TermRules {
/// #     lifecycle: LifecycleRules {
/// #         boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #         grace_days: 0, retention_days: 7,
/// #     },
/// #     durations: &durations, max_total_months: None, zone: Shanghai,
/// # };
/// # let unify = Unify { offer: UnifyOffer::WithDuration, automatic: true, ..Unify::default() };
/// # let settings = AccountSettings {
/// #     zone: Shanghai, currency: kernel::Currency::Cny, standard_day: StandardDay::day(1).ok(),
/// #     day_meaning: StandardDayMeaning::LastDay, auto_follows_standard_day: true,
/// #     auto_days_before: None,
/// # };
/// // Monthly, to the first of the month.
/// let lease = Lease { end: at("2018-09-11T00:00:00+08:00"), anchor: 10.try_into().unwrap() };
/// let now = at("2018-09-10T00:00:00+08:00");
/// let first = automatic_term(&rules, &unify, lease, &settings, durations[0], now)?;
/// assert_eq!(first.last_day.to_string(), "2018-11-01");
/// let next = automatic_term(&rules, &unify, first.term.lease(), &settings, durations[0], now)?;
/// assert_eq!(next.last_day.to_string(), "2018-12-01");
/// # Ok::<(), TermRefused>(())
/// ```
pub fn automatic_term(
    rules: &TermRules<'_>,
    unify: &Unify,
    lease: Lease,
    settings: &AccountSettings,
    cycle: TermDuration,
    paid_at: DateTime<Utc>,
) -> Result<RenewalTerm, TermRefused> {
    let standard = StandardDate::of_account(settings).filter(|standard| {
        let wanted = unify.automatic && settings.auto_follows_standard_day;
        wanted && unify.days.contains(standard.day)
    });
    match standard {
        Some(standard) if paid_at < lease.end => {
            check_offered(rules, cycle)?;
            aligned(rules, lease, standard, Some(cycle), paid_at)
        }
        _ => renewal_term(rules, lease, cycle, paid_at),
    }
}

/// The term that renewing `lease` to the last day `date` appends; nothing if that is its last day
/// already (`ALREADY_COVERED`) (U-5).
///
/// It is priced by the whole months that fit and the days beyond them (M-4), ends with the whole
/// day and sets the anchor day to it.
///
/// ```
/// # use chrono::{DateTime, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{lifecycle::LifecycleRules, profile::*, term::*, unify::*};
/// # let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// # let rules = TermRules {
/// #     lifecycle: LifecycleRules {
/// #         boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #         grace_days: 0, retention_days: 7,
/// #     },
/// #     durations: &[], max_total_months: None, zone: Shanghai,
/// # };
/// # let unify = Unify { offer: UnifyOffer::AdHoc, ..Unify::default() };
/// let lease = Lease { end: at("2024-06-21T00:00:00+08:00"), anchor: 20.try_into().unwrap() };
/// let now = at("2024-06-01T12:00:00+08:00");
/// let to = |date: &str| ad_hoc_term(&rules, &unify, lease, date.parse().unwrap(), now);
///
/// let span = to("2024-08-25")?.unwrap().span;
/// assert_eq!((span.whole_months, span.odd_days), (2, 5));
/// assert_eq!(to("2024-06-20")?, None); // its last day, though it ends on the 21st
/// assert!(to("2024-06-19").is_err());
/// # Ok::<(), UnifyRefused>(())
/// ```
pub fn ad_hoc_term(
    rules: &TermRules<'_>,
    unify: &Unify,
    lease: Lease,
    date: NaiveDate,
    paid_at: DateTime<Utc>,
) -> Result<Option<RenewalTerm>, UnifyRefused> {
    if unify.offer != UnifyOffer::AdHoc {
        return Err(UnifyRefused::NotOffered);
    }
    check_unexpired(lease, paid_at)?;
    let end = end_of_day(rules.zone, date)?;
    let floor = AdHocFloor::of(rules, unify, lease)?;
    if date == floor.last_day {
        return Ok(None);
    }
    if date < floor.extends_from {
        return Err(UnifyRefused::TooEarly { earliest: floor.extends_from });
    }
    let base = Base::of_lease(rules, lease);
    let renewal = base.renewal(end, DayOfMonth::of(date), Whole::AsManyAsFit, paid_at);
    check_total(rules, base, &renewal, paid_at)?;
    Ok(Some(renewal))
}

/// To which dates an instance may be renewed: its last day, which adds nothing, or any from the
/// first that adds enough (U-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdHocFloor {
    /// The last day that is paid for.
    pub last_day: NaiveDate,
    /// The first day that adds as much as the product wants.
    pub extends_from: NaiveDate,
}

impl AdHocFloor {
    /// That of an instance.
    pub fn of(rules: &TermRules<'_>, unify: &Unify, lease: Lease) -> Result<Self, DateOutOfRange> {
        let base = Base::of_lease(rules, lease);
        let extends_from = match unify.smallest_extension {
            SmallestExtension::None => add_days(base.last_day, 1),
            SmallestExtension::OneMonth => last_day(rules.zone, base.after(1)?),
        };
        Ok(Self { last_day: base.last_day, extends_from })
    }
}

/// The earliest date to which all of several instances can be renewed together: each is there
/// already or is extended enough, and at least one is extended (U-5). Nothing for none.
///
/// ```
/// use rule_engine::unify::{AdHocFloor, earliest_ad_hoc_date};
/// let floor = |last_day: &str, extends_from: &str| AdHocFloor {
///     last_day: last_day.parse().unwrap(),
///     extends_from: extends_from.parse().unwrap(),
/// };
/// let floors = [floor("2024-06-20", "2024-06-21"), floor("2024-07-05", "2024-07-06")];
/// // The second is there already; it need not be extended for the first to join it.
/// assert_eq!(earliest_ad_hoc_date(&floors).unwrap().to_string(), "2024-07-05");
/// ```
#[must_use]
pub fn earliest_ad_hoc_date(floors: &[AdHocFloor]) -> Option<NaiveDate> {
    let suits = |date: &NaiveDate| {
        floors.iter().all(|floor| *date == floor.last_day || *date >= floor.extends_from)
            && floors.iter().any(|floor| *date >= floor.extends_from)
    };
    floors.iter().flat_map(|floor| [floor.last_day, floor.extends_from]).filter(suits).min()
}

/// The term that brings a bound instance to its parent's new expiry; nothing if it is there already
/// or later (`ALREADY_COVERED`) (B-3, B-5).
///
/// `lease` is what the child has, nothing if it is postpaid and becomes prepaid (C-1); `parent`
/// what the parent has once it is renewed. The child starts where a renewal of its own would (T-2,
/// T-3), may end after any duration (T-1 does not apply), is priced by the whole months that fit
/// and the days beyond them (M-4), and takes the parent's anchor (T-6).
///
/// ```
/// # use chrono::{DateTime, Utc};
/// # use chrono_tz::Asia::Shanghai;
/// # use rule_engine::{lifecycle::LifecycleRules, profile::*, term::*, unify::*};
/// # let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// # let rules = TermRules {
/// #     lifecycle: LifecycleRules {
/// #         boundary: Boundary::EndOfDay, late_start: LateStart::RenewalDate,
/// #         grace_days: 0, retention_days: 7,
/// #     },
/// #     durations: &[], max_total_months: None, zone: Shanghai,
/// # };
/// let child = Lease { end: at("2024-06-21T00:00:00+08:00"), anchor: 20.try_into().unwrap() };
/// let parent = Lease { end: at("2024-10-01T00:00:00+08:00"), anchor: 31.try_into().unwrap() };
/// let now = at("2024-06-01T00:00:00+08:00");
/// let term = term_to_parent(&rules, Some(child), parent, now)?.unwrap();
/// assert_eq!((term.span.whole_months, term.span.odd_days), (3, 10));
/// assert_eq!(term.term.anchor.get(), 31); // its parent's, not its own
/// # Ok::<(), TermRefused>(())
/// ```
pub fn term_to_parent(
    rules: &TermRules<'_>,
    lease: Option<Lease>,
    parent: Lease,
    paid_at: DateTime<Utc>,
) -> Result<Option<RenewalTerm>, TermRefused> {
    let base = match lease {
        Some(lease) if lease.end >= parent.end => return Ok(None),
        Some(lease) => {
            check_window(rules, lease, paid_at)?;
            Base::of_renewal(rules, lease, paid_at)
        }
        None => Base::of_payment(rules, paid_at),
    };
    if parent.end <= paid_at {
        return Err(TermRefused::AlreadyOver { end: parent.end, shortest: None });
    }
    let renewal = base.renewal(parent.end, parent.anchor, Whole::AsManyAsFit, paid_at);
    check_total(rules, base, &renewal, paid_at)?;
    Ok(Some(renewal))
}

/// Refuses what is expired at `paid_at` (U-3).
fn check_unexpired(lease: Lease, paid_at: DateTime<Utc>) -> Result<(), UnifyRefused> {
    if paid_at < lease.end { Ok(()) } else { Err(UnifyRefused::Expired { since: lease.end }) }
}

/// The term to `standard` after `duration`, or after one month without one (U-2).
fn aligned(
    rules: &TermRules<'_>,
    lease: Lease,
    standard: StandardDate,
    duration: Option<TermDuration>,
    paid_at: DateTime<Utc>,
) -> Result<RenewalTerm, TermRefused> {
    let base = Base::of_lease(rules, lease);
    let plain = base.after(duration.map_or(1, TermDuration::months))?;
    let target = standard.first_from(last_day(rules.zone, plain))?;
    let end = end_of_day(rules.zone, target)?;
    let whole = duration.map_or(Whole::OneMonth, Whole::Sold);
    let renewal = base.renewal(end, standard.anchor(), whole, paid_at);
    check_total(rules, base, &renewal, paid_at)?;
    Ok(renewal)
}

#[cfg(test)]
mod tests;
