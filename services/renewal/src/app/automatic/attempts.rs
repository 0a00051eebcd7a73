//! How attempts were decided.

use uuid::Uuid;

use super::super::{Orders, failure::OrderError};
use crate::store::{
    accounts,
    orders::{
        Order,
        list::{self, AttemptList},
    },
};

/// A part of a list of attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedAttempts {
    /// Their orders, latest dates first.
    pub orders: Vec<Order>,
    /// The last of them, if there are more.
    pub next: Option<Uuid>,
}

impl Orders {
    /// How attempts of the account were decided, latest dates first.
    pub async fn attempts(&self, wanted: &AttemptList) -> Result<ListedAttempts, OrderError> {
        let reader = self.store.reader();
        if accounts::get(reader, &wanted.account).await?.is_none() {
            return Err(OrderError::AccountNotFound(wanted.account.clone()));
        }
        let mut orders = list::attempts(reader, wanted).await?;
        let size = usize::try_from(wanted.size).unwrap_or(usize::MAX);
        let more = orders.len() > size;
        orders.truncate(size);
        let next = orders.last().filter(|_| more).map(|order| order.id.0);
        Ok(ListedAttempts { orders, next })
    }
}
