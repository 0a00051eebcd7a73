//! The plan of an order, once more at the instant of its payment.

use chrono::{DateTime, Utc};

use kernel::ids::{InstanceId, OrderId};

use super::{Item, Plan, Selection, choice::Choice, unit};
use crate::{
    check,
    instance::{Billing, World},
    reason::{Reason, Refusal},
    term::Term,
};

/// What an order does, decided at its payment instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replanned {
    /// The order's items in their order, with the terms that hold now.
    pub items: Vec<Item>,
    /// Those whose dates are others than the order said when it was made.
    pub moved: Vec<MovedTerm>,
}

/// A term that is another one than an order said when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedTerm {
    /// The instance.
    pub instance: InstanceId,
    /// What the order forecast.
    pub before: Term,
    /// What holds.
    pub after: Term,
}

/// What `order`, made of `selection` with `items`, does if it is paid at the instant `paid_at`
/// (O-8).
///
/// Section 5 is checked again, except that the order itself is no open order here, and terms are
/// computed anew: the order's dates were a forecast. Its price stays, so nothing joins it: a forced
/// child that it left out stays left out, and a strong member that it does not have refuses it, for
/// that one is only ever renewed together with the others (B-4). What no longer holds is the refusal with which the order
/// becomes `EXPIRED`, the first by precedence; nothing must be charged then.
///
/// Paid after the expiry, an order that was made before it runs from where `late_start` says
/// (T-3), and a new configuration takes effect at once (C-2).
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
/// use rule_engine::plan::{Extent, Selection, plan, replan};
/// let selection = Selection::of(["vm".parse()?], Extent::Duration("1m".parse()?));
/// let items = plan(&selection, &world, now)?.items;
/// let order = kernel::ids::OrderId(uuid::Uuid::from_u128(1));
/// let held = OpenOrder { id: order, unpaid: true };
/// world.instances.get_mut(&"vm".parse()?).unwrap().open_order = Some(held);
///
/// // Ordered before the expiry and paid two days after it: the term runs from the payment.
/// let paid_at = "2024-06-22T09:00:00+08:00".parse()?;
/// let replanned = replan(order, &selection, &items, &world, paid_at)?;
/// assert_eq!(replanned.items[0].last_day.to_string(), "2024-07-22");
/// assert_eq!(replanned.moved.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn replan(
    order: OrderId,
    selection: &Selection,
    items: &[Item],
    world: &World,
    paid_at: DateTime<Utc>,
) -> Result<Replanned, Refusal> {
    let selection = Selection { exempt_order: Some(order), ..selection.clone() };
    let scope = items.iter().map(|item| item.instance.clone()).collect();
    let plan = unit::plan_all(&Choice::of(&selection, Some(scope), world, paid_at)?);
    let refusals = items.iter().filter_map(|item| no_longer_holds(item, &plan, world));
    let refusals = refusals.chain(joined(items, &plan));
    if let Some(first) = refusals.min_by_key(|refusal| refusal.reason) {
        return Err(first);
    }
    let now: Vec<_> = items.iter().filter_map(|item| plan.item(&item.instance)).cloned().collect();
    let moved = items.iter().zip(&now).filter(|(before, after)| before.term != after.term);
    let moved = moved.map(|(before, after)| MovedTerm {
        instance: before.instance.clone(),
        before: before.term,
        after: after.term,
    });
    Ok(Replanned { moved: moved.collect(), items: now })
}

/// `GROUP_MUST_RENEW_TOGETHER`, if the groups of an order have members that must come along and are
/// not on it (B-4).
fn joined(items: &[Item], plan: &Plan) -> Option<Refusal> {
    let on_order = |id: &InstanceId| items.iter().any(|item| item.instance == *id);
    let joined = plan.items.iter().filter(|item| !on_order(&item.instance));
    let missing: Vec<_> = joined.map(|item| &item.instance).collect();
    let first = *missing.first()?;
    let message = format!("{first} has joined the group since the order was made.");
    let refusal = Refusal::new(Reason::GroupMustRenewTogether, message);
    Some(refusal.with("instance", first).with_all("missing", missing))
}

/// Why the item of an order is not what it was, if it is not.
fn no_longer_holds(item: &Item, plan: &Plan, world: &World) -> Option<Refusal> {
    let id = &item.instance;
    let Some(now) = plan.item(id) else {
        let because = plan.refusals_of(id).into_iter().min_by_key(|refusal| refusal.reason);
        return Some(because.unwrap_or_else(|| no_longer_there(id, world)));
    };
    if now.kind == item.kind {
        return None;
    }
    let refusal = if now.before == Billing::Postpaid {
        Refusal::new(
            Reason::NoExpiry,
            format!("{id} has become postpaid since the order was made."),
        )
    } else {
        let message = format!("{id} is no longer what the order was made for.");
        Refusal::new(Reason::OrderNotPayable, message)
    };
    Some(refusal.with("instance", id))
}

/// Why an item is not even asked about: it is gone, or no longer comes along with what was named.
fn no_longer_there(id: &InstanceId, world: &World) -> Refusal {
    if world.instance(id).is_none() {
        return check::not_found(id);
    }
    let message = format!("{id} no longer comes along with the others of the order.");
    Refusal::new(Reason::GroupMustRenewTogether, message).with("instance", id)
}
