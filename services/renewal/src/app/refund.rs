//! Taking terms back, and giving their money back (step 7).

mod begin;
mod money;
mod refused;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use kernel::ids::{AccountId, InstanceId, OrderId, RefundId, RequestId};
use platform::{
    database::retry,
    fault::{self, Fault},
    request::RequestDigest,
    status::Replayed,
};
use proto::{renewal::internal::v1::SnapshotItem, wallet::v1::RefundDestination};
use rule_engine::{
    group::Groups,
    instance::Instance,
    policy::PolicyState,
    reason::Refusal,
    refund::{Bought, Standing, check_refund, manual, taken_back},
};
use sea_orm::DatabaseTransaction;

use self::begin::Begun;
use super::{
    Orders, bill,
    due::rederive,
    failure::{OrderError, Refused},
    once::{Once, once},
    preview::Facts,
    rules::Catalogue,
    world::world,
};
use crate::{
    domain::order::NotNow,
    store::{
        StoreError, accounts,
        bulk::{self, Claim, InstanceVersion},
        due,
        events::{Event, kinds},
        instances::{self, Loaded, Lock, Reach, terms, write},
        orders::{self, Order},
        requests::{self, Reserved},
    },
};

/// Name of the call under which its request ids are kept.
const METHOD: &str = "RefundOrder";

/// Items of an order that are to be refunded.
#[derive(Debug, Clone, PartialEq)]
pub struct TakeBack {
    /// Names the call (O-3).
    pub request: RequestId,
    /// What makes two requests the same.
    pub digest: RequestDigest,
    /// Whose order.
    pub account: AccountId,
    /// The order.
    pub order: OrderId,
    /// The items; none: all that are not refunded yet.
    pub items: BTreeSet<InstanceId>,
    /// Where the channel's part goes.
    pub destination: RefundDestination,
}

/// A refund that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Refunded {
    /// The order.
    pub order: Order,
    /// Instances that were renewed automatically and no longer are.
    pub made_manual: Vec<String>,
}

impl Orders {
    /// Takes terms of an order back that have not begun, and gives back what was paid for them
    /// (O-6). The service goes back first, the money second. A repeat of the request takes the
    /// refund further if it was left halfway (O-3, O-4).
    pub async fn refund(&self, command: &TakeBack) -> Result<Replayed<Refunded>, OrderError> {
        let begin = async {
            let catalogue = self.rules.current().await?;
            retry(|| self.take_back(command, &catalogue)).await
        };
        let order = match once(|| self.refunded_before(command).boxed(), begin.boxed()).await? {
            Once::Before(refunded) => return Ok(Replayed::Again(refunded)),
            Once::Begun(order) => order,
        };
        fault::point(Fault::AfterTakingBack);
        let id = order.refund_id;
        let order = self.give_money_back(order).await?;
        Ok(Replayed::First(refunded(order, id)))
    }

    /// What this same request has refunded, or was refunding and now has; none if it is new.
    async fn refunded_before(&self, command: &TakeBack) -> Result<Option<Refunded>, OrderError> {
        let TakeBack { request, digest, account, order: id, .. } = command;
        let reader = self.store.reader();
        let made = match requests::find(reader, account, METHOD, *request, *digest).await? {
            Reserved::New => return Ok(None),
            Reserved::Other => return Err(OrderError::RequestIdReused),
            Reserved::Again(made) => made,
        };
        let refund = made.parse().ok();
        let order = self.get(account, *id).await?;
        let order = if order.refund_id.is_some() && order.refund_id == refund {
            self.give_money_back(order).await?
        } else {
            order
        };
        Ok(Some(refunded(order, refund)))
    }

    /// The first transaction of step 7: terms are marked, instances are what they were before and
    /// are claimed, the order is `REFUNDING` with the id of its refund.
    async fn take_back(
        &self,
        command: &TakeBack,
        catalogue: &Catalogue,
    ) -> Result<Order, OrderError> {
        let TakeBack { account, order: id, request, digest, .. } = command;
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, account, *id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(*id))?;
        check_refundable(&order)?;
        let facts = locked_facts(&transaction, &order).await?;
        let wanted = wanted(command, &order);
        let items = paid_items(&order)?;
        check(&transaction, &order, &items, &wanted, &facts, catalogue, now).await?;
        let back = Back::of(&items, &wanted, &facts, catalogue, now);
        let destination = command.destination;
        let begun = Begun { items: &wanted, destination, refused: None };
        let refund = self
            .begin_refund(&transaction, &mut order, &back, begun, (&facts, catalogue, now))
            .await?;
        let made = refund.to_string();
        match requests::reserve(&transaction, account, METHOD, *request, *digest, &made, now)
            .await?
        {
            Reserved::New => {}
            Reserved::Again(_) => return Err(OrderError::Busy),
            Reserved::Other => return Err(OrderError::RequestIdReused),
        }
        transaction.commit().await?;
        Ok(order)
    }
}

