//! What a page of registrations does, decided as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, InstanceId, OrderId};
use rule_engine::{
    instance::{BindingKind, Instance},
    profile::Boundary,
    reason::{Reason, Refusal},
    registration::{
        Registration, Repeated, bound_in_circles, group_mismatches, held_groups, register, repeat,
    },
};

use super::Outcome;
use crate::{
    app::{due::rederive, error::RowRefusal, rules::Catalogue},
    store::{accounts::KnownAccount, due::Redue, instances::Loaded},
};

/// What is known before the page.
#[derive(Debug)]
pub struct Known {
    /// The accounts that its rows name.
    pub accounts: BTreeMap<AccountId, KnownAccount>,
    /// Which account each id of its rows is of.
    pub owners: HashMap<String, String>,
    /// The instances of its rows, their parents, and the groups of both.
    pub instances: Vec<Loaded>,
}

/// What the page does.
#[derive(Debug)]
pub struct Page {
    /// One for each row.
    pub results: Vec<Result<Outcome, RowRefusal>>,
    /// New instances.
    pub created: Vec<Instance>,
    /// Changed instances, and those to whose groups somebody was bound or is bound no longer, at
    /// the versions that they were loaded at.
    pub updated: Vec<Loaded>,
    /// Unpaid orders that stand in the way and are to be cancelled first; then nothing else counts.
    pub cancels: BTreeSet<OrderId>,
    /// Instances of which nothing changes but their version, or the console's.
    silent: BTreeSet<InstanceId>,
}

/// What a row comes to.
enum Decision {
    Create(Box<Instance>),
    Update { instance: Box<Instance>, cancels: Option<OrderId> },
    Nothing,
}

impl Page {
    /// Decides on `rows`: each by itself, then groups as a whole (B-4).
    pub fn decide(rows: &[Registration], known: &Known, catalogue: &Catalogue) -> Self {
        let before: BTreeMap<_, _> =
            known.instances.iter().map(|one| (&one.instance.id, one)).collect();
        let mut named = HashMap::new();
        for row in rows {
            *named.entry(&row.id).or_insert(0) += 1;
        }
        let decisions = rows.iter().map(|row| match named[&row.id] {
            1 => decide(row, known, before.get(&row.id).copied(), catalogue),
            _ => Err(named_twice(row)),
        });
        let decisions = decisions.collect();
        let decisions = refuse_circles(decisions, &before);
        let decisions = refuse_orphans(decisions, &before);
        let decisions = refuse_groups(decisions, &before);
        Self::of(decisions, rows, &before)
    }

    fn of(
        decisions: Vec<Result<Decision, RowRefusal>>,
        rows: &[Registration],
        before: &BTreeMap<&InstanceId, &Loaded>,
    ) -> Self {
        let mut page = Self {
            results: Vec::with_capacity(rows.len()),
            created: Vec::new(),
            updated: Vec::new(),
            cancels: BTreeSet::new(),
            silent: BTreeSet::new(),
        };
        for (decision, row) in decisions.into_iter().zip(rows) {
            let result = match decision {
                Err(refusal) => Err(refusal),
                Ok(Decision::Nothing) => Ok(Outcome::Unchanged),
                Ok(Decision::Create(instance)) => {
                    page.created.push(*instance);
                    Ok(Outcome::Created)
                }
                Ok(Decision::Update { instance, cancels }) => {
                    page.cancels.extend(cancels);
                    Ok(page.update(*instance, before.get(&row.id).copied()))
                }
            };
            page.results.push(result);
        }
        page.touch_parents(before);
        page
    }

    /// Makes a new version of whatever somebody is newly bound to, or bound to no longer, and of
    /// what that one is bound to: who has planned a renewal of the group without knowing must not
    /// be able to claim it (B-4, O-2). `OPTIONAL` bindings do not count: nobody comes along by them.
    fn touch_parents(&mut self, before: &BTreeMap<&InstanceId, &Loaded>) {
        let updated = self.updated.iter().map(|one| {
            let known = before.get(&one.instance.id);
            (firm_parent(&one.instance), known.and_then(|known| firm_parent(&known.instance)))
        });
        let created = self.created.iter().map(|one| (firm_parent(one), None));
        let changed = updated.chain(created).filter(|(now, then)| now != then);
        let mut open: Vec<_> =
            changed.flat_map(|(now, then)| [now, then]).flatten().map(|(id, _)| id).collect();
        let mut seen: BTreeSet<_> = self.updated.iter().map(|one| &one.instance.id).collect();
        let mut touched = Vec::new();
        while let Some(id) = open.pop() {
            let Some(&known) = before.get(id).filter(|_| seen.insert(id)) else { continue };
            open.extend(firm_parent(&known.instance).map(|(parent, _)| parent));
            touched.push(known.clone());
        }
        self.silent.extend(touched.iter().map(|one| one.instance.id.clone()));
        self.updated.extend(touched);
    }

