//! What happens to an instance at its expiry, and who may say so.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use kernel::ids::InstanceId;

use crate::{
    check,
    duration::TermDuration,
    group::{Group, Groups, Tie},
    instance::{Billing, Instance, World},
    profile::Policy,
    reason::{Reason, Refusal},
};

/// How many automatic renewals are left: 1 to 99 (P-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Remaining(u8);

/// No instance is renewed so many times by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_REMAINING}, or be left out for no limit")]
pub struct InvalidRemaining;

/// The largest number of automatic renewals that may be asked for (P-3).
pub const MAX_REMAINING: u8 = 99;

impl Remaining {
    /// 1 to [`MAX_REMAINING`].
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0 as u32
    }

    /// One less; none left at 0.
    const fn less_one(self) -> Option<Self> {
        if self.0 > 1 { Some(Self(self.0 - 1)) } else { None }
    }
}

impl TryFrom<u32> for Remaining {
    type Error = InvalidRemaining;

    fn try_from(count: u32) -> Result<Self, InvalidRemaining> {
        let count = u8::try_from(count).map_err(|_| InvalidRemaining)?;
        if (1..=MAX_REMAINING).contains(&count) { Ok(Self(count)) } else { Err(InvalidRemaining) }
    }
}

impl From<Remaining> for u32 {
    fn from(remaining: Remaining) -> Self {
        remaining.get()
    }
}

/// How an instance is renewed by itself (P-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AutoRenewal {
    /// The duration of each renewal.
    pub cycle: TermDuration,
    /// How many are left; no limit if absent.
    pub remaining: Option<Remaining>,
}

/// The policy of an instance, with all that belongs to it (P-1, P-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PolicyState {
    /// It expires unless somebody renews it.
    #[default]
    Manual,
    /// It is renewed without being asked.
    Auto(AutoRenewal),
    /// It becomes postpaid and keeps running (L-4).
    PostpaidAfterExpiry,
    /// It expires.
    NotRenew,
}

impl PolicyState {
    /// Which of the four policies it is.
    #[must_use]
    pub const fn policy(self) -> Policy {
        match self {
            Self::Manual => Policy::Manual,
            Self::Auto(_) => Policy::Auto,
            Self::PostpaidAfterExpiry => Policy::PostpaidAfterExpiry,
            Self::NotRenew => Policy::NotRenew,
        }
    }

    /// Cycle and count, if it is `AUTO`.
    #[must_use]
    pub const fn auto(self) -> Option<AutoRenewal> {
        match self {
            Self::Auto(auto) => Some(auto),
            _ => None,
        }
    }

    /// The policy after an automatic renewal that succeeded: one less remains, and after the last
    /// one it is `MANUAL` (P-3).
    ///
    /// Only a success counts: after a failed attempt (P-4) or a manual renewal (P-5) the policy
    /// stays as it is, and nothing calls this.
    ///
    /// ```
    /// use rule_engine::{duration::TermDuration, policy::{AutoRenewal, PolicyState}};
    /// let auto = AutoRenewal { cycle: TermDuration::ONE_MONTH, remaining: Some(1.try_into()?) };
    /// assert_eq!(PolicyState::Auto(auto).after_automatic_renewal(), PolicyState::Manual);
    /// let endless = PolicyState::Auto(AutoRenewal { remaining: None, ..auto });
    /// assert_eq!(endless.after_automatic_renewal(), endless);
    /// # Ok::<(), rule_engine::policy::InvalidRemaining>(())
    /// ```
    #[must_use]
    pub const fn after_automatic_renewal(self) -> Self {
        let Self::Auto(AutoRenewal { cycle, remaining: Some(remaining) }) = self else {
            return self;
        };
        match remaining.less_one() {
            None => Self::Manual,
            remaining => Self::Auto(AutoRenewal { cycle, remaining }),
        }
    }
}

/// The policy that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyWish {
    /// `MANUAL`.
    Manual,
    /// `AUTO`.
    Auto {
        /// The cycle; if absent 1 month, else the shortest on offer (P-3).
        cycle: Option<TermDuration>,
        /// How many renewals; no limit if absent.
        remaining: Option<Remaining>,
    },
    /// `POSTPAID_AFTER_EXPIRY`.
    PostpaidAfterExpiry,
    /// `NOT_RENEW`.
    NotRenew,
}

