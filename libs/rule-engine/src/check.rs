//! Who may be renewed: every reason why not, at once.

use chrono::{DateTime, Utc};

use kernel::ids::{InstanceId, OrderId};

use crate::{
    calendar::told,
    group::{Group, Groups, Member, Tie},
    instance::{Billing, Instance, World},
    lifecycle::{LifecycleRules, lifecycle},
    plan::{Extent, Selection, plan},
    profile::StrongInBatch,
    reason::{Reason, Refusal},
};

/// Every reason why the instance cannot be renewed at `now`, alone or with its group, the first by
/// precedence first (section 5); none if it can.
///
/// Where `extent` is given the dates count too; without one the answer says whether there is any
/// way to renew it. Each refusal names under `instance` the member of the group that it is about.
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
/// use rule_engine::check::check_renewal;
/// // The machine brings its disk along; the disk alone is refused.
/// assert!(check_renewal(&"vm".parse()?, None, &world, now).is_empty());
/// let refusals = check_renewal(&"disk".parse()?, None, &world, now);
/// assert_eq!(refusals[0].reason.code(), "GROUP_MUST_RENEW_TOGETHER");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn check_renewal(
    id: &InstanceId,
    extent: Option<&Extent>,
    world: &World,
    now: DateTime<Utc>,
) -> Vec<Refusal> {
    if let Some(extent) = extent {
        let planned = plan(&Selection::of([id.clone()], extent.clone()), world, now);
        return match planned {
            Err(refusal) => vec![refusal],
            Ok(plan) => plan.refusals_of(id),
        };
    }
    let groups = Groups::of(world, now);
    let Some(group) = groups.get(id) else { return vec![not_found(id)] };
    let mut refusals = group_refusals(group, world, now, None);
    refusals.extend(must_renew_together(group, |member| member == id));
    refusals.sort();
    refusals
}

/// Every reason in the members themselves why the group cannot be renewed, whatever was chosen.
/// Forced children that do not come along do not count (B-5). What several members have in common
/// is said once.
pub(crate) fn group_refusals(
    group: &Group<'_>,
    world: &World,
    now: DateTime<Utc>,
    exempt: Option<OrderId>,
) -> Vec<Refusal> {
    let mut said: Vec<(Refusal, Vec<&InstanceId>)> = Vec::new();
    for Member { instance, tie } in group.members() {
        if tie == Tie::Forced && stays_behind(instance, group, world, now).is_some() {
            continue;
        }
        for refusal in member_refusals(instance, group, world, now, exempt) {
            let same = |other: &Refusal| {
                other.reason == refusal.reason && other.metadata == refusal.metadata
            };
            match said.iter_mut().find(|(other, _)| same(other)) {
                Some((_, members)) => members.push(&instance.id),
                None => said.push((refusal, vec![&instance.id])),
            }
        }
    }
    said.into_iter().map(|(refusal, members)| naming(refusal, &members)).collect()
}

/// The refusal with the member that it is about, or with all of them where there are several.
fn naming(refusal: Refusal, members: &[&InstanceId]) -> Refusal {
    let refusal = match members.first() {
        Some(first) => refusal.with("instance", first),
        None => refusal,
    };
    if members.len() > 1 { refusal.with_all("members", members) } else { refusal }
}

/// Why a forced child does not come along and does not stop its parent either: it is past its time
/// to be renewed (B-5), or it is postpaid, with nothing to add, beside a prepaid parent.
pub(crate) fn stays_behind(
    child: &Instance,
    group: &Group<'_>,
    world: &World,
    now: DateTime<Utc>,
) -> Option<Refusal> {
    let metered = || {
        let postpaid = |one: &Instance| one.billing_at(now) == Billing::Postpaid;
        (postpaid(child) && !postpaid(group.primary())).then(|| {
            let message = format!("{} is postpaid: there is nothing to add.", child.id);
            Refusal::new(Reason::AlreadyCovered, message)
        })
    };
    own_window_refusal(child, world, now)
        .or_else(metered)
        .map(|refusal| refusal.with("instance", &child.id))
}

fn member_refusals(
    instance: &Instance,
    group: &Group<'_>,
    world: &World,
    now: DateTime<Utc>,
    exempt: Option<OrderId>,
) -> Vec<Refusal> {
    let mut refusals = kind_refusals(instance, world);
    refusals.extend(postpaid_refusal(instance, world, now));
    refusals.extend(window_refusal(instance, group, world, now));
    if world.account.frozen {
        let message = format!("The account {} is frozen or in arrears.", world.account.id);
        refusals.push(Refusal::new(Reason::AccountFrozen, message));
    }
    refusals.extend(held_refusal(instance, exempt));
    if instance.change_pending {
        let message = format!("A change of {} is under way.", instance.id);
        refusals.push(Refusal::new(Reason::ChangePending, message));
    }
    refusals.extend(world.unpriced.get(&instance.id).cloned());
    refusals
}

/// `OPEN_ORDER_EXISTS`, unless the order that holds it is `exempt` (O-2).
pub(crate) fn held_refusal(instance: &Instance, exempt: Option<OrderId>) -> Option<Refusal> {
    let order = instance.open_order.filter(|order| Some(order.id) != exempt)?;
    let message = format!("{} is held by the open order or refund {}.", instance.id, order.id);
    Some(Refusal::new(Reason::OpenOrderExists, message).with("order_id", order.id))
}

