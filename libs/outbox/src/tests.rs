use platform::database::{DatabaseUrl, Durability};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use super::*;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(OutboxTable)]
    }
}

/// The address of the PostgreSQL server of this test run; without one, those tests do nothing.
#[expect(clippy::disallowed_methods, reason = "the test runner's setup script names its server")]
fn server() -> Option<String> {
    std::env::var("PERENNIAL_TEST_POSTGRES").ok()
}

/// An empty outbox on each database there is.
async fn outboxes(name: &str, folder: &tempfile::TempDir) -> Vec<Database> {
    let file = format!("sqlite://{}/outbox.db", folder.path().display());
    let mut urls: Vec<DatabaseUrl> = vec![file.parse().unwrap()];
    if let Some(server) = server() {
        let admin: DatabaseUrl = server.parse().unwrap();
        let admin = Database::connect(&admin, Durability::Full).await.unwrap();
        let create = format!("CREATE DATABASE outbox_{name}_{}", std::process::id());
        admin.writer().execute_unprepared(&create).await.unwrap();
        let base = server.rsplit_once('/').unwrap().0;
        urls.push(format!("{base}/outbox_{name}_{}", std::process::id()).parse().unwrap());
    }
    let mut databases = Vec::new();
    for url in urls {
        let database = Database::connect(&url, Durability::Full).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        databases.push(database);
    }
    databases
}

fn event(number: u128, account: &str, kind: &str) -> Event {
    Event {
        id: Uuid::from_u128(number),
        account: account.to_owned(),
        kind: kind.to_owned(),
        time: DateTime::from_timestamp_micros(i64::try_from(number).unwrap()).unwrap(),
        payload: vec![0, 0xff, u8::try_from(number % 256).unwrap()],
    }
}

async fn add(database: &Database, events: &[Event]) {
    let transaction = database.begin_write().await.unwrap();
    insert(&transaction, database.backend(), events).await.unwrap();
    transaction.commit().await.unwrap();
}

/// The first `count` events after `cursor`, once they can be seen: transactions of other databases
/// of the same PostgreSQL server hold them back for a while.
async fn seen(database: &Database, cursor: &str, count: u32) -> (Vec<Event>, String) {
    loop {
        let (events, next) = list(database, &Filter::default(), cursor, count).await.unwrap();
        if events.len() == usize::try_from(count).unwrap() {
            return (events, next);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn events_come_back_as_they_were_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    for database in outboxes("order", &folder).await {
        let events: Vec<_> = (1..=5).map(|number| event(number, "acme", "order.paid")).collect();
        add(&database, &events[..3]).await;
        add(&database, &events[3..]).await;
        add(&database, &[]).await;

        let (first, cursor) = seen(&database, "", 2).await;
        let (rest, cursor) = seen(&database, &cursor, 3).await;
        let (none, same) = list(&database, &Filter::default(), &cursor, 9).await.unwrap();

        assert_eq!([first, rest].concat(), events);
        assert_eq!((none, same), (Vec::new(), cursor));
    }
}

#[tokio::test]
async fn readers_get_what_they_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for database in outboxes("filter", &folder).await {
        let mine = event(1, "acme", "order.paid");
        let events =
            [mine.clone(), event(2, "acme", "order.made"), event(3, "other", "order.paid")];
        add(&database, &events).await;

        seen(&database, "", 3).await;
        let filter =
            Filter { account: Some("acme".to_owned()), kinds: vec!["order.paid".to_owned()] };
        let (found, _) = list(&database, &filter, "", 9).await.unwrap();

        assert_eq!(found, [mine]);
    }
}

#[tokio::test]
async fn what_is_rolled_back_never_happened() {
    let folder = tempfile::tempdir().unwrap();
    for database in outboxes("rollback", &folder).await {
        let transaction = database.begin_write().await.unwrap();
        insert(&transaction, database.backend(), &[event(1, "a", "k")]).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(list(&database, &Filter::default(), "", 9).await.unwrap().0, []);
    }
}

#[tokio::test]
async fn an_event_that_commits_late_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    for database in outboxes("late", &folder).await {
        if database.backend() == Backend::Sqlite {
            continue; // There is one writer: nobody commits late.
        }
        let early = database.begin_write().await.unwrap();
        insert(&early, database.backend(), &[event(1, "a", "k")]).await.unwrap();
        add(&database, &[event(2, "a", "k")]).await;

        let (early_bird, cursor) = list(&database, &Filter::default(), "", 9).await.unwrap();
        assert_eq!(early_bird, [], "the second must wait for the first");
        early.commit().await.unwrap();

        assert_eq!(seen(&database, &cursor, 2).await.0, [event(1, "a", "k"), event(2, "a", "k")]);
    }
}

#[tokio::test]
async fn a_cursor_behind_what_is_kept_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    for database in outboxes("purge", &folder).await {
        add(&database, &[event(1, "a", "k"), event(2, "a", "k"), event(3, "a", "k")]).await;
        let (_, behind) = seen(&database, "", 1).await;
        let (_, caught_up) = seen(&database, "", 3).await;

        let forgotten = purge(&database, DateTime::<Utc>::MAX_UTC).await.unwrap();

        assert_eq!(forgotten, 2);
        let error = list(&database, &Filter::default(), &behind, 9).await.unwrap_err();
        assert!(matches!(error, ReadError::CursorExpired(_)));
        assert_eq!(list(&database, &Filter::default(), &caught_up, 9).await.unwrap().0, []);
    }
}

#[tokio::test]
async fn a_forged_cursor_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    for database in outboxes("forged", &folder).await {
        for forged in ["x", "MCAw", &"A".repeat(100)] {
            let error = list(&database, &Filter::default(), forged, 9).await.unwrap_err();
            assert!(matches!(error, ReadError::CursorExpired(_)));
        }
    }
}