impl PolicyWish {
    /// Which of the four policies is asked for.
    #[must_use]
    pub const fn policy(self) -> Policy {
        match self {
            Self::Manual => Policy::Manual,
            Self::Auto { .. } => Policy::Auto,
            Self::PostpaidAfterExpiry => Policy::PostpaidAfterExpiry,
            Self::NotRenew => Policy::NotRenew,
        }
    }
}

/// The policy that an instance has from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChange {
    /// The instance.
    pub instance: InstanceId,
    /// Its policy, also where it had it before.
    pub policy: PolicyState,
}

/// What became of one id of a batch (P-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyResult {
    /// The id as it was named.
    pub id: InstanceId,
    /// The changes of it and of its whole group (P-7), the primary first; or every reason why there
    /// are none, the first by precedence first.
    pub outcome: Result<Vec<PolicyChange>, Vec<Refusal>>,
}

/// Sets the policy of the instances named `ids`, each with its whole group (P-6, P-7), at `now`.
///
/// One result for each id, in their order; a refused one does not stop the others. `AUTO` and
/// `POSTPAID_AFTER_EXPIRY` may only be set before expiry (P-2), `AUTO` on nothing that is no longer
/// sold (P-8), and nothing on what has no expiry or does not allow it (P-1). A forced child that is
/// postpaid, or past its time to be renewed, has nothing to set and does not stand in the way.
///
/// Too many ids are refused as a whole: `TOO_MANY_INSTANCES`.
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
/// # let binding = Binding { parent: "vm".parse()?, kind: BindingKind::Forced };
/// # world.instances.get_mut(&"disk".parse()?).unwrap().binding = Some(binding);
/// use rule_engine::policy::{PolicyWish, set_policies};
/// // Set on a child that always goes along, a policy is that of its parent too.
/// let auto = PolicyWish::Auto { cycle: None, remaining: None };
/// let results = set_policies(&["disk".parse()?], auto, &world, now)?;
/// assert_eq!(results[0].outcome.as_ref().unwrap().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_policies(
    ids: &[InstanceId],
    wish: PolicyWish,
    world: &World,
    now: DateTime<Utc>,
) -> Result<Vec<PolicyResult>, Refusal> {
    check::named_limit(ids.len(), world)?;
    let groups = Groups::of(world, now);
    let outcome = |id: &InstanceId| {
        let mut refusals = Vec::new();
        if ids.iter().filter(|other| *other == id).count() > 1 {
            refusals.push(check::duplicate(id));
        }
        let Some(group) = groups.get(id) else {
            refusals.insert(0, check::not_found(id));
            return Err(refusals);
        };
        if ids.iter().any(|other| !group.contains(other)) {
            refusals.extend(check::not_in_batch(group, world));
        }
        refusals.extend(refusals_of(group, wish, world, now));
        refusals.sort();
        if refusals.is_empty() { Ok(changes(group, wish, world, now)) } else { Err(refusals) }
    };
    Ok(ids.iter().map(|id| PolicyResult { id: id.clone(), outcome: outcome(id) }).collect())
}

/// Every reason why `wish` cannot be set on `group`.
fn refusals_of(
    group: &Group<'_>,
    wish: PolicyWish,
    world: &World,
    now: DateTime<Utc>,
) -> Vec<Refusal> {
    let mut refusals: Vec<_> = concerned(group, world, now)
        .flat_map(|instance| {
            member_refusals(instance, group, wish, world, now)
                .into_iter()
                .map(|refusal| refusal.with("instance", &instance.id))
        })
        .collect();
    refusals.extend(cycle_refusal(group, wish, world));
    refusals
}

