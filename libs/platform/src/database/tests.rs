use sea_orm::{ConnectionTrait as _, Statement};
use sea_orm_migration::{
    MigrationTrait, MigratorTrait,
    prelude::{DeriveMigrationName, SchemaManager, async_trait},
    sea_orm::DynIden,
};
use tonic::Code;

mod postgres;
mod reading;

use super::*;

fn url(folder: &tempfile::TempDir) -> DatabaseUrl {
    format!("sqlite://{}/test.db", folder.path().display()).parse().unwrap()
}

async fn database(folder: &tempfile::TempDir) -> Database {
    Database::connect(&url(folder), Durability::Full).await.unwrap()
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }

    fn migration_table_name() -> DynIden {
        "test_migrations".into()
    }
}

#[derive(DeriveMigrationName)]
struct First;

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("CREATE TABLE t (n integer)").await?;
        Ok(())
    }
}

#[test]
fn only_files_and_servers_are_databases() {
    for (text, backend) in [
        ("sqlite://data/wallet.db", Backend::Sqlite),
        ("sqlite:wallet.db?mode=rwc", Backend::Sqlite),
        ("postgres://u@h/wallet", Backend::Postgres),
        ("postgresql://u@h/wallet", Backend::Postgres),
    ] {
        assert_eq!(text.parse::<DatabaseUrl>().unwrap().backend(), backend);
    }
    for text in ["", "sqlite:", "sqlite::memory:", "sqlite://x?mode=memory", "mysql://h/x", "file"]
    {
        assert_eq!(text.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl), "{text}");
    }
}

#[tokio::test]
async fn sqlite_runs_with_the_settings_that_money_needs() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    for (pragma, expected) in [
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("wal_autocheckpoint", 4_000),
        ("cache_size", -8_000),
        ("temp_store", 2),
    ] {
        let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {pragma}"));
        let row = database.writer().query_one_raw(statement).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i32>(0).unwrap(), expected, "{pragma}");
    }
    let statement = Statement::from_string(DbBackend::Sqlite, "PRAGMA journal_mode");
    let row = database.reader().query_one_raw(statement).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "wal");
}

#[tokio::test]
async fn a_schema_is_prepared_once_and_again_without_harm() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let database = database(&folder).await;
        database.prepare::<Migrator>().await.unwrap();
        database.writer().execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
    }
}

#[tokio::test]
async fn readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    database.prepare::<Migrator>().await.unwrap();
    assert!(database.reader().execute_unprepared("INSERT INTO t VALUES (1)").await.is_err());
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    database.prepare::<Migrator>().await.unwrap();
    let transaction = database.begin_write().await.unwrap();
    transaction.execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
    drop(transaction);

    let transaction = database.begin_write().await.unwrap();
    transaction.execute_unprepared("INSERT INTO t VALUES (2)").await.unwrap();
    transaction.commit().await.unwrap();

    let statement = Statement::from_string(DbBackend::Sqlite, "SELECT sum(n) FROM t");
    let row = database.reader().query_one_raw(statement).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 2);
}

#[tokio::test]
async fn statements_and_transactions_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    database.prepare::<Migrator>().await.unwrap();
    let before = database.usage();

    let transaction = database.begin_write().await.unwrap();
    for _ in 0..3 {
        let statement = Statement::from_string(DbBackend::Sqlite, "INSERT INTO t VALUES (1)");
        transaction.execute_raw(statement).await.unwrap();
    }
    transaction.commit().await.unwrap();

    assert_eq!(database.usage() - before, Usage { statements: 3, transactions: 1 });
    assert!(process_usage().statements >= 3);
}

#[derive(Debug, PartialEq)]
struct Fails {
    of: Trouble,
}

impl MaybeTransient for Fails {
    fn trouble(&self) -> Trouble {
        self.of
    }
}

#[tokio::test]
async fn only_a_lost_race_is_run_again_and_not_for_ever() {
    for (of, attempts) in [
        (Trouble::LostRace, 5),
        (Trouble::Locked, 1),
        (Trouble::Unreachable, 1),
        (Trouble::Lasting, 1),
    ] {
        let mut made = 0;
        let result = retry(|| {
            made += 1;
            async move { Err::<(), _>(Fails { of }) }
        })
        .await;
        assert_eq!(result, Err(Fails { of }));
        assert_eq!(made, attempts);
    }
}

#[tokio::test]
async fn a_database_that_nobody_reaches_is_not_there_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    database.clone().close().await;
    let asked = database.reader().execute_unprepared("SELECT 1").await.unwrap_err();
    let begun = database.begin_write().await.unwrap_err();
    for error in [asked, begun] {
        assert_eq!(error.trouble(), Trouble::Unreachable, "{error:?}");
    }
    for (of, code, reason) in [
        (Trouble::LostRace, Code::Aborted, "BUSY"),
        (Trouble::Locked, Code::Aborted, "BUSY"),
        (Trouble::Unreachable, Code::Unavailable, "SERVICE_UNAVAILABLE"),
        (Trouble::Lasting, Code::Internal, "INTERNAL"),
    ] {
        assert_eq!((of.code(), of.reason()), (code, reason));
    }
}

#[tokio::test]
async fn a_constraint_that_fails_is_not_a_lost_race() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    let sql = "CREATE TABLE u (n integer PRIMARY KEY); INSERT INTO u VALUES (1)";
    database.writer().execute_unprepared(sql).await.unwrap();
    let error = database.writer().execute_unprepared("INSERT INTO u VALUES (1)").await.unwrap_err();
    assert_eq!(error.trouble(), Trouble::Lasting);
}

#[tokio::test]
async fn a_schema_that_is_ahead_serves_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    database.migrate::<Migrator>().await.unwrap();
    let newer = "INSERT INTO test_migrations (version, applied_at) VALUES ('m9999_later', 1)";
    database.writer().execute_unprepared(newer).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    migrate::check::<Migrator>(&database).await.unwrap();
}
