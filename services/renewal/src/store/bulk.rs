//! Statements for the many instances of many orders at once: a fixed text for each database, and a
//! constant number of them, however many instances there are.
//!
//! Each takes its rows as one JSON array. Where rows are locked on PostgreSQL they are locked in
//! order of (account, id) before any is changed.

mod copy;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, OrderId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use uuid::Uuid;

use super::{StoreError, over, statement, values};

/// An instance at the version that a decision was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct InstanceVersion {
    /// The instance.
    pub id: String,
    /// Its version.
    pub version: i64,
}

/// What an instance becomes when its order is settled, and the term that is appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says one thing of its own")]
pub struct SettledInstance {
    /// Whose it is.
    pub account_id: AccountId,
    /// The order that is settled.
    pub order_id: OrderId,
    /// The instance.
    pub id: String,
    /// First instant of the new term.
    pub start_time: i64,
    /// The first instant after it: paid until then.
    pub end_time: i64,
    /// The anchor from it on.
    pub anchor: i32,
    /// What was paid for it, in minor units.
    pub amount: i64,
    /// It was postpaid (C-1).
    pub converted: bool,
    /// The configuration that was bought with the term (C-2), as JSON.
    pub bought: Option<String>,
    /// The configuration from now on, as JSON; none: as it is.
    pub configuration: Option<String>,
    /// The configuration that takes effect later, as JSON; none: as it is.
    pub pending_configuration: Option<String>,
    /// When it does.
    pub pending_from: Option<i64>,
    /// What was pending is in effect, or replaced.
    pub nothing_pending: bool,
    /// When it is due if it renews itself.
    pub due_if_automatic: i64,
    /// When it is due otherwise.
    pub due_otherwise: i64,
    /// Its product.
    #[serde(skip)]
    pub product_id: String,
    /// The console of its product is to acknowledge it (O-5).
    #[serde(skip)]
    pub delivered: bool,
    /// It was renewed by itself: one less remains, and after the last one it is `MANUAL` (P-3).
    pub automatic: bool,
}

/// What a settled instance is since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// Its version.
    pub version: i64,
    /// Whether its policy is `MANUAL`.
    pub manual: bool,
}

/// An instance at the version that an order was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim<'o> {
    /// Whose it is.
    pub account_id: &'o AccountId,
    /// The order that claims it.
    pub order_id: OrderId,
    /// The instance.
    #[serde(flatten)]
    pub instance: &'o InstanceVersion,
}

/// `1` claims.
const CLAIM_SQLITE: &str = "\
WITH wanted AS MATERIALIZED (
  SELECT value ->> 'account_id' AS account_id, unhex(value ->> 'order_id', '-') AS order_id,
    value ->> 'id' AS id, value ->> 'version' AS version FROM jsonb_each(?1)),
lost AS (
  SELECT w.order_id FROM wanted w LEFT JOIN instances i
    ON i.account_id = w.account_id AND i.id = w.id AND i.version = w.version
    AND i.open_order_id IS NULL
  WHERE i.id IS NULL)
UPDATE instances SET open_order_id = w.order_id, version = instances.version + 1
FROM wanted w WHERE instances.account_id = w.account_id AND instances.id = w.id
  AND w.order_id NOT IN (SELECT order_id FROM lost)
RETURNING open_order_id AS order_id";

/// The limit, in this service's statements, changes nothing but the planner's guess of how many rows
/// there are: a hundred without it, for which it would read the whole table. Rows come as `json`, not
/// `jsonb`: they are read once, and need not be sorted and packed for it.
const CLAIM_POSTGRES: &str = "\
WITH wanted AS (
  SELECT * FROM json_to_recordset($1::json)
    AS w(account_id text, order_id uuid, id text, version bigint)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT i.account_id, i.id, w.order_id FROM instances i
    JOIN wanted w ON w.account_id = i.account_id AND w.id = i.id AND w.version = i.version
  WHERE i.open_order_id IS NULL
  ORDER BY i.account_id, i.id FOR UPDATE OF i),
lost AS (SELECT order_id FROM wanted EXCEPT ALL SELECT order_id FROM held)
UPDATE instances i SET open_order_id = h.order_id, version = i.version + 1
FROM held h WHERE i.account_id = h.account_id AND i.id = h.id
  AND h.order_id NOT IN (SELECT order_id FROM lost)
RETURNING h.order_id";

#[derive(Debug, FromQueryResult)]
struct Claimed {
    order_id: Uuid,
}

