//! What was chosen: groups, in the order of the bill.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use kernel::ids::InstanceId;

use super::{Extent, Inclusion, Selection, dates};
use crate::{
    check,
    configuration::Configuration,
    group::{Group, Groups, Member, Tie},
    instance::{Instance, World},
    reason::{Reason, Refusal},
};

/// A selection, looked up in the world.
pub struct Choice<'w> {
    pub selection: &'w Selection,
    pub world: &'w World,
    pub now: DateTime<Utc>,
    /// Groups in the order of the bill: each is followed by what was ticked along with it.
    pub units: Vec<Unit<'w>>,
    /// Ids that name nothing of this account.
    pub unknown: Vec<&'w InstanceId>,
    /// Only these are renewed, if given: what an order has settled on already.
    scope: Option<BTreeSet<InstanceId>>,
}

/// A group that stands or falls together (B-1).
pub struct Unit<'w> {
    pub group: Group<'w>,
    pub goal: Goal<'w>,
    /// Of what it was ticked along with, the place in the list of units as they were found.
    follows: Option<usize>,
}

/// Where a unit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal<'w> {
    /// As far as the selection says.
    Extent,
    /// To the new expiry of this parent (B-3).
    ParentExpiry(&'w InstanceId),
    /// To the new expiry of a parent that is not part of the operation.
    NoParent,
}

impl Goal<'_> {
    /// The goal where no parent comes before.
    fn alone(self) -> Self {
        if self == Self::Extent { self } else { Self::NoParent }
    }
}

impl<'w> Choice<'w> {
    pub fn of(
        selection: &'w Selection,
        scope: Option<BTreeSet<InstanceId>>,
        world: &'w World,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        check_request(selection, world)?;
        let groups = Groups::of(world, now);
        let mut choice =
            Self { selection, world, now, units: Vec::new(), unknown: Vec::new(), scope };
        let ticked = selection.ticked.iter().map(|ticked| &ticked.id);
        for id in selection.named.iter().chain(ticked) {
            choice.add(id, &groups);
        }
        let total = choice.units.iter().map(|unit| unit.group.members().count()).sum();
        check::total_limit(total, world)?;
        choice.put_in_order();
        Ok(choice)
    }

    /// Adds the group of `id`, unless it is there already.
    fn add(&mut self, id: &'w InstanceId, groups: &Groups<'w>) {
        let Some(group) = groups.get(id) else {
            if self.in_scope(id) && !self.unknown.contains(&id) {
                self.unknown.push(id);
            }
            return;
        };
        let known = self.units.iter().any(|unit| unit.group.contains(id));
        if known || !group.members().any(|member| self.in_scope(&member.instance.id)) {
            return;
        }
        let goal = self.goal_of(group.primary());
        self.units.push(Unit { group: group.clone(), goal, follows: None });
    }

    /// Where the group of `primary` goes: that it goes to a parent's expiry is said of the primary.
    fn goal_of(&self, primary: &'w Instance) -> Goal<'w> {
        let mut ticked = self.selection.ticked.iter();
        let to_parent = ticked.any(|ticked| ticked.id == primary.id && ticked.to_parent_expiry);
        match &primary.binding {
            _ if !to_parent || self.is_named(&primary.id) => Goal::Extent,
            Some(binding) => Goal::ParentExpiry(&binding.parent),
            None => Goal::NoParent,
        }
    }

    /// Puts each unit that was ticked behind the one that it was ticked along with.
    fn put_in_order(&mut self) {
        for place in 0..self.units.len() {
            let ticked = self.units[place].group.primary();
            let along = ticked.binding.as_ref().filter(|_| !self.is_named(&ticked.id));
            self.units[place].follows = along.and_then(|binding| {
                self.units.iter().position(|unit| unit.group.contains(&binding.parent))
            });
        }
        let mut order = Vec::with_capacity(self.units.len());
        for place in 0..self.units.len() {
            if self.units[place].follows.is_none() {
                self.visit(place, &mut order);
            }
        }
        // What was ticked along in a circle follows no one.
        for place in 0..self.units.len() {
            if !order.contains(&place) {
                self.units[place].follows = None;
                self.units[place].goal = self.units[place].goal.alone();
                order.push(place);
            }
        }
        let mut units: Vec<_> = std::mem::take(&mut self.units).into_iter().map(Some).collect();
        self.units = order.into_iter().filter_map(|place| units[place].take()).collect();
        self.detach_lost_children();
    }

    fn visit(&self, place: usize, order: &mut Vec<usize>) {
        if order.contains(&place) {
            return;
        }
        order.push(place);
        for (child, unit) in self.units.iter().enumerate() {
            if unit.follows == Some(place) {
                self.visit(child, order);
            }
        }
    }

    /// A unit can only follow a parent that is settled before it, or that its order left out.
    fn detach_lost_children(&mut self) {
        for place in 0..self.units.len() {
            if let Goal::ParentExpiry(parent) = self.units[place].goal {
                let holds = |units: &[Unit<'_>]| units.iter().any(|one| one.group.contains(parent));
                let left_out = self.scope.is_some() && !holds(&self.units);
                if !left_out && !holds(&self.units[..place]) {
                    self.units[place].goal = self.units[place].goal.alone();
                }
            }
        }
    }

    /// Whether the member is part of what is renewed: a forced child that an order left out is not.
    pub fn is_part(&self, member: Member<'_>) -> bool {
        member.tie != Tie::Forced || self.in_scope(&member.instance.id)
    }

    fn in_scope(&self, id: &InstanceId) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.contains(id))
    }

