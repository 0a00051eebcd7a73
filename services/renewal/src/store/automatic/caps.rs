//! How much of accounts was renewed by itself, and which of them wait.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::ids::AccountId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;

use crate::store::{StoreError, over, statement, values};

/// What is asked about an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Since {
    /// The account.
    pub account_id: AccountId,
    /// From this instant on, in microseconds.
    pub since: i64,
}

/// How much was renewed by itself, or is being paid for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Orders.
    pub orders: i64,
    /// Their sum, in minor units.
    pub amount: i64,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    account_id: String,
    orders: i64,
    amount: i64,
}

/// `1` accounts with their instants.
const USED_SQLITE: &str = "\
SELECT o.account_id, COUNT(*) AS orders, CAST(SUM(o.payable) AS INTEGER) AS amount
FROM jsonb_each(?1) AS r JOIN orders o ON o.account_id = r.value ->> 'account_id'
WHERE o.attempt_root IS NOT NULL AND o.create_time >= r.value ->> 'since'
  AND (o.outcome IS NULL OR o.outcome = 'RENEWED')
GROUP BY o.account_id";

const USED_POSTGRES: &str = "\
SELECT o.account_id, COUNT(*) AS orders, CAST(SUM(o.payable) AS bigint) AS amount
FROM (SELECT * FROM json_to_recordset($1::json) AS r(account_id text, since bigint)
  LIMIT (SELECT NULL::bigint)) r
JOIN orders o ON o.account_id = r.account_id
WHERE o.attempt_root IS NOT NULL AND o.create_time >= r.since
  AND (o.outcome IS NULL OR o.outcome = 'RENEWED')
GROUP BY o.account_id";

/// How much of accounts was renewed by itself since an instant of each.
pub async fn used<C: ConnectionTrait>(
    connection: &C,
    since: &[Since],
) -> Result<HashMap<String, Used>, StoreError> {
    let statement = over(connection, USED_SQLITE, USED_POSTGRES, &since);
    let rows = Row::find_by_statement(statement).all(connection).await?;
    let used = |row: Row| (row.account_id, Used { orders: row.orders, amount: row.amount });
    Ok(rows.into_iter().map(used).collect())
}

#[derive(Debug, Serialize)]
struct Parked<'a> {
    id: &'a AccountId,
    until: i64,
    why: &'a str,
}

/// `1` accounts.
const PARK_SQLITE: &str = "\
UPDATE accounts SET parked_until = value ->> 'until', parked_why = value ->> 'why'
FROM jsonb_each(?1) WHERE accounts.id = value ->> 'id'";

const PARK_POSTGRES: &str = "\
WITH rows AS (
  SELECT * FROM json_to_recordset($1::json) AS r(id text, until bigint, why text)
  LIMIT (SELECT NULL::bigint)),
held AS (
  SELECT a.id, r.until, r.why FROM accounts a JOIN rows r ON r.id = a.id
  ORDER BY a.id FOR UPDATE OF a)
UPDATE accounts a SET parked_until = held.until, parked_why = held.why
FROM held WHERE a.id = held.id";

/// Parks accounts until an instant, with why: until it has passed, nothing of them is renewed by
/// itself. No accounts are no statement.
pub async fn park<C: ConnectionTrait>(
    transaction: &C,
    parked: &[(&AccountId, DateTime<Utc>, &str)],
) -> Result<(), StoreError> {
    if parked.is_empty() {
        return Ok(());
    }
    let row = |&(id, until, why): &(&'_ AccountId, DateTime<Utc>, &'_ str)| {
        values::to_json(&Parked { id, until: values::micros(until), why })
    };
    let rows = format!("[{}]", parked.iter().map(row).collect::<Vec<_>>().join(","));
    let statement = statement(transaction, PARK_SQLITE, PARK_POSTGRES, [rows.into()]);
    transaction.execute_raw(statement).await?;
    Ok(())
}