/// Claims the instances of each order that is named (O-2): compare-and-set on (version, no claim),
/// all of an order's or none of them. Answers the orders that have theirs. No two orders may want
/// the same instance.
pub async fn claim<C: ConnectionTrait>(
    transaction: &C,
    claims: &[Claim<'_>],
) -> Result<HashSet<OrderId>, StoreError> {
    let statement = over(transaction, CLAIM_SQLITE, CLAIM_POSTGRES, &claims);
    let claimed = Claimed::find_by_statement(statement).all(transaction).await?;
    Ok(claimed.into_iter().map(|claimed| OrderId(claimed.order_id)).collect())
}

/// `1` the account, `2` the order, `3` ids.
const RELEASE_SQLITE: &str = "\
UPDATE instances SET open_order_id = NULL, version = version + 1
WHERE account_id = ?1 AND open_order_id = ?2 AND id IN (SELECT value FROM jsonb_each(?3))
RETURNING id, version";

const RELEASE_POSTGRES: &str = "\
WITH held AS (
  SELECT i.id FROM instances i
  WHERE i.account_id = $1 AND i.open_order_id = $2
    AND i.id IN (SELECT json_array_elements_text($3::json))
  ORDER BY i.account_id, i.id FOR UPDATE)
UPDATE instances i SET open_order_id = NULL, version = i.version + 1
FROM held WHERE i.account_id = $1 AND i.id = held.id
RETURNING i.id, i.version";

/// Drops the order's claim on its instances, and answers their versions since.
pub async fn release<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    order: OrderId,
    ids: &[&str],
) -> Result<Vec<InstanceVersion>, StoreError> {
    let rows = values::to_json(&ids);
    let statement = statement(
        transaction,
        RELEASE_SQLITE,
        RELEASE_POSTGRES,
        [account.as_str().into(), order.0.into(), rows.into()],
    );
    Ok(InstanceVersion::find_by_statement(statement).all(transaction).await?)
}

/// `1` settled instances.
const EXTEND_SQLITE: &str = "\
UPDATE instances SET open_order_id = NULL, version = instances.version + 1,
  billing_mode = 'PREPAID', paid_until = r.end_time, anchor = r.anchor,
  first_start = COALESCE(instances.first_start, r.start_time),
  configuration = COALESCE(r.configuration, instances.configuration),
  pending_configuration = CASE WHEN r.nothing_pending THEN r.pending_configuration
    ELSE COALESCE(r.pending_configuration, instances.pending_configuration) END,
  pending_from = CASE WHEN r.nothing_pending THEN r.pending_from
    ELSE COALESCE(r.pending_from, instances.pending_from) END,
  policy = CASE WHEN r.converted OR r.automatic AND instances.auto_remaining = 1 THEN 'MANUAL'
    ELSE instances.policy END,
  auto_cycle = CASE WHEN r.converted OR r.automatic AND instances.auto_remaining = 1 THEN NULL
    ELSE instances.auto_cycle END,
  auto_remaining = CASE WHEN r.converted THEN NULL
    WHEN r.automatic THEN NULLIF(instances.auto_remaining - 1, 0)
    ELSE instances.auto_remaining END,
  decided = CASE WHEN r.automatic THEN NULL ELSE instances.decided END,
  state = 'ACTIVE', due_time = CASE WHEN instances.policy = 'AUTO' AND NOT r.converted
      AND NOT (r.automatic AND COALESCE(instances.auto_remaining, 0) = 1)
    THEN r.due_if_automatic ELSE r.due_otherwise END
FROM (SELECT value ->> 'account_id' AS account_id,
    unhex(value ->> 'order_id', '-') AS order_id, value ->> 'id' AS id,
    value ->> 'start_time' AS start_time, value ->> 'end_time' AS end_time, value ->> 'anchor' AS anchor,
    value ->> 'configuration' AS configuration,
    value ->> 'pending_configuration' AS pending_configuration,
    value ->> 'pending_from' AS pending_from, value ->> 'nothing_pending' AS nothing_pending,
    value ->> 'converted' AS converted, value ->> 'due_if_automatic' AS due_if_automatic,
    value ->> 'due_otherwise' AS due_otherwise, value ->> 'automatic' AS automatic
  FROM jsonb_each(?1)) AS r
WHERE instances.account_id = r.account_id AND instances.id = r.id
  AND instances.open_order_id = r.order_id
RETURNING account_id, id, version, policy";

const EXTEND_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, order_id uuid, id text,
    start_time bigint, end_time bigint, anchor integer, configuration text,
    pending_configuration text, pending_from bigint, nothing_pending boolean, converted boolean,
    due_if_automatic bigint, due_otherwise bigint, automatic boolean)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT r.* FROM instances i
    JOIN rows r ON r.account_id = i.account_id AND r.id = i.id AND r.order_id = i.open_order_id
  ORDER BY i.account_id, i.id FOR UPDATE OF i)
