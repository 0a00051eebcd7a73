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
/// child that it left out stays left out. What no longer holds is the refusal with which the order
/// becomes `EXPIRED`, the first by precedence; nothing must be charged then.
///
/// Paid after the expiry, an order that was made before it runs from where `late_start` says
/// (T-3), and a new configuration takes effect at once (C-2).
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
