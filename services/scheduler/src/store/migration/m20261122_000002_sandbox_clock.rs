//! How far the clock of a sandbox has come.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("sandbox_clock")
            .col(integer("id").primary_key().check(Expr::col("id").eq(1)))
            .col(big_integer("now_us"))
            .take();
        manager.create_table(table).await
    }
}
