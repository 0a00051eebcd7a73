//! What became of what consoles were told.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, InstanceId, OrderId};
use platform::database::Backend;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::store::{StoreError, backend_of, over, statement, values};

/// A state of an instance that its console was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Whose it is.
    pub account_id: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// The version of the state.
    pub version: i64,
}

/// `1` what was told: locks the orders that wait for it, by (account, id), so that of two of an
/// order's items that are acknowledged at once the later one sees the earlier.
const LOCK_ORDERS_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id text, version bigint)
  LIMIT (SELECT NULL::bigint)),
waiting AS (
  SELECT DISTINCT d.account_id, d.order_id FROM rows r JOIN delivery_items d
    ON d.account_id = r.account_id AND d.instance_id = r.id AND d.version <= r.version
    AND d.state = 'PENDING')
SELECT o.id FROM orders o JOIN waiting w ON w.account_id = o.account_id AND w.order_id = o.id
ORDER BY o.account_id, o.id FOR UPDATE OF o";

/// `1` what was told, `2` now.
const ACK_ITEMS_SQLITE: &str = "\
UPDATE delivery_items SET state = 'ACKED', end_time = ?2
FROM (SELECT value ->> 'account_id' AS account_id, value ->> 'id' AS id,
    value ->> 'version' AS version FROM jsonb_each(?1)) AS r
WHERE delivery_items.account_id = r.account_id AND delivery_items.instance_id = r.id
  AND delivery_items.version <= r.version AND delivery_items.state = 'PENDING'
RETURNING account_id, order_id AS id";

const ACK_ITEMS_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id text, version bigint)
  LIMIT (SELECT NULL::bigint))
UPDATE delivery_items d SET state = 'ACKED', end_time = $2
FROM rows r
WHERE d.account_id = r.account_id AND d.instance_id = r.id AND d.version <= r.version
  AND d.state = 'PENDING'
RETURNING d.account_id, d.order_id AS id";

/// `1` what was told: nothing is left to tell, unless the instance has changed since.
const TOLD_SQLITE: &str = "\
UPDATE deliveries SET since = NULL, next_attempt_at = NULL, attempts = 0, alerted = false,
  error = NULL
FROM (SELECT value ->> 'account_id' AS account_id, value ->> 'id' AS id,
    value ->> 'version' AS version FROM jsonb_each(?1)) AS r
WHERE deliveries.account_id = r.account_id AND deliveries.instance_id = r.id
  AND deliveries.version <= r.version";

const TOLD_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id text, version bigint)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT d.account_id, d.instance_id FROM deliveries d JOIN rows r
    ON r.account_id = d.account_id AND r.id = d.instance_id AND d.version <= r.version
  ORDER BY d.account_id, d.instance_id FOR UPDATE OF d)
UPDATE deliveries d SET since = NULL, next_attempt_at = NULL, attempts = 0, alerted = false,
  error = NULL
FROM held WHERE d.account_id = held.account_id AND d.instance_id = held.instance_id";

/// `1` orders.
const COMPLETE_SQLITE: &str = "\
UPDATE orders SET state = 'COMPLETED', version = version + 1
WHERE state = 'PAID' AND (account_id, id) IN (
    SELECT value ->> 'account_id', unhex(value ->> 'id', '-') FROM jsonb_each(?1))
  AND NOT EXISTS (SELECT 1 FROM delivery_items d
    WHERE d.account_id = orders.account_id AND d.order_id = orders.id AND d.state = 'PENDING')
RETURNING account_id, id";

const COMPLETE_POSTGRES: &str = "\
UPDATE orders o SET state = 'COMPLETED', version = o.version + 1
FROM (SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id uuid)
  LIMIT (SELECT NULL::bigint)) AS r
WHERE o.account_id = r.account_id AND o.id = r.id AND o.state = 'PAID'
  AND NOT EXISTS (SELECT 1 FROM delivery_items d
    WHERE d.account_id = o.account_id AND d.order_id = o.id AND d.state = 'PENDING')
RETURNING o.account_id, o.id";

#[derive(Debug, FromQueryResult)]
struct Key {
    account_id: String,
    id: Uuid,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct OrderKey {
    account_id: AccountId,
    id: OrderId,
}

impl TryFrom<Key> for OrderKey {
    type Error = StoreError;

