//! What consoles are to be told, what of orders waits for it, and which consoles do not answer.

use platform::database::sorted_by_bytes;
use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, boolean, integer, string, text_null, uuid},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for table in [deliveries, delivery_items, consoles] {
            let table = table(&|column| sorted_by_bytes(backend, column));
            manager.create_table(table).await?;
        }
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

/// Each names the query that needs it.
const INDEXES: [&str; 2] = [
    // DeliverDue: of each product what is due.
    "CREATE INDEX deliveries_due ON deliveries (product_id, next_attempt_at) \
     WHERE next_attempt_at IS NOT NULL",
    // DeliverDue: what waits for an instance.
    "CREATE INDEX delivery_items_pending ON delivery_items (account_id, instance_id) \
     WHERE state = 'PENDING'",
];

/// Makes a column one of ids: see [`sorted_by_bytes`].
type Ids<'b> = &'b dyn Fn(ColumnDef) -> ColumnDef;

fn deliveries(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("deliveries")
        .col(id(string("account_id")))
        .col(id(string("instance_id")))
        .col(id(string("product_id")))
        .col(big_integer("version"))
        .col(big_integer_null("since"))
        .col(integer("attempts"))
        .col(big_integer_null("next_attempt_at"))
        .col(boolean("alerted"))
        .col(text_null("error"))
        .primary_key(Index::create().col("account_id").col("instance_id"))
        .take()
}

fn delivery_items(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("delivery_items")
        .col(id(string("account_id")))
        .col(uuid("order_id"))
        .col(id(string("instance_id")))
        .col(big_integer("version"))
        .col(string("state"))
        .col(big_integer_null("end_time"))
        .primary_key(Index::create().col("account_id").col("order_id").col("instance_id"))
        .take()
}

fn consoles(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("consoles")
        .col(id(string("product_id")).primary_key())
        .col(integer("failures"))
        .col(big_integer("since"))
        .col(big_integer_null("retry_at"))
        .col(boolean("alerted"))
        .take()
}
