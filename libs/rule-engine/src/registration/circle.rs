//! Instances that would be bound to themselves.

use std::collections::BTreeMap;

use kernel::ids::InstanceId;

use crate::instance::{BindingKind, Instance};

/// Which of `rows`, the instances that rows of one registration make or change, would be bound to
/// themselves `FORCED` or `STRONG`, directly or through others, and through whom: such a group has
/// no primary to renew (B-4, B-5). `others` has what was registered of their groups before.
///
/// ```
/// # use rule_engine::{instance::*, registration::bound_in_circles};
/// # let instance = |id: &str, parent: &str| -> Result<_, Box<dyn std::error::Error>> {
/// #     let (account, product, region) = ("a".parse()?, "p".parse()?, "r".parse()?);
/// #     let mut one = Instance::new(id.parse()?, account, product, region, Billing::Postpaid);
/// #     one.binding = Some(Binding { parent: parent.parse()?, kind: BindingKind::Forced });
/// #     Ok((one.id.clone(), one))
/// # };
/// // The machine was bound to the disk before; now the disk is to be bound to the machine.
/// let (rows, others) = ([instance("disk", "vm")?].into(), [instance("vm", "disk")?].into());
/// let circles = bound_in_circles(&rows, &others);
/// assert_eq!(circles[&"disk".parse()?], ["vm".parse()?, "disk".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn bound_in_circles(
    rows: &BTreeMap<InstanceId, Instance>,
    others: &BTreeMap<InstanceId, Instance>,
) -> BTreeMap<InstanceId, Vec<InstanceId>> {
    let parent = |id: &InstanceId| {
        let instance = rows.get(id).or_else(|| others.get(id))?;
        let binding = instance.binding.as_ref()?;
        (binding.kind != BindingKind::Optional).then_some(&binding.parent)
    };
    let circle = |id: &InstanceId| {
        let mut way = Vec::new();
        let mut at = parent(id)?;
        // Above there may be a circle that this one is no part of.
        while !way.contains(at) {
            way.push(at.clone());
            if at == id {
                return Some(way);
            }
            at = parent(at)?;
        }
        None
    };
    rows.keys().filter_map(|id| Some((id.clone(), circle(id)?))).collect()
}
