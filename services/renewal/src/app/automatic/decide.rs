//! What is to be done about each instance of a page that is due: decided by the rules, without
//! prices.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, InstanceId, OrderId},
};
use proto::catalog::v1::ItemQuote;
use rule_engine::{
    due::{Attempt, AttemptIdentity, Decision, NextAttempt},
    duration::TermDuration,
    group::Group,
    instance::{Instance, World},
    plan::{Extent, Plan, Selection, plan},
    reason::{Reason, Refusal},
};

use super::caps::Parking;
use crate::{
    app::{due::Dues, rules::Catalogue, world::world},
    domain::attempt::{Outcome, with_decision},
    store::{
        accounts::KnownAccount,
        automatic::Note,
        instances::{
            Loaded,
            many::Holding,
            recorded::{Recorded, decisions_text},
        },
        values,
    },
};

/// A page, sorted by what is to be done.
#[derive(Debug)]
pub struct Sorted {
    /// By which rules.
    pub catalogue: Arc<Catalogue>,
    /// How many attempts are due, whatever comes of them.
    pub due: u32,
    /// What is to be renewed, in the order in which money is to be taken.
    pub tries: Vec<Try>,
    /// The same with its prices.
    pub priced: Vec<Priced>,
    /// What is decided already.
    pub decided: Vec<Decided>,
    /// What is due at another time.
    pub notes: Vec<Note>,
    /// Accounts of which nothing more is renewed today.
    pub parked: Vec<Parking>,
}

/// An instance, or a group, with all that decides about it.
#[derive(Debug)]
pub struct Unit {
    /// Whose it is.
    pub account: Arc<KnownAccount>,
    /// The root, as it was loaded.
    pub root: Loaded,
    /// The members of its group, and nothing else.
    pub world: World,
    /// What makes the attempt the same.
    pub identity: AttemptIdentity,
    /// From when on nothing is tried any more.
    pub stops_at: DateTime<Utc>,
}

/// An attempt to renew.
#[derive(Debug)]
pub struct Try {
    /// What is tried.
    pub unit: Unit,
    /// What it would do.
    pub plan: Plan,
    /// By which cycle.
    pub cycle: TermDuration,
    /// Every member, at the version that this was decided on.
    pub versions: Vec<(InstanceId, i64)>,
    /// Unpaid orders that are called off first.
    pub superseded: Vec<OrderId>,
}

/// An attempt to renew, with what it costs.
#[derive(Debug)]
pub struct Priced {
    /// The attempt.
    pub tried: Try,
    /// The price of each item of its plan.
    pub quotes: Vec<ItemQuote>,
    /// Their sum.
    pub payable: Money,
}

/// An attempt that is refused by rule, or too late.
#[derive(Debug)]
pub struct Decided {
    /// What was to be renewed.
    pub unit: Unit,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub why: Refusal,
}

/// What a decision changes of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// Its decisions, as their column holds them.
    pub decided: Option<String>,
    /// When it is due.
    pub due_time: Option<i64>,
    /// When it is tried again.
    pub retry_time: Option<DateTime<Utc>>,
}

impl Unit {
    /// The decision that ends the attempt at `now`.
    #[must_use]
    pub const fn decision(&self, for_money: bool, now: DateTime<Utc>) -> Decision {
        Decision {
            expiry: self.identity.expiry,
            date: self.identity.date,
            kind: self.identity.kind,
            at: now,
            refused_for_money: for_money,
        }
    }

    /// The root's decisions with this one.
    #[must_use]
    pub fn decisions(&self, decision: Decision) -> Vec<Decision> {
        decisions(&self.root, &self.world, decision)
    }

    /// What the decision changes of the root.
    #[must_use]
    pub fn after(&self, decision: Decision, catalogue: &Catalogue, now: DateTime<Utc>) -> After {
        after(&self.root, &self.world, &self.account, catalogue, decision, now)
    }
}

/// What a decision changes of `root`, the root of the only group of `world`.
#[must_use]
pub fn after(
    root: &Loaded,
    world: &World,
    account: &KnownAccount,
    catalogue: &Catalogue,
    decision: Decision,
    now: DateTime<Utc>,
) -> After {
    let decided = decisions(root, world, decision);
    let text = decisions_text(&decided);
    let recorded = Recorded { decided, ..root.recorded.clone() };
    let root = Loaded { recorded, ..root.clone() };
    let dues = Dues::of(world, account, catalogue, now);
    let next = dues.facts(&root).and_then(|facts| facts.automatic().map(|facts| facts.next(now)));
    let retry_time = match next {
        Some(NextAttempt::Later(at) | NextAttempt::Due(Attempt { at, .. })) => Some(at),
        _ => None,
    };
    After { decided: text, due_time: dues.time(&root).map(values::micros), retry_time }
}

