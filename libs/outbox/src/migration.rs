//! The table.

use platform::database::Backend;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

use crate::sql;

/// Makes the table `outbox`. A service with events names it among its migrations.
#[derive(Debug)]
pub struct OutboxTable;

impl MigrationName for OutboxTable {
    fn name(&self) -> &'static str {
        "m20261122_000001_outbox"
    }
}

#[async_trait]
impl MigrationTrait for OutboxTable {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = match manager.get_database_backend() {
            DbBackend::Postgres => Backend::Postgres,
            _ => Backend::Sqlite,
        };
        let text = backend.pick(sql::CREATE_SQLITE, sql::CREATE_POSTGRES);
        manager.get_connection().execute_unprepared(text).await?;
        Ok(())
    }
}
