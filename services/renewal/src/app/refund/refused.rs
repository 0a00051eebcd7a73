//! Taking back what a console refuses to deliver (O-5).

use std::collections::BTreeSet;

use kernel::ids::{AccountId, InstanceId, OrderId};
use platform::{
    database::retry,
    fault::{self, Fault},
};
use proto::wallet::v1::RefundDestination;
use rule_engine::reason::{Reason, Refusal};
use sea_orm::DatabaseTransaction;

use super::{Back, Orders, PaidItem, begin::Begun, check_refundable, locked_facts, paid_items};
use crate::{
    app::{cancel, failure::OrderError, rules::Catalogue},
    store::{
        deliveries::{
            self, Due,
            outcome::{self, End, Told},
        },
        events::{self, Event, kinds},
        instances::{self, Lock, Reach, terms},
        orders::{self, Order},
    },
    wire::refusal_message,
};

/// What a console refuses for good.
struct Refused<'r> {
    account: &'r AccountId,
    id: &'r InstanceId,
    /// The version that it was told.
    version: i64,
    why: &'r str,
}

/// What a refusal comes to.
enum Outcome {
    /// The order is `REFUNDING`.
    TakenBack(Box<Order>),
    /// There is nothing to give back, or it cannot be: people have to look.
    LeftToPeople(&'static str),
}

impl Orders {
    /// The console of an instance will never do what it was told with the state of this version:
    /// the newest term that it was to deliver is taken back and refunded, with those of its group
    /// on the order. What it is told next is the state without that term.
    pub async fn refuse(&self, due: &Due, version: i64, why: &str) -> Result<(), OrderError> {
        fault::point(Fault::AfterDeliveryRefused);
        let refused = Refused { account: &due.account, id: &due.id, version, why };
        let catalogue = self.rules.current().await?;
        match retry(|| self.try_refuse(&refused, &catalogue)).await? {
            Outcome::TakenBack(order) => {
                fault::point(Fault::AfterTakingBack);
                let id = order.id;
                if let Err(error) = self.give_money_back(*order).await {
                    tracing::warn!(order.id = %id, %error, "a refund is left to the next sweep");
                }
            }
            Outcome::LeftToPeople(problem) => {
                retry(|| self.give_up(&refused)).await?;
                tracing::error!(
                    account.id = %due.account, instance.id = %due.id, version, why, problem,
                    "a console refuses for good"
                );
            }
        }
        Ok(())
    }

    async fn try_refuse(
        &self,
        refused: &Refused<'_>,
        catalogue: &Catalogue,
    ) -> Result<Outcome, OrderError> {
        let Refused { account, id, version, why } = *refused;
        let now = self.env.now();
        let waiting = deliveries::waiting(self.store.reader(), account, id, version).await?;
        let Some(waiting) = waiting else {
            return Ok(Outcome::LeftToPeople("no order waits for it"));
        };
        let known = self.get(account, waiting).await?;
        let wanted = group_of(&known, id)?;
        // Orders are locked before instances: which ones stand in the way is looked up before.
        let mut locked = self.in_the_way(&known, &wanted).await?;
        locked.push(waiting);
        let transaction = self.store.begin().await?;
        let mut others = orders::lock_many(&transaction, &locked).await?;
        let own = others.iter().position(|order| order.id == waiting);
        let mut order = others.swap_remove(own.ok_or(OrderError::OrderNotFound(waiting))?);
        check_refundable(&order)?;
        let reason = Reason::DeliveryRefused;
        cancel::in_transaction(&transaction, &self.env, others, reason, now).await?;
        let facts = locked_facts(&transaction, &order).await?;
        let items = paid_items(&order)?;
        if !are_last(&transaction, &order, &items, &wanted).await? {
            return Ok(Outcome::LeftToPeople("a later term builds on it"));
        }
        let back = Back::of(&items, &wanted, &facts, catalogue, now);
        let message = format!("The console of the product refuses to deliver it: {why}");
        let refusal = Refusal::new(reason, message).with("instance", id);
        let begun = Begun {
            items: &wanted,
            destination: RefundDestination::CashBalance,
            refused: Some(refusal_message(refusal)),
        };
        self.begin_refund(&transaction, &mut order, &back, begun, (&facts, catalogue, now)).await?;
        transaction.commit().await?;
        Ok(Outcome::TakenBack(Box::new(order)))
    }

    /// The orders that hold instances of the group: they were made on top of its term.
    async fn in_the_way(
        &self,
        order: &Order,
        group: &BTreeSet<InstanceId>,
    ) -> Result<Vec<OrderId>, OrderError> {
        let ids: Vec<_> = group.iter().cloned().collect();
        let reader = self.store.reader();
        let loaded = instances::load(reader, &order.account, &ids, Reach::Groups, Lock::None);
        let loaded = loaded.await?;
        let held = loaded.iter().filter(|one| group.contains(&one.instance.id));
        let held = held.filter_map(|one| one.instance.open_order.as_ref().map(|open| open.id));
        let held: BTreeSet<_> = held.filter(|id| *id != order.id).collect();
        Ok(held.into_iter().collect())
    }

    /// The state is not told again. What waited for it, waits for the next one.
    async fn give_up(&self, refused: &Refused<'_>) -> Result<(), OrderError> {
        let Refused { account, id, version, why } = *refused;
        let now = self.env.now();
        let told = Told { account_id: account.clone(), id: id.clone(), version };
        let transaction = self.store.begin().await?;
        outcome::give_up(&transaction, &told, why).await?;
        if let Some(order) = deliveries::waiting(&transaction, account, id, version).await? {
            outcome::end(
                &transaction,
                (account, order),
                std::slice::from_ref(id),
                End::Refused,
                now,
            )
            .await?;
        }
        let event = Event::new(kinds::INSTANCE_DELIVERY_REFUSED, account.clone());
        let event = event.of_instance(id.clone(), version).with("error", why);
        events::record(&transaction, &self.env, now, vec![event]).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// What of the order stands and falls with the instance: its group there, but for what was taken
/// back before.
fn group_of(order: &Order, id: &InstanceId) -> Result<BTreeSet<InstanceId>, OrderError> {
    let items = paid_items(order)?;
    let root = items.iter().find(|item| item.id == *id).map(|item| item.root.clone());
    let group = items.into_iter().filter(|item| Some(&item.root) == root.as_ref() && !item.gone);
    Ok(group.map(|item| item.id).collect())
}

/// Whether the terms that the order gave `wanted` are their last ones, once adjustments after them,
/// which nobody paid for, are undone.
async fn are_last(
    transaction: &DatabaseTransaction,
    order: &Order,
    items: &[PaidItem],
    wanted: &BTreeSet<InstanceId>,
) -> Result<bool, OrderError> {
    let refund = order.next_refund();
    let account = &order.account;
    for item in items.iter().filter(|item| wanted.contains(&item.id)) {
        terms::undo_adjustments(transaction, account, &item.id, item.start, refund).await?;
        let ids = std::slice::from_ref(&item.id);
        let last = terms::last_from(transaction, account, ids, item.start).await?;
        if last.get(item.id.as_str()) != Some(&(item.start, Some(order.id))) {
            return Ok(false);
        }
    }
    Ok(!wanted.is_empty())
}
