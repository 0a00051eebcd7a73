//! Calling an order off, or letting it expire (step 6).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use kernel::{
    Env,
    ids::{AccountId, InstanceId, OrderId},
};
use platform::{
    database::retry,
    fault::{self, Fault},
};
use proto::renewal::v1 as pb;
use rule_engine::reason::{Reason, Refusal};
use sea_orm::DatabaseTransaction;

use super::{Orders, failure::OrderError, pay::overdue};
use crate::{
    domain::order::{NotNow, State},
    store::{
        StoreError, accounts, bulk,
        events::{self, Event},
        instances::{self, Lock, Named, Reach},
        orders::{self, Order},
    },
    wire::refusal_message,
};

impl Orders {
    /// Calls an unpaid order off; one that is called off already stays as it is.
    pub async fn cancel(&self, account: &AccountId, id: OrderId) -> Result<Order, OrderError> {
        // One that waited too long has expired, and is not cancelled any more; one that a channel has
        // paid meanwhile is paid.
        let order = self.get(account, id).await?;
        if order.state == State::PendingPayment {
            self.without_checkout(order).await?;
        }
        retry(|| self.try_cancel(account, id)).await
    }

    async fn try_cancel(&self, account: &AccountId, id: OrderId) -> Result<Order, OrderError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, account, id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(id))?;
        order.state.check_cancellable().map_err(|why| match why {
            NotNow::Busy => OrderError::Busy,
            NotNow::Never(reason) => {
                let message = format!("The order is {} and cannot be cancelled.", order.state);
                OrderError::refused(reason, message)
            }
        })?;
        if order.state == State::Cancelled {
            return Ok(order);
        }
        if order.has_checkout()
            || !end(&transaction, &self.env, &mut order, State::Cancelled, None, now).await?
        {
            return Err(OrderError::Busy);
        }
        transaction.commit().await?;
        fault::point(Fault::AfterCancel);
        Ok(order)
    }

    /// Ends those of `ids` that awaited their payment for too long at `now`; true if there were any.
    pub async fn expire_all(
        &self,
        ids: &[OrderId],
        now: DateTime<Utc>,
    ) -> Result<bool, OrderError> {
        if ids.is_empty() {
            return Ok(false);
        }
        retry(|| self.try_expire_all(ids, now)).await
    }

    async fn try_expire_all(
        &self,
        ids: &[OrderId],
        now: DateTime<Utc>,
    ) -> Result<bool, OrderError> {
        let mut any = false;
        let transaction = self.store.begin().await?;
        let mut ended = orders::lock_many(&transaction, ids).await?;
        // Whether a channel was in time is asked first.
        ended.retain(|order| order.is_overdue(now) && !order.has_checkout());
        // One order's instances are locked in their order anyway.
        if ended.len() > 1 {
            let held = held(&ended);
            let held: Vec<_> = held.iter().map(|(account, id)| Named { account, id }).collect();
            instances::load_named(&transaction, &held, Reach::Groups, Lock::ForUpdate).await?;
        }
        let owners: BTreeSet<_> = ended.iter().map(|order| order.account.clone()).collect();
        let owners = accounts::many(&transaction, &owners.iter().collect::<Vec<_>>()).await?;
        for mut order in ended {
            let zone = owners.get(&order.account).map_or(Tz::UTC, |owner| owner.settings.zone);
            let why = Some(refusal_message(overdue(&order, zone)));
            any |= end(&transaction, &self.env, &mut order, State::Expired, why, now).await?;
        }
        if any {
            transaction.commit().await?;
            fault::point(Fault::AfterCancel);
        }
        Ok(any)
    }
}

/// What an order's end is told as.
const fn event_of(state: State) -> &'static str {
    match state {
        State::Cancelled => "order.cancelled",
        State::Failed => "order.failed",
        _ => "order.expired",
    }
}

/// The instances on `orders`: all of them are locked by one statement before the first is touched,
/// or two callers with several orders each could wait for each other.
pub fn held(orders: &[Order]) -> Vec<(AccountId, InstanceId)> {
    let of = |order: &Order| {
        let ids: Vec<_> = order.instances().filter_map(|id| id.parse().ok()).collect();
        ids.into_iter().map(|id| (order.account.clone(), id)).collect::<Vec<_>>()
    };
    orders.iter().flat_map(of).collect()
}

/// Ends an order that was not paid: its claim is dropped, and an event says so. False if somebody
/// else has changed the order since it was loaded: roll back.
///
/// The order's row is locked, or found changed, before its instances are touched.
pub async fn end(
    transaction: &DatabaseTransaction,
    env: &Env,
    order: &mut Order,
    state: State,
    why: Option<pb::Refusal>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let reason = why.as_ref().map(|why| why.reason.clone()).unwrap_or_default();
    order.state = state;
    order.ended_why = why;
    // What a channel is asked for is called off, or given back, afterwards.
    let unfinished = order.has_checkout() || order.refund_id.is_some();
    order.next_attempt_at = unfinished.then_some(now);
    order.attempts = 0;
    if !orders::save(transaction, order).await? {
        return Ok(false);
    }
    let ids: Vec<_> = order.instances().collect();
    bulk::release(transaction, &order.account, order.id, &ids).await?;
    let ended = Event::new(event_of(state), order.account.clone()).of_order(order.id);
    let ended = if reason.is_empty() { ended } else { ended.with("reason", reason) };
    events::record(transaction, env, now, vec![ended]).await?;
    Ok(true)
}

/// Ends unpaid orders as expired, each for its own reason, in the caller's transaction, which has
/// locked them and drops their claims itself; answers what is to be told. One statement.
pub async fn expire_many(
    transaction: &DatabaseTransaction,
    ended: Vec<(Order, Refusal)>,
) -> Result<Vec<Event>, StoreError> {
    let mut orders = Vec::with_capacity(ended.len());
    let mut told = Vec::with_capacity(ended.len());
    for (mut order, why) in ended {
        let event = Event::new(event_of(State::Expired), order.account.clone()).of_order(order.id);
        told.push(event.with("reason", why.reason));
        order.state = State::Expired;
        order.ended_why = Some(refusal_message(why));
        order.next_attempt_at = None;
        order.attempts = 0;
        orders.push(order);
    }
    orders::bulk::expire(transaction, &orders).await?;
    Ok(told)
}

/// Calls off those of `orders` that await their payment, because of `reason`, within the caller's
/// transaction (I-2: a change of the configuration), which has locked them and then the instances
/// that they hold. Orders that are being paid, or have ended, are left alone.
pub async fn in_transaction(
    transaction: &DatabaseTransaction,
    env: &Env,
    orders: Vec<Order>,
    reason: Reason,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for mut order in orders {
        if order.state == State::PendingPayment {
            let message = match reason {
                Reason::ConfigurationChanged => "The configuration of an instance has changed.",
                Reason::DeliveryRefused => "The renewal before it was taken back.",
                _ => "The order was called off.",
            };
            let why = refusal_message(Refusal::new(reason, message));
            end(transaction, env, &mut order, State::Cancelled, Some(why), now).await?;
        }
    }
    Ok(())
}
