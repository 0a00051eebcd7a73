//! Where months are counted from.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use super::{Lease, PricedSpan, RenewalTerm, Term, TermRules, days_passed};
use crate::{
    calendar::{
        DateOutOfRange, DayOfMonth, add_months, at_local, check_end, days_between, end_of_day,
        last_day, local, whole_months,
    },
    duration::TermDuration,
    profile::{Boundary, LateStart},
};

/// Where a term starts, and the base date that its months are counted from (T-5).
#[derive(Debug, Clone, Copy)]
pub struct Base {
    pub start: DateTime<Utc>,
    /// The anchor day that holds if the term ends where its months put it.
    pub anchor: DayOfMonth,
    /// The last day before the days that the term adds.
    pub last_day: NaiveDate,
    /// The date that months are counted from: `last_day`, unless the term ends within a day.
    date: NaiveDate,
    /// The local time of day at which the term ends; absent: with the day.
    time: Option<NaiveTime>,
    zone: Tz,
}

impl Base {
    /// Where the renewal of `lease` at `paid_at` starts (T-2, T-3).
    pub fn of_renewal(rules: &TermRules<'_>, lease: Lease, paid_at: DateTime<Utc>) -> Self {
        let expired = paid_at >= lease.end;
        match rules.lifecycle.late_start {
            LateStart::RenewalDate if expired => Self::of_payment(rules, paid_at),
            LateStart::RenewalDate | LateStart::OldExpiry => Self::of_lease(rules, lease),
        }
    }

    /// Where a term that continues `lease` starts.
    pub fn of_lease(rules: &TermRules<'_>, lease: Lease) -> Self {
        let zone = rules.zone;
        let last_day = last_day(zone, lease.end);
        let end = local(zone, lease.end);
        // An exact product's end that was aligned to a whole day keeps to it: the anchor then says
        // the last day, and not the date of the end.
        let exact = rules.lifecycle.boundary == Boundary::Exact
            && (last_day == end.date() || !lease.anchor.fits(last_day));
        Self {
            start: lease.end,
            anchor: lease.anchor,
            last_day,
            date: if exact { end.date() } else { last_day },
            time: exact.then_some(end.time()),
            zone,
        }
    }

    /// Where a term that begins with its payment starts; its day becomes the anchor (T-6).
    pub fn of_payment(rules: &TermRules<'_>, paid_at: DateTime<Utc>) -> Self {
        let paid = local(rules.zone, paid_at);
        let exact = rules.lifecycle.boundary == Boundary::Exact;
        Self {
            start: paid_at,
            anchor: DayOfMonth::of(paid.date()),
            last_day: if exact { last_day(rules.zone, paid_at) } else { paid.date() },
            date: paid.date(),
            time: exact.then_some(paid.time()),
            zone: rules.zone,
        }
    }

    /// The end of the term after so many whole months (T-5).
    pub fn after(&self, months: u32) -> Result<DateTime<Utc>, DateOutOfRange> {
        let date = add_months(self.date, months, self.anchor)?;
        match self.time {
            None => end_of_day(self.zone, date),
            Some(time) => check_end(self.zone, at_local(self.zone, date, time)?),
        }
    }

    /// The renewal that ends at `end`, of which `whole` is priced in months.
    pub fn renewal(
        &self,
        end: DateTime<Utc>,
        anchor: DayOfMonth,
        whole: Whole,
        paid_at: DateTime<Utc>,
    ) -> RenewalTerm {
        let new_last_day = last_day(self.zone, end);
        let beyond = |months| {
            let plain = self.after(months).unwrap_or(end);
            days_between(last_day(self.zone, plain), new_last_day)
        };
        let (duration, (whole_months, odd_days)) = match whole {
            Whole::Sold(duration) => {
                (Some(duration), (duration.months(), beyond(duration.months())))
            }
            Whole::OneMonth => (None, (1, beyond(1))),
            Whole::AsManyAsFit => {
                (None, whole_months(self.last_day, new_last_day, self.anchor_of_last_day()))
            }
        };
        let total_days = days_between(self.last_day, new_last_day);
        RenewalTerm {
            term: Term { start: self.start, end, anchor },
            last_day: new_last_day,
            span: PricedSpan { duration, whole_months, odd_days, total_days },
            days_passed: days_passed(self.zone, self.start, paid_at),
        }
    }

    /// The anchor as it applies to last days: an exact end at midnight belongs to the day before.
    fn anchor_of_last_day(&self) -> DayOfMonth {
        if self.last_day == self.date { self.anchor } else { DayOfMonth::of(self.last_day) }
    }
}

/// What of a term is priced in months; what is beyond are odd days (M-4).
#[derive(Debug, Clone, Copy)]
pub enum Whole {
    /// The duration that was chosen.
    Sold(TermDuration),
    /// One month: a standard date without a duration (U-2).
    OneMonth,
    /// As many months as fit: a date of its own (B-3, U-5).
    AsManyAsFit,
}