fn decisions(root: &Loaded, world: &World, decision: Decision) -> Vec<Decision> {
    let ends: Vec<_> = world.instances.values().filter_map(Instance::expiry).collect();
    with_decision(&root.recorded.decided, decision, &ends)
}

/// Sorts what was found: each of `names` is an instance of one of `holdings`.
#[must_use]
pub fn page(
    names: &[(AccountId, InstanceId)],
    holdings: Vec<Holding>,
    catalogue: Arc<Catalogue>,
    now: DateTime<Utc>,
) -> Sorted {
    let found: BTreeSet<_> = names.iter().map(|(account, id)| (account, id)).collect();
    let (tries, priced) = (Vec::new(), Vec::new());
    let (decided, notes) = (Vec::new(), Vec::new());
    let parked = Vec::new();
    let mut sorted = Sorted { catalogue, due: 0, tries, priced, decided, notes, parked };
    for Holding { account, loaded } in holdings {
        let account = Arc::new(account);
        let catalogue = Arc::clone(&sorted.catalogue);
        let all = world(&account, &loaded, &catalogue, now);
        let dues = Dues::of(&all, &account, &catalogue, now);
        for one in &loaded {
            if found.contains(&(&account.id, &one.instance.id)) {
                let look = Look { account: &account, loaded: &loaded, dues: &dues, now };
                look.at(one, &mut sorted);
            }
        }
    }
    sorted.tries.sort_by(|one, other| place_of(one).cmp(&place_of(other)));
    sorted
}

/// When the turn of an attempt comes.
fn place_of(one: &Try) -> (&AccountId, DateTime<Utc>, &InstanceId) {
    let AttemptIdentity { account, expiry, root, .. } = &one.unit.identity;
    (account, *expiry, root)
}

/// What is looked at with the instances of an account.
struct Look<'w> {
    account: &'w Arc<KnownAccount>,
    loaded: &'w [Loaded],
    dues: &'w Dues<'w>,
    now: DateTime<Utc>,
}

impl<'w> Look<'w> {
    /// What is to be done about an instance. Nothing about one that is no root: its turn comes with
    /// the group (B-5), or it is due for something else.
    fn at(&self, one: &'w Loaded, sorted: &mut Sorted) {
        let Some(facts) = self.dues.facts(one) else { return };
        let Some(automatic) = facts.automatic() else { return };
        let stops_at = |expiry| automatic.plan.stops_at(expiry);
        let next = automatic.next(self.now);
        // Of a parked account nothing is decided, whatever else it is looked at for.
        let next = if self.account.is_parked(self.now) { NextAttempt::Never } else { next };
        match next {
            NextAttempt::Later(_) | NextAttempt::Never => {
                let time = self.dues.time_of(&facts);
                sorted.notes.extend(self.at_another_time(one, time));
            }
            NextAttempt::Missed { expiry, date, .. } => {
                sorted.due += 1;
                let kind = rule_engine::due::AttemptKind::Scheduled;
                let identity = self.identity(one, expiry, date, kind);
                let unit = self.unit(one, identity, stops_at(expiry), &sorted.catalogue);
                sorted.decided.push(Decided { unit, outcome: Outcome::Missed, why: missed(one) });
            }
            NextAttempt::Due(attempt) => {
                sorted.due += 1;
                let Attempt { expiry, date, kind, .. } = attempt;
                let identity = self.identity(one, expiry, date, kind);
                let unit = self.unit(one, identity, stops_at(expiry), &sorted.catalogue);
                self.attempt(unit, &attempt, sorted);
            }
        }
    }

    fn identity(
        &self,
        one: &Loaded,
        expiry: DateTime<Utc>,
        date: chrono::NaiveDate,
        kind: rule_engine::due::AttemptKind,
    ) -> AttemptIdentity {
        let (account, root) = (self.account.id.clone(), one.instance.id.clone());
        AttemptIdentity { account, root, expiry, date, kind }
    }