    fn try_from(key: Key) -> Result<Self, StoreError> {
        let account = key.account_id.parse();
        let account_id =
            account.map_err(|_| StoreError::Unreadable(format!("the account of {}", key.id)))?;
        Ok(Self { account_id, id: OrderId(key.id) })
    }
}

/// Consoles have acknowledged `told`: whatever waited for these states, or for older ones, waits no
/// more. Answers which orders are completed by it.
pub async fn acknowledge<C: ConnectionTrait>(
    transaction: &C,
    told: &[Told],
    now: DateTime<Utc>,
) -> Result<Vec<(AccountId, OrderId)>, StoreError> {
    let backend = backend_of(transaction);
    let rows: Value = values::to_json(&told).into();
    let of = |text: &str, values: Vec<Value>| {
        Statement::from_sql_and_values(backend.dialect(), text, values)
    };
    if backend == Backend::Postgres {
        transaction.query_all_raw(of(LOCK_ORDERS_POSTGRES, vec![rows.clone()])).await?;
    }
    let items = backend.pick(ACK_ITEMS_SQLITE, ACK_ITEMS_POSTGRES);
    let items = of(items, vec![rows.clone(), values::micros(now).into()]);
    let acked = Key::find_by_statement(items).all(transaction).await?;
    transaction.execute_raw(of(backend.pick(TOLD_SQLITE, TOLD_POSTGRES), vec![rows])).await?;
    let orders = acked.into_iter().map(OrderKey::try_from).collect::<Result<BTreeSet<_>, _>>()?;
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let complete = backend.pick(COMPLETE_SQLITE, COMPLETE_POSTGRES);
    let complete = of(complete, vec![values::to_json(&orders).into()]);
    let completed = Key::find_by_statement(complete).all(transaction).await?;
    let completed = completed.into_iter().map(OrderKey::try_from);
    completed.map(|key| key.map(|key| (key.account_id, key.id))).collect()
}

/// A console that was told in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Whose instance it is.
    pub account_id: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// The version that its last change had.
    pub version: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried again, in microseconds.
    pub next_attempt_at: i64,
    /// Whether somebody was alerted.
    pub alerted: bool,
    /// Why.
    pub error: String,
}

/// `1` failures: what has changed, or was taken again, meanwhile is left alone.
const FAIL_SQLITE: &str = "\
UPDATE deliveries SET next_attempt_at = r.next_attempt_at, alerted = r.alerted, error = r.error
FROM (SELECT value ->> 'account_id' AS account_id, value ->> 'id' AS id,
    value ->> 'version' AS version, value ->> 'attempts' AS attempts,
    value ->> 'next_attempt_at' AS next_attempt_at, value ->> 'alerted' AS alerted,
    value ->> 'error' AS error FROM jsonb_each(?1)) AS r
WHERE deliveries.account_id = r.account_id AND deliveries.instance_id = r.id
  AND deliveries.version = r.version AND deliveries.attempts = r.attempts
  AND deliveries.next_attempt_at IS NOT NULL";

const FAIL_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id text, version bigint,
    attempts integer, next_attempt_at bigint, alerted boolean, error text)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT r.* FROM deliveries d JOIN rows r
    ON r.account_id = d.account_id AND r.id = d.instance_id AND r.version = d.version
    AND r.attempts = d.attempts AND d.next_attempt_at IS NOT NULL
  ORDER BY d.account_id, d.instance_id FOR UPDATE OF d)
UPDATE deliveries d SET next_attempt_at = held.next_attempt_at, alerted = held.alerted,
  error = held.error
FROM held WHERE d.account_id = held.account_id AND d.instance_id = held.id";

/// Has what failed tried again later.
pub async fn fail<C: ConnectionTrait>(
    transaction: &C,
    failed: &[Failed],
) -> Result<(), StoreError> {
    transaction.execute_raw(over(transaction, FAIL_SQLITE, FAIL_POSTGRES, &failed)).await?;
    Ok(())
}

/// `1` the account, `2` the instance, `3` the version, `4` why.
const GIVE_UP: &str = "\
UPDATE deliveries SET since = NULL, next_attempt_at = NULL, attempts = 0, alerted = false,
  error = $4
WHERE account_id = $1 AND instance_id = $2 AND version <= $3";

/// The console will never do it, and nothing can be taken back: it is not told this state again.
pub async fn give_up<C: ConnectionTrait>(
    transaction: &C,
    told: &Told,
    why: &str,
) -> Result<(), StoreError> {
    let values: [Value; 4] =
        [told.account_id.as_str().into(), told.id.as_str().into(), told.version.into(), why.into()];
    let dialect = backend_of(transaction).dialect();
    transaction.execute_raw(Statement::from_sql_and_values(dialect, GIVE_UP, values)).await?;
    Ok(())
}

/// Why nobody waits any more for an item that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its console, or that of another one of its group, refused.
    Refused,
    /// It was refunded for another reason.
    Withdrawn,
}

/// `1` the account, `2` the order, `3` the instances, `4` the state, `5` now.
const END_SQLITE: &str = "\
UPDATE delivery_items SET state = ?4, end_time = ?5
WHERE account_id = ?1 AND order_id = ?2 AND instance_id IN (SELECT value FROM jsonb_each(?3))
  AND state = 'PENDING'";

const END_POSTGRES: &str = "\
UPDATE delivery_items SET state = $4, end_time = $5
WHERE account_id = $1 AND order_id = $2
  AND instance_id IN (SELECT json_array_elements_text($3::json)) AND state = 'PENDING'";

/// The items `ids` of the order, whose row is locked, wait no more for their consoles.
pub async fn end<C: ConnectionTrait>(
    transaction: &C,
    (account, order): (&AccountId, OrderId),
    ids: &[InstanceId],
    end: End,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let state = match end {
        End::Refused => "REFUSED",
        End::Withdrawn => "WITHDRAWN",
    };
    let values: [Value; 5] = [
        account.as_str().into(),
        order.0.into(),
        values::to_json(&ids).into(),
        state.into(),
        values::micros(now).into(),
    ];
    transaction.execute_raw(statement(transaction, END_SQLITE, END_POSTGRES, values)).await?;
    Ok(())
}
