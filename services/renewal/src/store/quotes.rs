//! Quotes: keep, find, drop what has expired (M-6).

use chrono::{DateTime, TimeDelta, Utc};
use kernel::ids::{AccountId, QuoteId};
use prost::Message as _;
use proto::renewal::internal::v1::OrderSnapshot;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, Set};

use super::{StoreError, entity::quote, orders::decode, values};

/// What a preview quoted.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// Whose it is.
    pub account: AccountId,
    /// Its id.
    pub id: QuoteId,
    /// The first instant at which its price no longer holds.
    pub hold_until: DateTime<Utc>,
    /// What was quoted.
    pub snapshot: OrderSnapshot,
}

/// How long an expired quote is remembered, so that its owner is told what happened to it.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// Keeps `quote`, and drops what has expired of its account's: two statements.
pub async fn keep<C: ConnectionTrait>(
    transaction: &C,
    quote: &Quote,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    quote::Entity::delete_many()
        .filter(quote::Column::AccountId.eq(quote.account.as_str()))
        .filter(quote::Column::HoldUntil.lte(values::micros(now - REMEMBERED)))
        .exec(transaction)
        .await?;
    let row = quote::ActiveModel {
        account_id: Set(quote.account.to_string()),
        id: Set(quote.id.0),
        hold_until: Set(values::micros(quote.hold_until)),
        snapshot: Set(quote.snapshot.encode_to_vec()),
    };
    quote::Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(())
}

/// The quote, if it is still kept; it may have expired.
pub async fn find<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    id: QuoteId,
) -> Result<Option<Quote>, StoreError> {
    let row = quote::Entity::find_by_id((account.to_string(), id.0)).one(connection).await?;
    row.map(|row| {
        Ok(Quote {
            account: account.clone(),
            id,
            hold_until: values::instant(row.hold_until)?,
            snapshot: decode(&row.snapshot, "the quote", id)?,
        })
    })
    .transpose()
}
