//! The orders of an account, newest first.

use chrono::NaiveDate;
use kernel::ids::{AccountId, InstanceId};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select,
    sea_query::{Expr, ExprTrait as _, Query},
};
use uuid::Uuid;

use super::{Order, StoreError, order, read};
use crate::domain::order::State;

/// Which orders are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whose.
    pub account: AccountId,
    /// In one of these states; empty: any.
    pub states: Vec<State>,
    /// On which this instance stands.
    pub instance: Option<InstanceId>,
    /// Attempts that were not renewed too: they are decisions rather than orders.
    pub attempts: bool,
}

/// Which attempts are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptList {
    /// Whose.
    pub account: AccountId,
    /// Only of this root.
    pub instance: Option<InstanceId>,
    /// Only of this date.
    pub date: Option<NaiveDate>,
    /// Only before the attempt of this order.
    pub before: Option<Uuid>,
    /// How many.
    pub size: u32,
}

/// A row of a list: one that cannot be read is named, and keeps nobody from the others.
pub type Row = Result<Order, Unreadable>;

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("order {id} of {account} cannot be read: {why}")]
pub struct Unreadable {
    /// Whose it is.
    pub account: String,
    /// The order.
    pub id: Uuid,
    /// What of it cannot be read.
    pub why: String,
}

/// The order that a row is of.
#[must_use]
pub fn id_of(row: &Row) -> Uuid {
    row.as_ref().map_or_else(|unreadable| unreadable.id, |order| order.id.0)
}

/// The orders of `rows`, and the ids of those that cannot be read, which are told in the log.
#[must_use]
pub fn readable(rows: Vec<Row>) -> (Vec<Order>, Vec<Uuid>) {
    let (mut orders, mut others) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(order) => orders.push(order),
            Err(error) => {
                tracing::error!(%error, "an order is left out of a list");
                others.push(error.id);
            }
        }
    }
    (orders, others)
}

async fn rows<C: ConnectionTrait>(
    connection: &C,
    query: Select<order::Entity>,
) -> Result<Vec<Row>, StoreError> {
    let read = |row: order::Model| {
        let unreadable = |error: StoreError| Unreadable {
            account: row.account_id.clone(),
            id: row.id,
            why: error.to_string(),
        };
        read(&row).map_err(unreadable)
    };
    Ok(query.all(connection).await?.into_iter().map(read).collect())
}

/// At most `limit` orders before the order `before`, leaping over `skip` of them.
pub async fn list<C: ConnectionTrait>(
    connection: &C,
    wanted: &Wanted,
    before: Option<Uuid>,
    skip: u64,
    limit: u64,
) -> Result<Vec<Row>, StoreError> {
    let mut query = matching(wanted);
    if let Some(before) = before {
        query = query.filter(order::Column::Id.lt(before));
    }
    rows(connection, query.order_by_desc(order::Column::Id).offset(skip).limit(limit)).await
}

/// How many there are.
pub async fn count<C: ConnectionTrait>(connection: &C, wanted: &Wanted) -> Result<u64, StoreError> {
    Ok(matching(wanted).count(connection).await?)
}

/// Attempts that are wanted, latest dates first, and one more that tells of others.
pub async fn attempts<C: ConnectionTrait>(
    connection: &C,
    wanted: &AttemptList,
) -> Result<Vec<Row>, StoreError> {
    let mut query = order::Entity::find()
        .filter(order::Column::AccountId.eq(wanted.account.as_str()))
        .filter(order::Column::AttemptRoot.is_not_null());
    if let Some(root) = &wanted.instance {
        query = query.filter(order::Column::AttemptRoot.eq(root.as_str()));
    }
    if let Some(date) = wanted.date {
        query = query.filter(order::Column::AttemptDate.eq(date.to_string()));
    }
    if let Some(before) = wanted.before {
        query = query.filter(order::Column::Id.lt(before));
    }
    let most = u64::from(wanted.size) + 1;
    rows(connection, query.order_by_desc(order::Column::Id).limit(most)).await
}

/// At most `limit` orders after the order `after`, whosever they are, by id.
pub async fn all_after<C: ConnectionTrait>(
    connection: &C,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Row>, StoreError> {
    let mut query = order::Entity::find();
    if let Some(after) = after {
        query = query.filter(order::Column::Id.gt(after));
    }
    rows(connection, query.order_by_asc(order::Column::Id).limit(limit)).await
}

fn matching(wanted: &Wanted) -> Select<order::Entity> {
    let mut query =
        order::Entity::find().filter(order::Column::AccountId.eq(wanted.account.as_str()));
    if !wanted.states.is_empty() {
        let names = wanted.states.iter().map(|state| state.name());
        query = query.filter(order::Column::State.is_in(names));
    }
    if !wanted.attempts {
        let renewed = order::Column::Outcome.is_null().or(order::Column::Outcome.eq("RENEWED"));
        query = query.filter(renewed);
    }
    if let Some(instance) = &wanted.instance {
        let on_it = Query::select()
            .column("order_id")
            .from("order_instances")
            .and_where(Expr::col("account_id").eq(wanted.account.as_str()))
            .and_where(Expr::col("instance_id").eq(instance.as_str()))
            .take();
        query = query.filter(order::Column::Id.in_subquery(on_it));
    }
    query
}
