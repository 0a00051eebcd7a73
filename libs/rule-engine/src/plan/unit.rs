//! One group after the other: refused, left out, or renewed.

use std::collections::{BTreeMap, BTreeSet};

use kernel::ids::InstanceId;

use super::{
    Item, LeftOut, Mode, Plan, Refused,
    choice::{Choice, Goal, Unit},
    dates::{self, Dated},
};
use crate::{
    change, check,
    duration::TermDuration,
    group::{Member, Tie},
    instance::{Instance, PendingChange},
    reason::{Reason, Refusal},
    term::{Lease, RenewalTerm},
};

/// What becomes of one unit.
enum Outcome {
    Refused(Vec<Refusal>),
    Settled { items: Vec<Item>, left_out: Vec<LeftOut> },
}

/// What the members of the units before come to, or why they do not.
type Ends = BTreeMap<InstanceId, Result<Lease, Vec<Refusal>>>;

/// What becomes of everything that was chosen.
pub fn plan_all(choice: &Choice<'_>) -> Plan {
    let mut ends = Ends::new();
    let of_all = choice.refusals_of_all();
    let outcomes: Vec<_> = choice
        .units
        .iter()
        .map(|unit| settle(unit, choice, &mut ends).and_all_of(&of_all))
        .collect();
    let mut plan = Plan { durations: common_durations(choice, &outcomes), ..Plan::default() };
    for (unit, outcome) in choice.units.iter().zip(outcomes) {
        collect(&mut plan, unit, outcome, choice);
    }
    plan.refused.extend(
        choice
            .unknown
            .iter()
            .map(|id| Refused { instance: (*id).clone(), refusals: vec![check::not_found(id)] }),
    );
    name_common_durations(&mut plan);
    plan.refusal = refusal(&plan, choice.selection.mode);
    plan
}

impl Outcome {
    /// Refused if there are reasons that refuse everything, with its own reasons as well.
    fn and_all_of(self, of_all: &[Refusal]) -> Self {
        if of_all.is_empty() {
            return self;
        }
        let mut refusals = of_all.to_vec();
        if let Self::Refused(own) = self {
            let said = |refusal: &Refusal| of_all.iter().any(|one| one.reason == refusal.reason);
            refusals.extend(own.into_iter().filter(|refusal| !said(refusal)));
        }
        Self::Refused(refusals)
    }

    /// No duration would help: it lies in the instances themselves.
    fn is_hopeless(&self) -> bool {
        matches!(self, Self::Refused(refusals) if in_themselves(refusals))
    }
}

/// Whether one of the reasons is that no renewal is possible at all.
fn in_themselves(refusals: &[Refusal]) -> bool {
    refusals.iter().any(|refusal| refusal.reason <= Reason::RenewalWindowClosed)
}

/// Decides on one unit.
fn settle(unit: &Unit<'_>, choice: &Choice<'_>, ends: &mut Ends) -> Outcome {
    let mut refusals = refusals_but_dates(unit, choice);
    let settled = match parent_end(unit, choice, ends) {
        Err(because) => Err(because),
        Ok(_) if in_themselves(&refusals) => {
            Err(dates::not_offered(unit, choice).into_iter().collect())
        }
        Ok(parent) => settle_dates(unit, parent, choice).map_err(|refusal| vec![refusal]),
    };
    let outcome = match settled {
        Err(because) => {
            refusals.extend(because);
            Outcome::Refused(refusals)
        }
        Ok(_) if !refusals.is_empty() => Outcome::Refused(refusals),
        Ok(settled) => settled,
    };
    remember(unit, &outcome, choice, ends);
    outcome
}

