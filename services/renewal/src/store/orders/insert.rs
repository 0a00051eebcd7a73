//! Adding orders: those that callers make, and those of attempts.

use platform::database::{Backend, hexadecimal};
use sea_orm::{ConnectionTrait, Value, sea_query::ArrayType};
use serde::Serialize;
use uuid::Uuid;

use super::{Order, StoreError, row};
use crate::store::{backend_of, statement, values};

/// The columns of an order, in the order in which both databases are given them.
macro_rules! insert_into {
    () => {
        "\
INSERT INTO orders (account_id, id, version, state, payable, currency, instance_ids, request_id,
  request_digest, snapshot, vouchers, payment_id, pay_number, payment_time, ended_why, create_time,
  expire_time, next_attempt_at, attempts, attempt_root, attempt_expiry, attempt_date,
  attempt_kind, outcome, outcome_reason, retry_time)
"
    };
}

/// `1` orders, followed by what becomes of those that there are.
macro_rules! insert_sqlite {
    ($then:expr) => {
        concat!(
            insert_into!(),
            "\
SELECT value ->> 'account_id', unhex(value ->> 'id', '-'), value ->> 'version', value ->> 'state',
  value ->> 'payable', value ->> 'currency', value ->> 'instance_ids',
  unhex(value ->> 'request_id', '-'), unhex(value ->> 'request_digest'),
  unhex(value ->> 'snapshot'), unhex(value ->> 'vouchers'), unhex(value ->> 'payment_id', '-'),
  value ->> 'pay_number', value ->> 'payment_time', unhex(value ->> 'ended_why'),
  value ->> 'create_time', value ->> 'expire_time', value ->> 'next_attempt_at', 0,
  value ->> 'attempt_root', value ->> 'attempt_expiry', value ->> 'attempt_date',
  value ->> 'attempt_kind', value ->> 'outcome', value ->> 'outcome_reason',
  value ->> 'retry_time'
FROM jsonb_each(?1) WHERE true
",
            $then
        )
    };
}

/// The snapshots (`2`), which are large, come as they are beside the other columns.
macro_rules! insert_postgres {
    ($then:expr) => {
        concat!(
            insert_into!(),
            "\
SELECT account_id, id, version, state, payable, currency, instance_ids, request_id,
  decode(request_digest, 'hex'), snapshot, decode(vouchers, 'hex'), payment_id, pay_number,
  payment_time, decode(ended_why, 'hex'), create_time, expire_time, next_attempt_at, 0,
  attempt_root, attempt_expiry, attempt_date, attempt_kind, outcome, outcome_reason, retry_time
FROM ROWS FROM (json_to_recordset($1::json) AS (account_id text, id uuid, version bigint,
    state text, payable bigint, currency text, instance_ids text, request_id uuid,
    request_digest text, vouchers text, payment_id uuid, pay_number integer, payment_time bigint,
    ended_why text, create_time bigint, expire_time bigint, next_attempt_at bigint,
    attempt_root text, attempt_expiry bigint, attempt_date text, attempt_kind integer,
    outcome text, outcome_reason text, retry_time bigint),
  unnest($2::bytea[])) AS r(account_id, id, version, state, payable, currency, instance_ids,
    request_id, request_digest, vouchers, payment_id, pay_number, payment_time, ended_why,
    create_time, expire_time, next_attempt_at, attempt_root, attempt_expiry, attempt_date,
    attempt_kind, outcome, outcome_reason, retry_time, snapshot)
",
            $then
        )
    };
}

/// An attempt that was called off without a decision is made again, under the same id.
macro_rules! once_more {
    () => {
        "\
ON CONFLICT (account_id, id) DO UPDATE SET version = excluded.version, state = excluded.state,
  payable = excluded.payable, currency = excluded.currency, instance_ids = excluded.instance_ids,
  snapshot = excluded.snapshot, vouchers = excluded.vouchers, payment = NULL,
  payment_id = excluded.payment_id, pay_number = excluded.pay_number,
  payment_time = excluded.payment_time, ended_why = excluded.ended_why,
  expire_time = excluded.expire_time, next_attempt_at = excluded.next_attempt_at, attempts = 0,
  outcome = excluded.outcome, outcome_reason = excluded.outcome_reason,
  retry_time = excluded.retry_time
WHERE orders.outcome = 'VOID' AND orders.version = excluded.version - 1"
    };
}

const ORDERED_SQLITE: &str = insert_sqlite!("ON CONFLICT DO NOTHING");
const ORDERED_POSTGRES: &str = insert_postgres!("ON CONFLICT DO NOTHING");
const ATTEMPTED_SQLITE: &str = insert_sqlite!(once_more!());
const ATTEMPTED_POSTGRES: &str = insert_postgres!(once_more!());

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

impl NewRow {
    /// The row of an order, and beside it its snapshot.
    fn of(order: &Order) -> (Self, Vec<u8>) {
        let row = row(order);
        let new = Self {
            account_id: row.account_id,
            id: row.id,
            version: row.version,
            state: row.state,
            payable: row.payable,
            currency: row.currency,
            instance_ids: row.instance_ids,
            request_id: row.request_id,
            request_digest: row.request_digest.as_deref().map(hexadecimal),
            snapshot: None,
            vouchers: row.vouchers.as_deref().map(hexadecimal),
            payment_id: row.payment_id,
            pay_number: row.pay_number,
            payment_time: row.payment_time,
            ended_why: row.ended_why.as_deref().map(hexadecimal),
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
}

/// Adds new orders, which also reserves their requests (O-3), and answers how many were added: a
/// request that has made an order before makes none. Waits for one that is under way.
pub async fn ordered<C: ConnectionTrait>(
    transaction: &C,
    orders: &[&Order],
) -> Result<usize, StoreError> {
    insert(transaction, ORDERED_SQLITE, ORDERED_POSTGRES, orders).await
}

/// Adds the orders of attempts, and answers whether all of them were new or stood there without a
/// decision. If not, the transaction must not be committed: one of them was decided before. No orders
/// are no statement.
pub async fn attempted<C: ConnectionTrait>(
    transaction: &C,
    orders: &[&Order],
) -> Result<bool, StoreError> {
    if orders.is_empty() {
        return Ok(true);
    }
    let added = insert(transaction, ATTEMPTED_SQLITE, ATTEMPTED_POSTGRES, orders).await?;
    Ok(added == orders.len())
}

async fn insert<C: ConnectionTrait>(
    transaction: &C,
    sqlite: &'static str,
    postgres: &'static str,
    orders: &[&Order],
) -> Result<usize, StoreError> {
    let (mut rows, snapshots): (Vec<_>, Vec<_>) =
        orders.iter().map(|order| NewRow::of(order)).unzip();
    let mut beside = Vec::new();
    match backend_of(transaction) {
        Backend::Sqlite => {
            for (row, snapshot) in rows.iter_mut().zip(&snapshots) {
                row.snapshot = Some(hexadecimal(snapshot));
            }
        }
        Backend::Postgres => {
            let snapshots = snapshots.into_iter().map(Value::from).collect();
            beside.push(Value::Array(ArrayType::Bytes, Some(Box::new(snapshots))));
        }
    }
    let parameters = std::iter::once(values::to_json(&rows).into()).chain(beside);
    let statement = statement(transaction, sqlite, postgres, parameters);
    let added = transaction.execute_raw(statement).await?.rows_affected();
    Ok(usize::try_from(added).unwrap_or(usize::MAX))
}
