//! Orders of attempts: made, found again, and made room for.

use std::{collections::HashMap, fmt::Write as _};

use chrono::{DateTime, Utc};
use kernel::ids::OrderId;
use prost::Message as _;
use proto::renewal::v1::Refusal;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value, sea_query::ArrayType};
use serde::Serialize;
use uuid::Uuid;

use super::{Versions, statement, versions};
use crate::{
    domain::attempt::Outcome,
    store::{
        StoreError, backend_of,
        orders::{Order, row},
        values,
    },
};

/// `1` orders, with their snapshots in hexadecimal.
const INSERT_SQLITE: &str = "\
INSERT INTO orders (account_id, id, version, state, payable, currency, instance_ids, snapshot,
  vouchers, payment_id, pay_number, payment_time, ended_why, create_time, expire_time,
  next_attempt_at, attempts, attempt_root, attempt_expiry, attempt_date, attempt_kind, outcome,
  outcome_reason, retry_time)
SELECT value ->> 'account_id', unhex(value ->> 'id', '-'), value ->> 'version', value ->> 'state',
  value ->> 'payable', value ->> 'currency', value ->> 'instance_ids',
  unhex(value ->> 'snapshot'), unhex(value ->> 'vouchers'), unhex(value ->> 'payment_id', '-'),
  value ->> 'pay_number', value ->> 'payment_time', unhex(value ->> 'ended_why'),
  value ->> 'create_time', value ->> 'expire_time', value ->> 'next_attempt_at', 0,
  value ->> 'attempt_root', value ->> 'attempt_expiry', value ->> 'attempt_date',
  value ->> 'attempt_kind', value ->> 'outcome', value ->> 'outcome_reason',
  value ->> 'retry_time'
FROM json_each(?1) WHERE true
ON CONFLICT (account_id, id) DO UPDATE SET version = excluded.version, state = excluded.state,
  payable = excluded.payable, currency = excluded.currency, instance_ids = excluded.instance_ids,
  snapshot = excluded.snapshot, vouchers = excluded.vouchers, payment = NULL,
  payment_id = excluded.payment_id, pay_number = excluded.pay_number,
  payment_time = excluded.payment_time, ended_why = excluded.ended_why,
  expire_time = excluded.expire_time, next_attempt_at = excluded.next_attempt_at, attempts = 0,
  outcome = excluded.outcome, outcome_reason = excluded.outcome_reason,
  retry_time = excluded.retry_time
WHERE orders.outcome = 'VOID' AND orders.version = excluded.version - 1
RETURNING id";

/// The snapshots, which are large, come as they are beside the other columns.
const INSERT_POSTGRES: &str = "\
INSERT INTO orders (account_id, id, version, state, payable, currency, instance_ids, snapshot,
  vouchers, payment_id, pay_number, payment_time, ended_why, create_time, expire_time,
  next_attempt_at, attempts, attempt_root, attempt_expiry, attempt_date, attempt_kind, outcome,
  outcome_reason, retry_time)
SELECT account_id, id, version, state, payable, currency, instance_ids, snapshot,
  decode(vouchers, 'hex'), payment_id, pay_number, payment_time, decode(ended_why, 'hex'),
  create_time, expire_time, next_attempt_at, 0, attempt_root, attempt_expiry, attempt_date,
  attempt_kind, outcome, outcome_reason, retry_time
FROM ROWS FROM (jsonb_to_recordset($1::jsonb) AS (account_id text, id uuid, version bigint,
    state text, payable bigint, currency text, instance_ids text, vouchers text,
    payment_id uuid, pay_number integer, payment_time bigint, ended_why text,
    create_time bigint, expire_time bigint, next_attempt_at bigint, attempt_root text,
    attempt_expiry bigint, attempt_date text, attempt_kind integer, outcome text,
    outcome_reason text, retry_time bigint),
  unnest($2::bytea[])) AS r(account_id, id, version, state, payable, currency, instance_ids,
    vouchers, payment_id, pay_number, payment_time, ended_why, create_time, expire_time,
    next_attempt_at, attempt_root, attempt_expiry, attempt_date, attempt_kind, outcome,
    outcome_reason, retry_time, snapshot)
ON CONFLICT (account_id, id) DO UPDATE SET version = excluded.version, state = excluded.state,
  payable = excluded.payable, currency = excluded.currency, instance_ids = excluded.instance_ids,
  snapshot = excluded.snapshot, vouchers = excluded.vouchers, payment = NULL,
  payment_id = excluded.payment_id, pay_number = excluded.pay_number,
  payment_time = excluded.payment_time, ended_why = excluded.ended_why,
  expire_time = excluded.expire_time, next_attempt_at = excluded.next_attempt_at, attempts = 0,
  outcome = excluded.outcome, outcome_reason = excluded.outcome_reason,
  retry_time = excluded.retry_time