UPDATE instances i SET open_order_id = NULL, version = i.version + 1,
  billing_mode = 'PREPAID', paid_until = r.end_time, anchor = r.anchor,
  first_start = COALESCE(i.first_start, r.start_time),
  configuration = COALESCE(r.configuration, i.configuration),
  pending_configuration = CASE WHEN r.nothing_pending THEN r.pending_configuration
    ELSE COALESCE(r.pending_configuration, i.pending_configuration) END,
  pending_from = CASE WHEN r.nothing_pending THEN r.pending_from
    ELSE COALESCE(r.pending_from, i.pending_from) END,
  policy = CASE WHEN r.converted OR r.automatic AND i.auto_remaining = 1 THEN 'MANUAL'
    ELSE i.policy END,
  auto_cycle = CASE WHEN r.converted OR r.automatic AND i.auto_remaining = 1 THEN NULL
    ELSE i.auto_cycle END,
  auto_remaining = CASE WHEN r.converted THEN NULL
    WHEN r.automatic THEN NULLIF(i.auto_remaining - 1, 0) ELSE i.auto_remaining END,
  decided = CASE WHEN r.automatic THEN NULL ELSE i.decided END,
  state = 'ACTIVE', due_time = CASE WHEN i.policy = 'AUTO' AND NOT r.converted
      AND NOT (r.automatic AND COALESCE(i.auto_remaining, 0) = 1)
    THEN r.due_if_automatic ELSE r.due_otherwise END
FROM held r
WHERE i.account_id = r.account_id AND i.id = r.id
RETURNING i.account_id, i.id, i.version, i.policy";

#[derive(Debug, FromQueryResult)]
struct Extended {
    account_id: String,
    id: String,
    version: i64,
    policy: String,
}

/// Makes each instance what its new term makes it, drops the claim, and answers what they are since,
/// by account and id. Instances that their order does not hold are left alone and not in the answer.
pub async fn extend<C: ConnectionTrait>(
    transaction: &C,
    settled: &[SettledInstance],
) -> Result<HashMap<(String, String), Since>, StoreError> {
    let statement = over(transaction, EXTEND_SQLITE, EXTEND_POSTGRES, &settled);
    let extended = Extended::find_by_statement(statement).all(transaction).await?;
    let since = |row: Extended| {
        let since = Since { version: row.version, manual: row.policy == "MANUAL" };
        ((row.account_id, row.id), since)
    };
    Ok(extended.into_iter().map(since).collect())
}

/// A settled instance with the version that it has since.
#[derive(Debug, Serialize)]
struct TermRow<'a> {
    instance_version: i64,
    #[serde(flatten)]
    settled: &'a SettledInstance,
}

/// `1` terms, `2` now.
const APPEND_SQLITE: &str = "\
INSERT INTO terms (account_id, instance_id, instance_version, start_time, end_time, anchor, kind,
  order_id, amount, configuration, converted, create_time)
SELECT value ->> 'account_id', value ->> 'id', value ->> 'instance_version',
  value ->> 'start_time', value ->> 'end_time', value ->> 'anchor', 'ORDER',
  unhex(value ->> 'order_id', '-'), value ->> 'amount', value ->> 'bought',
  value ->> 'converted', ?2
FROM jsonb_each(?1)";

const APPEND_POSTGRES: &str = "\
INSERT INTO terms (account_id, instance_id, instance_version, start_time, end_time, anchor, kind,
  order_id, amount, configuration, converted, create_time)
SELECT account_id, id, instance_version, start_time, end_time, anchor, 'ORDER', order_id, amount,
  bought, converted, $2
FROM json_to_recordset($1::json) AS r(account_id text, order_id uuid, id text,
  instance_version bigint, start_time bigint, end_time bigint, anchor integer, amount bigint,
  bought text, converted boolean)
ORDER BY account_id, id";

/// Appends the terms of orders, each at the version that its instance has since (O-1): the database
/// refuses a second live term with the same start.
pub async fn append_terms<C: ConnectionTrait>(
    transaction: &C,
    terms: &[(i64, &SettledInstance)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = terms
        .iter()
        .map(|&(instance_version, settled)| TermRow { instance_version, settled })
        .collect();
    let values = [values::to_json(&rows).into(), values::micros(now).into()];
    let statement = statement(transaction, APPEND_SQLITE, APPEND_POSTGRES, values);
    transaction.execute_raw(statement).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
