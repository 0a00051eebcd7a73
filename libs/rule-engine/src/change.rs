//! Changing while renewing: from postpaid to prepaid, or to another configuration.

use chrono::{DateTime, Utc};

use crate::{
    calendar::told,
    configuration::Configuration,
    instance::{Billing, Instance, World},
    kind::OrderKind,
    reason::{Reason, Refusal},
};

/// What renewing the instance at `now` does to it: a postpaid one is converted (C-1), one that gets
/// another configuration is changed (C-2), any other one is just renewed.
#[must_use]
pub fn order_kind(
    instance: &Instance,
    change: Option<&Configuration>,
    now: DateTime<Utc>,
) -> OrderKind {
    match (instance.billing_at(now), change) {
        (Billing::Postpaid, _) => OrderKind::Conversion,
        (Billing::Prepaid(_), Some(_)) => OrderKind::Change,
        (Billing::Prepaid(_), None) => OrderKind::Renewal,
    }
}

/// Every reason why the configuration of the instance cannot change with its renewal at `now`: its
/// product forbids it (C-3), or the change before it has not taken effect (C-2).
///
/// A plain renewal stays possible until then, priced with
/// [the pending configuration](Instance::configuration_ahead).
#[must_use]
pub fn change_refusals(instance: &Instance, world: &World, now: DateTime<Utc>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if let Some(pending) = instance.pending.as_ref().filter(|pending| pending.effective > now) {
        let message = format!(
            "The configuration that was bought for {} takes effect first, at {}.",
            instance.id,
            told(world.account.zone(), pending.effective)
        );
        let refusal = Refusal::new(Reason::ChangePending, message);
        refusals.push(refusal.with("effective", pending.effective.to_rfc3339()));
    }
    if !world.profile(instance).is_some_and(|profile| profile.configuration_change) {
        let message =
            format!("{} cannot change its configuration with a renewal.", instance.product);
        refusals.push(Refusal::new(Reason::ChangeNotOffered, message));
    }
    refusals
}

/// `CHANGE_NOT_OFFERED`: only a single instance or group is changed at a time (C-2).
pub(crate) fn change_in_batch() -> Refusal {
    let message = "A new configuration goes with one instance or group, not with a batch.";
    Refusal::new(Reason::ChangeNotOffered, message)
}

/// Whether the term that renews the instance at `now` starts at the payment instant, whatever its
/// product's `late_start` says: it does where the instance has no term to continue (C-1), and where
/// a new configuration takes effect at once because the instance is expired (C-2).
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
/// use rule_engine::change::starts_at_payment;
/// // Before the expiry a new configuration waits for the new term.
/// let vm = &world.instances[&"vm".parse()?];
/// let large = [("flavor", "large")].into_iter().collect();
/// assert!(!starts_at_payment(vm, Some(&large), now));
/// assert!(starts_at_payment(vm, Some(&large), vm.expiry().unwrap()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn starts_at_payment(
    instance: &Instance,
    change: Option<&Configuration>,
    now: DateTime<Utc>,
) -> bool {
    instance.billing_at(now) == Billing::Postpaid || (change.is_some() && instance.is_expired(now))
}

#[cfg(test)]
mod tests;