WHERE orders.outcome = 'VOID' AND orders.version = excluded.version - 1
RETURNING orders.id";

/// What of the order of an attempt is written.
#[derive(Debug, Serialize)]
struct NewRow {
    account_id: String,
    id: Uuid,
    version: i64,
    state: String,
    payable: i64,
    currency: String,
    instance_ids: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<String>,
    vouchers: Option<String>,
    payment_id: Option<Uuid>,
    pay_number: i32,
    payment_time: Option<i64>,
    ended_why: Option<String>,
    create_time: i64,
    expire_time: i64,
    next_attempt_at: Option<i64>,
    attempt_root: Option<String>,
    attempt_expiry: Option<i64>,
    attempt_date: Option<String>,
    attempt_kind: Option<i32>,
    outcome: Option<String>,
    outcome_reason: Option<String>,
    retry_time: Option<i64>,
}

/// Adds the orders of attempts, and answers whether all of them were new or stood there without a
/// decision. If not, the transaction must not be committed: one of them was decided before.
pub async fn insert<C: ConnectionTrait>(
    transaction: &C,
    orders: &[&Order],
) -> Result<bool, StoreError> {
    if orders.is_empty() {
        return Ok(true);
    }
    let backend = backend_of(transaction);
    let postgres = backend == platform::database::Backend::Postgres;
    let mut rows = Vec::with_capacity(orders.len());
    let mut snapshots = Vec::with_capacity(orders.len());
    for order in orders {
        let (mut new, snapshot) = new_row(order);
        if postgres {
            snapshots.push(Value::from(snapshot));
        } else {
            new.snapshot = Some(hexadecimal(&snapshot));
        }
        rows.push(new);
    }
    let mut parameters = vec![values::to_json(&rows).into()];
    if postgres {
        parameters.push(Value::Array(ArrayType::Bytes, Some(Box::new(snapshots))));
    }
    let text = backend.pick(INSERT_SQLITE, INSERT_POSTGRES);
    let statement = Statement::from_sql_and_values(backend.dialect(), text, parameters);
    Ok(transaction.query_all_raw(statement).await?.len() == orders.len())
}

fn new_row(order: &Order) -> (NewRow, Vec<u8>) {
    let row = row(order);
    let new = NewRow {
        account_id: row.account_id,
        id: row.id,
        version: row.version,
        state: row.state,
        payable: row.payable,
        currency: row.currency,
        instance_ids: row.instance_ids,
        snapshot: None,
        vouchers: row.vouchers.map(|bytes| hexadecimal(&bytes)),
        payment_id: row.payment_id,
        pay_number: row.pay_number,
        payment_time: row.payment_time,
        ended_why: row.ended_why.map(|bytes| hexadecimal(&bytes)),
        create_time: row.create_time,
        expire_time: row.expire_time,
        next_attempt_at: row.next_attempt_at,
        attempt_root: row.attempt_root,
        attempt_expiry: row.attempt_expiry,
        attempt_date: row.attempt_date,
        attempt_kind: row.attempt_kind,
        outcome: row.outcome,
        outcome_reason: row.outcome_reason,
        retry_time: row.retry_time,
    };
    (new, row.snapshot)
}

/// `1` ids.
const KNOWN_SQLITE: &str = "\
SELECT o.id, o.version, o.pay_number, o.outcome FROM orders o
WHERE o.id IN (SELECT unhex(value, '-') FROM json_each(?1))";

const KNOWN_POSTGRES: &str = "\
SELECT o.id, o.version, o.pay_number, o.outcome FROM orders o
JOIN (SELECT jsonb_array_elements_text($1::jsonb)::uuid AS id
  LIMIT jsonb_array_length($1::jsonb)) w ON w.id = o.id";

#[derive(Debug, FromQueryResult)]
struct KnownRow {
    id: Uuid,
    version: i64,
    pay_number: i32,
    outcome: Option<String>,
}

/// An attempt that has an order already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The version of its order.
    pub version: i64,
    /// How many payments were begun.
    pub pay_number: i32,
    /// How it was decided; none: its payment is under way.
    pub outcome: Option<Outcome>,
}

