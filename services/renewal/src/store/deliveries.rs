//! What consoles are to be told of instances, and what of orders waits for their word (O-5).
//!
//! `deliveries` has one row for each instance: a console is told states, not changes, so the newest
//! takes the place of those before it. `delivery_items` has one row for each item of an order that
//! waits until a state with its term is acknowledged. Locks are taken after those of orders and
//! instances, by (account, instance).

pub mod consoles;
pub mod outcome;

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::ids::{AccountId, InstanceId, OrderId, ProductId};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use serde::Serialize;
use uuid::Uuid;

use super::{StoreError, backend_of, over, statement, values};

/// How long nobody else tells what somebody has taken: longer than a console may take to answer.
pub const TAKEN_FOR: TimeDelta = TimeDelta::seconds(10);

/// An instance that is another than its console knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Whose it is.
    pub account_id: AccountId,
    /// The instance.
    pub id: String,
    /// Its product, whose console is told.
    pub product_id: String,
    /// The version that it has since.
    pub version: i64,
    /// The order that waits for it; none: no order does.
    pub order_id: Option<OrderId>,
}

/// `1` changes.
const WAIT_SQLITE: &str = "\
INSERT INTO delivery_items (account_id, order_id, instance_id, version, state)
SELECT value ->> 'account_id', unhex(value ->> 'order_id', '-'), value ->> 'id',
  value ->> 'version', 'PENDING'
FROM jsonb_each(?1) WHERE value ->> 'order_id' IS NOT NULL";

/// `1` changes, `2` now.
const NOTE_SQLITE: &str = "\
INSERT INTO deliveries (account_id, instance_id, product_id, version, since, attempts,
  next_attempt_at, alerted)
SELECT value ->> 'account_id', value ->> 'id', value ->> 'product_id', value ->> 'version', ?2, 0,
  ?2, false
FROM jsonb_each(?1) WHERE true
ON CONFLICT (account_id, instance_id) DO UPDATE SET product_id = excluded.product_id,
  version = excluded.version, since = COALESCE(deliveries.since, excluded.since), attempts = 0,
  next_attempt_at = excluded.next_attempt_at";

const NOTE_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id text, product_id text,
    version bigint, order_id uuid)
  LIMIT (SELECT NULL::bigint)),
waiting AS (
  INSERT INTO delivery_items (account_id, order_id, instance_id, version, state)
  SELECT account_id, order_id, id, version, 'PENDING' FROM rows WHERE order_id IS NOT NULL)
INSERT INTO deliveries (account_id, instance_id, product_id, version, since, attempts,
  next_attempt_at, alerted)
SELECT account_id, id, product_id, version, $2, 0, $2, false FROM rows
ORDER BY account_id COLLATE \"C\", id COLLATE \"C\"
ON CONFLICT (account_id, instance_id) DO UPDATE SET product_id = excluded.product_id,
  version = excluded.version, since = COALESCE(deliveries.since, excluded.since), attempts = 0,
  next_attempt_at = excluded.next_attempt_at";

/// Has the consoles of `changes`, which are of different instances, told from `now` on. No changes
/// are no statement.
pub async fn note<C: ConnectionTrait>(
    transaction: &C,
    changes: &[Change],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let backend = backend_of(transaction);
    let rows: Value = values::to_json(&changes).into();
    let waits = changes.iter().any(|change| change.order_id.is_some());
    if waits && backend == platform::database::Backend::Sqlite {
        let wait = Statement::from_sql_and_values(backend.dialect(), WAIT_SQLITE, [rows.clone()]);
        transaction.execute_raw(wait).await?;
    }
    let values = [rows, values::micros(now).into()];
    transaction.execute_raw(statement(transaction, NOTE_SQLITE, NOTE_POSTGRES, values)).await?;
    Ok(())
}

/// From each product to the next one: no row is read but the first of each.
const PRODUCTS: &str = "\
WITH RECURSIVE due(id) AS (
  SELECT MIN(product_id) FROM deliveries WHERE next_attempt_at IS NOT NULL
  UNION ALL
  SELECT (SELECT MIN(d.product_id) FROM deliveries d
    WHERE d.next_attempt_at IS NOT NULL AND d.product_id > due.id)
  FROM due WHERE due.id IS NOT NULL)
SELECT id FROM due WHERE id IS NOT NULL";

/// The products whose consoles are to be told something, by id.
pub async fn products<C: ConnectionTrait>(connection: &C) -> Result<Vec<ProductId>, StoreError> {
    let statement = Statement::from_string(backend_of(connection).dialect(), PRODUCTS);
    let rows = connection.query_all_raw(statement).await?;
    let product = |row: sea_orm::QueryResult| {
        let id: String = row.try_get("", "id")?;
        id.parse().map_err(|_| StoreError::Unreadable(format!("the product {id} of deliveries")))
    };
    rows.into_iter().map(product).collect()
}

