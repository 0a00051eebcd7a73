//! What the service keeps: accounts, instances, terms, orders, quotes, request ids and events.
//!
//! Instants are whole microseconds since 1970 (both databases keep them exactly), amounts are
//! minor units. Queries are methods on a connection or transaction; whoever begins a transaction
//! also commits it. Locks are taken in one order: order, then instances by (account, id).

pub mod accounts;
pub mod agenda;
pub mod audit;
pub mod automatic;
pub mod backlog;
pub mod bulk;
pub mod cursors;
pub mod deliveries;
pub mod due;
pub mod entity;
pub mod events;
pub mod forecast;
pub mod instances;
mod migration;
pub mod orders;
pub mod publications;
pub mod quotes;
pub mod requests;
pub mod values;
pub mod versions;
pub mod webhooks;

use std::sync::Arc;

use platform::{
    database::{Backend, Database, MaybeTransient, Trouble, Write},
    together::Unanswered,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    QuerySelect as _, Select, Statement, Value,
};
use serde::Serialize;

pub use self::migration::Migrator;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the renewal database failed")]
    Database(#[from] DbErr),
    /// A row holds what this program cannot read.
    #[error("{0} cannot be read")]
    Unreadable(String),
    /// A request among those that are done together has made an order before.
    #[error("a request has made an order before")]
    Taken,
    /// The transaction failed that this shared with others.
    #[error(transparent)]
    Together(Arc<Self>),
    /// The transaction took too long or hit a bug; what it did is known by its ids.
    #[error("a transaction was left without an outcome")]
    NoOutcome,
}

impl From<Unanswered<Self>> for StoreError {
    fn from(unanswered: Unanswered<Self>) -> Self {
        match unanswered {
            Unanswered::Together(error) => Self::Together(error),
            Unanswered::NoOutcome => Self::NoOutcome,
        }
    }
}

impl MaybeTransient for StoreError {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Database(error) => error.trouble(),
            Self::Together(error) => error.trouble(),
            Self::NoOutcome => Trouble::LostRace,
            Self::Unreadable(_) | Self::Taken => Trouble::Lasting,
        }
    }
}

/// The service's database. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Keeps everything in `database`, whose schema is up to date.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// The database.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// For queries outside a transaction.
    #[must_use]
    pub const fn reader(&self) -> &DatabaseConnection {
        self.database.reader()
    }

    /// Begins a transaction that writes; see [`Database::begin_write`].
    pub async fn begin(&self) -> Result<Write, StoreError> {
        Ok(self.database.begin_write().await?)
    }

    /// Begins a transaction whose queries all see one moment; see [`Database::begin_snapshot`].
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        Ok(self.database.begin_snapshot().await?)
    }
}

/// Which database `connection` leads to.
pub fn backend_of<C: ConnectionTrait>(connection: &C) -> Backend {
    match connection.get_database_backend() {
        DbBackend::Postgres => Backend::Postgres,
        _ => Backend::Sqlite,
    }
}

/// A statement that each database has its own text of.
pub fn statement<C: ConnectionTrait>(
    connection: &C,
    sqlite: &'static str,
    postgres: &'static str,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    let backend = backend_of(connection);
    Statement::from_sql_and_values(backend.dialect(), backend.pick(sqlite, postgres), values)
}

/// Such a statement over rows, which are one parameter: the text is the same for one row and for a
/// thousand.
pub fn over<C: ConnectionTrait>(
    connection: &C,
    sqlite: &'static str,
    postgres: &'static str,
    rows: &impl Serialize,
) -> Statement {
    statement(connection, sqlite, postgres, [values::to_json(rows).into()])
}

/// `query`, with its rows locked until the transaction ends; SQLite's one writer needs no locks.
pub fn locked<C: ConnectionTrait, E: EntityTrait>(connection: &C, query: Select<E>) -> Select<E> {
    match backend_of(connection) {
        Backend::Postgres => query.lock_exclusive(),
        Backend::Sqlite => query,
    }
}
