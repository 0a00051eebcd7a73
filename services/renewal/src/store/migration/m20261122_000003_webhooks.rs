//! Who is told by webhook, and what could not be told yet.

use platform::database::sorted_by_bytes;
use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, binary, integer, string, text, uuid},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let account = sorted_by_bytes(manager.get_database_backend(), string("account_id").take());
        manager.create_table(webhooks(account)).await?;
        manager.create_table(letters()).await?;
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

/// Each names the query that needs it.
const INDEXES: [&str; 2] = [
    // DeliverWebhooks: what waits of each line, in order.
    "CREATE INDEX webhook_letters_waiting ON webhook_letters (webhook_id, line, place) \
     WHERE dead_time IS NULL",
    // ListDeadLetters: in order.
    "CREATE INDEX webhook_letters_dead ON webhook_letters (webhook_id, place) \
     WHERE dead_time IS NOT NULL",
];

fn webhooks(account: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("webhooks")
        .col(uuid("id").primary_key())
        .col(account)
        .col(text("url"))
        .col(text("types"))
        .col(binary("digest"))
        .col(text("secrets"))
        .col(text("position"))
        .col(integer("failures"))
        .col(text("error"))
        .col(big_integer("next_attempt"))
        .col(big_integer("claim"))
        .col(big_integer("claimed_until"))
        .col(big_integer("next_place"))
        .col(big_integer_null("last_success"))
        .col(big_integer("create_time"))
        .take()
}

fn letters() -> TableCreateStatement {
    Table::create()
        .table("webhook_letters")
        .col(uuid("webhook_id"))
        .col(uuid("event_id"))
        .col(big_integer("place"))
        .col(string("line"))
        .col(binary("event"))
        .col(integer("attempts"))
        .col(big_integer_null("first_attempt"))
        .col(big_integer("next_attempt"))
        .col(text("error"))
        .col(big_integer_null("dead_time"))
        .primary_key(Index::create().col("webhook_id").col("event_id"))
        .take()
}