/// An instance whose console is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Whose it is.
    pub account: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// The version that it had when it was changed last.
    pub version: i64,
    /// How often its console was told in vain, with this time.
    pub attempts: i32,
    /// Since when its console does not know.
    pub since: DateTime<Utc>,
    /// Somebody was alerted.
    pub alerted: bool,
}

#[derive(Debug, FromQueryResult)]
struct DueRow {
    account_id: String,
    instance_id: String,
    version: i64,
    attempts: i32,
    since: Option<i64>,
    alerted: bool,
}

/// `1` the product, `2` now, `3` until when they are taken, `4` how many.
const TAKE_SQLITE: &str = "\
UPDATE deliveries SET attempts = attempts + 1, next_attempt_at = ?3
WHERE (account_id, instance_id) IN (
  SELECT account_id, instance_id FROM deliveries
  WHERE product_id = ?1 AND next_attempt_at <= ?2
  ORDER BY next_attempt_at LIMIT ?4)
RETURNING account_id, instance_id, version, attempts, since, alerted";

const TAKE_POSTGRES: &str = "\
UPDATE deliveries SET attempts = attempts + 1, next_attempt_at = $3
WHERE (account_id, instance_id) IN (
  SELECT account_id, instance_id FROM deliveries
  WHERE product_id = $1 AND next_attempt_at <= $2
  ORDER BY next_attempt_at LIMIT $4 FOR UPDATE SKIP LOCKED)
RETURNING account_id, instance_id, version, attempts, since, alerted";

/// Takes at most `most` instances of the product whose console is to be told by `now`, those first
/// that wait longest: nobody else takes them for [`TAKEN_FOR`].
pub async fn take<C: ConnectionTrait>(
    connection: &C,
    product: &ProductId,
    now: DateTime<Utc>,
    most: u32,
) -> Result<Vec<Due>, StoreError> {
    let values: [Value; 4] = [
        product.as_str().into(),
        values::micros(now).into(),
        values::micros(now + TAKEN_FOR).into(),
        i64::from(most).into(),
    ];
    let statement = statement(connection, TAKE_SQLITE, TAKE_POSTGRES, values);
    let rows = DueRow::find_by_statement(statement).all(connection).await?;
    rows.iter().map(read).collect()
}

fn read(row: &DueRow) -> Result<Due, StoreError> {
    let unreadable = || StoreError::Unreadable(format!("the delivery of {}", row.instance_id));
    Ok(Due {
        account: row.account_id.parse().map_err(|_| unreadable())?,
        id: row.instance_id.parse().map_err(|_| unreadable())?,
        version: row.version,
        attempts: row.attempts,
        since: values::instant(row.since.ok_or_else(unreadable)?)?,
        alerted: row.alerted,
    })
}

const WAITING: &str = "\
SELECT order_id FROM delivery_items
WHERE state = 'PENDING' AND account_id = $1 AND instance_id = $2 AND version <= $3
ORDER BY version DESC LIMIT 1";

/// The order that waits for the newest of the instance's states up to `version`, if one does.
pub async fn waiting<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    id: &InstanceId,
    version: i64,
) -> Result<Option<OrderId>, StoreError> {
    let values: [Value; 3] = [account.as_str().into(), id.as_str().into(), version.into()];
    let statement =
        Statement::from_sql_and_values(backend_of(connection).dialect(), WAITING, values);
    let row = connection.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get::<Uuid>("", "order_id")).transpose()?.map(OrderId))
}

/// `1` accounts and instances.
const UNDELIVERED_SQLITE: &str = "\
SELECT DISTINCT o.account_id, o.instance_id AS id
FROM jsonb_each(?1) AS r CROSS JOIN order_instances o CROSS JOIN delivery_items d
WHERE o.account_id = r.value ->> 0 AND o.instance_id = r.value ->> 1
  AND d.account_id = o.account_id AND d.order_id = o.order_id AND d.state = 'PENDING'";

const UNDELIVERED_POSTGRES: &str = "\
SELECT DISTINCT o.account_id, o.instance_id AS id
FROM (SELECT value ->> 0 AS account_id, value ->> 1 AS id
  FROM jsonb_array_elements($1::jsonb) AS r(value) LIMIT jsonb_array_length($1::jsonb)) r
JOIN order_instances o ON o.account_id = r.account_id AND o.instance_id = r.id
JOIN delivery_items d ON d.account_id = o.account_id AND d.order_id = o.order_id
WHERE d.state = 'PENDING'";

#[derive(Debug, FromQueryResult)]
struct Undelivered {
    account_id: String,
    id: String,
}

/// Which of the instances stand on an order of which a console has not acknowledged something yet, by
/// account and id (L-3). No instances are no statement.
pub async fn undelivered<C: ConnectionTrait>(
    connection: &C,
    instances: &[(&AccountId, &InstanceId)],
) -> Result<HashSet<(String, String)>, StoreError> {
    if instances.is_empty() {
        return Ok(HashSet::new());
    }
    let statement = over(connection, UNDELIVERED_SQLITE, UNDELIVERED_POSTGRES, &instances);
    let rows = Undelivered::find_by_statement(statement).all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.account_id, row.id)).collect())
}
