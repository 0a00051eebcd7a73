//! Which instances belong together.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use kernel::ids::InstanceId;

use crate::{
    check,
    duration::TermDuration,
    instance::{BindingKind, Instance, World},
    lifecycle::LifecycleRules,
    profile::{Policy, ProductProfile},
};

/// Why an instance is a member of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tie {
    /// It is the primary, or stands alone.
    Primary,
    /// It shares one term with the primary (B-4).
    Strong,
    /// It goes to its parent's new expiry (B-5).
    Forced,
}

/// An instance of a group.
#[derive(Debug, Clone, Copy)]
pub struct Member<'w> {
    /// The instance.
    pub instance: &'w Instance,
    /// Why it is one.
    pub tie: Tie,
}

/// A parent with its forced children, a strong set, both at once, or a single instance.
#[derive(Debug, Clone)]
pub struct Group<'w> {
    /// The primary first, then strong members, then forced children, each by id.
    members: Vec<Member<'w>>,
}

impl<'w> Group<'w> {
    /// The member whose days of grace and retention, `late_start`, schedule and unify settings hold
    /// for the strong members (B-4), and to whose new expiry the forced children go (B-5).
    #[must_use]
    pub fn primary(&self) -> &'w Instance {
        self.members[0].instance
    }

    /// The members: the primary, then strong ones, then forced children, each by id.
    pub fn members(&self) -> impl Iterator<Item = Member<'w>> + use<'_, 'w> {
        self.members.iter().copied()
    }

    /// The members that share one term: the primary and the strong ones (B-4).
    pub fn core(&self) -> impl Iterator<Item = &'w Instance> + use<'_, 'w> {
        self.members().filter(|member| member.tie != Tie::Forced).map(|member| member.instance)
    }

    /// Whether it has strong members (B-4).
    #[must_use]
    pub fn is_strong(&self) -> bool {
        self.core().count() > 1
    }

    /// Whether the instance is a member.
    #[must_use]
    pub fn contains(&self, id: &InstanceId) -> bool {
        self.members.iter().any(|member| member.instance.id == *id)
    }

    /// The days of grace and retention, `late_start` and boundary that hold for a member: the
    /// primary's for those that share its term (B-4), a forced child's own.
    #[must_use]
    pub fn lifecycle_rules(&self, instance: &Instance, world: &World) -> Option<LifecycleRules> {
        let shares = self.core().any(|member| member.id == instance.id);
        world.lifecycle_rules(if shares { self.primary() } else { instance })
    }

    /// The durations that every member that shares the term is sold for, the shortest first (B-4).
    /// A forced child's do not count: it goes to its parent's expiry (B-3).
    #[must_use]
    pub fn durations(&self, world: &World) -> Vec<TermDuration> {
        self.intersection(world, |profile| &profile.durations)
    }

    /// The cycles of automatic renewal that every member that shares the term has, the shortest
    /// first (B-4, P-3).
    #[must_use]
    pub fn cycles(&self, world: &World) -> Vec<TermDuration> {
        self.intersection(world, ProductProfile::cycles)
    }

    /// The policies that every member's product allows, forced children's too (B-4, P-7).
    #[must_use]
    pub fn policies(&self, world: &World) -> Vec<Policy> {
        let all_allow = |policy: &Policy| {
            let mut profiles = self.members().filter_map(|one| world.profile(one.instance));
            profiles.all(|profile| profile.policies.contains(policy))
        };
        Policy::ALL.into_iter().filter(all_allow).collect()
    }

    fn intersection<'p>(
        &self,
        world: &'p World,
        of: impl Fn(&'p ProductProfile) -> &'p [TermDuration],
    ) -> Vec<TermDuration> {
        let mut sets = self.core().map(|instance| {
            let profile = world.profile(instance);
            profile.map(|profile| of(profile).iter().copied().collect::<BTreeSet<_>>())
        });
        let first = sets.next().flatten().unwrap_or_default();
        let all = sets.fold(first, |all, set| &all & &set.unwrap_or_default());
        all.into_iter().collect()
    }
}

/// Every group of an account's instances (B-2, B-4, B-5).
///
/// The primary is the member that is bound to no other one; of instances bound in a circle, the one
/// with the least id. A forced child whose parent is gone stands alone: it could never be renewed
/// again otherwise.
#[derive(Debug, Clone)]
pub struct Groups<'w> {
    groups: Vec<Group<'w>>,
    by_member: BTreeMap<&'w InstanceId, usize>,
}

impl<'w> Groups<'w> {
    /// The groups of the account's instances in `world` at `now`.
    #[must_use]
    pub fn of(world: &'w World, now: DateTime<Utc>) -> Self {
        let ties = Ties::of(world, now);
        let mut groups = Self { groups: Vec::new(), by_member: BTreeMap::new() };
        for id in world.instances.keys() {
            if groups.by_member.contains_key(id) || world.instance(id).is_none() {
                continue;
            }
            let members = ties.group_of(id, world);
            let number = groups.groups.len();
            groups.by_member.extend(members.iter().map(|member| (&member.instance.id, number)));
            groups.groups.push(Group { members });
        }
        groups
    }

    /// The group of an instance of the account.
    #[must_use]
    pub fn get(&self, id: &InstanceId) -> Option<&Group<'w>> {
        self.by_member.get(id).map(|number| &self.groups[*number])
    }

    /// Every group, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Group<'w>> {
        self.groups.iter()
    }
}

