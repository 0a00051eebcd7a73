//! Events that survive crashes: written in the transaction that makes them true, read in an order
//! in which none is lost.
//!
//! A cursor over a bare sequence loses events: numbers are given out when rows are inserted, but
//! rows are seen when their transactions commit, and a reader may pass over a number that commits
//! late. On PostgreSQL each row therefore stores its transaction, and readers take only rows of
//! transactions below the oldest one that still runs, ordered by transaction, then number. On
//! SQLite, which has one writer, the number is enough.
//!
//! **Invariant:** what a reader has been given never gets a predecessor afterwards.

#![warn(missing_docs)]

mod cursor;
mod migration;
mod sql;

use chrono::{DateTime, Utc};
use platform::database::{Backend, Database};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value, sea_query::ArrayType};
use uuid::Uuid;

pub use self::{
    cursor::{Cursor, CursorExpired},
    migration::OutboxTable,
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event is always told under this id.
    pub id: Uuid,
    /// Whose it is.
    pub account: String,
    /// What happened, such as `instance.renewed`.
    pub kind: String,
    /// When, in whole microseconds.
    pub time: DateTime<Utc>,
    /// The rest, as the service writes it; at most about 300 bytes.
    pub payload: Vec<u8>,
}

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only this account's; none: everybody's.
    pub account: Option<String>,
    /// Only these kinds; empty: all.
    pub kinds: Vec<String>,
}

/// Why events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The cursor is forged, or older than what is kept.
    #[error(transparent)]
    CursorExpired(#[from] CursorExpired),
    /// The database failed.
    #[error("the outbox could not be read")]
    Database(#[from] DbErr),
}

/// Adds `events`, in this order, in one statement; none is no statement. `connection` is the
/// transaction that makes them true.
pub async fn insert(
    connection: &impl ConnectionTrait,
    backend: Backend,
    events: &[Event],
) -> Result<(), DbErr> {
    if events.is_empty() {
        return Ok(());
    }
    let values = match backend {
        Backend::Sqlite => vec![rows_as_json(events).into()],
        Backend::Postgres => rows_as_arrays(events),
    };
    let text = backend.pick(sql::INSERT_SQLITE, sql::INSERT_POSTGRES);
    let statement = Statement::from_sql_and_values(backend.dialect(), text, values);
    connection.execute_raw(statement).await?;
    Ok(())
}

/// At most `limit` events that `filter` wants, in order, after `cursor` (the empty text: from the
/// oldest), and the cursor to go on from.
///
/// Events of transactions that are still under way, and of those that began after them, come in a
/// later call. On PostgreSQL a long transaction anywhere on the server holds back what came after
/// it, so a reader that finds nothing asks again.
pub async fn list(
    database: &Database,
    filter: &Filter,
    cursor: &str,
    limit: u32,
) -> Result<(Vec<Event>, String), ReadError> {
    let backend = database.backend();
    let after = Cursor::read(cursor)?;
    if let Some(after) = after {
        let known = Statement::from_sql_and_values(
            backend.dialect(),
            backend.pick(sql::KNOWN_SQLITE, sql::KNOWN_POSTGRES),
            [after.sequence.into()],
        );
        if database.reader().query_one_raw(known).await?.is_none() {
            return Err(CursorExpired.into());
        }
    }
    let after = after.unwrap_or_default();
    let mut values: Vec<Value> = vec![
        after.sequence.into(),
        filter.account.clone().unwrap_or_default().into(),
        i64::from(limit).into(),
    ];
    match backend {
        Backend::Sqlite => values.push(serde_json::json!(filter.kinds).to_string().into()),
        Backend::Postgres => {
            values.push(text_array(filter.kinds.iter().cloned()));
            values.push(after.transaction.to_string().into());
        }
    }
    let text = backend.pick(sql::LIST_SQLITE, sql::LIST_POSTGRES);
    let statement = Statement::from_sql_and_values(backend.dialect(), text, values);
    let rows = database.reader().query_all_raw(statement).await?;
    let next = match rows.last() {
        None => cursor.to_owned(),
        Some(last) => position(last)?.issue(),
    };
    Ok((rows.iter().map(event).collect::<Result<_, _>>()?, next))
}

/// Forgets what happened before `horizon`, but for the newest event, which every reader that has
/// caught up stands at. Returns how many were forgotten.
pub async fn purge(database: &Database, horizon: DateTime<Utc>) -> Result<u64, DbErr> {
    let backend = database.backend();
    let text = backend.pick(sql::PURGE_SQLITE, sql::PURGE_POSTGRES);
    let values = [horizon.timestamp_micros().into()];
    let statement = Statement::from_sql_and_values(backend.dialect(), text, values);
    Ok(database.writer().execute_raw(statement).await?.rows_affected())
}

fn rows_as_json(events: &[Event]) -> String {
    let row = |event: &Event| {
        serde_json::json!([
            event.id.to_string(),
            event.account,
            event.kind,
            event.time.timestamp_micros(),
            hex(&event.payload),
        ])
    };
    serde_json::Value::Array(events.iter().map(row).collect()).to_string()
}

fn rows_as_arrays(events: &[Event]) -> Vec<Value> {
    let times = events.iter().map(|event| event.time.timestamp_micros().into()).collect();
    let payloads = events.iter().map(|event| event.payload.clone().into()).collect();
    vec![
        text_array(events.iter().map(|event| event.id.to_string())),
        text_array(events.iter().map(|event| event.account.clone())),
        text_array(events.iter().map(|event| event.kind.clone())),
        Value::Array(ArrayType::BigInt, Some(Box::new(times))),
        Value::Array(ArrayType::Bytes, Some(Box::new(payloads))),
    ]
}

fn text_array(items: impl Iterator<Item = String>) -> Value {
    Value::Array(ArrayType::String, Some(Box::new(items.map(Value::from).collect())))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text can always be written to");
        text
    })
}

fn event(row: &QueryResult) -> Result<Event, DbErr> {
    let id: String = row.try_get("", "id")?;
    let micros: i64 = row.try_get("", "created_us")?;
    Ok(Event {
        id: id.parse().map_err(|_| DbErr::Type(format!("{id} is no event id")))?,
        account: row.try_get("", "account")?,
        kind: row.try_get("", "kind")?,
        time: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
        payload: row.try_get("", "payload")?,
    })
}

fn position(row: &QueryResult) -> Result<Cursor, DbErr> {
    let transaction: String = row.try_get("", "transaction_id")?;
    Ok(Cursor {
        transaction: transaction
            .parse()
            .map_err(|_| DbErr::Type(format!("{transaction} is no transaction id")))?,
        sequence: row.try_get("", "seq")?,
    })
}

#[cfg(test)]
mod tests;
