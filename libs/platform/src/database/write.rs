//! Who changed what, when: one row for each call from outside that changed something, written in the
//! transaction that made the first of its changes.
//!
//! **Invariant:** a change that a known caller asked for stands exactly if its row does.

use std::{ops::Deref, sync::Arc};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};
use sea_orm_migration::{prelude::*, schema::*};
use serde_json::json;

use crate::context::{self, Call};

/// The table of mutations, which each service has. Nothing in the suite reads it, so that it has no
/// index; it grows by a row for each call.
#[derive(Debug)]
pub struct MutationsTable;

impl MigrationName for MutationsTable {
    fn name(&self) -> &'static str {
        "m20261122_000009_mutations"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for MutationsTable {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(mutations()).await
    }
}

fn mutations() -> TableCreateStatement {
    Table::create()
        .table("mutations")
        .col(big_integer("time_us"))
        .col(text("caller"))
        .col(text("roles"))
        .col(text("method"))
        .col(text("account"))
        .col(text("request_id"))
        .take()
}

const NOTE_SQLITE: &str = "\
INSERT INTO mutations (time_us, caller, roles, method, account, request_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM jsonb_each(?1)";

const NOTE_POSTGRES: &str = "\
INSERT INTO mutations (time_us, caller, roles, method, account, request_id)
SELECT (value ->> 0)::bigint, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM json_array_elements($1::json)";

/// A transaction that may read and write. Dropped without a commit, it leaves nothing.
#[derive(Debug)]
pub struct Write(DatabaseTransaction);

impl Write {
    pub(super) const fn new(transaction: DatabaseTransaction) -> Self {
        Self(transaction)
    }

    /// Makes everything final, together with who asked for it.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.commit_with(context::calls()).await
    }

    /// The same where something was done for some of those who asked together, as `done` says of each: who
    /// was refused has changed nothing.
    pub async fn commit_for(self, done: &[bool]) -> Result<(), DbErr> {
        self.commit_with(context::calls_of(done)).await
    }

    async fn commit_with(self, mut calls: Vec<Arc<Call>>) -> Result<(), DbErr> {
        calls.retain(|call| !call.is_noted());
        if !calls.is_empty() {
            self.0.execute_raw(note(self.0.get_database_backend(), &calls)).await?;
        }
        self.0.commit().await?;
        // Not before: of what is rolled back, no row is left either.
        for call in calls {
            call.set_noted();
        }
        Ok(())
    }

    /// Undoes everything now, as dropping it does soon.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.0.rollback().await
    }
}

fn note(backend: DbBackend, calls: &[Arc<Call>]) -> Statement {
    let row = |call: &Arc<Call>| {
        let Call { caller, method, account, request, time, .. } = &**call;
        json!([
            time.timestamp_micros(),
            caller.subject(),
            caller.roles_as_text(),
            method,
            account,
            request
        ])
    };
    let rows: serde_json::Value = calls.iter().map(row).collect();
    let text = if backend == DbBackend::Postgres { NOTE_POSTGRES } else { NOTE_SQLITE };
    Statement::from_sql_and_values(backend, text, [rows.to_string().into()])
}

impl Deref for Write {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.0
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Write {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(statement).await
    }
}