/// What a caller is told of the refund `id` of an order.
fn refunded(order: Order, id: Option<RefundId>) -> Refunded {
    let id = id.map(|id| id.to_string());
    let refund =
        order.snapshot.refunds.iter().find(|refund| Some(&refund.refund_id) == id.as_ref());
    let made_manual = refund.map(|refund| refund.made_manual_ids.clone()).unwrap_or_default();
    Refunded { order, made_manual }
}

fn check_refundable(order: &Order) -> Result<(), OrderError> {
    order.state.check_refundable().map_err(|why| match why {
        NotNow::Busy => OrderError::Busy,
        NotNow::Never(reason) => {
            let message = format!("The order is {} and cannot be refunded.", order.state);
            Refusal::new(reason, message).with("order_id", order.id).into()
        }
    })
}

/// The items that a refund is of: those that are named, else those that are left. Where none is left
/// all are, and each of them is refused.
fn wanted(command: &TakeBack, order: &Order) -> BTreeSet<InstanceId> {
    if !command.items.is_empty() {
        return command.items.clone();
    }
    let gone: BTreeSet<_> = order.taken_back().collect();
    let all = || order.instances().filter_map(|id| id.parse::<InstanceId>().ok());
    let left: BTreeSet<_> = all().filter(|id| !gone.contains(id.as_str())).collect();
    if left.is_empty() { all().collect() } else { left }
}

/// The order's instances and the groups that they are in, locked.
async fn locked_facts(
    transaction: &DatabaseTransaction,
    order: &Order,
) -> Result<Facts, OrderError> {
    let account = accounts::get(transaction, &order.account).await?;
    let account = account.ok_or_else(|| OrderError::AccountNotFound(order.account.clone()))?;
    let ids: Vec<_> = order.instances().filter_map(|id| id.parse().ok()).collect();
    let loaded =
        instances::load(transaction, &order.account, &ids, Reach::Groups, Lock::ForUpdate).await?;
    Ok(Facts { account, loaded })
}

/// An item of a paid order, and what its term changed.
struct PaidItem {
    id: InstanceId,
    root: InstanceId,
    start: DateTime<Utc>,
    before: Standing,
    after: Standing,
    gone: bool,
}

fn paid_items(order: &Order) -> Result<Vec<PaidItem>, OrderError> {
    let gone: BTreeSet<_> = order.taken_back().collect();
    let read = |stored: &SnapshotItem| {
        let item = bill::item(stored)?;
        let (before, after) = bill::standings(stored)?;
        let start = stored.planned.as_ref().and_then(|planned| planned.start_time);
        let start = start.and_then(|start| proto::convert::instant(start).ok());
        let start =
            start.ok_or_else(|| StoreError::Unreadable(format!("a term of order {}", order.id)))?;
        let gone = gone.contains(item.instance.as_str());
        Ok(PaidItem { id: item.instance, root: item.root, start, before, after, gone })
    };
    order.snapshot.items.iter().map(read).collect()
}

