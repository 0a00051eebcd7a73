//! What waits, at a glance.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use super::{StoreError, backend_of, values};

/// Things of one sort in one state.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Waiting {
    /// `order`, `delivery` or `letter`.
    pub sort: String,
    /// The state that they are in.
    pub state: String,
    /// How many there are.
    pub count: i64,
    /// Since when the oldest of them is in it, in microseconds since 1970, where that is known.
    pub since: Option<i64>,
}

/// One text for both databases. An order is being paid since its payment instant.
const BACKLOG: &str = "\
SELECT 'order' AS sort, state, COUNT(*) AS count,
  MIN(CASE WHEN state = 'PAYING' THEN payment_time ELSE create_time END) AS since
FROM orders WHERE next_attempt_at IS NOT NULL GROUP BY state
UNION ALL
SELECT 'delivery', 'LATE', COUNT(*), MIN(since) FROM deliveries
WHERE next_attempt_at IS NOT NULL AND alerted
UNION ALL
SELECT 'letter', 'WAITING', COUNT(*), NULL FROM webhook_letters WHERE dead_time IS NULL
UNION ALL
SELECT 'letter', 'DEAD', COUNT(*), MIN(dead_time) FROM webhook_letters WHERE dead_time IS NOT NULL";

/// What waits.
pub async fn read<C: ConnectionTrait>(connection: &C) -> Result<Vec<Waiting>, StoreError> {
    let statement = Statement::from_string(backend_of(connection).dialect(), BACKLOG);
    Ok(Waiting::find_by_statement(statement).all(connection).await?)
}

impl Waiting {
    /// For how long the oldest of them waits at `now`, in seconds.
    #[must_use]
    pub fn seconds(&self, now: DateTime<Utc>) -> Option<f64> {
        let since = values::instant(self.since?).ok()?;
        Some((now - since).as_seconds_f64().max(0.0))
    }
}
