//! Reading a database that must stay as it is.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, RuntimeErr,
    Statement,
    sqlx::{self, sqlite::SqliteConnectOptions},
};
use sea_orm_migration::MigratorTrait;

use super::{
    ACQUIRE_TIMEOUT, Backend, Database, DatabaseUrl, Durability, SQLITE_READERS, SchemaError,
    Write, limited, migrate, pool_of, postgres, usage,
};

impl Database {
    /// Connects to the database at `url` to read and to do nothing else, and refuses one that is
    /// not there or whose schema is behind. Makes no file and changes none, not even the two that
    /// SQLite keeps beside a database that is in use.
    pub async fn open_to_read<M: MigratorTrait>(url: &DatabaseUrl) -> Result<Self, SchemaError> {
        let options = match url.backend {
            Backend::Sqlite => sqlite(url)?,
            Backend::Postgres => postgres_reader(url),
        };
        let mut reader = connect(options, url).await?;
        let usage = usage::Counter::default();
        usage.watch(&mut reader);
        let database = Self { writer: reader.clone(), reader, backend: url.backend, usage };
        migrate::check::<M>(&database).await?;
        Ok(database)
    }
}

/// A SQLite database that nobody else can write to until this is dropped; whoever tries waits.
#[derive(Debug)]
pub struct Held {
    _transaction: Write,
}

/// Keeps everybody from writing to the SQLite database at `url`, once those who do have ended. Refuses a
/// database that is not there, and one on PostgreSQL.
pub async fn hold(url: &DatabaseUrl) -> Result<Held, SchemaError> {
    // Nothing may be made of what is not there.
    sqlite(url)?;
    let database = Database::connect(url, Durability::Full).await?;
    Ok(Held { _transaction: database.begin_write().await? })
}

/// Copies the SQLite database at `url` into the new file `to`, as of one instant, whatever happens to it
/// meanwhile. Refuses a database that is not there, and one on PostgreSQL.
pub async fn copy(url: &DatabaseUrl, to: &Path) -> Result<(), SchemaError> {
    let from = connect(sqlite(url)?, url).await?;
    let values = [to.display().to_string().into()];
    let copying = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?1", values);
    let copied = from.execute_raw(copying).await;
    from.close().await?;
    copied?;
    Ok(())
}

fn sqlite(url: &DatabaseUrl) -> Result<ConnectOptions, SchemaError> {
    let unreadable = |error| DbErr::Conn(RuntimeErr::SqlxError(std::sync::Arc::new(error)));
    let file = SqliteConnectOptions::from_str(&url.text).map_err(unreadable)?;
    let file = file.get_filename();
    if !file.is_file() {
        return Err(SchemaError::Missing(file.display().to_string()));
    }
    // Whoever has a database in use keeps a log beside it, which readers must see. Where there is
    // none, nothing changes, and looking at the file alone leaves no log behind.
    let in_use = beside(file, "-wal").exists();
    let mut options = pool_of(url, SQLITE_READERS);
    options.map_sqlx_sqlite_opts(move |options| {
        options
            .create_if_missing(false)
            .read_only(true)
            .immutable(!in_use)
            .busy_timeout(ACQUIRE_TIMEOUT)
    });
    Ok(options)
}

/// The file that is called like `file` with `ending` after it.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    name.into()
}

fn postgres_reader(url: &DatabaseUrl) -> ConnectOptions {
    let mut options = postgres(url);
    options.map_sqlx_postgres_opts(|options| {
        limited(options).options([("default_transaction_read_only", "on")])
    });
    options
}

async fn connect(
    options: ConnectOptions,
    url: &DatabaseUrl,
) -> Result<DatabaseConnection, SchemaError> {
    sea_orm::Database::connect(options).await.map_err(|error| {
        if is_missing(&error) {
            // Without what stands before the host: it may hold a password.
            let place = url.text.rsplit('@').next().unwrap_or_default();
            return SchemaError::Missing(place.to_owned());
        }
        error.into()
    })
}

/// Whether PostgreSQL says that it has no such database (3D000).
fn is_missing(error: &DbErr) -> bool {
    let DbErr::Conn(RuntimeErr::SqlxError(error)) = error else { return false };
    let sqlx::Error::Database(error) = &**error else { return false };
    error.code().as_deref() == Some("3D000")
}
