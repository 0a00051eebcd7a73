//! Automatic renewals, a page of many accounts at a time: what is due, and what was decided. A fixed
//! text for each database and a constant number of statements, however large the page is.

pub mod begin;
pub mod caps;
pub mod page;
pub mod proof;

use std::collections::HashMap;

use kernel::ids::{AccountId, InstanceId, OrderId};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use serde::Serialize;

use super::{StoreError, over, statement, values};

/// What a sweep came to of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Whose it is.
    pub account_id: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// The order whose claim on it is dropped: it must hold it. None: `version` must match.
    pub order_id: Option<OrderId>,
    /// The version that this was decided on.
    pub version: i64,
    /// Whether its decisions are `decided` from now on.
    pub decides: bool,
    /// Its decisions, as their column holds them.
    pub decided: Option<String>,
    /// Whether it is due at `due_time` from now on.
    pub moves: bool,
    /// When it is due; none: never.
    pub due_time: Option<i64>,
}

/// `1` notes.
const NOTE_SQLITE: &str = "\
UPDATE instances SET
  version = instances.version + (r.order_id IS NOT NULL OR r.decides),
  open_order_id = CASE WHEN r.order_id IS NULL THEN instances.open_order_id END,
  decided = CASE WHEN r.decides THEN r.decided ELSE instances.decided END,
  due_time = CASE WHEN r.moves THEN r.due_time ELSE instances.due_time END
FROM (SELECT value ->> 'account_id' AS account_id, value ->> 'id' AS id,
    unhex(value ->> 'order_id', '-') AS order_id, value ->> 'version' AS version,
    value ->> 'decides' AS decides, value ->> 'decided' AS decided,
    value ->> 'moves' AS moves, value ->> 'due_time' AS due_time
  FROM jsonb_each(?1)) AS r
WHERE instances.account_id = r.account_id AND instances.id = r.id
  AND CASE WHEN r.order_id IS NULL THEN instances.version = r.version
    ELSE instances.open_order_id = r.order_id END
RETURNING account_id, id, version";

const NOTE_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, id text, order_id uuid,
    version bigint, decides boolean, decided text, moves boolean, due_time bigint)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT i.account_id, i.id, r.order_id, r.decides, r.decided, r.moves, r.due_time
  FROM instances i
    JOIN rows r ON r.account_id = i.account_id AND r.id = i.id
  WHERE CASE WHEN r.order_id IS NULL THEN i.version = r.version
    ELSE i.open_order_id = r.order_id END
  ORDER BY i.account_id, i.id FOR UPDATE OF i)
UPDATE instances i SET
  version = i.version + CASE WHEN r.order_id IS NOT NULL OR r.decides THEN 1 ELSE 0 END,
  open_order_id = CASE WHEN r.order_id IS NULL THEN i.open_order_id END,
  decided = CASE WHEN r.decides THEN r.decided ELSE i.decided END,
  due_time = CASE WHEN r.moves THEN r.due_time ELSE i.due_time END
FROM held r WHERE i.account_id = r.account_id AND i.id = r.id
RETURNING i.account_id, i.id, i.version";

/// Instances of many accounts with their versions, by account and id.
pub type Versions = HashMap<(String, String), i64>;

#[derive(Debug, FromQueryResult)]
struct Versioned {
    account_id: String,
    id: String,
    version: i64,
}

/// Writes what a sweep came to, of each instance that is still as it was decided on, and answers the
/// versions since. That something is due at another time makes no new version: nothing of the
/// instance has changed. No notes are no statement.
pub async fn note<C: ConnectionTrait>(
    transaction: &C,
    notes: &[Note],
) -> Result<Versions, StoreError> {
    if notes.is_empty() {
        return Ok(Versions::new());
    }
    versions(transaction, over(transaction, NOTE_SQLITE, NOTE_POSTGRES, &notes)).await
}

/// `1` accounts with the time, `2` now, `3` and `4` the first and last expiry of what may wait for
/// money.
const FUND_ACCOUNTS_SQLITE: &str = "\
UPDATE accounts SET money_at = MAX(COALESCE(money_at, 0), value ->> 'time')
FROM jsonb_each(?1) WHERE accounts.id = value ->> 'account_id'";

const FUND_ACCOUNTS_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text, time bigint)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT a.id, r.time FROM accounts a JOIN rows r ON r.account_id = a.id
  ORDER BY a.id FOR UPDATE OF a)
UPDATE accounts a SET money_at = GREATEST(COALESCE(a.money_at, 0), held.time)
FROM held WHERE a.id = held.id";

const WAKE_SQLITE: &str = "\
UPDATE instances SET due_time = MIN(due_time, ?2)
WHERE account_id IN (SELECT value ->> 'account_id' FROM jsonb_each(?1))
  AND policy = 'AUTO' AND decided IS NOT NULL AND due_time > ?2";

const WAKE_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(account_id text)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT i.account_id, i.id FROM instances i JOIN rows r ON r.account_id = i.account_id
  WHERE i.policy = 'AUTO' AND i.decided IS NOT NULL AND i.due_time > $2
  ORDER BY i.account_id, i.id FOR UPDATE OF i)
UPDATE instances i SET due_time = $2
FROM held WHERE i.account_id = held.account_id AND i.id = held.id";

/// Money that came to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Funding {
    /// Whose it is.
    pub account_id: AccountId,
    /// When it came, in microseconds.
    pub time: i64,
}

/// Notes when money last came to accounts, each named once, and has what was refused there be looked
/// at `now`.
pub async fn fund<C: ConnectionTrait>(
    transaction: &C,
    fundings: &[Funding],
    now: i64,
) -> Result<(), StoreError> {
    let rows: Value = values::to_json(&fundings).into();
    let accounts = [rows.clone()];
    let accounts = statement(transaction, FUND_ACCOUNTS_SQLITE, FUND_ACCOUNTS_POSTGRES, accounts);
    transaction.execute_raw(accounts).await?;
    let woken = statement(transaction, WAKE_SQLITE, WAKE_POSTGRES, [rows, now.into()]);
    transaction.execute_raw(woken).await?;
    Ok(())
}

async fn versions<C: ConnectionTrait>(
    transaction: &C,
    statement: Statement,
) -> Result<Versions, StoreError> {
    let rows = Versioned::find_by_statement(statement).all(transaction).await?;
    Ok(rows.into_iter().map(|row| ((row.account_id, row.id), row.version)).collect())
}
