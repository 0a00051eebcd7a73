//! Steps in the lives of many instances, and the orders that end with them.

use kernel::ids::{AccountId, InstanceId};
use sea_orm::ConnectionTrait;
use serde::Serialize;

use crate::store::{StoreError, over};

/// What an instance is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// Whose it is.
    pub account_id: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// The version that it was locked at.
    pub version: i64,
    /// The version that it has from now on.
    pub next_version: i64,
    /// The state that is recorded.
    pub state: &'static str,
    /// It becomes postpaid, and its policy `MANUAL` (L-4).
    pub postpaid: bool,
    /// The order that held it has ended.
    pub free: bool,
    /// When it is due next, in microseconds.
    pub due_time: Option<i64>,
}

/// `1` rows.
const MOVE_SQLITE: &str = "\
UPDATE instances SET version = r.next_version, state = r.state, due_time = r.due_time,
  open_order_id = CASE WHEN r.free THEN NULL ELSE instances.open_order_id END,
  billing_mode = CASE WHEN r.postpaid THEN 'POSTPAID' ELSE instances.billing_mode END,
  paid_until = CASE WHEN r.postpaid THEN NULL ELSE instances.paid_until END,
  anchor = CASE WHEN r.postpaid THEN NULL ELSE instances.anchor END,
  policy = CASE WHEN r.postpaid THEN 'MANUAL' ELSE instances.policy END,
  auto_cycle = CASE WHEN r.postpaid THEN NULL ELSE instances.auto_cycle END,
  auto_remaining = CASE WHEN r.postpaid THEN NULL ELSE instances.auto_remaining END
FROM (SELECT value ->> 'account_id' AS account_id, value ->> 'id' AS id,
    value ->> 'version' AS version, value ->> 'next_version' AS next_version,
    value ->> 'state' AS state, value ->> 'postpaid' AS postpaid, value ->> 'free' AS free,
    value ->> 'due_time' AS due_time
  FROM jsonb_each(?1)) AS r
WHERE instances.account_id = r.account_id AND instances.id = r.id
  AND instances.version = r.version";

const MOVE_POSTGRES: &str = "\
UPDATE instances i SET version = r.next_version, state = r.state, due_time = r.due_time,
  open_order_id = CASE WHEN r.free THEN NULL ELSE i.open_order_id END,
  billing_mode = CASE WHEN r.postpaid THEN 'POSTPAID' ELSE i.billing_mode END,
  paid_until = CASE WHEN r.postpaid THEN NULL ELSE i.paid_until END,
  anchor = CASE WHEN r.postpaid THEN NULL ELSE i.anchor END,
  policy = CASE WHEN r.postpaid THEN 'MANUAL' ELSE i.policy END,
  auto_cycle = CASE WHEN r.postpaid THEN NULL ELSE i.auto_cycle END,
  auto_remaining = CASE WHEN r.postpaid THEN NULL ELSE i.auto_remaining END
FROM (SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id text, version bigint,
    next_version bigint, state text, postpaid boolean, free boolean, due_time bigint)
  LIMIT (SELECT NULL::bigint)) AS r
WHERE i.account_id = r.account_id AND i.id = r.id AND i.version = r.version";

/// Makes instances, all of which the transaction has locked, what they are from now on, and answers
/// how many there were. No rows are no statement.
pub async fn make<C: ConnectionTrait>(transaction: &C, moves: &[Move]) -> Result<u64, StoreError> {
    if moves.is_empty() {
        return Ok(0);
    }
    let statement = over(transaction, MOVE_SQLITE, MOVE_POSTGRES, &moves);
    Ok(transaction.execute_raw(statement).await?.rows_affected())
}
