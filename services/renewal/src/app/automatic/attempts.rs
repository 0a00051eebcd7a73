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
    /// Those of this part whose rows cannot be read.
    pub unreadable: Vec<Uuid>,
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
        let mut rows = list::attempts(reader, wanted).await?;
        let size = usize::try_from(wanted.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(list::id_of);
        let (orders, unreadable) = list::readable(rows);
        Ok(ListedAttempts { orders, unreadable, next })
    }
}
