//! Many orders at once: those that are made together, and those whose payments succeeded together.
//!
//! Each statement takes its rows as one JSON array, with bytes in hexadecimal.

use std::{collections::HashSet, fmt::Write as _};

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, OrderId};
use prost::Message as _;
use proto::wallet::v1::Payment;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde::Serialize;
use uuid::Uuid;

use super::{Order, StoreError, row};
use crate::{
    domain::{attempt::Outcome, order::State},
    store::{backend_of, values},
};

/// `1` orders.
const INSERT_SQLITE: &str = "\
INSERT INTO orders (account_id, id, version, state, payable, currency, instance_ids, request_id,
  request_digest, snapshot, vouchers, payment_id, pay_number, payment_time, create_time,
  expire_time, next_attempt_at, attempts)
SELECT value ->> 'account_id', unhex(value ->> 'id', '-'), value ->> 'version', value ->> 'state',
  value ->> 'payable', value ->> 'currency', value ->> 'instance_ids',
  unhex(value ->> 'request_id', '-'), unhex(value ->> 'request_digest'),
  unhex(value ->> 'snapshot'), unhex(value ->> 'vouchers'), unhex(value ->> 'payment_id', '-'),
  value ->> 'pay_number', value ->> 'payment_time', value ->> 'create_time',
  value ->> 'expire_time', value ->> 'next_attempt_at', 0
FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING";

const INSERT_POSTGRES: &str = "\
INSERT INTO orders (account_id, id, version, state, payable, currency, instance_ids, request_id,
  request_digest, snapshot, vouchers, payment_id, pay_number, payment_time, create_time,
  expire_time, next_attempt_at, attempts)
SELECT account_id, id, version, state, payable, currency, instance_ids, request_id,
  decode(request_digest, 'hex'), decode(snapshot, 'hex'), decode(vouchers, 'hex'), payment_id,
  pay_number, payment_time, create_time, expire_time, next_attempt_at, 0
FROM jsonb_to_recordset($1::jsonb) AS r(account_id text, id uuid, version bigint, state text,
  payable bigint, currency text, instance_ids text, request_id uuid, request_digest text,
  snapshot text, vouchers text, payment_id uuid, pay_number integer, payment_time bigint,
  create_time bigint, expire_time bigint, next_attempt_at bigint)
ON CONFLICT DO NOTHING";

/// What of a new order is written; the rest is empty until it is paid.
#[derive(Debug, Serialize)]
struct NewRow {
    account_id: String,
    id: Uuid,
    version: i64,
    state: String,
    payable: i64,
    currency: String,
    instance_ids: String,
    request_id: Option<Uuid>,
    request_digest: Option<String>,
    snapshot: String,
    vouchers: Option<String>,
    payment_id: Option<Uuid>,
    pay_number: i32,
    payment_time: Option<i64>,
    create_time: i64,
    expire_time: i64,
    next_attempt_at: Option<i64>,
}

impl NewRow {
    fn of(order: &Order) -> Self {
        let row = row(order);
        Self {
            account_id: row.account_id,
            id: row.id,
            version: row.version,
            state: row.state,
            payable: row.payable,
            currency: row.currency,
            instance_ids: row.instance_ids,
            request_id: row.request_id,
            request_digest: row.request_digest.map(|bytes| hexadecimal(&bytes)),
            snapshot: hexadecimal(&row.snapshot),
            vouchers: row.vouchers.map(|bytes| hexadecimal(&bytes)),
            payment_id: row.payment_id,
            pay_number: row.pay_number,
            payment_time: row.payment_time,
            create_time: row.create_time,
            expire_time: row.expire_time,
            next_attempt_at: row.next_attempt_at,
        }
    }
}

/// Adds new orders, which also reserves their requests (O-3), and answers how many were added: a
/// request that has made an order before makes none. Waits for one that is under way.
pub async fn insert<C: ConnectionTrait>(
    transaction: &C,
    orders: &[&Order],
) -> Result<usize, StoreError> {
    let rows: Vec<_> = orders.iter().map(|order| NewRow::of(order)).collect();
    let statement = over(transaction, INSERT_SQLITE, INSERT_POSTGRES, &rows);
    let added = transaction.execute_raw(statement).await?.rows_affected();
    Ok(usize::try_from(added).unwrap_or(usize::MAX))
}

/// `1` rows of account, order, version, state and payment.
const COMPLETE_SQLITE: &str = "\
UPDATE orders SET version = orders.version + 1, state = r.state, payment = r.payment,
  next_attempt_at = NULL, attempts = 0,
  outcome = CASE WHEN orders.attempt_root IS NOT NULL THEN COALESCE(r.outcome, 'RENEWED') END,
  outcome_reason = r.reason, retry_time = r.retry_time
FROM (SELECT value ->> 'account_id' AS account_id, unhex(value ->> 'id', '-') AS id,
    value ->> 'version' AS version, value ->> 'state' AS state,
    unhex(value ->> 'payment') AS payment, value ->> 'outcome' AS outcome,
    value ->> 'reason' AS reason, value ->> 'retry_time' AS retry_time
  FROM json_each(?1)) AS r
WHERE orders.account_id = r.account_id AND orders.id = r.id AND orders.version = r.version
RETURNING id";

const COMPLETE_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM jsonb_to_recordset($1::jsonb)
    AS r(account_id text, id uuid, version bigint, state text, payment text, outcome text,
      reason text, retry_time bigint)
  LIMIT jsonb_array_length($1::jsonb)),
