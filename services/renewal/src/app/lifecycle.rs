//! Expiry, retention and release, and what becomes postpaid at its expiry (L-3, L-4).
//!
//! Reads tell an instance's state by its dates. What happens here is that the state is recorded and
//! told, once for each step and in their order, and that orders end which nobody can pay any more.

pub mod steps;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::future::join_all;
use kernel::ids::{AccountId, InstanceId, OrderId};
use platform::database::retry;
use rule_engine::reason::Reason;
use sea_orm::DatabaseTransaction;

use self::steps::{Obstacles, Steps, decide};
use super::{
    Orders, cancel, deliver::entitlement::changes, failure::OrderError, rules::Catalogue,
    sweep::Swept,
};
use crate::store::{
    StoreError, accounts, deliveries,
    due::{
        moves,
        pages::{self, Key, Reach},
    },
    events,
    instances::{self, Loaded, Lock, Named, Reach as Groups},
    orders::{self, Order},
};

/// How many checkouts are called off at once, and by one page.
const CHECKOUTS: usize = 8;

/// What was in the way where a row could not be read.
const UNREADABLE: &str = "UNREADABLE";

/// What was in the way where a console does not know yet what was paid.
const DELIVERY_PENDING: &str = "DELIVERY_PENDING";

/// What a part of a page came to.
#[derive(Debug, Default)]
struct Moved {
    done: u32,
    /// Instances that wait for what holds them.
    waiting: u32,
    /// Instances that wait for their consoles.
    undelivered: u32,
    /// Orders that are in the way, and are asked for by a channel.
    checkouts: Vec<Order>,
}

impl Orders {
    /// Records the steps that the instances of a page have taken by their dates, each with its
    /// event (L-3), and ends unpaid orders of what was released or became postpaid (L-4). A constant
    /// number of statements, however many instances there are.
    ///
    /// What is being paid or delivered is not released meanwhile; a channel that may have been in
    /// time is asked first.
    pub async fn expire_due(&self, reach: &Reach) -> Result<Swept, OrderError> {
        let now = self.env.now();
        let keys = pages::due(self.store.reader(), reach, true, now).await?;
        let mut swept = Swept::of(&keys, reach);
        if keys.is_empty() {
            return Ok(swept);
        }
        let catalogue = self.rules.current().await?;
        let mut checkouts = Vec::new();
        let mut open = vec![keys.as_slice()];
        while let Some(keys) = open.pop() {
            match retry(|| self.move_on(keys, &catalogue, now)).await {
                Ok(moved) => {
                    swept.done += moved.done;
                    swept.fail(Reason::OpenOrderExists.code(), moved.waiting);
                    swept.fail(DELIVERY_PENDING, moved.undelivered);
                    checkouts.extend(moved.checkouts);
                }
                // One that cannot be read is left to people: it stops none of the others.
                Err(OrderError::Store(StoreError::Unreadable(_))) if keys.len() > 1 => {
                    let (one, other) = keys.split_at(keys.len() / 2);
                    open.extend([other, one]);
                }
                Err(OrderError::Store(error @ StoreError::Unreadable(_))) => {
                    let key = keys.first().map(|key| &key.id);
                    tracing::error!(?key, %error, "an instance that is due is left as it is");
                    swept.fail(UNREADABLE, 1);
                }
                Err(error) => return Err(error),
            }
        }
        self.call_off(checkouts).await;
        Ok(swept)
    }

