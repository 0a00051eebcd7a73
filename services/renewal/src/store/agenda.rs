//! When the next thing comes up, of everything that sweeps look for. For the clock of a sandbox: it
//! reads all that waits.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};

use super::{StoreError, backend_of, values};

/// What comes up next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agenda {
    /// When something comes up for the first time; none: nothing does unless something changes.
    pub time: Option<DateTime<Utc>>,
    /// When something is tried again that could not be dealt with, which may have passed.
    pub retry_time: Option<DateTime<Utc>>,
}

/// `1` after when. Where a console or a receiver is left alone, what waits for it waits for that; of
/// letters, the first of each line counts: see [`webhooks::take`](super::webhooks::take).
const NEXT: &str = "\
SELECT MIN(CASE WHEN moment > $1 AND NOT again THEN moment END) AS first_time,
  MIN(CASE WHEN moment <= $1 OR again THEN moment END) AS retry_time
FROM (
  SELECT due_time AS moment, false AS again FROM instances WHERE due_time IS NOT NULL
  UNION ALL SELECT next_attempt_at, attempts > 0 FROM orders WHERE next_attempt_at IS NOT NULL
  UNION ALL SELECT {max}(d.next_attempt_at, COALESCE(c.retry_at, 0)), d.attempts > 0
    FROM deliveries d LEFT JOIN consoles c ON c.product_id = d.product_id
    WHERE d.next_attempt_at IS NOT NULL
  UNION ALL SELECT {max}(w.next_attempt, w.claimed_until, l.next_attempt), true
    FROM webhooks w JOIN webhook_letters l ON l.webhook_id = w.id
    WHERE l.dead_time IS NULL AND NOT EXISTS (
      SELECT 1 FROM webhook_letters h WHERE h.webhook_id = l.webhook_id AND h.line = l.line
        AND h.dead_time IS NULL AND h.place < l.place)
  UNION ALL SELECT {max}(next_attempt, claimed_until), true FROM webhooks
    WHERE failures > 0 AND NOT EXISTS (
      SELECT 1 FROM webhook_letters l WHERE l.webhook_id = webhooks.id AND l.dead_time IS NULL)
) AS agenda";

#[derive(Debug, FromQueryResult)]
struct Row {
    first_time: Option<i64>,
    retry_time: Option<i64>,
}

/// What comes up after `after`.
pub async fn next<C: ConnectionTrait>(
    connection: &C,
    after: DateTime<Utc>,
) -> Result<Agenda, StoreError> {
    let backend = backend_of(connection);
    let text = NEXT.replace("{max}", backend.pick("MAX", "GREATEST"));
    let after: Value = values::micros(after).into();
    let statement = Statement::from_sql_and_values(backend.dialect(), text, [after]);
    let row = Row::find_by_statement(statement).one(connection).await?;
    let (time, retry_time) = row.map_or((None, None), |row| (row.first_time, row.retry_time));
    Ok(Agenda {
        time: time.map(values::instant).transpose()?,
        retry_time: retry_time.map(values::instant).transpose()?,
    })
}
