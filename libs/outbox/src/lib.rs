//! Events that survive crashes: written in the transaction that makes them true, read in an order
//! in which none is lost.
//!
//! A cursor over a bare sequence loses events: numbers are given out when rows are inserted, but
//! rows are seen when their transactions commit, and a reader may pass over a number that commits
//! late. On PostgreSQL each row therefore stores its transaction, and readers take only rows of
//! transactions below the oldest one that still runs, ordered by transaction, then number. On
//! SQLite, which has one writer, the number is enough.
//!
//! Transactions are numbered by the server, so their numbers mean nothing on another one: where a
//! dump is restored, new transactions may have lower numbers than those in the rows. [`begin`] finds
//! that out when a service starts, and begins a new epoch, which stands before the transaction in
//! the order. A cursor names the event that its reader stands at, and not a number: it finds its
//! place again wherever the row is, and has expired where the row is not.
//!
//! **Invariant:** what a reader has been given never gets a predecessor afterwards.

#![warn(missing_docs)]

mod cursor;
mod migration;
mod sql;

use chrono::{DateTime, Utc};
use platform::database::{Backend, Database, MaybeTransient, Trouble, hexadecimal};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value, sea_query::ArrayType};
use uuid::Uuid;

use self::cursor::Cursor;
pub use self::{cursor::CursorExpired, migration::OutboxTable};

/// How many events one call looks at, whatever it wants of them.
const LOOK: u32 = 2_000;

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

impl MaybeTransient for ReadError {
    fn trouble(&self) -> Trouble {
        match self {
            Self::CursorExpired(_) => Trouble::Lasting,
            Self::Database(error) => error.trouble(),
        }
    }
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

/// Events that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub events: Vec<Event>,
    /// The cursor to go on from, behind all that was looked at.
    pub next: String,
    /// Whether there are events that were not looked at yet.
    pub more: bool,
}

/// Where an event stands.
#[derive(Debug, Clone, Default)]
struct Place {
    epoch: i32,
    transaction: String,
    sequence: i64,
}

/// Sees to it that what happens from now on comes after all that is there, also where that was
/// written by another PostgreSQL server. To be called by each service before it serves, and not
/// while another process serves from a database that has just been restored.
pub async fn begin(database: &Database) -> Result<(), DbErr> {
    if database.backend() == Backend::Postgres {
        let begun = database.writer().execute_unprepared(sql::BEGIN_EPOCH_POSTGRES).await?;
        if begun.rows_affected() > 0 {
            tracing::warn!("the events come from another server: a new epoch has begun");
        }
    }
    Ok(())
}

/// At most `limit` events (1 or more) that `filter` wants, in order, after `cursor` (the empty text:
/// from the oldest).
///
/// It looks at 2,000 events at the most, so there may be more where it found none. Events of
/// transactions that are still under way, and of those that began after them, come in a later call.
/// On PostgreSQL a long transaction anywhere on the server holds back what came after it, so a
/// reader that finds nothing asks again.
pub async fn list(
    database: &Database,
    filter: &Filter,
    cursor: &str,
    limit: u32,
) -> Result<Page, ReadError> {
    let backend = database.backend();
    let after = place_of(database, cursor).await?;
    let look = LOOK.max(limit);
    let mut values: Vec<Value> = vec![
        after.sequence.into(),
        filter.account.clone().unwrap_or_default().into(),
        i64::from(limit).into(),
        i64::from(look).into(),
    ];
    match backend {
        Backend::Sqlite => values.push(serde_json::json!(filter.kinds).to_string().into()),
        Backend::Postgres => {
            values.push(text_array(filter.kinds.iter().cloned()));
            values.extend([after.epoch.into(), after.transaction.into()]);
        }
    }
    let text = backend.pick(sql::LIST_SQLITE, sql::LIST_POSTGRES);
    let statement = Statement::from_sql_and_values(backend.dialect(), text, values);
    let mut rows = database.reader().query_all_raw(statement).await?;
    let Some(last) = rows.pop() else {
        return Ok(Page { events: Vec::new(), next: cursor.to_owned(), more: false });
    };
    let (last, looked) = (event(&last)?.id, last.try_get::<i64>("", "looked")?);
    let events: Vec<_> = rows.iter().map(event).collect::<Result<_, _>>()?;
    let full = events.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    // What was looked at behind the last that was wanted is looked at again.
    let at = events.last().filter(|_| full).map_or(last, |event| event.id);
    let more = at != last || looked >= i64::from(look);
    Ok(Page { events, next: cursor_at(at), more })
}