    async fn move_on(
        &self,
        keys: &[Key],
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<Moved, OrderError> {
        let transaction = self.store.begin().await?;
        // Orders first, then instances: everybody locks them in this order.
        let held: BTreeSet<_> = keys.iter().filter_map(|key| key.open_order_id).collect();
        let held: Vec<_> = held.into_iter().map(OrderId).collect();
        let orders = orders::lock_many(&transaction, &held).await?;
        let loaded = load(&transaction, keys, &orders).await?;
        let owners: BTreeSet<_> = loaded.iter().map(|one| &one.instance.account).collect();
        let owners: Vec<_> = owners.into_iter().collect();
        let accounts = accounts::many(&transaction, &owners).await?;

        let named = loaded.iter().map(|one| (&one.instance.account, &one.instance.id));
        // Settling locks the instances, too: nothing is paid from here on.
        let undelivered = deliveries::undelivered(&transaction, &named.collect::<Vec<_>>()).await?;
        let orders = orders.into_iter().map(|order| (order.id, order)).collect();
        let mut obstacles = Obstacles { orders, undelivered };
        let wanted: BTreeSet<_> = keys.iter().map(|key| key.id.as_str()).collect();
        let mut all = Steps::default();
        for (id, account) in &accounts {
            let own: Vec<_> =
                loaded.iter().filter(|one| one.instance.account == *id).cloned().collect();
            all.extend(decide(account, &own, &wanted, &obstacles, catalogue, now));
        }
        let Steps {
            moves, mut told, changed, ended, checkouts, done, waiting, undelivered, ..
        } = all;
        let orders = &mut obstacles.orders;
        let changed = changed.iter().map(|(instance, version)| (instance, *version));
        deliveries::note(&transaction, &changes(catalogue, changed), now).await?;
        let ended: Vec<_> =
            ended.into_iter().filter_map(|(id, why)| Some((orders.remove(&id)?, why))).collect();
        told.extend(cancel::expire_many(&transaction, ended).await?);
        if moves::make(&transaction, &moves).await? < count(&moves) {
            return Err(OrderError::Busy);
        }
        events::record(&transaction, &self.env, now, told).await?;
        transaction.commit().await?;
        let checkouts = checkouts.into_iter().filter_map(|id| orders.remove(&id)).collect();
        Ok(Moved { done, waiting, undelivered, checkouts })
    }

    /// Calls the checkouts of `orders` off, so that the next page finds the orders without; those
    /// that a channel has paid in time are paid instead.
    async fn call_off(&self, mut orders: Vec<Order>) {
        orders.truncate(CHECKOUTS);
        let call_off = orders.into_iter().map(async |order| {
            let id = order.id;
            if let Err(error) = self.without_checkout(order).await {
                tracing::warn!(order.id = %id, %error, "a checkout could not be called off");
            }
        });
        join_all(call_off).await;
    }
}

fn count(moves: &[moves::Move]) -> u64 {
    u64::try_from(moves.len()).unwrap_or(u64::MAX)
}

/// The instances of the page, the groups that they are in, and whatever `orders` hold, locked.
async fn load(
    transaction: &DatabaseTransaction,
    keys: &[Key],
    orders: &[Order],
) -> Result<Vec<Loaded>, StoreError> {
    let named = names(keys)?;
    let held = cancel::held(orders);
    let named = named.iter().chain(&held).map(|(account, id)| Named { account, id });
    let named: Vec<_> = named.collect();
    instances::load_named(transaction, &named, Groups::Groups, Lock::ForUpdate).await
}

/// The keys as names.
pub fn names(keys: &[Key]) -> Result<Vec<(AccountId, InstanceId)>, StoreError> {
    let name = |key: &Key| {
        let unreadable = |_| StoreError::Unreadable(format!("the instance {}", key.id));
        Ok((key.account_id.parse().map_err(unreadable)?, key.id.parse().map_err(unreadable)?))
    };
    keys.iter().map(name).collect()
}

/// What is loaded, by account.
pub fn by_account(loaded: Vec<Loaded>) -> BTreeMap<AccountId, Vec<Loaded>> {
    let mut accounts = BTreeMap::<_, Vec<_>>::new();
    for one in loaded {
        accounts.entry(one.instance.account.clone()).or_default().push(one);
    }
    accounts
}

#[cfg(test)]
mod tests;
