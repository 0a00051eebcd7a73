//! Many orders at once: those whose payments succeeded together, and those that end together.
//!
//! Each statement takes its rows as one JSON array, with bytes in hexadecimal.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, OrderId};
use platform::database::hexadecimal;
use prost::Message as _;
use proto::wallet::v1::Payment;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use uuid::Uuid;

use super::{Order, StoreError};
use crate::{
    domain::{attempt::Outcome, order::State},
    store::{over, values},
};

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
  FROM jsonb_each(?1)) AS r
WHERE orders.account_id = r.account_id AND orders.id = r.id AND orders.version = r.version
RETURNING id";

const COMPLETE_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json)
    AS r(account_id text, id uuid, version bigint, state text, payment text, outcome text,
      reason text, retry_time bigint)
  LIMIT (SELECT NULL::bigint)),
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
FROM jsonb_each(?1)
WHERE orders.account_id = value ->> 'account_id' AND orders.id = unhex(value ->> 'id', '-')
  AND orders.version = value ->> 'version'";

const EXPIRE_POSTGRES: &str = "\
UPDATE orders o SET version = o.version + 1, state = 'EXPIRED',
  ended_why = decode(r.ended_why, 'hex'), next_attempt_at = NULL, attempts = 0
FROM (SELECT * FROM json_to_recordset($1::json)
    AS r(account_id text, id uuid, version bigint, ended_why text)
  LIMIT (SELECT NULL::bigint)) AS r
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
