//! Finishing what a crash has left (O-4), and ending what nobody pays.

use futures::{StreamExt as _, stream};

use super::{Orders, failure::OrderError};
use crate::{
    domain::order::State,
    store::orders::{self, Order},
};

/// How many orders are taken further at once.
const AT_ONCE: usize = 8;

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
    pub async fn advance(&self, limit: u32) -> Result<Advanced, OrderError> {
        let now = self.env.now();
        let due = orders::take_due(self.store.database().writer(), now, limit).await?;
        let taken = u32::try_from(due.len()).unwrap_or(u32::MAX);
        let steps = stream::iter(due).map(|order| self.step(order)).buffer_unordered(AT_ONCE);
        let done = steps.filter(|done| std::future::ready(*done)).count().await;
        let done = u32::try_from(done).unwrap_or(u32::MAX);
        Ok(Advanced { taken, done, more: taken == limit })
    }

    /// Whether the order's next step was done.
    async fn step(&self, order: Order) -> bool {
        let (id, state, attempts) = (order.id, order.state, order.attempts);
        let done = match state {
            State::PendingPayment => self.expire_all(&[id], self.env.now()).await,
            State::Paying => self.charge_and_settle(order).await.map(|_| true),
            // Nothing is left to do; nothing was due.
            _ => Ok(false),
        };
        done.unwrap_or_else(|error| {
            tracing::warn!(order.id = %id, %state, attempts, %error, "a step did not succeed");
            false
        })
    }
}

#[cfg(test)]
mod tests;