    /// Whether the instance was named or ticked.
    pub fn is_chosen(&self, id: &InstanceId) -> bool {
        self.is_named(id) || self.selection.ticked.iter().any(|ticked| ticked.id == *id)
    }

    fn is_named(&self, id: &InstanceId) -> bool {
        self.selection.named.contains(id)
    }

    /// Why the member is part of the operation.
    pub fn inclusion(&self, member: Member<'_>) -> Inclusion {
        let id = &member.instance.id;
        match member.tie {
            _ if self.is_named(id) => Inclusion::Named,
            _ if self.is_chosen(id) => Inclusion::Ticked,
            Tie::Primary | Tie::Strong => Inclusion::Strong,
            Tie::Forced => Inclusion::Forced,
        }
    }

    /// The new configuration of the instance, where it gets one that it has not already (C-2): the
    /// primary of the only unit gets what the selection carries.
    pub fn change_of(&self, unit: &Unit<'_>, instance: &Instance) -> Option<&'w Configuration> {
        let change = self.selection.change.as_ref()?;
        let gets_it = instance.id == unit.group.primary().id;
        (gets_it && change != instance.configuration_ahead()).then_some(change)
    }

    /// The members that take part: all but the forced children that stay behind (B-5), or that are
    /// no part of the order.
    pub fn taking_part<'a>(
        &'a self,
        unit: &'a Unit<'w>,
    ) -> impl Iterator<Item = Member<'w>> + use<'a, 'w> {
        unit.group
            .members()
            .filter(|member| self.is_part(*member) && self.staying(unit, *member).is_none())
    }

    /// Why the member stays behind without stopping the others (B-5).
    pub fn staying(&self, unit: &Unit<'_>, member: Member<'_>) -> Option<Refusal> {
        if member.tie != Tie::Forced || !self.in_scope(&member.instance.id) {
            return None;
        }
        check::stays_behind(member.instance, &unit.group, self.world, self.now)
    }

    /// Reasons that refuse everything at once: no standard date (U-1), an expired instance under a
    /// common date (U-3), an ad-hoc date too early for one (U-5).
    pub fn refusals_of_all(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if !self.selection.extent.is_common_date() {
            return refusals;
        }
        let standard_day = self.world.account.settings.standard_day;
        if let Extent::StandardDate { day, .. } = self.selection.extent
            && day.or(standard_day).is_none()
        {
            let message = "The account has no standard renewal date, and none was given.";
            refusals.push(Refusal::new(Reason::StandardDateNotSet, message));
        }
        let expired: Vec<_> = self
            .units
            .iter()
            .flat_map(|unit| self.taking_part(unit))
            .filter(|member| member.instance.is_expired(self.now))
            .map(|member| &member.instance.id)
            .collect();
        if !expired.is_empty() {
            let message = "Expired instances cannot be brought to a common date; renew them first.";
            let refusal = Refusal::new(Reason::UnifiedWithExpired, message);
            refusals.push(refusal.with_all("instances", expired));
        }
        refusals.extend(dates::too_early(self));
        refusals
    }
}

/// `DUPLICATE_INSTANCE` or `TOO_MANY_INSTANCES` (B-1). An instance both named and ticked counts
/// once.
fn check_request(selection: &Selection, world: &World) -> Result<(), Refusal> {
    let mut named = BTreeSet::new();
    let mut ticked = BTreeSet::new();
    let twice = selection.named.iter().find(|id| !named.insert(*id));
    let ticks = selection.ticked.iter().map(|ticked| &ticked.id);
    if let Some(id) = twice.or(ticks.clone().find(|id| !ticked.insert(*id))) {
        return Err(check::duplicate(id));
    }
    check::named_limit(selection.named.len(), world)?;
    check::total_limit(named.union(&ticked).count(), world)
}
