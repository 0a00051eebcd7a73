//! Schemas and who may change them: `serve` on SQLite, only `perennial migrate` on PostgreSQL.

use std::collections::HashSet;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr,
    sea_query::{Alias, Query},
};
use sea_orm_migration::{IntoSchemaManagerConnection, MigratorTrait, SchemaManager};

use super::{Backend, Database, retry};

/// Why a service cannot use its database's schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// There is no such database.
    #[error("there is no database at {0}")]
    Missing(String),
    /// It is older than the program.
    #[error("the schema lacks {0}: run `perennial migrate` first")]
    Behind(String),
    /// The database failed.
    #[error("the database failed while its schema was read or changed")]
    Database(#[from] DbErr),
}

/// Keeps the schema as new as the program.
///
/// A service's migrator names its own migration table (`migration_table_name`), so that several
/// services can share one PostgreSQL database.
impl Database {
    /// On SQLite, applies what is pending; on PostgreSQL, refuses a schema that is behind.
    pub async fn prepare<M: MigratorTrait>(&self) -> Result<(), SchemaError> {
        match self.backend() {
            Backend::Sqlite => self.migrate::<M>().await,
            Backend::Postgres => check::<M>(self).await,
        }
    }

    /// Applies what is pending, all of it or nothing, one process at a time.
    pub async fn migrate<M: MigratorTrait>(&self) -> Result<(), SchemaError> {
        if self.backend() == Backend::Postgres {
            self.make_lock_table().await?;
        }
        let transaction = self.begin_write().await?;
        if self.backend() == Backend::Postgres {
            lock(&transaction).await?;
        }
        // What is newer than this program knows, another one has applied: there is nothing to do.
        if !pending::<M, _>(&*transaction).await?.is_empty() {
            M::up(&*transaction, None).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Whoever collides with another process has waited until the table is there.
    async fn make_lock_table(&self) -> Result<(), DbErr> {
        let make = || self.writer().execute_unprepared(LOCK_TABLE);
        match retry(make).await {
            Err(error) if error.sql_err().is_some() => make().await?,
            done => done?,
        };
        Ok(())
    }
}

/// Refuses a schema that is behind. One that is ahead is fine: what a release takes away, the one
/// before it does not use any more, so that both may run while one replaces the other.
pub(super) async fn check<M: MigratorTrait>(database: &Database) -> Result<(), SchemaError> {
    let pending = pending::<M, _>(database.reader()).await?;
    pending.into_iter().next().map_or(Ok(()), |first| Err(SchemaError::Behind(first)))
}

/// What the program knows and the schema lacks, in order; only reads.
async fn pending<'c, M, C>(connection: &'c C) -> Result<Vec<String>, DbErr>
where
    M: MigratorTrait,
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let table = M::migration_table_name();
    let mut applied = HashSet::new();
    if SchemaManager::new(connection).has_table(table.to_string()).await? {
        let query = Query::select().column(Alias::new("version")).from(table).to_owned();
        for row in connection.query_all(&query).await? {
            applied.insert(row.try_get_by_index::<String>(0)?);
        }
    }
    let known = M::migrations();
    let names = known.iter().map(|migration| migration.name().to_owned());
    Ok(names.filter(|name| !applied.contains(name)).collect())
}

/// Two processes that make the same table at once collide in PostgreSQL's catalog; the row is
/// locked only once it is there.
const LOCK_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS perennial_migration_lock (id integer PRIMARY KEY);
    INSERT INTO perennial_migration_lock (id) VALUES (1) ON CONFLICT DO NOTHING;
";

async fn lock(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    for statement in [
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL lock_timeout = '60s'",
        "SELECT id FROM perennial_migration_lock WHERE id = 1 FOR UPDATE",
    ] {
        transaction.execute_unprepared(statement).await?;
    }
    Ok(())
}