held AS (
  SELECT o.account_id, o.id, r.state, r.payment, r.outcome, r.reason, r.retry_time
  FROM orders o
    JOIN rows r ON r.account_id = o.account_id AND r.id = o.id AND r.version = o.version
  ORDER BY o.account_id, o.id FOR UPDATE OF o)
UPDATE orders o SET version = o.version + 1, state = held.state,
  payment = decode(held.payment, 'hex'), next_attempt_at = NULL, attempts = 0,
  outcome = CASE WHEN o.attempt_root IS NOT NULL THEN COALESCE(held.outcome, 'RENEWED') END,
  outcome_reason = held.reason, retry_time = held.retry_time
FROM held WHERE o.account_id = held.account_id AND o.id = held.id
RETURNING o.id";

#[derive(Debug, Serialize)]
struct Completion<'o> {
    account_id: &'o AccountId,
    id: OrderId,
    version: i64,
    state: &'static str,
    payment: Option<String>,
    outcome: Option<&'static str>,
    reason: Option<&'o str>,
    retry_time: Option<i64>,
}

#[derive(Debug, FromQueryResult)]
struct Completed {
    id: Uuid,
}

/// Makes orders paid with the payments that they have, and completes those of which no console is
/// told; fails those of attempts that were not paid. Each if it is still at the version that it was
/// loaded at; answers which were. Locks them in order of (account, id).
pub async fn complete<C: ConnectionTrait>(
    transaction: &C,
    paid: &[(&Order, &Payment)],
    failures: &[Failure<'_>],
) -> Result<HashSet<OrderId>, StoreError> {
    let completed = paid.iter().map(|(order, payment)| Completion {
        account_id: &order.account,
        id: order.id,
        version: order.version,
        state: order.state_once_paid().name(),
        // Nothing was paid for an order of nothing (W-5).
        payment: Some(payment.encode_to_vec())
            .filter(|bytes| !bytes.is_empty())
            .map(|bytes| hexadecimal(&bytes)),
        outcome: None,
        reason: None,
        retry_time: None,
    });
    let failed = failures.iter().map(|one| Completion {
        account_id: &one.order.account,
        id: one.order.id,
        version: one.order.version,
        state: State::Failed.name(),
        payment: Some(hexadecimal(&one.payment.encode_to_vec())),
        outcome: Some(one.outcome.name()),
        reason: Some(&one.reason),
        retry_time: one.retry_time.map(values::micros),
    });
    let rows: Vec<_> = completed.chain(failed).collect();
    let statement = over(transaction, COMPLETE_SQLITE, COMPLETE_POSTGRES, &rows);
    let completed = Completed::find_by_statement(statement).all(transaction).await?;
    Ok(completed.into_iter().map(|row| OrderId(row.id)).collect())
}

/// `1` rows of account, order, version and reason.
const EXPIRE_SQLITE: &str = "\
UPDATE orders SET version = orders.version + 1, state = 'EXPIRED',
  ended_why = unhex(value ->> 'ended_why'), next_attempt_at = NULL, attempts = 0
FROM json_each(?1)
WHERE orders.account_id = value ->> 'account_id' AND orders.id = unhex(value ->> 'id', '-')
  AND orders.version = value ->> 'version'";

const EXPIRE_POSTGRES: &str = "\
UPDATE orders o SET version = o.version + 1, state = 'EXPIRED',
  ended_why = decode(r.ended_why, 'hex'), next_attempt_at = NULL, attempts = 0
FROM (SELECT * FROM jsonb_to_recordset($1::jsonb)
    AS r(account_id text, id uuid, version bigint, ended_why text)
  LIMIT jsonb_array_length($1::jsonb)) AS r
WHERE o.account_id = r.account_id AND o.id = r.id AND o.version = r.version";

#[derive(Debug, Serialize)]
struct Expiry<'o> {
    account_id: &'o AccountId,
    id: OrderId,
    version: i64,
    ended_why: Option<String>,
}

/// Ends orders that the transaction has locked, and that nobody has paid: each says why. No orders
/// are no statement.
pub async fn expire<C: ConnectionTrait>(
    transaction: &C,
    orders: &[Order],
) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    let rows = orders.iter().map(|order| Expiry {
        account_id: &order.account,
        id: order.id,
        version: order.version,
        ended_why: order.ended_why.as_ref().map(|why| hexadecimal(&why.encode_to_vec())),
    });
    let rows: Vec<_> = rows.collect();
    let statement = over(transaction, EXPIRE_SQLITE, EXPIRE_POSTGRES, &rows);
    transaction.execute_raw(statement).await?;
    Ok(())
}

/// The order of an attempt whose payment did not succeed.
#[derive(Debug)]
pub struct Failure<'o> {
    /// The order.
    pub order: &'o Order,
    /// What came of its payment.
    pub payment: &'o Payment,
    /// How the attempt was decided, if it was.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
    /// When it is tried again.
    pub retry_time: Option<DateTime<Utc>>,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text can always be written to");
        text
    })
}

fn over<C: ConnectionTrait>(
    connection: &C,
    sqlite: &'static str,
    postgres: &'static str,
    rows: &impl Serialize,
) -> Statement {
    let backend = backend_of(connection);
    let text = backend.pick(sqlite, postgres);
    Statement::from_sql_and_values(backend.dialect(), text, [values::to_json(rows).into()])
}
