//! The schema, version by version. A released migration is never edited.

mod m20261122_000001_catalogs_and_profiles;

use platform::database::MutationsTable;
use sea_orm_migration::{
    MigrationTrait, MigratorTrait, sea_orm::DynIden, sea_orm::sea_query::IntoIden as _,
};

/// Brings the schema of this service up to date.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261122_000001_catalogs_and_profiles::Migration), Box::new(MutationsTable)]
    }

    fn migration_table_name() -> DynIden {
        "catalog_migrations".into_iden()
    }
}
