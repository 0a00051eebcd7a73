//! Finishing what a crash has left (O-4), and ending what nobody pays.

use std::collections::HashMap;

use futures::future::{join, join_all};
use proto::wallet::v1::Payment;

use super::{Orders, failure::OrderError};
use crate::{
    domain::order::State,
    store::{
        StoreError,
        orders::{self, Order},
    },
};

/// How many orders are taken further at once.
const AT_ONCE: u32 = 8;

/// What a sweep came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advanced {
    /// How many orders were taken.
    pub taken: u32,
    /// How many of them reached their next state.
    pub done: u32,
    /// Whether more may be due.
    pub more: bool,
}

impl Orders {
    /// Takes at most `limit` orders whose next step is due and repeats that step, with the same ids
    /// (O-4). What does not succeed is due again later.
    ///
    /// Only as many are taken as are worked on at once: what waited here would become due again
    /// for others.
    pub async fn advance(&self, limit: u32) -> Result<Advanced, OrderError> {
        let now = self.env.now();
        let mut all = Advanced::default();
        while all.taken < limit {
            let most = AT_ONCE.min(limit - all.taken);
            let due = orders::take_due(self.store.database().writer(), now, most).await?;
            let taken = u32::try_from(due.len()).unwrap_or(u32::MAX);
            let payments = self.payments_of(&due).await;
            let (in_turn, at_once) = parted(due);
            let at_once = at_once.into_iter().map(|order| self.step(order, payments.as_ref()));
            let (at_once, in_turn) = join(join_all(at_once), self.steps_in_turn(in_turn)).await;
            let done = at_once.into_iter().filter(|done| *done).count() + in_turn;
            all.taken += taken;
            all.done += u32::try_from(done).unwrap_or(u32::MAX);
            if taken < most {
                break;
            }
        }
        all.more = all.taken == limit;
        Ok(all)
    }

    /// Takes orders of attempts further, one after the other: how many were.
    async fn steps_in_turn(&self, orders: Vec<Order>) -> usize {
        let mut done = 0;
        for order in orders {
            done += usize::from(self.step(Ok(order), None).await);
        }
        done
    }

    /// What became of the checkouts of `orders`, by payment; none if the wallet does not say: they
    /// are asked for again, one by one.
    async fn payments_of(
        &self,
        orders: &[Result<Order, StoreError>],
    ) -> Option<HashMap<String, Payment>> {
        let open = orders.iter().flatten().filter(|order| order.has_checkout());
        let ids: Vec<_> =
            open.filter_map(|order| order.payment_id).map(|id| id.to_string()).collect();
        if ids.is_empty() {
            return None;
        }
        let found = self.funds.payments(ids).await.ok()?;
        Some(found.into_iter().map(|payment| (payment.payment_id.clone(), payment)).collect())
    }

    /// Whether the order's checkout has ended.
    async fn followed(
        &self,
        order: Order,
        payments: Option<&HashMap<String, Payment>>,
    ) -> Result<bool, OrderError> {
        let id = order.payment_id.map(|id| id.to_string()).unwrap_or_default();
        let followed = match payments {
            Some(payments) => self.look_at(order, payments.get(&id).cloned()).await?,
            None => self.look_after(order).await?,
        };
        Ok(!followed.has_checkout())
    }

    /// Whether the order's next step was done. One that cannot be read is left to people: it stops
    /// none of the others.
    async fn step(
        &self,
        order: Result<Order, StoreError>,
        payments: Option<&HashMap<String, Payment>>,
    ) -> bool {
        let order = match order {
            Ok(order) => order,
            Err(error) => {
                tracing::error!(%error, "an order that is due is left as it is");
                return false;
            }
        };
        let (id, state, attempts) = (order.id, order.state, order.attempts);
        let done = match state {
            _ if order.has_checkout() => self.followed(order, payments).await,
            State::Expired | State::Cancelled if order.refund_id.is_some() => {
                self.give_money_back(order).await.map(|_| true)
            }
            State::PendingPayment => self.expire_all(&[id], self.env.now()).await,
            State::Paying => self.charge_and_settle(order).await.map(|_| true),
            State::Refunding => self.give_money_back(order).await.map(|_| true),
            State::Refunded | State::PartlyRefunded => self.follow_refunds(order).await,
            // Nothing is left to do; nothing was due.
            _ => Ok(false),
        };
        done.unwrap_or_else(|error| {
            tracing::warn!(order.id = %id, %state, attempts, %error, "a step did not succeed");
            false
        })
    }
}

/// Orders of attempts that are being paid, in the order in which money is to be taken, and all
/// others.
fn parted(due: Vec<Result<Order, StoreError>>) -> (Vec<Order>, Vec<Result<Order, StoreError>>) {
    let (mut in_turn, mut at_once) = (Vec::new(), Vec::new());
    for order in due {
        match order {
            Ok(order) if order.attempt.is_some() && order.state == State::Paying => {
                in_turn.push(order);
            }
            order => at_once.push(order),
        }
    }
    let turn = |order: &Order| {
        let identity = order.attempt.as_ref().map(|attempt| &attempt.identity);
        identity.map(|one| (one.account.clone(), one.expiry, one.root.clone()))
    };
    in_turn.sort_by_cached_key(turn);
    (in_turn, at_once)
}

#[cfg(test)]
mod tests;
