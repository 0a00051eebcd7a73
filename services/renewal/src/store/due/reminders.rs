//! Which reminders were dealt with, and whose users were reminded.

use kernel::ids::{AccountId, InstanceId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;

use super::pages::Key;
use crate::store::{StoreError, over, statement, values};

/// An instance of which a reminder was dealt with, or which is due at another time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dealt {
    /// Whose it is.
    pub account_id: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// The version that this was decided on.
    pub version: i64,
    /// What was dealt with before, as its column holds it.
    pub before: Option<String>,
    /// What is dealt with from now on.
    pub reminded: Option<String>,
    /// When it is due next, in microseconds.
    pub due_time: Option<i64>,
}

/// `1` rows.
const DEAL_SQLITE: &str = "\
UPDATE instances SET reminded = value ->> 'reminded', due_time = value ->> 'due_time'
FROM jsonb_each(?1)
WHERE instances.account_id = value ->> 'account_id' AND instances.id = value ->> 'id'
  AND instances.version = value ->> 'version' AND instances.reminded IS value ->> 'before'
RETURNING account_id, id, open_order_id";

const DEAL_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id text, version bigint,
    before text, reminded text, due_time bigint)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT i.account_id, i.id, r.reminded, r.due_time FROM instances i
    JOIN rows r ON r.account_id = i.account_id AND r.id = i.id AND r.version = i.version
      AND i.reminded IS NOT DISTINCT FROM r.before
  ORDER BY i.account_id, i.id FOR UPDATE OF i)
UPDATE instances i SET reminded = held.reminded, due_time = held.due_time
FROM held WHERE i.account_id = held.account_id AND i.id = held.id
RETURNING i.account_id, i.id, i.open_order_id";

/// Notes what was dealt with, of each instance that is still as it was decided on, and answers which
/// were: of two that deal with the same reminder one does. The version stays: nothing of the instance
/// has changed. No rows are no statement.
pub async fn deal<C: ConnectionTrait>(
    transaction: &C,
    dealt: &[Dealt],
) -> Result<Vec<Key>, StoreError> {
    if dealt.is_empty() {
        return Ok(Vec::new());
    }
    let statement = over(transaction, DEAL_SQLITE, DEAL_POSTGRES, &dealt);
    Ok(Key::find_by_statement(statement).all(transaction).await?)
}

/// `1` rows of account and instant.
const QUIET_SQLITE: &str = "\
UPDATE accounts SET no_reminder_before = value ->> 1 FROM jsonb_each(?1)
WHERE accounts.id = value ->> 0";

const QUIET_POSTGRES: &str = "\
UPDATE accounts SET no_reminder_before = (r.value ->> 1)::bigint
FROM json_array_elements($1::json) AS r(value) WHERE accounts.id = r.value ->> 0";

/// Notes of accounts, which the transaction has locked, until when nothing more is sent to their
/// users. No rows are no statement.
pub async fn quiet<C: ConnectionTrait>(
    transaction: &C,
    until: &[(&AccountId, i64)],
) -> Result<(), StoreError> {
    if !until.is_empty() {
        transaction.execute_raw(over(transaction, QUIET_SQLITE, QUIET_POSTGRES, &until)).await?;
    }
    Ok(())
}

/// `1` rows of account and instant, `2` now, `3` limit.
const AUTOMATIC_SQLITE: &str = "\
SELECT i.account_id, i.id, i.open_order_id
FROM jsonb_each(?1) AS r CROSS JOIN instances i ON i.account_id = r.value ->> 0
  AND i.paid_until > ?2 AND i.paid_until <= r.value ->> 1
WHERE i.policy = 'AUTO' AND NOT i.released
ORDER BY i.account_id, i.paid_until, i.id LIMIT ?3";

const AUTOMATIC_POSTGRES: &str = "\
SELECT i.account_id, i.id, i.open_order_id
FROM json_array_elements($1::json) AS r(value) JOIN instances i
  ON i.account_id = r.value ->> 0
  AND i.paid_until > $2 AND i.paid_until <= (r.value ->> 1)::bigint
WHERE i.policy = 'AUTO' AND NOT i.released
ORDER BY i.account_id, i.paid_until, i.id LIMIT $3";

/// The instances of the accounts that renew themselves and expire after `now`, at the latest at the
/// account's instant: in the order in which money is taken for them.
pub async fn automatic<C: ConnectionTrait>(
    connection: &C,
    until: &[(&AccountId, i64)],
    now: i64,
    limit: i64,
) -> Result<Vec<Key>, StoreError> {
    let values = [values::to_json(&until).into(), now.into(), limit.into()];
    let statement = statement(connection, AUTOMATIC_SQLITE, AUTOMATIC_POSTGRES, values);
    Ok(Key::find_by_statement(statement).all(connection).await?)
}

/// `1` instances.
const LAST_SQLITE: &str = "\
SELECT t.instance_id, t.amount FROM jsonb_each(?1) AS r
CROSS JOIN terms t ON t.account_id = r.value ->> 0 AND t.instance_id = r.value ->> 1
WHERE t.reversed_by IS NULL AND t.kind = 'ORDER'
  AND NOT EXISTS (SELECT 1 FROM terms later WHERE later.account_id = t.account_id
    AND later.instance_id = t.instance_id AND later.reversed_by IS NULL
    AND later.kind = 'ORDER' AND later.start_time > t.start_time)";

const LAST_POSTGRES: &str = "\
SELECT t.instance_id, t.amount FROM json_array_elements($1::json) AS r(value)
JOIN terms t ON t.account_id = r.value ->> 0 AND t.instance_id = r.value ->> 1
WHERE t.reversed_by IS NULL AND t.kind = 'ORDER'
  AND NOT EXISTS (SELECT 1 FROM terms later WHERE later.account_id = t.account_id
    AND later.instance_id = t.instance_id AND later.reversed_by IS NULL
    AND later.kind = 'ORDER' AND later.start_time > t.start_time)";

/// What was paid for the last renewal of an instance, in minor units.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct LastPaid {
    /// The instance.
    pub instance_id: String,
    /// What was paid.
    pub amount: i64,
}

/// What was paid for the last renewals of the instances that were ever renewed.
pub async fn last_paid<C: ConnectionTrait>(
    connection: &C,
    instances: &[(&AccountId, &InstanceId)],
) -> Result<Vec<LastPaid>, StoreError> {
    let statement = over(connection, LAST_SQLITE, LAST_POSTGRES, &instances);
    Ok(LastPaid::find_by_statement(statement).all(connection).await?)
}
