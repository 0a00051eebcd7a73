//! Looking orders up.

use kernel::ids::{AccountId, OrderId};
use uuid::Uuid;

use super::{Orders, failure::OrderError};
use crate::store::{
    accounts,
    orders::{
        self, Order,
        list::{self, Wanted},
    },
};

/// A part of a list of orders.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Newest first.
    pub orders: Vec<Order>,
    /// Those of this part whose rows cannot be read.
    pub unreadable: Vec<Uuid>,
    /// The last of them, if there are more.
    pub next: Option<Uuid>,
    /// How many the list has in all, where that was asked for.
    pub total: Option<u64>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Only orders before this one.
    pub before: Option<Uuid>,
    /// How many to leap over.
    pub skip: u64,
    /// How many at the most.
    pub size: u32,
    /// Whether to count all.
    pub with_total: bool,
}

impl Orders {
    /// An order of the account. One that awaited its payment for too long has expired, whatever any
    /// sweep has done.
    pub async fn get(&self, account: &AccountId, id: OrderId) -> Result<Order, OrderError> {
        let not_found = OrderError::OrderNotFound(id);
        let found = orders::find(self.store.reader(), account, id).await?;
        let order = found.ok_or(not_found)?;
        let now = self.env.now();
        let order = if order.is_overdue(now) && order.has_checkout() {
            // Whether a channel was in time only the wallet knows; until it says so, nothing is sure.
            match Box::pin(self.look_after(order.clone())).await {
                Err(OrderError::Remote(error)) if error.is_open() => return Ok(order),
                followed => followed?,
            }
        } else {
            order
        };
        if order.is_overdue(now) && self.expire_all(&[id], now).await? {
            let ended = orders::find(self.store.reader(), account, id).await?;
            return Ok(ended.unwrap_or(order));
        }
        Ok(order)
    }

    /// A part of the account's orders, newest first.
    pub async fn list(&self, wanted: &Wanted, part: Part) -> Result<Listed, OrderError> {
        let reader = self.store.reader();
        if accounts::get(reader, &wanted.account).await?.is_none() {
            return Err(OrderError::AccountNotFound(wanted.account.clone()));
        }
        let limit = u64::from(part.size) + 1;
        let page = || list::list(reader, wanted, part.before, part.skip, limit);
        let mut rows = page().await?;
        let now = self.env.now();
        let overdue = rows.iter().flatten().filter(|order| order.is_overdue(now));
        let overdue: Vec<_> = overdue.map(|order| order.id).collect();
        if self.expire_all(&overdue, now).await? {
            rows = page().await?;
        }
        let more = u64::try_from(rows.len()).is_ok_and(|rows| rows == limit);
        rows.truncate(usize::try_from(part.size).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(list::id_of);
        let (orders, unreadable) = list::readable(rows);
        let total = if part.with_total { Some(list::count(reader, wanted).await?) } else { None };
        Ok(Listed { orders, unreadable, next, total })
    }
}

#[cfg(test)]
mod tests;
