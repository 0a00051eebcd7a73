//! The orders of an account, newest first.

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
}

/// At most `limit` orders before the order `before`, leaping over `skip` of them.
pub async fn list<C: ConnectionTrait>(
    connection: &C,
    wanted: &Wanted,
    before: Option<Uuid>,
    skip: u64,
    limit: u64,
) -> Result<Vec<Order>, StoreError> {
    let mut query = matching(wanted);
    if let Some(before) = before {
        query = query.filter(order::Column::Id.lt(before));
    }
    let query = query.order_by_desc(order::Column::Id).offset(skip).limit(limit);
    query.all(connection).await?.iter().map(read).collect()
}

/// How many there are.
pub async fn count<C: ConnectionTrait>(connection: &C, wanted: &Wanted) -> Result<u64, StoreError> {
    Ok(matching(wanted).count(connection).await?)
}

/// At most `limit` orders after the order `after`, whosever they are, by id.
pub async fn all_after<C: ConnectionTrait>(
    connection: &C,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Order>, StoreError> {
    let mut query = order::Entity::find();
    if let Some(after) = after {
        query = query.filter(order::Column::Id.gt(after));
    }
    let query = query.order_by_asc(order::Column::Id).limit(limit);
    query.all(connection).await?.iter().map(read).collect()
}

fn matching(wanted: &Wanted) -> Select<order::Entity> {
    let mut query =
        order::Entity::find().filter(order::Column::AccountId.eq(wanted.account.as_str()));
    if !wanted.states.is_empty() {
        let names = wanted.states.iter().map(|state| state.name());
        query = query.filter(order::Column::State.is_in(names));
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
