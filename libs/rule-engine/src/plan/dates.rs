//! The terms of one group.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::{
    Extent,
    choice::{Choice, Goal, Unit},
};
use crate::{
    calendar::told,
    change,
    duration::TermDuration,
    group::Member,
    instance::Instance,
    profile::Unify,
    reason::{Reason, Refusal},
    term::{Lease, RenewalTerm, TermRefused, TermRules, renewal_term, term_from_payment},
    unify::{
        AdHocFloor, StandardDate, UnifyRefused, ad_hoc_term, automatic_term, earliest_ad_hoc_date,
        term_to_parent, unified_term,
    },
};

/// What an instance comes to.
#[derive(Debug, Clone, Copy)]
pub enum Dated {
    /// It gets this term.
    Renewed(RenewalTerm),
    /// It is paid for as long already, through this lease.
    Covered(Lease),
}

/// The term that the members of a unit share: as far as the selection says, or to `parent`'s expiry
/// (B-3, B-4).
pub fn core_term(
    unit: &Unit<'_>,
    parent: Option<Lease>,
    choice: &Choice<'_>,
) -> Result<Dated, Refusal> {
    let primary = unit.group.primary();
    let durations = unit.group.durations(choice.world);
    let (Some(rules), Some(profile)) =
        (rules(primary, unit, &durations, choice), choice.world.profile(primary))
    else {
        return Err(unknown_product(primary));
    };
    match parent {
        Some(parent) => to_lease(primary, parent, &rules, choice).map_err(UnifyRefused::from),
        None => by_extent(unit, &rules, &profile.unify, choice),
    }
    .map_err(|refused| explain(&refused, primary, &durations, choice))
}

/// The term of a unit that goes as far as the selection says.
fn by_extent(
    unit: &Unit<'_>,
    rules: &TermRules<'_>,
    unify: &Unify,
    choice: &Choice<'_>,
) -> Result<Dated, UnifyRefused> {
    let now = choice.now;
    let primary = unit.group.primary();
    let settings = &choice.world.account.settings;
    let change = choice.change_of(unit, primary);
    let lease = primary.billing_at(now).lease();
    let continued = lease.filter(|_| !change::starts_at_payment(primary, change, now));
    let term = match (&choice.selection.extent, continued) {
        (Extent::Duration(duration), Some(lease)) => renewal_term(rules, lease, *duration, now)?,
        (Extent::Cycle(cycle), Some(lease)) => {
            automatic_term(rules, unify, lease, settings, *cycle, now)?
        }
        (Extent::Duration(duration) | Extent::Cycle(duration), None) => {
            term_from_payment(rules, *duration, now)?
        }
        (Extent::StandardDate { duration, day }, _) => {
            let day = day.or(settings.standard_day);
            let standard = day.map(|day| StandardDate { day, meaning: settings.day_meaning });
            // What is metered has no expiry that could be aligned.
            let lease = lease.ok_or(UnifyRefused::NotOffered)?;
            unified_term(rules, unify, lease, standard, *duration, now)?
        }
        (Extent::AdHoc(date), _) => {
            let lease = lease.ok_or(UnifyRefused::NotOffered)?;
            match ad_hoc_term(rules, unify, lease, *date, now)? {
                Some(term) => term,
                None => return Ok(Dated::Covered(lease)),
            }
        }
    };
    Ok(Dated::Renewed(term))
}

/// The term that takes a member to the end of `goal`, and to its anchor (B-3, B-5, T-6).
pub fn term_to(
    member: Member<'_>,
    goal: Lease,
    unit: &Unit<'_>,
    choice: &Choice<'_>,
) -> Result<Dated, Refusal> {
    let instance = member.instance;
    let durations = unit.group.durations(choice.world);
    let Some(rules) = rules(instance, unit, &durations, choice) else {
        return Err(unknown_product(instance));
    };
    to_lease(instance, goal, &rules, choice)
        .map_err(|refused| explain(&refused.into(), instance, &durations, choice))
}

fn to_lease(
    instance: &Instance,
    goal: Lease,
    rules: &TermRules<'_>,
    choice: &Choice<'_>,
) -> Result<Dated, TermRefused> {
    let lease = instance.billing_at(choice.now).lease();
    let term = term_to_parent(rules, lease, goal, choice.now)?;
    Ok(term.map_or(Dated::Covered(lease.unwrap_or(goal)), Dated::Renewed))
}

/// `DATE_TOO_EARLY`, if the ad-hoc date does not suit everything that goes to it; it names the
/// earliest that does (U-5).
pub fn too_early(choice: &Choice<'_>) -> Option<Refusal> {
    let Extent::AdHoc(date) = choice.selection.extent else { return None };
    let units = choice.units.iter().filter(|unit| unit.goal == Goal::Extent);
    let floors: Vec<_> = units
        .filter_map(|unit| {
            let primary = unit.group.primary();
            let lease = primary.billing_at(choice.now).lease()?;
            let unify = &choice.world.profile(primary)?.unify;
            let floor = AdHocFloor::of(&rules(primary, unit, &[], choice)?, unify, lease).ok()?;
            Some((&primary.id, floor))
        })
        .collect();
    let unsuited = |floor: &AdHocFloor| date != floor.last_day && date < floor.extends_from;
    let instances: Vec<_> =
        floors.iter().filter(|(_, floor)| unsuited(floor)).map(|(id, _)| id).collect();
    if instances.is_empty() {
        return None;
    }
    let floors: Vec<_> = floors.iter().map(|(_, floor)| *floor).collect();
    let message = "The date lies before what has been paid for, or adds too little.";
    let refusal = Refusal::new(Reason::DateTooEarly, message).with_all("instances", instances);
    Some(match earliest_ad_hoc_date(&floors) {
        Some(earliest) => naming_earliest(refusal, earliest),
        None => refusal,
    })
}

