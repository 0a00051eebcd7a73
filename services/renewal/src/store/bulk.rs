//! Statements for the many instances of an order at once: a fixed text for each database, and a
//! constant number of them, however many instances there are.
//!
//! Each takes its rows as one JSON array. Where rows are locked on PostgreSQL they are locked in
//! order of (account, id) before any is changed.

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, OrderId};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use serde::Serialize;

use super::{StoreError, backend_of, values};

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
pub struct SettledInstance {
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
}

/// `1` the account, `2` the order, `3` rows of id and version.
const CLAIM_SQLITE: &str = "\
UPDATE instances SET open_order_id = ?2, version = version + 1
WHERE account_id = ?1 AND open_order_id IS NULL
  AND (id, version) IN (SELECT value ->> 'id', value ->> 'version' FROM json_each(?3))";

/// The limit, here and below, changes nothing but the planner's guess of how many rows there are: a
/// hundred without it, for which it would read the whole table.
const CLAIM_POSTGRES: &str = "\
WITH wanted AS (
  SELECT * FROM jsonb_to_recordset($3::jsonb) AS w(id text, version bigint)
  LIMIT jsonb_array_length($3::jsonb)),
held AS (
  SELECT i.id FROM instances i JOIN wanted w ON w.id = i.id AND w.version = i.version
  WHERE i.account_id = $1 AND i.open_order_id IS NULL
  ORDER BY i.account_id, i.id FOR UPDATE OF i)
UPDATE instances i SET open_order_id = $2, version = i.version + 1
FROM held WHERE i.account_id = $1 AND i.id = held.id";

/// Claims the instances for an order (O-2): compare-and-set on (version, no claim). False if not all
/// could be had: roll back.
pub async fn claim<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    order: OrderId,
    instances: &[InstanceVersion],
) -> Result<bool, StoreError> {
    let rows = values::to_json(&instances);
    let changed =
        run(transaction, CLAIM_SQLITE, CLAIM_POSTGRES, account, order, [rows.into()]).await?;
    Ok(usize::try_from(changed) == Ok(instances.len()))
}

/// `1` the account, `2` the order, `3` ids.
const RELEASE_SQLITE: &str = "\
UPDATE instances SET open_order_id = NULL, version = version + 1
WHERE account_id = ?1 AND open_order_id = ?2 AND id IN (SELECT value FROM json_each(?3))
RETURNING id, version";

const RELEASE_POSTGRES: &str = "\
WITH held AS (
  SELECT i.id FROM instances i
  WHERE i.account_id = $1 AND i.open_order_id = $2
    AND i.id IN (SELECT jsonb_array_elements_text($3::jsonb))
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

/// `1` the account, `2` the order, `3` settled instances.
const EXTEND_SQLITE: &str = "\
UPDATE instances SET open_order_id = NULL, version = instances.version + 1,
  billing_mode = 'PREPAID', paid_until = r.end_time, anchor = r.anchor,
  first_start = COALESCE(instances.first_start, r.start_time),
  configuration = COALESCE(r.configuration, instances.configuration),
  pending_configuration = CASE WHEN r.nothing_pending THEN r.pending_configuration
    ELSE COALESCE(r.pending_configuration, instances.pending_configuration) END,
  pending_from = CASE WHEN r.nothing_pending THEN r.pending_from
    ELSE COALESCE(r.pending_from, instances.pending_from) END,
  policy = CASE WHEN r.converted THEN 'MANUAL' ELSE instances.policy END,
  auto_cycle = CASE WHEN r.converted THEN NULL ELSE instances.auto_cycle END,
  auto_remaining = CASE WHEN r.converted THEN NULL ELSE instances.auto_remaining END
FROM (SELECT value ->> 'id' AS id, value ->> 'start_time' AS start_time,
    value ->> 'end_time' AS end_time, value ->> 'anchor' AS anchor,
    value ->> 'configuration' AS configuration,
    value ->> 'pending_configuration' AS pending_configuration,
    value ->> 'pending_from' AS pending_from, value ->> 'nothing_pending' AS nothing_pending,
    value ->> 'converted' AS converted
  FROM json_each(?3)) AS r
WHERE instances.account_id = ?1 AND instances.open_order_id = ?2 AND instances.id = r.id
RETURNING id, version";

const EXTEND_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM jsonb_to_recordset($3::jsonb) AS r(id text, start_time bigint, end_time bigint,
    anchor integer, configuration text, pending_configuration text, pending_from bigint,
    nothing_pending boolean, converted boolean)
  LIMIT jsonb_array_length($3::jsonb)),