/// Those of `ids` that there are.
pub async fn known<C: ConnectionTrait>(
    connection: &C,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Known>, StoreError> {
    let rows = [values::to_json(&ids).into()];
    let statement = statement(connection, KNOWN_SQLITE, KNOWN_POSTGRES, rows);
    let rows = KnownRow::find_by_statement(statement).all(connection).await?;
    let read = rows.into_iter().map(|row| {
        let id = OrderId(row.id);
        let outcome = row.outcome.map(|name| name.parse()).transpose();
        let outcome =
            outcome.map_err(|_| StoreError::Unreadable(format!("the outcome of order {id}")))?;
        Ok((id, Known { version: row.version, pay_number: row.pay_number, outcome }))
    });
    read.collect()
}

/// `1` ids, `2` why in hexadecimal, `3` now.
const CANCEL_SQLITE: &str = "\
UPDATE orders SET state = 'CANCELLED', version = version + 1, ended_why = unhex(?2), attempts = 0,
  next_attempt_at = CASE WHEN payment_id IS NOT NULL THEN ?3 END
WHERE id IN (SELECT unhex(value, '-') FROM json_each(?1)) AND state = 'PENDING_PAYMENT'
RETURNING id";

const CANCEL_POSTGRES: &str = "\
WITH held AS (
  SELECT o.account_id, o.id FROM orders o
    JOIN (SELECT jsonb_array_elements_text($1::jsonb)::uuid AS id
      LIMIT jsonb_array_length($1::jsonb)) w ON w.id = o.id
  WHERE o.state = 'PENDING_PAYMENT'
  ORDER BY o.account_id, o.id FOR UPDATE OF o)
UPDATE orders o SET state = 'CANCELLED', version = o.version + 1,
  ended_why = decode($2, 'hex'), attempts = 0,
  next_attempt_at = CASE WHEN o.payment_id IS NOT NULL THEN $3::bigint END
FROM held WHERE o.account_id = held.account_id AND o.id = held.id
RETURNING o.id";

/// `1` ids.
const FREE_SQLITE: &str = "\
UPDATE instances SET open_order_id = NULL, version = instances.version + 1
FROM orders o CROSS JOIN json_each(o.instance_ids) AS item
WHERE o.id IN (SELECT unhex(value, '-') FROM json_each(?1))
  AND instances.account_id = o.account_id AND instances.id = item.value
  AND instances.open_order_id = o.id
RETURNING account_id, id, version";

const FREE_POSTGRES: &str = "\
WITH held AS (
  SELECT i.account_id, i.id FROM orders o
    JOIN (SELECT jsonb_array_elements_text($1::jsonb)::uuid AS id
      LIMIT jsonb_array_length($1::jsonb)) w ON w.id = o.id
    CROSS JOIN LATERAL jsonb_array_elements_text(o.instance_ids::jsonb) AS item(id)
    JOIN instances i ON i.account_id = o.account_id AND i.id = item.id AND i.open_order_id = o.id
  ORDER BY i.account_id, i.id FOR UPDATE OF i)
UPDATE instances i SET open_order_id = NULL, version = i.version + 1
FROM held WHERE i.account_id = held.account_id AND i.id = held.id
RETURNING i.account_id, i.id, i.version";

/// Calls those of `ids` off that still await their payment, because of `why`, and drops their claims:
/// answers which, and what versions their instances have since. What a channel was asked for is
/// called off, or given back, afterwards.
pub async fn supersede<C: ConnectionTrait>(
    transaction: &C,
    ids: &[OrderId],
    why: &Refusal,
    now: DateTime<Utc>,
) -> Result<(Vec<OrderId>, Versions), StoreError> {
    let rows: Value = values::to_json(&ids).into();
    let why = hexadecimal(&why.encode_to_vec());
    let parameters = [rows, why.into(), values::micros(now).into()];
    let cancel = statement(transaction, CANCEL_SQLITE, CANCEL_POSTGRES, parameters);
    let cancelled = Cancelled::find_by_statement(cancel).all(transaction).await?;
    let cancelled: Vec<_> = cancelled.into_iter().map(|row| OrderId(row.id)).collect();
    if cancelled.is_empty() {
        return Ok((cancelled, Versions::new()));
    }
    let rows = [values::to_json(&cancelled).into()];
    let freed = versions(transaction, statement(transaction, FREE_SQLITE, FREE_POSTGRES, rows));
    Ok((cancelled, freed.await?))
}

#[derive(Debug, FromQueryResult)]
struct Cancelled {
    id: Uuid,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text can always be written to");
        text
    })
}
