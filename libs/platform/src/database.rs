//! One database of one service, the same on SQLite and PostgreSQL.
//!
//! SQLite has one writer at a time, so there is one connection that writes and a pool that reads;
//! a write transaction takes the lock when it begins, because one that reads first and then wants
//! to write fails halfway. PostgreSQL has one pool, READ COMMITTED, and explicit row locks.

mod columns;
mod failure;
mod migrate;
mod reading;
mod retry;
mod usage;
mod write;

use std::{str::FromStr, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
    sqlx::{
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use tracing::Instrument as _;

pub use self::{
    columns::{hexadecimal, sorted_by_bytes},
    failure::StoreError,
    migrate::SchemaError,
    reading::{Held, copy, hold},
    retry::{MaybeTransient, Trouble, retry},
    usage::{Usage, process_usage},
    write::{MutationsTable, Write},
};

/// Connections of a process to one PostgreSQL database.
const POSTGRES_POOL: u32 = 8;

/// Connections that read one SQLite file.
const SQLITE_READERS: u32 = 4;

/// How long a statement may run on PostgreSQL.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a statement may wait for a row lock on PostgreSQL.
const LOCK_TIMEOUT: &str = "3s";

/// How long a transaction may do nothing on PostgreSQL before the server ends it, with its locks.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "30s";

/// How long to wait for a connection of a pool, or for SQLite's write lock.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded default: a file.
    Sqlite,
    /// The database for production.
    Postgres,
}

impl Backend {
    /// What ends a plain SQL query whose rows are to be locked until the transaction ends.
    /// SQLite needs nothing: its one write transaction locks everything. (Queries built by sea-orm
    /// say `lock_exclusive()`, which does the same.)
    #[must_use]
    pub const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// Like [`Backend::for_update`], but passes over rows that somebody else has locked.
    #[must_use]
    pub const fn for_update_skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Of two texts of one statement, the one for this database.
    #[must_use]
    pub const fn pick(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }

    /// The same, in sea-orm's words.
    #[must_use]
    pub const fn dialect(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
        }
    }
}

/// What a commit on SQLite survives; PostgreSQL is told by its own configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The power failing (`synchronous=FULL`): where money or terms are kept.
    Full,
    /// The process dying; the power failing may undo the last commits (`synchronous=NORMAL`).
    Normal,
}

/// Where a database is: `sqlite://path/of/file` or `postgres://user@host/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    text: String,
    backend: Backend,
}

/// The text is not the URL of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be sqlite://FILE or postgres://USER@HOST/NAME")]
pub struct InvalidDatabaseUrl;

impl DatabaseUrl {
    /// Which database it names.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// The URL as text; may hold a password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        let postgres = ["postgres://", "postgresql://"];
        if let Some(rest) = postgres.iter().find_map(|scheme| text.strip_prefix(scheme)) {
            let text = format!("postgres://{rest}");
            return Ok(Self { text, backend: Backend::Postgres });
        }
        // A database in memory would be another one for every connection.
        let file = text.strip_prefix("sqlite:").ok_or(InvalidDatabaseUrl)?;
        let path = file.strip_prefix("//").unwrap_or(file);
        if path.is_empty() || path.contains(":memory:") || path.contains("mode=memory") {
            return Err(InvalidDatabaseUrl);
        }
        Ok(Self { text: text.to_owned(), backend: Backend::Sqlite })
    }
}

/// A handle on one database. Cloning is cheap, and clones share their connections.
#[derive(Debug, Clone)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    backend: Backend,
    usage: usage::Counter,
}

impl Database {
    /// Connects to the database at `url`; on SQLite, makes the file if there is none.
    pub async fn connect(url: &DatabaseUrl, durability: Durability) -> Result<Self, DbErr> {
        let usage = usage::Counter::default();
        let backend = url.backend;
        let (mut writer, reader) = match backend {
            Backend::Sqlite => {
                let writer = sea_orm::Database::connect(sqlite_writer(url, durability)).await?;
                (writer, Some(sea_orm::Database::connect(sqlite_readers(url)).await?))
            }
            Backend::Postgres => (sea_orm::Database::connect(postgres(url)).await?, None),
        };
        usage.watch(&mut writer);
        let reader = match reader {
            Some(mut reader) => {
                usage.watch(&mut reader);
                reader
            }
            None => writer.clone(),
        };
        Ok(Self { writer, reader, backend, usage })
    }

    /// Which database it is.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// For queries outside a transaction. What it sees may be older than what a transaction that
    /// has not committed yet has written, and never locks.
    #[must_use]
    pub const fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For single statements that write, each of them its own transaction.
    #[must_use]
    pub const fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that may read and write. It is rolled back if it is dropped without
    /// a commit.
    ///
    /// On SQLite it is the only one until it ends (`BEGIN IMMEDIATE`): never call another service,
    /// or begin a second one, inside it.
    pub async fn begin_write(&self) -> Result<Write, DbErr> {
        self.usage.transaction();
        let mode = match self.backend {
            Backend::Sqlite => Some(SqliteTransactionMode::Immediate),
            Backend::Postgres => None,
        };
        let options = TransactionOptions { sqlite_transaction_mode: mode, ..Default::default() };
        begin(&self.writer, options).await.map(Write::new)
    }

