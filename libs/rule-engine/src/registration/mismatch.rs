//! Groups whose members are not registered alike.

use std::collections::BTreeMap;

use kernel::ids::InstanceId;

use crate::{
    instance::{BindingKind, Instance},
    reason::{Reason, Refusal},
};

/// Which of `rows`, the instances that rows of one registration make or change, end at another
/// instant than their group, or are billed differently: `GROUP_EXPIRY_MISMATCH` (B-4).
///
/// `others` has what else is registered of their groups. Strong members share one term; each is
/// compared with its parent, so a group that is registered at once may come in any order.
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
/// # for (id, end, day) in [
/// #     ("vm", "2024-06-21T00:00:00+08:00", 20), ("disk", "2024-06-21T00:00:00+08:00", 20),
/// # ] {
/// #     let billing = Billing::Prepaid(Lease { end: end.parse()?, anchor: day.try_into()? });
/// #     let (account, product, region) = ("a".parse()?, "p".parse()?, "r".parse()?);
/// #     let one = Instance::new(id.parse()?, account, product, region, billing);
/// #     world.instances.insert(one.id.clone(), one);
/// # }
/// # let binding = Binding { parent: "vm".parse()?, kind: BindingKind::Strong };
/// # world.instances.get_mut(&"disk".parse()?).unwrap().binding = Some(binding);
/// use rule_engine::registration::group_mismatches;
/// // Both rows are refused: nobody can tell which of the two ends is wrong.
/// let rows = &mut world.instances;
/// rows.get_mut(&"disk".parse()?).unwrap().billing = Billing::Postpaid;
/// assert_eq!(group_mismatches(rows, &Default::default()).len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn group_mismatches(
    rows: &BTreeMap<InstanceId, Instance>,
    others: &BTreeMap<InstanceId, Instance>,
) -> BTreeMap<InstanceId, Refusal> {
    let known = |id: &InstanceId| rows.get(id).or_else(|| others.get(id));
    let mut found = BTreeMap::new();
    for child in rows.values().chain(others.values().filter(|one| !rows.contains_key(&one.id))) {
        let Some(binding) = &child.binding else { continue };
        let Some(parent) = known(&binding.parent) else { continue };
        if binding.kind != BindingKind::Strong || child.billing_agrees(parent) {
            continue;
        }
        let message = format!("{} and {} must end at one instant.", parent.id, child.id);
        let refusal = Refusal::new(Reason::GroupExpiryMismatch, message)
            .with_all("instances", [&parent.id, &child.id]);
        for id in [&parent.id, &child.id] {
            if rows.contains_key(id) {
                found.entry(id.clone()).or_insert_with(|| refusal.clone());
            }
        }
    }
    found
}

impl Instance {
    /// Whether both are billed alike and end at the same instant (B-4).
    fn billing_agrees(&self, other: &Self) -> bool {
        self.billing.mode() == other.billing.mode() && self.expiry() == other.expiry()
    }
}
