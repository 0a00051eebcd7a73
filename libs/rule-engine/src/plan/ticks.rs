//! What may be ticked.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use kernel::ids::InstanceId;

use super::Selection;
use crate::{
    group::{Group, Groups},
    instance::World,
};

impl Selection {
    /// The ticked instances that are bound to nothing that is renewed: neither to what is named,
    /// nor to what is ticked along with that (B-2). A request with such a tick is wrong. Ids that
    /// name no instance of the account are not among them: those are `INSTANCE_NOT_FOUND`.
    ///
    /// ```
    /// # use rule_engine::{instance::*, plan::*, profile::AccountSettings, term::Lease};
    /// # let settings: AccountSettings =
    /// #     serde_json::from_str(r#"{"zone": "Asia/Shanghai", "currency": "CNY"}"#)?;
    /// # let mut world = World::new(Account { id: "a".parse()?, settings, frozen: false });
    /// # let now = "2024-06-10T12:00:00+08:00".parse()?;
    /// # for id in ["vm", "disk"] {
    /// #     let end = "2024-06-21T00:00:00+08:00".parse()?;
    /// #     let billing = Billing::Prepaid(Lease { end, anchor: 20.try_into()? });
    /// #     let (account, product, region) = ("a".parse()?, "p".parse()?, "r".parse()?);
    /// #     let one = Instance::new(id.parse()?, account, product, region, billing);
    /// #     world.instances.insert(one.id.clone(), one);
    /// # }
    /// let mut selection = Selection::of(["vm".parse()?], Extent::Duration("1m".parse()?));
    /// selection.ticked.push(Ticked { id: "disk".parse()?, to_parent_expiry: false });
    /// assert_eq!(selection.stray_ticks(&world, now), [&"disk".parse()?]);
    /// let binding = Binding { parent: "vm".parse()?, kind: BindingKind::Optional };
    /// world.instances.get_mut(&"disk".parse()?).unwrap().binding = Some(binding);
    /// assert!(selection.stray_ticks(&world, now).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stray_ticks(&self, world: &World, now: DateTime<Utc>) -> Vec<&InstanceId> {
        if self.ticked.is_empty() {
            return Vec::new();
        }
        let groups = Groups::of(world, now);
        let members = |group: &Group<'_>| -> Vec<_> {
            group.members().map(|member| member.instance.id.clone()).collect()
        };
        let named = self.named.iter().filter_map(|id| groups.get(id));
        let mut chosen: BTreeSet<InstanceId> = named.flat_map(members).collect();
        let known = self.ticked.iter().filter_map(|tick| Some((&tick.id, groups.get(&tick.id)?)));
        let mut strays: Vec<_> = known.collect();
        loop {
            let along = |(id, group): &(&InstanceId, &Group<'_>)| {
                let mut parents = group.members().filter_map(|one| one.instance.binding.as_ref());
                chosen.contains(*id) || parents.any(|binding| chosen.contains(&binding.parent))
            };
            let (found, left): (Vec<_>, Vec<_>) = strays.into_iter().partition(along);
            strays = left;
            if found.is_empty() {
                return strays.into_iter().map(|(id, _)| id).collect();
            }
            chosen.extend(found.into_iter().flat_map(|(_, group)| members(group)));
        }
    }
}
