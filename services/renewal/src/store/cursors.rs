//! How far this service has read what others tell.

use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait as _, sea_query::OnConflict};

use super::{StoreError, entity::cursor};

/// The place that is kept under `name`; nothing: from the start.
pub async fn get<C: ConnectionTrait>(connection: &C, name: &str) -> Result<String, StoreError> {
    let row = cursor::Entity::find_by_id(name).one(connection).await?;
    Ok(row.map(|row| row.place).unwrap_or_default())
}

/// Keeps a place under `name`.
pub async fn set<C: ConnectionTrait>(
    transaction: &C,
    name: &str,
    place: &str,
) -> Result<(), StoreError> {
    let row = cursor::ActiveModel { name: Set(name.to_owned()), place: Set(place.to_owned()) };
    let over =
        OnConflict::column(cursor::Column::Name).update_column(cursor::Column::Place).to_owned();
    cursor::Entity::insert(row).on_conflict(over).exec_without_returning(transaction).await?;
    Ok(())
}
