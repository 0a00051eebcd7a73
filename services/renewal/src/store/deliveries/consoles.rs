//! Consoles that do not answer: a row for each product whose console did not answer the last call.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::ids::ProductId;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};

use crate::store::{StoreError, backend_of, values};

/// A console that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// How often in a row.
    pub failures: i32,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it is tried again with one instance; none: it is still told as usual.
    pub retry_at: Option<DateTime<Utc>>,
    /// Somebody was alerted.
    pub alerted: bool,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    product_id: String,
    failures: i32,
    since: i64,
    retry_at: Option<i64>,
    alerted: bool,
}

const ALL: &str = "SELECT product_id, failures, since, retry_at, alerted FROM consoles";

/// The consoles that do not answer, by product.
pub async fn silent<C: ConnectionTrait>(
    connection: &C,
) -> Result<BTreeMap<String, Silence>, StoreError> {
    let statement = Statement::from_string(backend_of(connection).dialect(), ALL);
    let rows = Row::find_by_statement(statement).all(connection).await?;
    let read = |row: Row| {
        let silence = Silence {
            failures: row.failures,
            since: values::instant(row.since)?,
            retry_at: row.retry_at.map(values::instant).transpose()?,
            alerted: row.alerted,
        };
        Ok((row.product_id, silence))
    };
    rows.into_iter().map(read).collect()
}

/// `1` the product, `2` now, `3` when it is tried again after this.
const PROBE: &str = "\
UPDATE consoles SET retry_at = $3 WHERE product_id = $1 AND retry_at <= $2";

/// Whether the console, which was paused, is to be tried by the caller, and by nobody else until
/// `until`.
pub async fn probe<C: ConnectionTrait>(
    connection: &C,
    product: &ProductId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let values: [Value; 3] =
        [product.as_str().into(), values::micros(now).into(), values::micros(until).into()];
    let statement = Statement::from_sql_and_values(backend_of(connection).dialect(), PROBE, values);
    Ok(connection.execute_raw(statement).await?.rows_affected() == 1)
}

const FALL_SILENT: &str = "\
INSERT INTO consoles (product_id, failures, since, retry_at, alerted) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (product_id) DO UPDATE SET failures = excluded.failures, retry_at = excluded.retry_at,
  alerted = excluded.alerted";

/// Keeps that the console has not answered.
pub async fn fall_silent<C: ConnectionTrait>(
    connection: &C,
    product: &ProductId,
    silence: &Silence,
) -> Result<(), StoreError> {
    let values: [Value; 5] = [
        product.as_str().into(),
        silence.failures.into(),
        values::micros(silence.since).into(),
        silence.retry_at.map(values::micros).into(),
        silence.alerted.into(),
    ];
    let dialect = backend_of(connection).dialect();
    connection.execute_raw(Statement::from_sql_and_values(dialect, FALL_SILENT, values)).await?;
    Ok(())
}

/// The console has answered.
pub async fn answer<C: ConnectionTrait>(
    connection: &C,
    product: &ProductId,
) -> Result<(), StoreError> {
    let text = "DELETE FROM consoles WHERE product_id = $1";
    let dialect = backend_of(connection).dialect();
    let values: [Value; 1] = [product.as_str().into()];
    connection.execute_raw(Statement::from_sql_and_values(dialect, text, values)).await?;
    Ok(())
}
