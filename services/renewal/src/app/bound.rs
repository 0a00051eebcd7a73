//! What goes along with an instance, with the term and the price that it would have (B-2).

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, InstanceId};
use proto::renewal::v1 as pb;
use rule_engine::{
    duration::TermDuration,
    group::{Bound, Groups, bound_to},
    instance::BindingKind,
    plan::{Extent, Mode, Selection, Ticked},
    reason::{Reason, Refusal},
};

use super::{
    Orders, bill,
    failure::OrderError,
    preview::Wanted,
    view::{Shown, Viewer},
    world::world,
};
use crate::store::{
    accounts,
    instances::{self, Lock, Reach},
};

/// An instance that goes along with another one, or may.
#[derive(Debug, Clone)]
pub struct BoundShown {
    /// The instance.
    pub instance: Shown,
    /// How it is bound.
    pub kind: BindingKind,
    /// What renewing it along would give and cost; none where no duration was given, or it is
    /// refused.
    pub item: Option<pb::BillItem>,
    /// Why it would not go along; empty where it would.
    pub refusals: Vec<pb::Refusal>,
}

impl Orders {
    /// What is bound to an instance of the account, by kind, then id; with the term and the price
    /// that renewing it along for `duration` would give, if one is given (B-2).
    ///
    /// The bill is that of a preview with everything ticked that may be, so that what is said here
    /// is what it costs.
    pub async fn bound(
        &self,
        account: &AccountId,
        id: &InstanceId,
        duration: Option<TermDuration>,
    ) -> Result<Vec<BoundShown>, OrderError> {
        let not_found = || -> OrderError {
            let message = format!("There is no instance {id} in this account.");
            Refusal::new(Reason::InstanceNotFound, message).with("instance", id).into()
        };
        let now = self.env.now();
        let catalogue = self.rules.current().await?;
        let snapshot = self.store.database().begin_snapshot().await?;
        let known = accounts::get(&snapshot, account).await?.ok_or_else(not_found)?;
        let named = std::slice::from_ref(id);
        let loaded = instances::load(&snapshot, account, named, Reach::All, Lock::None).await?;
        snapshot.commit().await?;

        let world = world(&known, &loaded, &catalogue, now);
        let groups = Groups::of(&world, now);
        let primary = groups.get(id).ok_or_else(not_found)?.primary().id.clone();
        let mut bound = bound_to(id, &world, now);
        bound.sort_by(|one, other| (one.kind, &one.id).cmp(&(other.kind, &other.id)));
        let bill = match duration {
            Some(duration) if !bound.is_empty() => {
                Some(self.bill_of(account, primary, &bound, duration, now).await?)
            }
            _ => None,
        };
        let viewer = Viewer::new(&world, &catalogue, now);
        let shown = bound.into_iter().filter_map(|one| {
            let own = loaded.iter().find(|loaded| loaded.instance.id == one.id)?;
            let (item, refusals) =
                bill.as_ref().map(|bill| part_of(bill, &one.id)).unwrap_or_default();
            Some(BoundShown { instance: viewer.show(own), kind: one.kind, item, refusals })
        });
        Ok(shown.collect())
    }

    /// The bill of the instance with all that is bound to its group, for `duration`; what is
    /// refused stands beside it.
    async fn bill_of(
        &self,
        account: &AccountId,
        primary: InstanceId,
        bound: &[Bound],
        duration: TermDuration,
        now: DateTime<Utc>,
    ) -> Result<pb::Bill, OrderError> {
        let optional = bound.iter().filter(|one| one.kind == BindingKind::Optional);
        let ticked = optional.map(|one| Ticked { id: one.id.clone(), to_parent_expiry: false });
        let selection = Selection {
            ticked: ticked.collect(),
            mode: Mode::BestEffort,
            ..Selection::of([primary], Extent::Duration(duration))
        };
        let message = pb::Selection::default();
        let wanted = Wanted { account: account.clone(), selection, message };
        let priced = self.priced(&wanted, now).await?;
        Ok(bill::bill(&priced.planned.plan, &priced.snapshot, priced.payable))
    }
}

/// What a bill says of an instance: its item, or why it has none.
fn part_of(bill: &pb::Bill, id: &InstanceId) -> (Option<pb::BillItem>, Vec<pb::Refusal>) {
    let item = bill.items.iter().find(|item| item.instance_id == id.as_str()).cloned();
    let outside = bill.refused.iter().chain(&bill.left_out);
    let outside = outside.filter(|one| one.instance_id == id.as_str());
    (item, outside.flat_map(|one| one.refusals.clone()).collect())
}

#[cfg(test)]
mod tests;
