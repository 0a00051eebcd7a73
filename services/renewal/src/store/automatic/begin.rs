//! Orders of attempts: found again, and made room for.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::ids::OrderId;
use platform::database::hexadecimal;
use prost::Message as _;
use proto::renewal::v1::Refusal;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use super::{Versions, versions};
use crate::{
    domain::attempt::Outcome,
    store::{StoreError, over, statement, values},
};

/// `1` ids.
const KNOWN_SQLITE: &str = "\
SELECT o.id, o.version, o.pay_number, o.outcome FROM orders o
WHERE o.id IN (SELECT unhex(value, '-') FROM jsonb_each(?1))";

const KNOWN_POSTGRES: &str = "\
SELECT o.id, o.version, o.pay_number, o.outcome FROM orders o
JOIN (SELECT json_array_elements_text($1::json)::uuid AS id
  LIMIT (SELECT NULL::bigint)) w ON w.id = o.id";

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
    let statement = over(connection, KNOWN_SQLITE, KNOWN_POSTGRES, &ids);
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
WHERE id IN (SELECT unhex(value, '-') FROM jsonb_each(?1)) AND state = 'PENDING_PAYMENT'
RETURNING id";

const CANCEL_POSTGRES: &str = "\
WITH held AS (
  SELECT o.account_id, o.id FROM orders o
    JOIN (SELECT json_array_elements_text($1::json)::uuid AS id
      LIMIT (SELECT NULL::bigint)) w ON w.id = o.id
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
WHERE o.id IN (SELECT unhex(value, '-') FROM jsonb_each(?1))
  AND instances.account_id = o.account_id AND instances.id = item.value
  AND instances.open_order_id = o.id
RETURNING account_id, id, version";

const FREE_POSTGRES: &str = "\
WITH held AS (
  SELECT i.account_id, i.id FROM orders o
    JOIN (SELECT json_array_elements_text($1::json)::uuid AS id
      LIMIT (SELECT NULL::bigint)) w ON w.id = o.id
    CROSS JOIN LATERAL json_array_elements_text(o.instance_ids::json) AS item(id)
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
    let freed = versions(transaction, over(transaction, FREE_SQLITE, FREE_POSTGRES, &cancelled));
    Ok((cancelled, freed.await?))
}

#[derive(Debug, FromQueryResult)]
struct Cancelled {
    id: Uuid,
}