    fn unit(
        &self,
        one: &Loaded,
        identity: AttemptIdentity,
        stops_at: DateTime<Utc>,
        catalogue: &Catalogue,
    ) -> Unit {
        let members: Vec<_> = self
            .dues
            .group(&one.instance.id)
            .map(|group| group.members().map(|member| &member.instance.id).collect())
            .unwrap_or_default();
        let world = if let [_] = members[..] {
            world(self.account, std::slice::from_ref(one), catalogue, self.now)
        } else {
            let loaded = self.loaded.iter().filter(|one| members.contains(&&one.instance.id));
            world(self.account, &loaded.cloned().collect::<Vec<_>>(), catalogue, self.now)
        };
        Unit { account: Arc::clone(self.account), root: one.clone(), world, identity, stops_at }
    }

    /// Plans an attempt that is due.
    fn attempt(&self, mut unit: Unit, attempt: &Attempt, sorted: &mut Sorted) {
        let held = unit.world.instances.values().filter_map(|one| one.open_order);
        let (unpaid, running): (Vec<_>, Vec<_>) = held.partition(|order| order.unpaid);
        // Its end is near: whatever it comes to, it is looked at again then.
        if !running.is_empty() {
            return;
        }
        let mut superseded = Vec::new();
        if attempt.is_last {
            superseded.extend(unpaid.iter().map(|order| order.id));
            superseded.sort_unstable();
            superseded.dedup();
            unit.world.instances.values_mut().for_each(|one| one.open_order = None);
        }
        let versions = self.loaded.iter();
        let versions = versions.filter(|one| unit.world.instances.contains_key(&one.instance.id));
        let versions = versions.map(|one| (one.instance.id.clone(), one.version)).collect();
        let planned = self.planned(&unit, attempt);
        match planned {
            Ok((plan, cycle)) => {
                sorted.tries.push(Try { unit, plan, cycle, versions, superseded });
            }
            Err(why) => {
                let skipped = why.reason == Reason::OpenOrderExists;
                let outcome = if skipped { Outcome::Skipped } else { Outcome::Failed };
                sorted.decided.push(Decided { unit, outcome, why });
            }
        }
    }

    /// What the attempt would do, or why it is refused.
    fn planned(&self, unit: &Unit, attempt: &Attempt) -> Result<(Plan, TermDuration), Refusal> {
        let root = &unit.root.instance;
        let auto = root.policy.auto().ok_or_else(|| not_offered(&root.id, None, &[]))?;
        let cycles = self.dues.group(&root.id).map(|group: &Group<'_>| group.cycles(&unit.world));
        let cycles = cycles.unwrap_or_default();
        // No other cycle is charged in its place (P-3).
        if !cycles.contains(&auto.cycle) {
            return Err(not_offered(&root.id, Some(auto.cycle), &cycles));
        }
        let extent = Extent::Cycle(auto.cycle);
        let selection = Selection {
            after_outage: attempt.after_outage,
            ..Selection::of([root.id.clone()], extent)
        };
        let plan = plan(&selection, &unit.world, self.now)?;
        match plan.refusal {
            Some(why) => Err(why),
            None => Ok((plan, auto.cycle)),
        }
    }

    /// A note that the instance is due at another time, if it is.
    fn at_another_time(&self, one: &Loaded, time: Option<DateTime<Utc>>) -> Option<Note> {
        (time != one.recorded.due_time).then(|| Note {
            account_id: self.account.id.clone(),
            id: one.instance.id.clone(),
            order_id: None,
            version: one.version,
            decides: false,
            decided: None,
            moves: true,
            due_time: time.map(values::micros),
        })
    }
}

/// `TERM_NOT_OFFERED` (P-3).
fn not_offered(id: &InstanceId, cycle: Option<TermDuration>, offered: &[TermDuration]) -> Refusal {
    let wanted = cycle.map_or_else(|| "any cycle".to_owned(), |cycle| cycle.to_string());
    let message = format!("{id} is no longer renewed automatically for {wanted}.");
    let refusal = Refusal::new(Reason::TermNotOffered, message).with("instance", id);
    refusal.with_all("offered", offered.iter().map(|cycle| cycle.short()))
}

/// Nobody is told a reason of the rules: nothing was running.
fn missed(one: &Loaded) -> Refusal {
    let message = format!("Nothing ran while {} could have been renewed.", one.instance.id);
    Refusal::new(Reason::RenewalWindowClosed, message).with("instance", &one.instance.id)
}
