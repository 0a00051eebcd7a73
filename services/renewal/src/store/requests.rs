//! Request ids: reserve, find, free (O-3).
//!
//! A request id is reserved in the call's first transaction, so that it stands exactly if what it
//! made stands.

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, RequestId};
use platform::request::RequestDigest;
use sea_orm::{ConnectionTrait, EntityTrait as _};

use super::{StoreError, entity::request, statement, values};

/// What is known of a request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// No call came with it before.
    New,
    /// The same call came before: it made, or worked on, this.
    Again(String),
    /// Another call came with it before: `REQUEST_ID_REUSED`.
    Other,
}

/// What is known of the request id, which is unique per account and method (O-3).
pub async fn find<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    method: &'static str,
    id: RequestId,
    digest: RequestDigest,
) -> Result<Reserved, StoreError> {
    let key = (account.to_string(), method.to_owned(), id.0);
    let row = request::Entity::find_by_id(key).one(connection).await?;
    Ok(match row {
        None => Reserved::New,
        Some(row) if digest.matches(&row.digest) => Reserved::Again(row.made),
        Some(_) => Reserved::Other,
    })
}

const RESERVE_SQLITE: &str = "\
INSERT INTO requests (account_id, method, id, digest, made, create_time)
VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";

const RESERVE_POSTGRES: &str = "\
INSERT INTO requests (account_id, method, id, digest, made, create_time)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

/// Keeps that the call with this id makes, or works on, `made`, unless a call came with it before
/// (O-3). Waits for a call with the same id that is under way.
pub async fn reserve<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    method: &'static str,
    id: RequestId,
    digest: RequestDigest,
    made: &str,
    now: DateTime<Utc>,
) -> Result<Reserved, StoreError> {
    let values = [
        account.as_str().into(),
        method.into(),
        id.0.into(),
        digest.to_vec().into(),
        made.into(),
        values::micros(now).into(),
    ];
    let statement = statement(transaction, RESERVE_SQLITE, RESERVE_POSTGRES, values);
    match transaction.execute_raw(statement).await?.rows_affected() {
        0 => find(transaction, account, method, id, digest).await,
        _ => Ok(Reserved::New),
    }
}

/// Lets the id be used again: what the call wanted was refused, and nothing came of it.
pub async fn free<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    method: &'static str,
    id: RequestId,
) -> Result<(), StoreError> {
    let key = (account.to_string(), method.to_owned(), id.0);
    request::Entity::delete_by_id(key).exec(transaction).await?;
    Ok(())
}
