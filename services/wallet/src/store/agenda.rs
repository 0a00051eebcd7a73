//! When the next thing comes up, of everything that sweeps look for. For the clock of a sandbox: it
//! reads all that waits.

use chrono::{DateTime, Utc};
use sea_orm::{FromQueryResult, Statement, Value};

use super::{
    Store, StoreError,
    rows::{instant, micros},
};
use crate::domain::MAX_SKEW;

/// What comes up next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agenda {
    /// When something comes up; none: nothing does unless something changes.
    pub time: Option<DateTime<Utc>>,
    /// Since when something is due that has had its turn.
    pub retry_time: Option<DateTime<Utc>>,
}

/// `1` after when, `2` how long after their end vouchers are swept, in microseconds.
const NEXT: &str = "\
SELECT MIN(CASE WHEN moment > $1 THEN moment END) AS first_time,
  MIN(CASE WHEN moment <= $1 THEN moment END) AS retry_time
FROM (
  SELECT expires_us + $2 AS moment FROM vouchers WHERE NOT swept
  UNION ALL SELECT expires_us FROM payments WHERE state = 'PENDING'
  UNION ALL SELECT remind_us FROM refunds WHERE state = 'PENDING'
) AS agenda";

#[derive(Debug, FromQueryResult)]
struct Row {
    first_time: Option<i64>,
    retry_time: Option<i64>,
}

impl Store {
    /// What comes up after `after`.
    pub async fn next_due(&self, after: DateTime<Utc>) -> Result<Agenda, StoreError> {
        let later = MAX_SKEW.num_microseconds().unwrap_or_default();
        let values: [Value; 2] = [micros(after).into(), later.into()];
        let dialect = self.database.backend().dialect();
        let statement = Statement::from_sql_and_values(dialect, NEXT, values);
        let row = Row::find_by_statement(statement).one(self.database.reader()).await?;
        let (time, retry) = row.map_or((None, None), |row| (row.first_time, row.retry_time));
        Ok(Agenda {
            time: time.map(instant).transpose()?,
            retry_time: retry.map(instant).transpose()?,
        })
    }
}
