//! How far events are published, and who is at it.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string, text},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("publications")
            .col(string("stream").primary_key())
            .col(text("position"))
            .col(big_integer("claim"))
            .col(big_integer("claimed_until"))
            .take();
        manager.create_table(table).await
    }
}