/// The members whose policy is set: not the forced children that have none.
fn concerned<'g, 'w>(
    group: &'g Group<'w>,
    world: &'g World,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'w Instance> + use<'g, 'w> {
    group
        .members()
        .filter(move |member| {
            member.tie != Tie::Forced
                || (member.instance.billing_at(now) != Billing::Postpaid
                    && check::window_refusal(member.instance, group, world, now).is_none())
        })
        .map(|member| member.instance)
}

fn member_refusals(
    instance: &Instance,
    group: &Group<'_>,
    wish: PolicyWish,
    world: &World,
    now: DateTime<Utc>,
) -> Vec<Refusal> {
    let policy = wish.policy();
    let mut refusals = check::kind_refusals(instance, world);
    refusals.extend(check::window_refusal(instance, group, world, now));
    if instance.billing_at(now) == Billing::Postpaid {
        let message = format!("{} is postpaid: it has no expiry and no policy.", instance.id);
        refusals.push(Refusal::new(Reason::NoExpiry, message));
        return refusals;
    }
    let Some(profile) = world.profile(instance) else { return refusals };
    if !profile.policies.contains(&policy) {
        let message = format!("{} does not allow {policy}.", instance.product);
        let refusal = Refusal::new(Reason::PolicyNotAllowed, message).with("policy", policy);
        refusals.push(refusal.with_all("allowed", group.policies(world)));
    }
    let already_auto = instance.policy.auto().is_some();
    let expired = instance.is_expired(now);
    if policy == Policy::Auto && !already_auto {
        if expired {
            let message = format!("{} is expired: renew it before setting AUTO.", instance.id);
            refusals.push(Refusal::new(Reason::AutoRenewAfterExpiry, message));
        }
        if profile.discontinued {
            let message = format!(
                "{} is no longer sold: it can be renewed by hand, but AUTO cannot be set.",
                instance.product
            );
            refusals.push(Refusal::new(Reason::ProductDiscontinued, message));
        }
    }
    if policy == Policy::PostpaidAfterExpiry && expired {
        let message = format!("{} is expired: it can no longer become postpaid.", instance.id);
        refusals.push(Refusal::new(Reason::PolicyAfterExpiry, message));
    }
    refusals
}

/// `TERM_NOT_OFFERED` for a cycle that not every member has, or if there is none at all (P-3).
fn cycle_refusal(group: &Group<'_>, wish: PolicyWish, world: &World) -> Option<Refusal> {
    let PolicyWish::Auto { cycle, .. } = wish else { return None };
    let cycles = group.cycles(world);
    let wanted = match cycle {
        Some(cycle) if cycles.contains(&cycle) => return None,
        None if !cycles.is_empty() => return None,
        Some(cycle) => cycle.to_string(),
        None => "any duration".to_owned(),
    };
    let message = format!("{} cannot be renewed automatically for {wanted}.", group.primary().id);
    let mut refusal = Refusal::new(Reason::TermNotOffered, message)
        .with("instance", &group.primary().id)
        .with_all("offered", cycles.iter().map(|cycle| cycle.short()));
    if let Some(cycle) = cycle {
        refusal = refusal.with("duration", cycle.short());
    }
    Some(refusal)
}

fn changes(
    group: &Group<'_>,
    wish: PolicyWish,
    world: &World,
    now: DateTime<Utc>,
) -> Vec<PolicyChange> {
    let policy = match wish {
        PolicyWish::Manual => PolicyState::Manual,
        PolicyWish::PostpaidAfterExpiry => PolicyState::PostpaidAfterExpiry,
        PolicyWish::NotRenew => PolicyState::NotRenew,
        PolicyWish::Auto { cycle, remaining } => {
            let cycle = cycle.unwrap_or_else(|| preset_cycle(group, world));
            PolicyState::Auto(AutoRenewal { cycle, remaining })
        }
    };
    concerned(group, world, now)
        .map(|instance| PolicyChange { instance: instance.id.clone(), policy })
        .collect()
}

/// The cycle where none is named: 1 month, else the shortest on offer (P-3).
fn preset_cycle(group: &Group<'_>, world: &World) -> TermDuration {
    let cycles = group.cycles(world);
    let month = cycles.iter().find(|cycle| **cycle == TermDuration::ONE_MONTH);
    month.or(cycles.first()).copied().unwrap_or(TermDuration::ONE_MONTH)
}

#[cfg(test)]
mod tests;