    fn update(&mut self, instance: Instance, before: Option<&Loaded>) -> Outcome {
        let Some(before) = before else { return Outcome::Unchanged };
        let source_version = before.instance.source_version;
        if instance == before.instance {
            return Outcome::Unchanged;
        }
        let silent = Instance { source_version, ..instance.clone() } == before.instance;
        if silent {
            self.silent.insert(instance.id.clone());
        }
        self.updated.push(before.with(instance));
        if silent { Outcome::Unchanged } else { Outcome::Updated }
    }

    /// The new and the changed instances with the times at which they are due, and those that belong
    /// to them and are due at other times since.
    pub fn with_dues(
        &self,
        known: &Known,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> (Vec<Loaded>, Vec<Loaded>, Vec<Redue>) {
        let (mut created, mut updated, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (id, account) in &known.accounts {
            let own = |one: &&Loaded| one.instance.account == *id;
            let before: Vec<_> = known.instances.iter().filter(own).cloned().collect();
            let new = self.created.iter().filter(|one| one.account == *id).cloned();
            let mut changed: Vec<_> = new.map(Loaded::new).collect();
            let count = changed.len();
            changed.extend(self.updated.iter().filter(own).cloned());
            others.extend(rederive(account, &before, &mut changed, catalogue, now));
            updated.extend(changed.split_off(count));
            created.extend(changed);
        }
        (created, updated, others)
    }

    /// Whether the change of an updated instance is worth an event.
    pub fn tells(&self, updated: &Loaded) -> bool {
        !self.silent.contains(&updated.instance.id)
    }
}

/// What the instance comes along with, and how.
fn firm_parent(instance: &Instance) -> Option<(&InstanceId, BindingKind)> {
    let binding = instance.binding.as_ref()?;
    (binding.kind != BindingKind::Optional).then_some((&binding.parent, binding.kind))
}

/// `DUPLICATE_INSTANCE`: which of the rows would hold?
fn named_twice(row: &Registration) -> RowRefusal {
    let message = format!("{} is named by more than one row.", row.id);
    Refusal::new(Reason::DuplicateInstance, message).with("instance", &row.id).into()
}

fn decide(
    row: &Registration,
    known: &Known,
    before: Option<&Loaded>,
    catalogue: &Catalogue,
) -> Result<Decision, RowRefusal> {
    let account = known
        .accounts
        .get(&row.account)
        .ok_or_else(|| RowRefusal::account_not_found(&row.account))?;
    if known.owners.get(row.id.as_str()).is_some_and(|owner| owner != row.account.as_str()) {
        // Nothing may tell whose it is, nor what it is.
        let message = format!("The id {} is taken.", row.id);
        return Err(Refusal::new(Reason::InstanceIdTaken, message).into());
    }
    let Some(before) = before else {
        let product = catalogue.product(&row.product);
        let product = product.ok_or_else(|| RowRefusal::product_not_found(&row.product))?;
        let boundary: Boundary = product.profile.boundary;
        let registered = register(row.clone(), boundary, account.settings.zone)?;
        return Ok(Decision::Create(Box::new(registered.instance)));
    };
    let product = catalogue.product(&before.instance.product);
    let priced = |setting: &str| product.is_some_and(|product| product.is_priced(setting));
    match repeat(row.clone(), &before.instance, priced) {
        Ok(Repeated::Unchanged) => Ok(Decision::Nothing),
        Ok(Repeated::Contradicts(fields)) => Err(contradiction(row, &fields)),
        Ok(Repeated::Updated { instance, cancels }) => Ok(Decision::Update { instance, cancels }),
        Err(refusals) => match RowRefusal::weightiest(refusals) {
            Some(refusal) => Err(refusal),
            None => Ok(Decision::Nothing),
        },
    }
}

/// The console gave one number to two words.
fn contradiction(row: &Registration, fields: &[&str]) -> RowRefusal {
    let (version, fields) = (row.source_version, fields.join(", "));
    let problem = format!(
        "{version} was said before with other values of {fields}; a new word needs a greater one"
    );
    RowRefusal::bad_field("source_version", "I-1", &problem)
}

/// The instance that a decision leaves behind.
fn after(decision: &Result<Decision, RowRefusal>) -> Option<&Instance> {
    match decision {
        Ok(Decision::Create(instance) | Decision::Update { instance, .. }) => Some(instance),
        _ => None,
    }
}

/// Refuses rows that would be bound to themselves: nobody can tell which of the bindings is wrong
/// (B-4, B-5).
fn refuse_circles(
    mut decisions: Vec<Result<Decision, RowRefusal>>,
    before: &BTreeMap<&InstanceId, &Loaded>,
) -> Vec<Result<Decision, RowRefusal>> {
    let circles = bound_in_circles(&instances_after(&decisions), &instances_before(before));
    for decision in &mut decisions {
        let Some(way) = after(decision).and_then(|instance| circles.get(&instance.id)) else {
            continue;
        };
        let way: Vec<_> = way.iter().map(InstanceId::as_str).collect();
        let problem = format!("binds it to itself by way of {}", way.join(", "));
        *decision = Err(RowRefusal::bad_field("binding", "B-5", &problem));
    }
    decisions
}

/// The instances that the rows leave behind, those that are not refused.
fn instances_after(decisions: &[Result<Decision, RowRefusal>]) -> BTreeMap<InstanceId, Instance> {
    decisions.iter().filter_map(after).map(|one| (one.id.clone(), one.clone())).collect()
}

fn instances_before(before: &BTreeMap<&InstanceId, &Loaded>) -> BTreeMap<InstanceId, Instance> {
    let instances = before.values().map(|loaded| &loaded.instance);
    instances.map(|one| (one.id.clone(), one.clone())).collect()
}

/// Refuses rows that are bound to what is neither known nor made by the page: `INSTANCE_NOT_FOUND`.
/// A parent may stand in any row, and refusing it refuses its children too.
fn refuse_orphans(
    mut decisions: Vec<Result<Decision, RowRefusal>>,
    before: &BTreeMap<&InstanceId, &Loaded>,
) -> Vec<Result<Decision, RowRefusal>> {
    loop {
        let there: BTreeMap<_, _> = before
            .iter()
            .map(|(id, loaded)| ((*id).clone(), loaded.instance.account.clone()))
            .chain(
                decisions
                    .iter()
                    .filter_map(after)
                    .map(|instance| (instance.id.clone(), instance.account.clone())),
            )
            .collect();
        let mut settled = true;
        for decision in &mut decisions {
            let Some(instance) = after(decision) else { continue };
            let Some(binding) = &instance.binding else { continue };
            let parent = there.get(&binding.parent);
            if binding.parent == instance.id || parent != Some(&instance.account) {
                let message = format!("There is no instance {} in this account.", binding.parent);
                let refusal = Refusal::new(Reason::InstanceNotFound, message);
                *decision = Err(refusal.with("instance", &binding.parent).into());
                settled = false;
            }
        }
        if settled {
            return decisions;
        }
    }
}

/// Refuses rows whose groups would end at different instants, `GROUP_EXPIRY_MISMATCH` (B-4), or stand
/// on an open order that the row knows nothing of, `OPEN_ORDER_EXISTS` (O-2).
fn refuse_groups(
    mut decisions: Vec<Result<Decision, RowRefusal>>,
    before: &BTreeMap<&InstanceId, &Loaded>,
) -> Vec<Result<Decision, RowRefusal>> {
    let rows = instances_after(&decisions);
    let others = instances_before(before);
    let mismatches = group_mismatches(&rows, &others);
    let held = held_groups(&rows, &others);
    if mismatches.is_empty() && held.is_empty() {
        return decisions;
    }
    for decision in &mut decisions {
        let refusals = after(decision).into_iter().flat_map(|instance| {
            [&mismatches, &held].into_iter().filter_map(|found| found.get(&instance.id)).cloned()
        });
        if let Some(refusal) = RowRefusal::weightiest(refusals.collect()) {
            *decision = Err(refusal);
        }
    }
    // A child whose parent is refused now is bound to nothing.
    refuse_orphans(decisions, before)
}