/// Where `cursor` stands; an empty one, before all events.
async fn place_of(database: &Database, cursor: &str) -> Result<Place, ReadError> {
    let Some(Cursor(event)) = Cursor::read(cursor)? else {
        return Ok(Place { transaction: "0".to_owned(), ..Place::default() });
    };
    let backend = database.backend();
    let text = backend.pick(sql::PLACE_SQLITE, sql::PLACE_POSTGRES);
    let values = [event.to_string().into()];
    let statement = Statement::from_sql_and_values(backend.dialect(), text, values);
    let row = database.reader().query_one_raw(statement).await?.ok_or(CursorExpired)?;
    Ok(Place {
        epoch: row.try_get("", "epoch")?,
        transaction: row.try_get("", "transaction_id")?,
        sequence: row.try_get("", "seq")?,
    })
}

/// Refuses a cursor that [`list`] would refuse.
pub async fn check(database: &Database, cursor: &str) -> Result<(), ReadError> {
    place_of(database, cursor).await.map(|_| ())
}

/// The cursor of a reader that has been given the event `id`, and all before it.
#[must_use]
pub fn cursor_at(id: Uuid) -> String {
    Cursor(id).issue()
}

/// The cursor of a reader that has been given everything that can be read now: what it is told from
/// there is what happens from now on, and what was under way. Empty where nothing has happened yet.
pub async fn newest(database: &Database) -> Result<String, DbErr> {
    let backend = database.backend();
    let text = backend.pick(sql::NEWEST_SQLITE, sql::NEWEST_POSTGRES);
    let statement = Statement::from_string(backend.dialect(), text);
    let row = database.reader().query_one_raw(statement).await?;
    Ok(row.map(|row| id(&row)).transpose()?.map(cursor_at).unwrap_or_default())
}

/// Forgets the oldest events, at most `limit`, that happened before `horizon`, but for the newest of
/// all, which every reader that has caught up stands at. Returns how many were forgotten.
pub async fn purge(database: &Database, horizon: DateTime<Utc>, limit: u32) -> Result<u64, DbErr> {
    let backend = database.backend();
    let text = backend.pick(sql::PURGE_SQLITE, sql::PURGE_POSTGRES);
    let values = [horizon.timestamp_micros().into(), i64::from(limit).into()];
    let statement = Statement::from_sql_and_values(backend.dialect(), text, values);
    Ok(database.writer().execute_raw(statement).await?.rows_affected())
}

fn rows_as_json(events: &[Event]) -> String {
    let rows = events.iter().map(|event| {
        let (micros, payload) = (event.time.timestamp_micros(), hexadecimal(&event.payload));
        (event.id.to_string(), &event.account, &event.kind, micros, payload)
    });
    serde_json::to_string(&rows.collect::<Vec<_>>()).expect("texts and numbers are JSON")
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

fn event(row: &QueryResult) -> Result<Event, DbErr> {
    let micros: i64 = row.try_get("", "created_us")?;
    Ok(Event {
        id: id(row)?,
        account: row.try_get("", "account")?,
        kind: row.try_get("", "kind")?,
        time: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
        payload: row.try_get("", "payload")?,
    })
}

fn id(row: &QueryResult) -> Result<Uuid, DbErr> {
    let id: String = row.try_get("", "id")?;
    id.parse().map_err(|_| DbErr::Type(format!("{id} is no event id")))
}

#[cfg(test)]
mod tests;