/// What kind of instance it is stands against it: `PRODUCT_NOT_RENEWABLE`, `TRIAL_INSTANCE`,
/// `ONE_TIME_INSTANCE`.
pub(crate) fn kind_refusals(instance: &Instance, world: &World) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let why_not = match world.profile(instance) {
        Some(profile) => profile.not_renewable.clone(),
        None => Some("The catalog does not have this product.".to_owned()),
    };
    if let Some(why) = why_not {
        let message = format!("{} is not renewed here: {why}", instance.product);
        let refusal = Refusal::new(Reason::ProductNotRenewable, message);
        refusals.push(refusal.with("product", &instance.product).with("why", why));
    }
    if instance.trial {
        let message = format!("{} is a trial.", instance.id);
        refusals.push(Refusal::new(Reason::TrialInstance, message));
    }
    if instance.one_time {
        let message = format!("{} was bought by number of uses.", instance.id);
        refusals.push(Refusal::new(Reason::OneTimeInstance, message));
    }
    refusals
}

/// `POSTPAID_NOT_CONVERTIBLE` (C-1, C-3).
fn postpaid_refusal(instance: &Instance, world: &World, now: DateTime<Utc>) -> Option<Refusal> {
    let converts = world.profile(instance).is_some_and(|profile| profile.converts_postpaid);
    if converts || instance.billing_at(now) != Billing::Postpaid {
        return None;
    }
    let message =
        format!("{} is postpaid, and {} does not convert.", instance.id, instance.product);
    Some(Refusal::new(Reason::PostpaidNotConvertible, message))
}

/// `INSTANCE_RELEASED` or `RENEWAL_WINDOW_CLOSED`, never both (L-1). For a member that shares the
/// term the primary's days hold (B-4), for a forced child its own.
pub(crate) fn window_refusal(
    instance: &Instance,
    group: &Group<'_>,
    world: &World,
    now: DateTime<Utc>,
) -> Option<Refusal> {
    window_refusal_by(instance, group.lifecycle_rules(instance, world), world, now)
}

/// [`window_refusal`] by the instance's own days of grace and retention.
pub(crate) fn own_window_refusal(
    instance: &Instance,
    world: &World,
    now: DateTime<Utc>,
) -> Option<Refusal> {
    window_refusal_by(instance, world.lifecycle_rules(instance), world, now)
}

fn window_refusal_by(
    instance: &Instance,
    rules: Option<LifecycleRules>,
    world: &World,
    now: DateTime<Utc>,
) -> Option<Refusal> {
    if instance.released {
        let message = format!("{} is released.", instance.id);
        return Some(Refusal::new(Reason::InstanceReleased, message));
    }
    let expiry = instance.billing_at(now).expiry()?;
    let until = lifecycle(&rules?, expiry, world.account.zone()).released_at;
    (now >= until).then(|| {
        let told = told(world.account.zone(), until);
        let message = format!("{} could be renewed until {told}.", instance.id);
        let refusal = Refusal::new(Reason::RenewalWindowClosed, message);
        refusal.with("renewable_until", until.to_rfc3339())
    })
}

/// `GROUP_MUST_RENEW_TOGETHER`, unless the primary was named: the others then come by themselves
/// (B-2). A member alone, without its primary, is refused, and the others are named (B-4).
pub(crate) fn must_renew_together(
    group: &Group<'_>,
    named: impl Fn(&InstanceId) -> bool,
) -> Option<Refusal> {
    let primary = &group.primary().id;
    if named(primary) {
        return None;
    }
    let missing: Vec<_> =
        group.members().map(|member| &member.instance.id).filter(|id| !named(id)).collect();
    let message = format!("It is renewed together with {primary}: name that one.");
    let refusal = Refusal::new(Reason::GroupMustRenewTogether, message);
    Some(refusal.with("primary", primary).with_all("missing", missing))
}

/// `GROUP_NOT_IN_BATCH`, for a group that stands in an operation together with instances outside of
/// it: its primary's product may refuse that for strong groups (B-4).
pub(crate) fn not_in_batch(group: &Group<'_>, world: &World) -> Option<Refusal> {
    let profile = world.profile(group.primary())?;
    if !group.is_strong() || profile.strong_in_batch == StrongInBatch::Allowed {
        return None;
    }
    let primary = &group.primary().id;
    let message = format!("The group of {primary} is only ever handled on its own.");
    let refusal = Refusal::new(Reason::GroupNotInBatch, message);
    Some(refusal.with("primary", primary).with_all("group", group.core().map(|one| &one.id)))
}

/// `TOO_MANY_INSTANCES`, if more ids are named than may be (B-1).
pub(crate) fn named_limit(count: usize, world: &World) -> Result<(), Refusal> {
    within("named", count, world.limits.named)
}

/// `TOO_MANY_INSTANCES`, if with what comes along there are more than there may be (B-1).
pub(crate) fn total_limit(count: usize, world: &World) -> Result<(), Refusal> {
    within("with those that come along", count, world.limits.total)
}

fn within(what: &str, count: usize, limit: usize) -> Result<(), Refusal> {
    if count <= limit {
        return Ok(());
    }
    let message = format!("At most {limit} instances {what}; these are {count}.");
    let refusal = Refusal::new(Reason::TooManyInstances, message);
    Err(refusal.with("limit", limit).with("count", count))
}

/// `DUPLICATE_INSTANCE` (B-1).
pub(crate) fn duplicate(id: &InstanceId) -> Refusal {
    let message = format!("{id} is named twice.");
    Refusal::new(Reason::DuplicateInstance, message).with("instance", id)
}

/// `INSTANCE_NOT_FOUND`: unknown, or another account's; nothing tells which.
pub(crate) fn not_found(id: &InstanceId) -> Refusal {
    let message = format!("There is no instance {id} in this account.");
    Refusal::new(Reason::InstanceNotFound, message).with("instance", id)
}

#[cfg(test)]
mod tests;