/// The bindings that make groups, in both directions.
struct Ties<'w> {
    bound: BTreeSet<&'w InstanceId>,
    neighbours: BTreeMap<&'w InstanceId, Vec<(BindingKind, &'w InstanceId)>>,
}

impl<'w> Ties<'w> {
    fn of(world: &'w World, now: DateTime<Utc>) -> Self {
        let mut ties = Self { bound: BTreeSet::new(), neighbours: BTreeMap::new() };
        for child in world.instances.values() {
            let Some(binding) = &child.binding else { continue };
            let Some(parent) = world.instance(&binding.parent) else { continue };
            let holds = match binding.kind {
                BindingKind::Optional => false,
                BindingKind::Strong => true,
                BindingKind::Forced => check::own_window_refusal(parent, world, now).is_none(),
            };
            if holds && parent.id != child.id && child.account == world.account.id {
                ties.bound.insert(&child.id);
                ties.neighbours.entry(&child.id).or_default().push((binding.kind, &parent.id));
                ties.neighbours.entry(&parent.id).or_default().push((binding.kind, &child.id));
            }
        }
        ties
    }

    fn group_of(&self, id: &'w InstanceId, world: &'w World) -> Vec<Member<'w>> {
        let all = self.reach(id, |_| true);
        let unbound = all.iter().find(|id| !self.bound.contains(**id));
        let primary = *unbound.or(all.first()).unwrap_or(&id);
        let core = self.reach(primary, |kind| kind == BindingKind::Strong);
        let tie = |id| match id {
            _ if id == primary => Tie::Primary,
            _ if core.contains(id) => Tie::Strong,
            _ => Tie::Forced,
        };
        let mut members: Vec<_> = all
            .into_iter()
            .filter_map(|id| Some(Member { instance: world.instance(id)?, tie: tie(id) }))
            .collect();
        members.sort_by_key(|member| (member.tie, &member.instance.id));
        members
    }

    /// Everything tied to `from`, directly or not, by bindings of which `follow` holds.
    fn reach(
        &self,
        from: &'w InstanceId,
        follow: impl Fn(BindingKind) -> bool,
    ) -> BTreeSet<&'w InstanceId> {
        let mut found = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            for (kind, next) in self.neighbours.get(id).into_iter().flatten() {
                if follow(*kind) && found.insert(next) {
                    open.push(next);
                }
            }
        }
        found
    }
}

/// An instance that is tied to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// How firmly.
    pub kind: BindingKind,
    /// The instance.
    pub id: InstanceId,
    /// What it is tied to: the instance asked about, or a member of its group.
    pub parent: InstanceId,
}

/// What is bound to the group of the instance `id` at `now`, by kind (strong, forced, optional),
/// then id (B-2): `STRONG` and `FORCED` come by themselves, the user ticks what is `OPTIONAL`.
///
/// ```
/// # use std::sync::Arc;
/// # use rule_engine::{instance::*, profile::{AccountSettings, ProductProfile}, term::Lease};
/// # let profile: ProductProfile = serde_json::from_str(r#"{
/// #     "durations": ["1m", "1y"], "policies": ["MANUAL", "AUTO", "NOT_RENEW"],
/// #     "auto_schedule": {"days_before": 7, "time": "08:00", "stop": "UNTIL_EXPIRY"},
/// #     "late_start": "RENEWAL_DATE", "grace_days": 0, "retention_days": 7,
/// #     "money_policy": {"name": "n", "version": 1, "rounding": "HALF_UP"}
/// # }"#)?;
/// # let settings: AccountSettings =
/// #     serde_json::from_str(r#"{"zone": "Asia/Shanghai", "currency": "CNY"}"#)?;
/// # let mut world = World::new(Account { id: "a".parse()?, settings, frozen: false });
/// # world.profiles.insert("p".parse()?, Arc::new(profile));
/// # let now = "2024-06-10T12:00:00+08:00".parse()?;
/// # for (id, end, day) in [
/// #     ("vm", "2024-06-21T00:00:00+08:00", 20), ("disk", "2024-06-21T00:00:00+08:00", 20),
/// # ] {
/// #     let billing = Billing::Prepaid(Lease { end: end.parse()?, anchor: day.try_into()? });
/// #     let (account, product, region) = ("a".parse()?, "p".parse()?, "r".parse()?);
/// #     let one = Instance::new(id.parse()?, account, product, region, billing);
/// #     world.instances.insert(one.id.clone(), one);
/// # }
/// # let binding = Binding { parent: "vm".parse()?, kind: BindingKind::Optional };
/// # world.instances.get_mut(&"disk".parse()?).unwrap().binding = Some(binding);
/// use rule_engine::group::bound_to;
/// // What is bound to an instance is found from the parent, not from the child.
/// assert_eq!(bound_to(&"vm".parse()?, &world, now)[0].id, "disk".parse()?);
/// assert!(bound_to(&"disk".parse()?, &world, now).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn bound_to(id: &InstanceId, world: &World, now: DateTime<Utc>) -> Vec<Bound> {
    let groups = Groups::of(world, now);
    let Some(group) = groups.get(id) else { return Vec::new() };
    let bound = |child: &Instance| {
        let binding = child.binding.as_ref().filter(|_| child.id != *id)?;
        let along = binding.kind == BindingKind::Optional || group.contains(&child.id);
        (along && group.contains(&binding.parent) && child.account == world.account.id).then(|| {
            Bound { kind: binding.kind, id: child.id.clone(), parent: binding.parent.clone() }
        })
    };
    let mut all: Vec<_> = world.instances.values().filter_map(bound).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests;