/// Fails with every reason of every item that is against the refund (O-6).
async fn check(
    transaction: &DatabaseTransaction,
    order: &Order,
    items: &[PaidItem],
    wanted: &BTreeSet<InstanceId>,
    facts: &Facts,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<(), OrderError> {
    let from = items.iter().map(|item| item.start).min().unwrap_or(now);
    let ids: Vec<_> = wanted.iter().cloned().collect();
    let last = terms::last_from(transaction, &order.account, &ids, from).await?;
    let bought = items.iter().filter_map(|item| {
        let loaded = facts.loaded.iter().find(|one| one.instance.id == item.id)?;
        Some(Bought {
            instance: &loaded.instance,
            root: &item.root,
            start: item.start,
            after: item.after.clone(),
            last: last.get(item.id.as_str()).copied(),
            refunded: item.gone,
        })
    });
    let bought: Vec<_> = bought.collect();
    // What is sold no more, is not known to be without a price.
    let priced = |instance: &Instance, setting: &str| {
        catalogue.product(&instance.product).is_none_or(|product| product.is_priced(setting))
    };
    let zone = facts.account.settings.zone;
    let refusals = check_refund(wanted, &bought, priced, zone, now);
    let first = refusals.iter().map(|(_, refusal)| refusal).min_by_key(|refusal| refusal.reason);
    match first.cloned() {
        None => Ok(()),
        Some(first) => {
            let all = refusals.into_iter().map(|(id, refusal)| (id.to_string(), refusal));
            Err(OrderError::Refused(Box::new(Refused { first, all: all.collect() })))
        }
    }
}

/// What instances are once their terms are taken back.
struct Back {
    /// The instances of the refund, at the versions that they were loaded at.
    items: Vec<Loaded>,
    /// Others of their groups, which become manual with them (P-7).
    along: Vec<Loaded>,
    /// Which of all of these were renewed automatically.
    made_manual: Vec<InstanceId>,
}

impl Back {
    fn of(
        items: &[PaidItem],
        wanted: &BTreeSet<InstanceId>,
        facts: &Facts,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Self {
        let world = world(&facts.account, &facts.loaded, catalogue, now);
        let groups = Groups::of(&world, now);
        let in_group = |id: &InstanceId| {
            groups.get(id).is_some_and(|group| wanted.iter().any(|one| group.contains(one)))
        };
        let is_auto = |one: &Loaded| matches!(one.instance.policy, PolicyState::Auto(_));
        let mut back = Self { items: Vec::new(), along: Vec::new(), made_manual: Vec::new() };
        for one in &facts.loaded {
            let id = &one.instance.id;
            let item = items.iter().find(|item| item.id == *id && wanted.contains(id));
            if is_auto(one) && (item.is_some() || in_group(id)) {
                back.made_manual.push(id.clone());
            }
            if let Some(PaidItem { before, after, .. }) = item {
                let instance = taken_back(&one.instance, before, after);
                back.items.push(one.with(instance));
            } else if is_auto(one) && in_group(id) {
                let policy = manual(one.instance.policy);
                let instance = Instance { policy, ..one.instance.clone() };
                back.along.push(one.with(instance));
            }
        }
        back
    }

    /// Claims the instances, makes them what they were and marks their terms.
    async fn save(
        &self,
        transaction: &DatabaseTransaction,
        order: &Order,
        refund: RefundId,
        (facts, catalogue, now): (&Facts, &Catalogue, DateTime<Utc>),
    ) -> Result<(), OrderError> {
        let version = |one: &Loaded| InstanceVersion {
            id: one.instance.id.to_string(),
            version: one.version,
        };
        let versions: Vec<_> = self.items.iter().map(version).collect();
        let claim = |instance| Claim { account_id: &order.account, order_id: order.id, instance };
        let claims: Vec<_> = versions.iter().map(claim).collect();
        let claimed = bulk::claim(transaction, &claims).await?;
        // Being claimed is a change, too.
        let items = self.items.iter().cloned();
        let items = items.map(|one| Loaded { version: one.version + 1, ..one });
        let mut changed: Vec<_> = items.chain(self.along.iter().cloned()).collect();
        let others = rederive(&facts.account, &facts.loaded, &mut changed, catalogue, now);
        if !claimed.contains(&order.id)
            || write::update(transaction, &changed).await? < changed.len()
        {
            return Err(OrderError::Busy);
        }
        due::set(transaction, &others).await?;
        let ids: Vec<_> = self.items.iter().map(|one| one.instance.id.clone()).collect();
        let marked = terms::reverse(transaction, &order.account, order.id, &ids, refund).await?;
        if marked < ids.len() {
            return Err(StoreError::Unreadable(format!("the terms of order {}", order.id)).into());
        }
        Ok(())
    }

    fn told(&self, order: &Order, refund: RefundId) -> Vec<Event> {
        let account = &order.account;
        let begun = Event::new("order.refunding", account.clone()).of_order(order.id);
        let mut told = vec![begun.with("refund_id", refund)];
        let items = self.items.iter().map(|one| (one, one.version + 2));
        let along = self.along.iter().map(|one| (one, one.version + 1));
        for (one, version) in items.clone() {
            let paid_until = one.instance.expiry().map(|expiry| expiry.to_rfc3339());
            told.push(
                Event::new("instance.term_refunded", account.clone())
                    .of_instance(one.instance.id.clone(), version)
                    .of_order(order.id)
                    .with("paid_until", paid_until.unwrap_or_default()),
            );
        }
        let manual = items.chain(along);
        let manual = manual.filter(|(one, _)| self.made_manual.contains(&one.instance.id));
        told.extend(manual.map(|(one, version)| {
            Event::new(kinds::INSTANCE_POLICY_CHANGED, account.clone())
                .of_instance(one.instance.id.clone(), version)
                .of_order(order.id)
                .with("policy", one.instance.policy.policy())
        }));
        told
    }
}

#[cfg(test)]
mod tests;
