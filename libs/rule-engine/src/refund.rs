//! Which terms may be taken back, and what their instances are then (O-6).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use kernel::ids::{InstanceId, OrderId};

use crate::{
    calendar::told,
    configuration::{Configuration, Setting},
    instance::{Billing, Instance, PendingChange},
    policy::PolicyState,
    reason::{Reason, Refusal},
    term::Lease,
};

/// What a term changes of an instance, as it is at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Until when it is paid for, and by which day.
    pub billing: Billing,
    /// What it is made of.
    pub configuration: Configuration,
    /// What is bought and not in effect yet (C-2).
    pub pending: Option<PendingChange>,
}

impl Standing {
    /// The standing of `instance` at `now`: what was pending and is in effect by then is its
    /// configuration (C-2).
    #[must_use]
    pub fn of(instance: &Instance, now: DateTime<Utc>) -> Self {
        Self {
            billing: instance.billing,
            configuration: instance.configuration_at(now).clone(),
            pending: instance.pending.clone().filter(|pending| pending.effective > now),
        }
    }

    /// The configuration that it has at `now`, if nothing else changes it.
    fn configuration_at(&self, now: DateTime<Utc>) -> &Configuration {
        match &self.pending {
            Some(pending) if pending.effective <= now => &pending.configuration,
            _ => &self.configuration,
        }
    }

    /// The configuration that its last term is for.
    fn configuration_ahead(&self) -> &Configuration {
        self.pending.as_ref().map_or(&self.configuration, |pending| &pending.configuration)
    }
}

/// An item of a paid order, as a refund finds it.
#[derive(Debug, Clone)]
pub struct Bought<'a> {
    /// The instance as it is now.
    pub instance: &'a Instance,
    /// What its group on the order is named after.
    pub root: &'a InstanceId,
    /// The first instant of the term that the order appended.
    pub start: DateTime<Utc>,
    /// What the order left the instance as.
    pub after: Standing,
    /// The first instant of the instance's last live term, and the order that appended it.
    pub last: Option<(DateTime<Utc>, Option<OrderId>)>,
    /// Its term was taken back before.
    pub refunded: bool,
}

/// Every reason why the items `wanted` of an order cannot be refunded at `now`, by instance and
/// precedence; none if they can (O-6).
///
/// A term that has begun is used (`TERM_STARTED`). Terms go from the last one backwards
/// (`NOT_LAST_TERM`), and only while what was paid for is still what it was: `priced` says whether
/// a setting of an instance has a price. A group of the order goes as a whole (B-4), whatever is
/// bound to what since. What is not on the order is `INSTANCE_NOT_FOUND`.
///
/// ```
/// # use rule_engine::{instance::*, refund::*, term::Lease};
/// # let (account, product, region) = ("a".parse()?, "vm".parse()?, "r".parse()?);
/// let start = "2024-06-20T16:00:00Z".parse()?;
/// let billing = Billing::Prepaid(Lease { end: "2024-07-20T16:00:00Z".parse()?, anchor: 20.try_into()? });
/// let vm = Instance::new("vm".parse()?, account, product, region, billing);
/// let after = Standing::of(&vm, start);
/// let bought = Bought {
///     instance: &vm, root: &vm.id, start, after, last: Some((start, None)), refunded: false,
/// };
/// let wanted = [vm.id.clone()].into();
/// let refusals = |now| {
///     check_refund(&wanted, &[bought.clone()], |_, _| true, chrono_tz::Asia::Shanghai, now)
/// };
/// // Until the last instant before the term everything comes back; from its first on, nothing.
/// assert!(refusals("2024-06-20T15:59:59Z".parse()?).is_empty());
/// assert_eq!(refusals(start)[0].1.reason.code(), "TERM_STARTED");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn check_refund(
    wanted: &BTreeSet<InstanceId>,
    items: &[Bought<'_>],
    priced: impl Fn(&Instance, &str) -> bool,
    zone: Tz,
    now: DateTime<Utc>,
) -> Vec<(InstanceId, Refusal)> {
    let mut all = Vec::new();
    for id in wanted {
        let mut refusals = match items.iter().find(|item| item.instance.id == *id) {
            None => vec![not_on_order(id)],
            Some(item) if item.refunded => vec![refunded(id)],
            Some(item) => {
                let mut refusals = item_refusals(item, &priced, zone, now);
                refusals.extend(parts_group(item, wanted, items));
                refusals
            }
        };
        refusals.sort();
        all.extend(refusals.into_iter().map(|refusal| (id.clone(), refusal)));
    }
    all
}

fn item_refusals(
    item: &Bought<'_>,
    priced: impl Fn(&Instance, &str) -> bool,
    zone: Tz,
    now: DateTime<Utc>,
) -> Vec<Refusal> {
    let id = &item.instance.id;
    let refusals = [
        held(item.instance),
        started(item, zone, now),
        followed(item),
        changed(item, priced, now).then(|| {
            let message = format!("The configuration of {id} is another than the term was for.");
            Refusal::new(Reason::ConfigurationChanged, message)
        }),
    ];
    refusals.into_iter().flatten().map(|refusal| refusal.with("instance", id)).collect()
}