    /// Begins a transaction whose queries all see one moment; it must not write.
    pub async fn begin_snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        let isolation_level = match self.backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(IsolationLevel::RepeatableRead),
        };
        let options = TransactionOptions { isolation_level, ..Default::default() };
        begin(&self.reader, options).await
    }

    /// Like [`Database::begin_snapshot`], for queries that read whole tables: the server plans them
    /// as it likes, and they may take their time.
    pub async fn begin_survey(&self) -> Result<DatabaseTransaction, DbErr> {
        let survey = self.begin_snapshot().await?;
        if self.backend == Backend::Postgres {
            survey.execute_unprepared(PLANNED_FOR_A_SURVEY).await?;
        }
        Ok(survey)
    }

    /// Closes its connections, once what they are at has ended; whoever asks from now on is refused. The
    /// last one that closes a SQLite file leaves nothing beside it.
    pub async fn close(self) {
        for connection in [self.reader, self.writer] {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a database could not be closed");
            }
        }
    }

    /// Its pools of connections: each once.
    pub(crate) fn connections(&self) -> impl Iterator<Item = &DatabaseConnection> {
        // On PostgreSQL readers and writers share one.
        let reader = (self.backend == Backend::Sqlite).then_some(&self.reader);
        std::iter::once(&self.writer).chain(reader)
    }

    /// What has been asked of this database so far, through this handle and its clones.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage.read()
    }
}

/// Begins a transaction in a task of its own. The driver counts a transaction only once the server has
/// answered: a caller that goes away before would leave a connection in one that nobody knows of, and
/// what is written through that connection next would not be committed.
async fn begin(
    connection: &DatabaseConnection,
    options: TransactionOptions,
) -> Result<DatabaseTransaction, DbErr> {
    let connection = connection.clone();
    let begun = async move { connection.begin_with_options(options).await };
    let begun = tokio::spawn(begun.in_current_span()).await;
    begun.map_err(|error| DbErr::Custom(error.to_string()))?
}

/// How much of a database SQLite's writer keeps in memory, in KiB below zero: what a page of a sweep
/// changes, which would else be written to the log before it is complete, and read from there again.
const WRITER_CACHE: &str = "-8000";

/// How many rows SQLite's threads hand over before they wait for who reads them: a page of a sweep.
const ROWS_AHEAD: usize = 1_024;

fn sqlite_writer(url: &DatabaseUrl, durability: Durability) -> ConnectOptions {
    let (synchronous, pages_before_checkpoint) = match durability {
        Durability::Full => (SqliteSynchronous::Full, "4000"),
        // Only a checkpoint brings what is written to the disk: not less often than by default.
        Durability::Normal => (SqliteSynchronous::Normal, "1000"),
    };
    let mut options = pool_of(url, 1);
    // A connection that idles out would take its prepared statements with it.
    options.min_connections(1).idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    options.map_sqlx_sqlite_opts(move |options| {
        wal(options)
            .create_if_missing(true)
            .synchronous(synchronous)
            // A sweep writes the same pages again and again, each of which is copied out of the log once.
            .pragma("wal_autocheckpoint", pages_before_checkpoint)
            .pragma("cache_size", WRITER_CACHE)
            // What a statement would put back if it failed, and what it sorts, is a file otherwise.
            .pragma("temp_store", "MEMORY")
    });
    options
}

fn sqlite_readers(url: &DatabaseUrl) -> ConnectOptions {
    let mut options = pool_of(url, SQLITE_READERS);
    options.map_sqlx_sqlite_opts(|options| wal(options).pragma("query_only", "ON"));
    options
}

fn wal(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(ACQUIRE_TIMEOUT)
        .foreign_keys(true)
        .row_buffer_size(ROWS_AHEAD)
}

fn postgres(url: &DatabaseUrl) -> ConnectOptions {
    let mut options = pool_of(url, POSTGRES_POOL);
    options
        .statement_timeout(STATEMENT_TIMEOUT)
        .set_application_name("perennial")
        .map_sqlx_postgres_opts(|options| limited(options).options(PLANNED_ONCE_BY_INDEX));
    options
}

fn limited(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("lock_timeout", LOCK_TIMEOUT),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
    ])
}

/// How statements of services are planned: once per connection, because all rows of a statement are
/// one parameter, a plan for its value is never better, and planning costs more than running; and by
/// index, because each has one, but a plan that was made while a table was small would go on reading
/// the whole of it until the server's statistics catch up.
const PLANNED_ONCE_BY_INDEX: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// As it is where nobody sets anything.
const PLANNED_FOR_A_SURVEY: &str = "
    SET LOCAL plan_cache_mode = auto;
    SET LOCAL enable_seqscan = on;
    SET LOCAL enable_hashjoin = on;
    SET LOCAL enable_mergejoin = on;
    SET LOCAL statement_timeout = '10min';
";

fn pool_of(url: &DatabaseUrl, size: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.text.clone());
    options
        .max_connections(size)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .sqlx_logging(false);
    options
}

#[cfg(test)]
mod tests;
