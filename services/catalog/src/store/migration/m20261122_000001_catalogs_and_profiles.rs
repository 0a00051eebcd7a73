//! Every version of every catalog, and the rules of products over time.

use platform::database::sorted_by_bytes;
use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string_len, text},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name| sorted_by_bytes(manager.get_database_backend(), string_len(name, 64));
        manager.create_table(catalog_versions(name("name"))).await?;
        manager.create_table(product_profiles(name("product_id"))).await
    }
}

fn catalog_versions(name: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("catalog_versions")
        .col(big_integer("version").primary_key().check(Expr::col("version").gt(0)))
        .col(name)
        .col(text("document"))
        .col(big_integer("applied_at"))
        .take()
}

fn product_profiles(product: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("product_profiles")
        .col(product)
        .col(big_integer("version"))
        .col(big_integer("effective_at"))
        .col(text("profile"))
        .primary_key(Index::create().col("product_id").col("version"))
        .take()
}