fn not_on_order(id: &InstanceId) -> Refusal {
    let message = format!("{id} is not on the order.");
    Refusal::new(Reason::InstanceNotFound, message).with("instance", id)
}

fn refunded(id: &InstanceId) -> Refusal {
    let message = format!("The term of {id} has been refunded.");
    Refusal::new(Reason::AlreadyRefunded, message).with("instance", id)
}

/// `OPEN_ORDER_EXISTS`: what holds the instance was decided on the term (O-2).
fn held(instance: &Instance) -> Option<Refusal> {
    let open = instance.open_order?;
    let message = format!("The order {} holds {}.", open.id, instance.id);
    Some(Refusal::new(Reason::OpenOrderExists, message).with("order_id", open.id))
}

/// `TERM_STARTED`: from its first instant on a term is used.
fn started(item: &Bought<'_>, zone: Tz, now: DateTime<Utc>) -> Option<Refusal> {
    (now >= item.start).then(|| {
        let since = told(zone, item.start);
        let message = format!("The term of {} has begun at {since}.", item.instance.id);
        Refusal::new(Reason::TermStarted, message).with("start_time", item.start.to_rfc3339())
    })
}

/// `NOT_LAST_TERM`: another term goes on where this one ends.
fn followed(item: &Bought<'_>) -> Option<Refusal> {
    let later = item.last.filter(|(start, _)| *start != item.start)?;
    let message = format!("{} has a later term, which has to go first.", item.instance.id);
    let refusal = Refusal::new(Reason::NotLastTerm, message);
    Some(match later {
        (_, Some(order)) => refusal.with("order_id", order),
        (_, None) => refusal,
    })
}

/// Whether what has a price is another than what the term was paid for: now, or from the term on.
fn changed(
    item: &Bought<'_>,
    priced: impl Fn(&Instance, &str) -> bool,
    now: DateTime<Utc>,
) -> bool {
    let instance = item.instance;
    let settings = |configuration: &Configuration| {
        let settings = configuration.settings.iter();
        let mut settings: Vec<Setting> =
            settings.filter(|setting| priced(instance, &setting.name)).cloned().collect();
        settings.sort_by(|one, other| one.name.cmp(&other.name));
        settings
    };
    let differ = |one: &Configuration, other: &Configuration| settings(one) != settings(other);
    differ(instance.configuration_at(now), item.after.configuration_at(now))
        || differ(instance.configuration_ahead(), item.after.configuration_ahead())
}

/// `GROUP_MUST_RENEW_TOGETHER`, if others of the item's group are on the order and stay (B-4).
fn parts_group(
    item: &Bought<'_>,
    wanted: &BTreeSet<InstanceId>,
    items: &[Bought<'_>],
) -> Option<Refusal> {
    let group = items.iter().filter(|other| other.root == item.root && !other.refunded);
    let group = group.map(|other| &other.instance.id);
    let missing: Vec<_> = group.filter(|other| !wanted.contains(*other)).collect();
    if missing.is_empty() {
        return None;
    }
    let id = &item.instance.id;
    let message = format!("{id} was renewed with others, and is only refunded with them.");
    let refusal = Refusal::new(Reason::GroupMustRenewTogether, message);
    Some(refusal.with("instance", id).with_all("missing", missing))
}

/// The instance once a term is taken back: expiry, anchor and, where the term brought another one,
/// the pending configuration are again those of `before`. `AUTO` becomes `MANUAL`: nobody wants the
/// refund charged again the next morning (O-6).
#[must_use]
pub fn taken_back(instance: &Instance, before: &Standing, after: &Standing) -> Instance {
    let pending = if before.pending == after.pending {
        instance.pending.clone()
    } else {
        before.pending.clone()
    };
    let policy = manual(instance.policy);
    Instance { billing: before.billing, pending, policy, ..instance.clone() }
}

/// The policy of an instance whose term, or whose group's, is taken back (O-6, P-7).
#[must_use]
pub fn manual(policy: PolicyState) -> PolicyState {
    match policy {
        PolicyState::Auto(_) => PolicyState::Manual,
        other => other,
    }
}

/// The standing that a term leaves: paid through `lease`, with `configuration` from now on and
/// `pending` later where the term brought them (C-2).
#[must_use]
pub fn extended(
    before: &Standing,
    lease: Lease,
    configuration: Option<Configuration>,
    pending: Option<PendingChange>,
    nothing_pending: bool,
) -> Standing {
    let kept = before.pending.clone().filter(|_| !nothing_pending);
    Standing {
        billing: Billing::Prepaid(lease),
        configuration: configuration.unwrap_or_else(|| before.configuration.clone()),
        pending: pending.or(kept),
    }
}

#[cfg(test)]
mod tests;