/// Every reason that has nothing to do with dates.
fn refusals_but_dates(unit: &Unit<'_>, choice: &Choice<'_>) -> Vec<Refusal> {
    let Choice { selection, world, now, .. } = *choice;
    let group = &unit.group;
    let mut refusals = check::group_refusals(group, world, now, selection.exempt_order);
    refusals.extend(check::must_renew_together(group, |id| choice.is_chosen(id)));
    let in_batch = choice.units.len() > 1;
    if in_batch {
        refusals.extend(check::not_in_batch(group, world));
    }
    if selection.change.is_some() && in_batch {
        refusals.push(change::change_in_batch());
    } else if choice.change_of(unit, group.primary()).is_some() {
        let because = change::change_refusals(group.primary(), world, now);
        let primary = &group.primary().id;
        refusals.extend(because.into_iter().map(|refusal| refusal.with("instance", primary)));
    }
    refusals
}

/// What the parent comes to whose expiry the unit goes to, if it goes to one's (B-3).
fn parent_end(
    unit: &Unit<'_>,
    choice: &Choice<'_>,
    ends: &Ends,
) -> Result<Option<Lease>, Vec<Refusal>> {
    let parent = match unit.goal {
        Goal::Extent => return Ok(None),
        Goal::NoParent => None,
        Goal::ParentExpiry(id) => match ends.get(id) {
            Some(Ok(lease)) => return Ok(Some(*lease)),
            Some(Err(because)) => return Err(because.clone()),
            None => choice.world.instance(id),
        },
    };
    let lease = parent.and_then(|parent| parent.billing_at(choice.now).lease());
    if lease.is_some() {
        return Ok(lease);
    }
    let primary = &unit.group.primary().id;
    let message = format!("{primary} goes to its parent's expiry only together with it.");
    let refusal = Refusal::new(Reason::GroupMustRenewTogether, message);
    Err(vec![refusal.with("instance", primary)])
}

/// Notes what the members of a unit come to.
fn remember(unit: &Unit<'_>, outcome: &Outcome, choice: &Choice<'_>, ends: &mut Ends) {
    for member in unit.group.members() {
        let id = &member.instance.id;
        let end = match outcome {
            Outcome::Refused(refusals) => Some(Err(refusals.clone())),
            Outcome::Settled { items, .. } => items
                .iter()
                .find(|item| item.instance == *id)
                .map(|item| item.term.lease())
                .or_else(|| member.instance.billing_at(choice.now).lease())
                .map(Ok),
        };
        if let Some(end) = end {
            ends.insert(id.clone(), end);
        }
    }
}

/// The terms of all members, or the first reason in the dates why there are none.
fn settle_dates(
    unit: &Unit<'_>,
    parent: Option<Lease>,
    choice: &Choice<'_>,
) -> Result<Outcome, Refusal> {
    let mut items = Vec::new();
    let mut left_out = Vec::new();
    let core = dates::core_term(unit, parent, choice)?;
    let goal = match &core {
        Dated::Renewed(renewal) => renewal.term.lease(),
        Dated::Covered(lease) => *lease,
    };
    let primary = unit.group.primary();
    for member in unit.group.members() {
        let instance = member.instance;
        if let Some(why) = choice.staying(unit, member) {
            left_out.push(LeftOut { instance: instance.id.clone(), why });
            continue;
        }
        if !choice.is_part(member) {
            continue;
        }
        let shares = member.tie != Tie::Forced && instance.expiry() == primary.expiry();
        let dated = if shares { core } else { dates::term_to(member, goal, unit, choice)? };
        match dated {
            Dated::Renewed(renewal) => items.push(item(member, &renewal, unit, choice)),
            Dated::Covered(_) => left_out.push(covered(instance)),
        }
    }
    Ok(Outcome::Settled { items, left_out })
}

fn item(member: Member<'_>, renewal: &RenewalTerm, unit: &Unit<'_>, choice: &Choice<'_>) -> Item {
    let instance = member.instance;
    let change = choice.change_of(unit, instance);
    Item {
        instance: instance.id.clone(),
        root: unit.group.primary().id.clone(),
        inclusion: choice.inclusion(member),
        kind: change::order_kind(instance, change, choice.now),
        before: instance.billing_at(choice.now),
        term: renewal.term,
        last_day: renewal.last_day,
        span: renewal.span,
        days_passed: renewal.days_passed,
        configuration: change.unwrap_or_else(|| instance.configuration_ahead()).clone(),
        change: change.map(|configuration| PendingChange {
            configuration: configuration.clone(),
            effective: renewal.term.start,
        }),
    }
}

