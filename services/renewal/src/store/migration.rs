//! The schema, version by version. A released migration is never edited.

mod m20261122_000001_accounts_instances_orders;
mod m20261122_000002_deliveries;
mod m20261122_000003_webhooks;
mod m20261122_000004_publications;

use platform::database::MutationsTable;
use sea_orm_migration::{
    MigrationTrait, MigratorTrait, sea_orm::DynIden, sea_orm::sea_query::IntoIden as _,
};

/// Brings the schema of this service up to date.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_accounts_instances_orders::Migration),
            Box::new(outbox::OutboxTable),
            Box::new(m20261122_000002_deliveries::Migration),
            Box::new(m20261122_000003_webhooks::Migration),
            Box::new(MutationsTable),
            Box::new(m20261122_000004_publications::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "renewal_migrations".into_iden()
    }
}

#[cfg(test)]
mod tests;