held AS (
  SELECT i.id FROM instances i JOIN rows r ON r.id = i.id
  WHERE i.account_id = $1 AND i.open_order_id = $2
  ORDER BY i.account_id, i.id FOR UPDATE OF i)
UPDATE instances i SET open_order_id = NULL, version = i.version + 1,
  billing_mode = 'PREPAID', paid_until = r.end_time, anchor = r.anchor,
  first_start = COALESCE(i.first_start, r.start_time),
  configuration = COALESCE(r.configuration, i.configuration),
  pending_configuration = CASE WHEN r.nothing_pending THEN r.pending_configuration
    ELSE COALESCE(r.pending_configuration, i.pending_configuration) END,
  pending_from = CASE WHEN r.nothing_pending THEN r.pending_from
    ELSE COALESCE(r.pending_from, i.pending_from) END,
  policy = CASE WHEN r.converted THEN 'MANUAL' ELSE i.policy END,
  auto_cycle = CASE WHEN r.converted THEN NULL ELSE i.auto_cycle END,
  auto_remaining = CASE WHEN r.converted THEN NULL ELSE i.auto_remaining END
FROM rows r JOIN held ON held.id = r.id
WHERE i.account_id = $1 AND i.id = r.id
RETURNING i.id, i.version";

/// Makes each instance what its new term makes it, drops the claim, and answers the versions since,
/// by id. Instances that the order does not hold are left alone and not in the answer.
pub async fn extend<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    order: OrderId,
    settled: &[SettledInstance],
) -> Result<Vec<InstanceVersion>, StoreError> {
    let rows = values::to_json(&settled);
    let statement = statement(
        transaction,
        EXTEND_SQLITE,
        EXTEND_POSTGRES,
        [account.as_str().into(), order.0.into(), rows.into()],
    );
    let mut versions = InstanceVersion::find_by_statement(statement).all(transaction).await?;
    versions.sort_by(|left, right| left.id.cmp(&right.id));
    Ok(versions)
}

/// A settled instance with the version that it has since.
#[derive(Debug, Serialize)]
struct TermRow<'a> {
    instance_version: i64,
    #[serde(flatten)]
    settled: &'a SettledInstance,
}

/// `1` the account, `2` the order, `3` terms, `4` now.
const APPEND_SQLITE: &str = "\
INSERT INTO terms (account_id, instance_id, instance_version, start_time, end_time, anchor, kind,
  order_id, amount, configuration, converted, create_time)
SELECT ?1, value ->> 'id', value ->> 'instance_version', value ->> 'start_time',
  value ->> 'end_time', value ->> 'anchor', 'ORDER', ?2, value ->> 'amount', value ->> 'bought',
  value ->> 'converted', ?4
FROM json_each(?3)";

const APPEND_POSTGRES: &str = "\
INSERT INTO terms (account_id, instance_id, instance_version, start_time, end_time, anchor, kind,
  order_id, amount, configuration, converted, create_time)
SELECT $1, id, instance_version, start_time, end_time, anchor, 'ORDER', $2, amount, bought,
  converted, $4
FROM jsonb_to_recordset($3::jsonb) AS r(id text, instance_version bigint, start_time bigint,
  end_time bigint, anchor integer, amount bigint, bought text, converted boolean)
ORDER BY id";

/// Appends the terms of an order, each at the version that its instance has since (O-1): the
/// database refuses a second live term with the same start.
pub async fn append_terms<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    order: OrderId,
    terms: &[(i64, &SettledInstance)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = terms
        .iter()
        .map(|&(instance_version, settled)| TermRow { instance_version, settled })
        .collect();
    let values = [values::to_json(&rows).into(), values::micros(now).into()];
    run(transaction, APPEND_SQLITE, APPEND_POSTGRES, account, order, values).await?;
    Ok(())
}

async fn run<C: ConnectionTrait>(
    transaction: &C,
    sqlite: &'static str,
    postgres: &'static str,
    account: &AccountId,
    order: OrderId,
    more: impl IntoIterator<Item = Value>,
) -> Result<u64, StoreError> {
    let values = [account.as_str().into(), order.0.into()].into_iter().chain(more);
    let statement = statement(transaction, sqlite, postgres, values);
    Ok(transaction.execute_raw(statement).await?.rows_affected())
}

fn statement<C: ConnectionTrait>(
    connection: &C,
    sqlite: &'static str,
    postgres: &'static str,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    let backend = backend_of(connection);
    Statement::from_sql_and_values(backend.dialect(), backend.pick(sqlite, postgres), values)
}

#[cfg(test)]
mod tests;
