//! Every version of every catalog, and the rules of products over time.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string_len, text},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(catalog_versions()).await?;
        manager.create_table(product_profiles()).await
    }
}

fn catalog_versions() -> TableCreateStatement {
    Table::create()
        .table("catalog_versions")
        .col(big_integer("version").primary_key().check(Expr::col("version").gt(0)))
        .col(string_len("name", 64))
        .col(text("document"))
        .col(big_integer("applied_at"))
        .take()
}

fn product_profiles() -> TableCreateStatement {
    Table::create()
        .table("product_profiles")
        .col(string_len("product_id", 64))
        .col(big_integer("version"))
        .col(big_integer("effective_at"))
        .col(text("profile"))
        .primary_key(Index::create().col("product_id").col("version"))
        .take()
}
