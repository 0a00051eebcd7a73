//! Calling an order off, or letting it expire (step 6).

use chrono::{DateTime, Utc};
use kernel::{Env, ids::OrderId};
use proto::renewal::v1 as pb;
use rule_engine::reason::{Reason, Refusal};
use sea_orm::DatabaseTransaction;

use super::bill::refusal_message;
use crate::{
    domain::order::State,
    store::{
        StoreError, bulk,
        events::{self, Event},
        orders::{self, Order},
    },
};

/// What an order's end is told as.
const fn event_of(state: State) -> &'static str {
    match state {
        State::Cancelled => "order.cancelled",
        State::Failed => "order.failed",
        _ => "order.expired",
    }
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
    order.next_attempt_at = None;
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

/// Calls off those of `orders` that await their payment, because of `reason`, within the caller's
/// transaction (I-2: a change of the configuration). Orders that are being paid, or have ended, are
/// left alone.
pub async fn in_transaction(
    transaction: &DatabaseTransaction,
    env: &Env,
    orders: &[OrderId],
    reason: Reason,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for mut order in orders::lock_many(transaction, orders).await? {
        if order.state == State::PendingPayment {
            let message = match reason {
                Reason::ConfigurationChanged => "The configuration of an instance has changed.",
                _ => "The order was called off.",
            };
            let why = refusal_message(Refusal::new(reason, message));
            end(transaction, env, &mut order, State::Cancelled, Some(why), now).await?;
        }
    }
    Ok(())
}