fn covered(instance: &Instance) -> LeftOut {
    let message = format!("{} is paid for as long already.", instance.id);
    let why = Refusal::new(Reason::AlreadyCovered, message).with("instance", &instance.id);
    LeftOut { instance: instance.id.clone(), why }
}

/// Adds a unit to the plan.
fn collect(plan: &mut Plan, unit: &Unit<'_>, outcome: Outcome, choice: &Choice<'_>) {
    let mut refusals = match outcome {
        Outcome::Settled { items, left_out } => {
            plan.items.extend(items);
            plan.left_out.extend(left_out);
            return;
        }
        Outcome::Refused(refusals) => refusals,
    };
    refusals.sort();
    // Named without its primary, a member stands alone here: nobody asked for the others.
    let whole = choice.is_chosen(&unit.group.primary().id);
    for member in choice.taking_part(unit) {
        if whole || choice.is_chosen(&member.instance.id) {
            let instance = member.instance.id.clone();
            plan.refused.push(Refused { instance, refusals: refusals.clone() });
        }
    }
    for member in unit.group.members() {
        if let Some(why) = choice.staying(unit, member) {
            plan.left_out.push(LeftOut { instance: member.instance.id.clone(), why });
        }
    }
}

/// The durations that all units offer that go by one, the shortest first (B-1).
fn common_durations(choice: &Choice<'_>, outcomes: &[Outcome]) -> Vec<TermDuration> {
    let units = choice.units.iter().zip(outcomes);
    let by_duration =
        units.filter(|(unit, outcome)| unit.goal == Goal::Extent && !outcome.is_hopeless());
    let sets = by_duration.map(|(unit, _)| unit.group.durations(choice.world));
    let sets = sets.map(|durations| durations.into_iter().collect::<BTreeSet<_>>());
    sets.reduce(|all, set| &all & &set).unwrap_or_default().into_iter().collect()
}

/// Says with each `TERM_NOT_OFFERED` which durations would do for all (B-1).
fn name_common_durations(plan: &mut Plan) {
    let common: Vec<_> = plan.durations.iter().map(|duration| duration.short()).collect();
    let refusals = plan.refused.iter_mut().flat_map(|refused| &mut refused.refusals);
    for refusal in refusals.filter(|refusal| refusal.reason == Reason::TermNotOffered) {
        *refusal = refusal.clone().with_all("offered_by_all", &common);
    }
}

/// Why no order can be made of the plan, if none can (B-1).
fn refusal(plan: &Plan, mode: Mode) -> Option<Refusal> {
    let refused = plan.refused.iter().flat_map(|refused| &refused.refusals);
    let first = refused.min_by_key(|refusal| refusal.reason);
    match (first, mode) {
        (Some(first), Mode::AllOrNothing) => Some(naming_all(first, plan)),
        (Some(first), Mode::BestEffort) if plan.items.is_empty() => Some(naming_all(first, plan)),
        (None, _) if plan.items.is_empty() => {
            let message = "There is nothing to add to any of the instances.";
            let left_out = plan.left_out.iter().map(|left_out| &left_out.instance);
            Some(Refusal::new(Reason::AlreadyCovered, message).with_all("instances", left_out))
        }
        _ => None,
    }
}

/// The refusal, with all instances that are refused for the same reason, unless it names those that
/// are the cause already (U-3, U-5).
fn naming_all(refusal: &Refusal, plan: &Plan) -> Refusal {
    if refusal.metadata.contains_key("instances") {
        return refusal.clone();
    }
    let same =
        |refused: &&Refused| refused.refusals.iter().any(|other| other.reason == refusal.reason);
    let instances = plan.refused.iter().filter(same).map(|refused| &refused.instance);
    refusal.clone().with_all("instances", instances)
}
