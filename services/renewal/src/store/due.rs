//! What is due: the index `due_time`, and the shards that sweeps share out.

pub mod moves;
pub mod pages;
pub mod rebuilds;
pub mod reminders;

use kernel::ids::{AccountId, InstanceId};
use sea_orm::ConnectionTrait;
use serde::Serialize;

use super::{StoreError, over, statement, values};

/// Into how many parts all accounts are divided.
pub const SHARDS: i16 = 64;

/// Which part of all accounts the account is of: FNV-1a of its name, the same for ever.
#[must_use]
pub fn shard_of(account: &AccountId) -> i16 {
    let hash = account.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let shard = hash % u64::from(SHARDS.unsigned_abs());
    i16::try_from(shard).expect("there are fewer shards than numbers")
}

/// An instance whose `due_time` is to be another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redue {
    /// Whose it is.
    pub account_id: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// The version that this was decided on.
    pub version: i64,
    /// When it is due, in microseconds; none: never.
    pub due_time: Option<i64>,
}

/// `1` rows.
const SET_SQLITE: &str = "\
UPDATE instances SET due_time = value ->> 'due_time' FROM jsonb_each(?1)
WHERE instances.account_id = value ->> 'account_id' AND instances.id = value ->> 'id'
  AND instances.version = value ->> 'version'";

const SET_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json)
    AS r(account_id text, id text, version bigint, due_time bigint)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT i.account_id, i.id, r.due_time FROM instances i
    JOIN rows r ON r.account_id = i.account_id AND r.id = i.id AND r.version = i.version
  ORDER BY i.account_id, i.id FOR UPDATE OF i)
UPDATE instances i SET due_time = held.due_time
FROM held WHERE i.account_id = held.account_id AND i.id = held.id";

/// Writes when instances are due, of each that is still at the version that this was decided on;
/// the version stays, for nothing of the instance has changed. No rows are no statement.
pub async fn set<C: ConnectionTrait>(connection: &C, rows: &[Redue]) -> Result<u64, StoreError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let statement = over(connection, SET_SQLITE, SET_POSTGRES, &rows);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}

/// `1` the account, `2` now.
const WAKE_SQLITE: &str = "\
UPDATE instances SET due_time = MIN(due_time, ?2), version = version + 1
WHERE account_id = ?1 AND policy = 'AUTO' AND due_time IS NOT NULL";

const WAKE_POSTGRES: &str = "\
WITH held AS (
  SELECT account_id, id FROM instances
  WHERE account_id = $1 AND policy = 'AUTO' AND due_time IS NOT NULL
  ORDER BY account_id, id FOR UPDATE)
UPDATE instances i SET due_time = LEAST(i.due_time, $2), version = i.version + 1
FROM held WHERE i.account_id = held.account_id AND i.id = held.id";

/// Has everything of the account that renews itself looked at at `now`. A new version of each keeps
/// whoever decided before from writing what was decided.
pub async fn wake_automatic<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), StoreError> {
    let values = [account.as_str().into(), values::micros(now).into()];
    connection.execute_raw(statement(connection, WAKE_SQLITE, WAKE_POSTGRES, values)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn an_account_stays_in_its_shard() {
        let shard = |name: &str| shard_of(&name.parse().unwrap());
        assert_eq!((shard("acme"), shard("other"), shard("a")), (15, 21, 12));
        let mut sizes = HashMap::new();
        for number in 0..64_000 {
            *sizes.entry(shard(&format!("account-{number}"))).or_insert(0) += 1;
        }
        assert_eq!(sizes.len(), 64);
        assert!(sizes.values().all(|size| (800..1_200).contains(size)), "{sizes:?}");
    }
}
