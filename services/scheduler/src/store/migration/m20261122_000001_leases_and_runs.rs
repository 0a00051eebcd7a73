//! Who is at what, how runs went, and which schedules are paused.

use platform::database::sorted_by_bytes;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let kind = sorted_by_bytes(connection.get_database_backend(), string_len("kind", 64));
        for table in [leases(kind.clone()), runs(kind.clone()), paused(kind)] {
            manager.create_table(table).await?;
        }
        for statement in INDEXES {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

fn leases(kind: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("leases")
        .col(kind)
        .col(integer("shard"))
        .col(string_len("holder", 64))
        .col(big_integer("epoch"))
        .col(big_integer("until_us"))
        .col(big_integer("planned_us"))
        .col(big_integer("done_us").default(0))
        .col(big_integer("failed_us").default(0))
        .primary_key(Index::create().col("kind").col("shard"))
        .take()
}

fn runs(kind: ColumnDef) -> TableCreateStatement {
    let states = ["WAITING", "RUNNING", "DONE", "FAILED", "STOPPED", "ABANDONED"];
    let ended = Expr::col("state").is_not_in(["WAITING", "RUNNING"]);
    Table::create()
        .table("runs")
        .col(kind)
        .col(integer("shard"))
        .col(big_integer("planned_us"))
        .col(boolean("asked"))
        .col(string_len("state", 16).check(Expr::col("state").is_in(states)))
        .col(integer("attempts"))
        .col(string_len("holder", 64))
        .col(big_integer("epoch"))
        .col(big_integer_null("started_us"))
        .col(big_integer_null("ended_us"))
        .col(integer("shards"))
        .col(integer("shards_done").default(0))
        .col(big_integer("due").default(0))
        .col(big_integer("done").default(0))
        .col(text("failed").default("{}"))
        .col(text("error").default(""))
        .primary_key(Index::create().col("kind").col("shard").col("planned_us"))
        .check(Expr::col("ended_us").is_not_null().eq(ended))
        .take()
}

fn paused(kind: ColumnDef) -> TableCreateStatement {
    let mut kind = kind;
    Table::create()
        .table("paused_schedules")
        .col(kind.primary_key().take())
        .col(big_integer("paused_us"))
        .take()
}

const INDEXES: [&str; 3] = [
    // Lists of runs: of all schedules, and of one.
    "CREATE INDEX runs_by_time ON runs (planned_us, kind)",
    "CREATE INDEX runs_of_kind ON runs (kind, planned_us)",
    // What was asked for, and what was left behind.
    "CREATE INDEX runs_open ON runs (kind, shard) WHERE ended_us IS NULL",
];
