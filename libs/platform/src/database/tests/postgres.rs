//! What only PostgreSQL does: who may change the schema, and lost races.

use sea_orm::ConnectionTrait as _;

use super::{Migrator, *};
use crate::testing::server;

/// An empty database on the server of this test run, at the URL.
async fn empty(name: &str) -> Option<DatabaseUrl> {
    let server = server()?;
    let admin = Database::connect(&server.parse().unwrap(), Durability::Full).await.unwrap();
    let name = format!("platform_{name}_{}", std::process::id());
    admin.writer().execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    Some(beside(&server, &name))
}

/// The URL of the database `name` on `server`.
fn beside(server: &str, name: &str) -> DatabaseUrl {
    format!("{}/{name}", server.rsplit_once('/').unwrap().0).parse().unwrap()
}

async fn database(name: &str) -> Option<Database> {
    let url = empty(name).await?;
    Some(Database::connect(&url, Durability::Full).await.unwrap())
}

#[tokio::test]
async fn a_database_is_only_read_if_it_is_there_and_as_new_as_the_program() {
    let Some(server) = server() else { return };
    let missing = beside(&server, "platform_no_such");
    let refused = Database::open_to_read::<Migrator>(&missing).await.unwrap_err();
    assert!(matches!(&refused, SchemaError::Missing(_)), "{refused:?}");

    let url = empty("reading").await.unwrap();
    let refused = Database::open_to_read::<Migrator>(&url).await.unwrap_err();
    assert!(matches!(&refused, SchemaError::Behind(_)), "{refused:?}");

    let database = Database::connect(&url, Durability::Full).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    let reading = Database::open_to_read::<Migrator>(&url).await.unwrap();
    reading.reader().execute_unprepared("SELECT * FROM t").await.unwrap();
    let refused = reading.writer().execute_unprepared("INSERT INTO t VALUES (1)").await;
    assert!(refused.unwrap_err().to_string().contains("read-only"));
}

#[tokio::test]
async fn a_schema_that_is_behind_is_refused_until_it_is_migrated() {
    let Some(database) = database("behind").await else { return };
    let refused = database.prepare::<Migrator>().await.unwrap_err();
    assert!(matches!(&refused, SchemaError::Behind(_)), "{refused}");
    assert!(database.reader().execute_unprepared("SELECT * FROM t").await.is_err());

    database.migrate::<Migrator>().await.unwrap();
    database.prepare::<Migrator>().await.unwrap();
}

#[tokio::test]
async fn processes_that_migrate_at_once_take_turns() {
    let Some(database) = database("turns").await else { return };
    let migrations = (0..4).map(|_| database.migrate::<Migrator>());
    for migrated in futures::future::join_all(migrations).await {
        migrated.unwrap();
    }
}

#[tokio::test]
async fn limits_hold_for_every_connection() {
    let Some(database) = database("limits").await else { return };
    for (setting, expected) in [
        ("statement_timeout", "10s"),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "30s"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("transaction_isolation", "read committed"),
    ] {
        let query = Statement::from_string(DbBackend::Postgres, format!("SHOW {setting}"));
        let row = database.reader().query_one_raw(query).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), expected, "{setting}");
    }
}

#[tokio::test]
async fn a_survey_is_planned_as_the_server_likes() {
    let Some(database) = database("survey").await else { return };
    for (in_survey, expected) in [(true, "on"), (false, "off")] {
        let begun =
            if in_survey { database.begin_survey().await } else { database.begin_snapshot().await };
        let transaction = begun.unwrap();
        let query = Statement::from_string(DbBackend::Postgres, "SHOW enable_seqscan");
        let row = transaction.query_one_raw(query).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), expected);
    }
}

#[tokio::test]
async fn two_that_lock_in_opposite_orders_both_get_done() {
    let Some(database) = database("deadlock").await else { return };
    database.migrate::<Migrator>().await.unwrap();
    let sql = "INSERT INTO t VALUES (1), (2)";
    database.writer().execute_unprepared(sql).await.unwrap();
    let in_order = |first: i32, second: i32| {
        let database = database.clone();
        async move {
            retry(|| async {
                let transaction = database.begin_write().await?;
                for n in [first, second] {
                    let sql = format!("UPDATE t SET n = n WHERE n = {n}");
                    transaction.execute_unprepared(&sql).await?;
                    tokio::task::yield_now().await;
                }
                transaction.commit().await
            })
            .await
        }
    };
    for _ in 0..20 {
        let (one, other) = tokio::join!(in_order(1, 2), in_order(2, 1));
        one.unwrap();
        other.unwrap();
    }
}

#[tokio::test]
async fn a_snapshot_sees_one_moment() {
    let Some(database) = database("snapshot").await else { return };
    database.migrate::<Migrator>().await.unwrap();
    let count = || Statement::from_string(DbBackend::Postgres, "SELECT count(*) FROM t");
    let snapshot = database.begin_snapshot().await.unwrap();
    for _ in 0..2 {
        let row = snapshot.query_one_raw(count()).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 0);
        database.writer().execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
    }
}

/// Whoever asked may go away at any moment.
#[tokio::test]
async fn a_transaction_that_nobody_waits_for_is_not_left_open() {
    let Some(url) = empty("left").await else { return };
    let database = Database::connect(&url, Durability::Full).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    for round in 0..64 {
        let mut begun = Box::pin(database.begin_write());
        for _ in 0..round % 8 {
            if futures::poll!(&mut begun).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..32 {
        database.writer().execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
    }
    let another = Database::connect(&url, Durability::Full).await.unwrap();
    let count = Statement::from_string(another.backend().dialect(), "SELECT count(*) FROM t");
    let row = another.reader().query_one_raw(count).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 32, "all of it is there for others");
}
