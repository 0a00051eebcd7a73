//! Which instances a search means, as ranges of expiries (section 12).

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use kernel::ids::{ProductId, Region};
use rule_engine::{
    calendar::{add_days, end_of_day, local_date},
    lifecycle::{LifecycleRules, State, lifecycle},
};

use super::rules::Catalogue;
use crate::store::{
    instances::list::{Expiries, NEVER, States, Tab, Wanted},
    values::micros,
};

/// What is searched for; everything given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Last day on or after this date.
    pub last_day_from: Option<NaiveDate>,
    /// Last day on or before this date.
    pub last_day_to: Option<NaiveDate>,
    /// Last day at most so many days from today, expired ones left out.
    pub within_days: Option<u32>,
    /// Only expired ones.
    pub expired_only: bool,
    /// One of these products; any if empty.
    pub products: Vec<ProductId>,
    /// One of these room types; any if empty.
    pub room_types: Vec<String>,
    /// One of these regions; any if empty.
    pub regions: Vec<Region>,
    /// This tab; all if absent.
    pub tab: Option<Tab>,
    /// One of these states; any if empty.
    pub states: Vec<State>,
    /// Name or id begins with this.
    pub prefix: String,
    /// All of these labels.
    pub labels: BTreeMap<String, String>,
    /// Also trials, one-time instances, products that opt out, and released ones.
    pub include_hidden: bool,
}

/// What `search` means at `now` for an account whose days are those of `zone`.
#[must_use]
pub fn wanted(search: Search, zone: Tz, catalogue: &Catalogue, now: DateTime<Utc>) -> Wanted {
    let (expires_after, expires_until) = expiry_bounds(&search, zone, now);
    let hidden =
        catalogue.products().filter(|(_, product)| product.profile.not_renewable.is_some());
    let not_products = if search.include_hidden {
        Vec::new()
    } else {
        hidden.map(|(id, _)| id.to_string()).collect()
    };
    Wanted {
        expires_after,
        expires_until,
        products: search.products.into_iter().map(String::from).collect(),
        not_products,
        room_types: search.room_types,
        regions: search.regions.into_iter().map(String::from).collect(),
        tab: search.tab,
        states: states_wanted(&search.states, search.include_hidden)
            .map(|states| ranges(&states, zone, catalogue, now)),
        prefix: search.prefix,
        labels: search.labels.into_iter().collect(),
        with_trials: search.include_hidden,
        now: micros(now),
    }
}

/// Bounds of the expiry: later than the first, not later than the second. Where one is given, what
/// has no expiry is out.
fn expiry_bounds(search: &Search, zone: Tz, now: DateTime<Utc>) -> (Option<i64>, Option<i64>) {
    let end_of = |day: NaiveDate| end_of_day(zone, day).ok().map(micros);
    // A last day on or after a date: the term ends after that date has begun.
    let from = search.last_day_from.map(|day| day.pred_opt().and_then(end_of).unwrap_or(i64::MIN));
    let last = NEVER - 1;
    let to = search.last_day_to.map(|day| end_of(day).unwrap_or(last));
    let within = search
        .within_days
        .map(|days| end_of(add_days(local_date(zone, now), days)).unwrap_or(last));
    let not_expired = within.map(|_| micros(now));
    let expired = search.expired_only.then(|| micros(now));

    let after = from.max(not_expired);
    let until = [to, within, expired].into_iter().flatten().min();
    (after, until.or(after.map(|_| last)))
}

/// The states that are searched for; none if any will do. Released instances are hidden unless they
/// are asked for.
fn states_wanted(asked: &[State], include_hidden: bool) -> Option<Vec<State>> {
    match (asked, include_hidden) {
        ([], true) => None,
        ([], false) => Some(vec![State::Active, State::Grace, State::Retained]),
        (asked, _) => Some(asked.to_vec()),
    }
}

/// The expiries that instances in one of `states` have.
fn ranges(states: &[State], zone: Tz, catalogue: &Catalogue, now: DateTime<Utc>) -> States {
    let mut thresholds = HashMap::new();
    let mut expired = Vec::new();
    for (id, product) in catalogue.products() {
        for version in product.in_force() {
            let rules = LifecycleRules::of(version.profile);
            let (released, retained) =
                *thresholds.entry(rules).or_insert_with(|| last_expiries_past(&rules, zone, now));
            for state in states {
                let (after, last) = match state {
                    State::Active => continue,
                    State::Grace => (retained, micros(now)),
                    State::Retained => (released, retained),
                    State::Released => (i64::MIN, released),
                };
                // Both bounds move by one: expiries from `from` on, before `until` (L-5).
                let after = version.from.map_or(after, |from| after.max(micros(from) - 1));
                let last = version.until.map_or(last, |until| last.min(micros(until) - 1));
                if after < last {
                    expired.push(Expiries { product: id.to_string(), after, until: last });
                }
            }
        }
    }
    States {
        active: states.contains(&State::Active),
        expired,
        reported_released: states.contains(&State::Released),
    }
}

/// The latest expiry whose instance is released at `now`, and the latest one whose instance is out
/// of grace, in microseconds since 1970.
///
/// Found by asking the lifecycle itself, so that search and sight cannot disagree: both instants
/// never come earlier for a later expiry.
fn last_expiries_past(rules: &LifecycleRules, zone: Tz, now: DateTime<Utc>) -> (i64, i64) {
    let days = rules.grace_days.saturating_add(rules.retention_days);
    let earliest = micros(now - TimeDelta::days(i64::from(days) + 3));
    let latest = |is_past: &dyn Fn(DateTime<Utc>) -> bool| {
        // `past` always is, `not_past` never.
        let (mut past, mut not_past) = (earliest, micros(now) + 1);
        while not_past - past > 1 {
            let middle = past + (not_past - past) / 2;
            let expiry = DateTime::from_timestamp_micros(middle).unwrap_or(now);
            if is_past(expiry) { past = middle } else { not_past = middle }
        }
        past
    };
    (
        latest(&|expiry| lifecycle(rules, expiry, zone).released_at <= now),
        latest(&|expiry| lifecycle(rules, expiry, zone).retained_at <= now),
    )
}

#[cfg(test)]
mod tests;
