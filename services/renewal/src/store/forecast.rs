//! What a forecast begins with.

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, InstanceId};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::{StoreError, entity::instance, values};

/// At most `most` instances of the account of which anything is due before `until`, by id.
pub async fn due_before<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    until: DateTime<Utc>,
    most: u64,
) -> Result<Vec<InstanceId>, StoreError> {
    let query = instance::Entity::find()
        .select_only()
        .column(instance::Column::Id)
        .filter(instance::Column::AccountId.eq(account.as_str()))
        .filter(instance::Column::DueTime.lt(values::micros(until)))
        .order_by_asc(instance::Column::Id)
        .limit(most);
    let ids: Vec<String> = query.into_tuple().all(connection).await?;
    let read = |id: String| id.parse().map_err(|_| StoreError::Unreadable(format!("the id {id}")));
    ids.into_iter().map(read).collect()
}
