//! The schema of this service, version by version. A released migration is never edited.

mod m20261122_000001_wallets;

use outbox::OutboxTable;
use platform::database::MutationsTable;
use sea_orm_migration::{
    MigrationTrait, MigratorTrait, async_trait::async_trait, sea_orm::DynIden,
};

/// Brings the schema up to date.
#[derive(Debug)]
pub struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_wallets::Migration),
            Box::new(OutboxTable),
            Box::new(MutationsTable),
        ]
    }

    fn migration_table_name() -> DynIden {
        "wallet_migrations".into()
    }
}