fn naming_earliest(refusal: Refusal, earliest: NaiveDate) -> Refusal {
    let message = format!("{} The earliest possible is {earliest}.", refusal.message);
    Refusal { message, ..refusal.with("earliest", earliest) }
}

/// `TERM_NOT_OFFERED`, if the unit goes by a duration that it is not sold for (T-1).
pub fn not_offered(unit: &Unit<'_>, choice: &Choice<'_>) -> Option<Refusal> {
    let duration = choice.selection.extent.duration()?;
    let durations = unit.group.durations(choice.world);
    let goes_by_it = unit.goal == Goal::Extent;
    (goes_by_it && !durations.contains(&duration))
        .then(|| not_sold(duration, &durations, unit.group.primary()))
}

/// The rules that hold for the terms of a member; none if its product is unknown.
fn rules<'d>(
    instance: &Instance,
    unit: &Unit<'_>,
    durations: &'d [TermDuration],
    choice: &Choice<'_>,
) -> Option<TermRules<'d>> {
    let group = &unit.group;
    let world = choice.world;
    let lifecycle = group.lifecycle_rules(instance, world)?;
    let most = |instance: &Instance| world.profile(instance)?.max_total_months;
    let shares = group.core().any(|member| member.id == instance.id);
    let max_total_months =
        if shares { group.core().filter_map(most).min() } else { most(instance) };
    let rules = TermRules { lifecycle, durations, max_total_months, zone: world.account.zone() };
    Some(if choice.selection.after_outage { rules.after_outage() } else { rules })
}

/// What people and programs are told of a term that there is not.
fn explain(
    refused: &UnifyRefused,
    instance: &Instance,
    durations: &[TermDuration],
    choice: &Choice<'_>,
) -> Refusal {
    let zone = choice.world.account.zone();
    let id = &instance.id;
    let say = |message: String| Refusal::new(refused.reason(), message).with("instance", id);
    match refused {
        UnifyRefused::NotOffered => {
            say(format!("{} cannot be brought to this date in this way.", instance.product))
        }
        UnifyRefused::DateNotSet => say("The account has no standard renewal date.".to_owned()),
        UnifyRefused::Expired { since } => {
            say(format!("{id} is expired since {}.", told(zone, *since)))
        }
        UnifyRefused::TooEarly { earliest } => {
            naming_earliest(say(format!("The date is too early for {id}.")), *earliest)
        }
        UnifyRefused::Term(refused) => explain_term(refused, instance, durations, zone),
    }
}

fn explain_term(
    refused: &TermRefused,
    instance: &Instance,
    durations: &[TermDuration],
    zone: Tz,
) -> Refusal {
    let id = &instance.id;
    let say = |message: String| Refusal::new(refused.reason(), message).with("instance", id);
    match refused {
        TermRefused::NotOffered { duration } => not_sold(*duration, durations, instance),
        TermRefused::WindowClosed { released_at } => {
            say(format!("{id} could be renewed until {}.", told(zone, *released_at)))
                .with("renewable_until", released_at.to_rfc3339())
        }
        TermRefused::TooLong { latest, longest } => {
            let may = longest.map_or_else(String::new, |most| format!("; {most} would do"));
            let refusal = say(format!("{id} may be paid for through {latest} at most{may}."));
            maybe(refusal.with("latest", latest), "longest", *longest)
        }
        TermRefused::AlreadyOver { end, shortest } => {
            let may = shortest.map_or_else(String::new, |least| format!("; {least} would do"));
            let end_told = told(zone, *end);
            let refusal = say(format!("The term of {id} would be over since {end_told}{may}."));
            maybe(refusal.with("end", end.to_rfc3339()), "shortest", *shortest)
        }
        TermRefused::OutOfRange(_) => say(format!("{id} would be paid for beyond the year 9999.")),
    }
}

fn maybe(refusal: Refusal, key: &str, duration: Option<TermDuration>) -> Refusal {
    match duration {
        Some(duration) => refusal.with(key, duration.short()),
        None => refusal,
    }
}

/// `TERM_NOT_OFFERED` (T-1).
fn not_sold(duration: TermDuration, offered: &[TermDuration], instance: &Instance) -> Refusal {
    let id = &instance.id;
    Refusal::new(Reason::TermNotOffered, format!("{id} cannot be renewed for {duration}."))
        .with("instance", id)
        .with("duration", duration.short())
        .with_all("offered", offered.iter().map(|duration| duration.short()))
}

/// `PRODUCT_NOT_RENEWABLE`, for want of a profile.
fn unknown_product(instance: &Instance) -> Refusal {
    let message = format!("The catalog does not have the product {}.", instance.product);
    Refusal::new(Reason::ProductNotRenewable, message).with("instance", &instance.id)
}
