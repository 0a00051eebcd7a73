//! Groups that stand on an open order.

use std::collections::BTreeMap;

use kernel::ids::InstanceId;

use crate::{
    check,
    instance::{Binding, BindingKind, Instance},
    reason::Refusal,
};

/// Which of `rows`, the instances that rows of one registration make or change, are bound `STRONG`
/// or `FORCED` as they were not before, while an open order holds a member of the group that they
/// join or leave: `OPEN_ORDER_EXISTS` (I-1, O-2, B-4). The order would be paid without them.
///
/// `others` has what was registered of their groups before. Who is bound to nothing, or `OPTIONAL`,
/// from now on is not refused: no order of others would have renewed it.
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
/// # use rule_engine::registration::held_groups;
/// let mut others = world.instances.clone();
/// let order = OpenOrder { id: kernel::ids::OrderId(Default::default()), unpaid: true };
/// others.get_mut(&"vm".parse()?).unwrap().open_order = Some(order);
/// // The disk itself is on no order, but its machine is.
/// let mut disk = others.remove(&"disk".parse()?).unwrap();
/// disk.binding = Some(Binding { parent: "vm".parse()?, kind: BindingKind::Strong });
/// let refused = held_groups(&[(disk.id.clone(), disk)].into(), &others);
/// assert_eq!(refused[&"disk".parse()?].reason.code(), "OPEN_ORDER_EXISTS");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn held_groups(
    rows: &BTreeMap<InstanceId, Instance>,
    others: &BTreeMap<InstanceId, Instance>,
) -> BTreeMap<InstanceId, Refusal> {
    let before = tied_to_held(others.values());
    let kept = others.values().filter(|one| !rows.contains_key(&one.id));
    let after = tied_to_held(rows.values().chain(kept));
    let tied_anew = rows.values().filter(|row| {
        let new = tie(row);
        new.is_some() && new != others.get(&row.id).and_then(tie)
    });
    let refusal = |row: &Instance| {
        let held = after.get(&row.id).or_else(|| before.get(&row.id))?;
        let refusal = check::held_refusal(held, None)?.with("instance", &held.id);
        Some((row.id.clone(), refusal))
    };
    tied_anew.filter_map(refusal).collect()
}

/// What makes the instance a member of its parent's group.
fn tie(instance: &Instance) -> Option<&Binding> {
    instance.binding.as_ref().filter(|binding| binding.kind != BindingKind::Optional)
}

/// Who is a member of a group of which an open order holds a member, and that member.
fn tied_to_held<'i>(
    instances: impl Iterator<Item = &'i Instance>,
) -> BTreeMap<&'i InstanceId, &'i Instance> {
    let mut neighbours: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut open = Vec::new();
    for instance in instances {
        if instance.open_order.is_some() {
            open.push((&instance.id, instance));
        }
        if let Some(Binding { parent, .. }) = tie(instance) {
            neighbours.entry(&instance.id).or_default().push(parent);
            neighbours.entry(parent).or_default().push(&instance.id);
        }
    }
    let mut found = BTreeMap::new();
    while let Some((id, held)) = open.pop() {
        if found.insert(id, held).is_none() {
            let next = neighbours.get(id).into_iter().flatten();
            open.extend(next.map(|&next| (next, held)));
        }
    }
    found
}
