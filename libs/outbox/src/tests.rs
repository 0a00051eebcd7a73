use sea_orm_migration::{MigrationTrait, MigratorTrait};

use super::*;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(OutboxTable)]
    }
}

/// An empty outbox on each database there is, and the folder that they live in.
async fn outboxes(name: &str) -> (Vec<Database>, tempfile::TempDir) {
    platform::testing::databases::<Migrator>(&format!("outbox_{name}")).await
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
        let page = list(database, &Filter::default(), cursor, count).await.unwrap();
        if page.events.len() == usize::try_from(count).unwrap() {
            return (page.events, page.next);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn events_come_back_as_they_were_in_their_order() {
    let (databases, _folder) = outboxes("order").await;
    for database in databases {
        let events: Vec<_> = (1..=5).map(|number| event(number, "acme", "order.paid")).collect();
        add(&database, &events[..3]).await;
        add(&database, &events[3..]).await;
        add(&database, &[]).await;

        let (first, cursor) = seen(&database, "", 2).await;
        let (rest, cursor) = seen(&database, &cursor, 3).await;
        let none = list(&database, &Filter::default(), &cursor, 9).await.unwrap();

        assert_eq!([first, rest].concat(), events);
        assert_eq!(none, Page { events: Vec::new(), next: cursor.clone(), more: false });
        assert_eq!(newest(&database).await.unwrap(), cursor);
    }
}

#[tokio::test]
async fn readers_get_what_they_asked_for() {
    let (databases, _folder) = outboxes("filter").await;
    for database in databases {
        let mine = event(1, "acme", "order.paid");
        let events =
            [mine.clone(), event(2, "acme", "order.made"), event(3, "other", "order.paid")];
        add(&database, &events).await;

        seen(&database, "", 3).await;
        let filter =
            Filter { account: Some("acme".to_owned()), kinds: vec!["order.paid".to_owned()] };
        let found = list(&database, &filter, "", 9).await.unwrap();

        assert_eq!(found.events, [mine]);
        assert_eq!(found.next, cursor_at(Uuid::from_u128(3)), "what is not wanted is passed over");
    }
}

#[tokio::test]
async fn what_is_rolled_back_never_happened() {
    let (databases, _folder) = outboxes("rollback").await;
    for database in databases {
        let transaction = database.begin_write().await.unwrap();
        insert(&transaction, database.backend(), &[event(1, "a", "k")]).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(list(&database, &Filter::default(), "", 9).await.unwrap().events, []);
    }
}

#[tokio::test]
async fn an_event_that_commits_late_is_not_passed_over() {
    let (databases, _folder) = outboxes("late").await;
    for database in databases {
        if database.backend() == Backend::Sqlite {
            continue; // There is one writer: nobody commits late.
        }
        let early = database.begin_write().await.unwrap();
        insert(&early, database.backend(), &[event(1, "a", "k")]).await.unwrap();
        add(&database, &[event(2, "a", "k")]).await;

        let early_bird = list(&database, &Filter::default(), "", 9).await.unwrap();
        assert_eq!(early_bird.events, [], "the second must wait for the first");
        assert_eq!(newest(&database).await.unwrap(), "");
        early.commit().await.unwrap();

        assert_eq!(
            seen(&database, &early_bird.next, 2).await.0,
            [event(1, "a", "k"), event(2, "a", "k")]
        );
    }
}

#[tokio::test]
async fn a_call_looks_at_so_many_events_and_says_that_there_are_more() {
    let (databases, _folder) = outboxes("look").await;
    for database in databases {
        let many = u128::from(LOOK) + 1;
        let events: Vec<_> = (1..many).map(|number| event(number, "a", "dull")).collect();
        add(&database, &events).await;
        add(&database, &[event(many, "a", "rare")]).await;
        seen(&database, &cursor_at(Uuid::from_u128(many - 1)), 1).await;

        let rare = Filter { account: None, kinds: vec!["rare".to_owned()] };
        let first = list(&database, &rare, "", 9).await.unwrap();
        let second = list(&database, &rare, &first.next, 9).await.unwrap();
        let dull = list(&database, &Filter::default(), &first.next, 1).await.unwrap();

        assert_eq!((first.events.len(), first.more), (0, true));
        assert_eq!((second.events.len(), second.more), (1, false));
        assert_eq!((dull.events.len(), dull.more), (1, false));
        let both = list(&database, &Filter::default(), "", 1).await.unwrap();
        assert_eq!((both.events.len(), both.more), (1, true));
    }
}

#[tokio::test]
async fn a_cursor_behind_what_is_kept_has_expired() {
    let (databases, _folder) = outboxes("purge").await;
    for database in databases {
        add(&database, &[event(1, "a", "k"), event(2, "a", "k"), event(3, "a", "k")]).await;
        let (_, behind) = seen(&database, "", 1).await;
        let (_, caught_up) = seen(&database, "", 3).await;

        let young = DateTime::from_timestamp_micros(1).unwrap();
        assert_eq!(purge(&database, young, 9).await.unwrap(), 0, "the first is as old as that");
        assert_eq!(purge(&database, DateTime::<Utc>::MAX_UTC, 1).await.unwrap(), 1);
        assert_eq!(purge(&database, DateTime::<Utc>::MAX_UTC, 9).await.unwrap(), 1);

        let error = list(&database, &Filter::default(), &behind, 9).await.unwrap_err();
        assert!(matches!(error, ReadError::CursorExpired(_)));
        assert!(matches!(check(&database, &behind).await, Err(ReadError::CursorExpired(_))));
        check(&database, &caught_up).await.unwrap();
        assert_eq!(list(&database, &Filter::default(), &caught_up, 9).await.unwrap().events, []);
    }
}

#[tokio::test]
async fn events_go_on_where_a_dump_is_restored_on_a_younger_server() {
    let (databases, _folder) = outboxes("restored").await;
    for database in databases {
        add(&database, &[event(1, "a", "k"), event(2, "a", "k")]).await;
        let (_, cursor) = seen(&database, "", 1).await;
        if database.backend() == Backend::Postgres {
            // As a dump has them from a server that has given out far more numbers.
            let older = "UPDATE outbox SET xid = (xid::text::bigint + 1000000000)::text::xid8";
            database.writer().execute_unprepared(older).await.unwrap();
        }

        begin(&database).await.unwrap();
        add(&database, &[event(3, "a", "k")]).await;
        begin(&database).await.unwrap();
        add(&database, &[event(4, "a", "k")]).await;

        let (rest, _) = seen(&database, &cursor, 3).await;
        let ids: Vec<_> = rest.iter().map(|event| event.id.as_u128()).collect();
        assert_eq!(ids, [2, 3, 4], "nothing is lost, and nothing comes before what was there");
        if database.backend() == Backend::Postgres {
            let row = Statement::from_string(
                Backend::Postgres.dialect(),
                "SELECT max(epoch) AS epoch FROM outbox",
            );
            let row = database.reader().query_one_raw(row).await.unwrap().unwrap();
            assert_eq!(row.try_get::<i32>("", "epoch").unwrap(), 1, "one restore, one epoch");
        }
    }
}

#[tokio::test]
async fn a_cursor_of_what_an_older_copy_does_not_have_has_expired() {
    let (databases, _folder) = outboxes("older_copy").await;
    for database in databases {
        add(&database, &[event(1, "a", "k"), event(2, "a", "k")]).await;
        let (_, cursor) = seen(&database, "", 2).await;
        // The copy was made before the second event; another one took its number since.
        let other = "UPDATE outbox SET id = '00000000-0000-0000-0000-000000000009' WHERE seq = 2";
        database.writer().execute_unprepared(other).await.unwrap();

        let error = list(&database, &Filter::default(), &cursor, 9).await.unwrap_err();

        assert!(matches!(error, ReadError::CursorExpired(_)));
    }
}

#[tokio::test]
async fn a_forged_cursor_has_expired() {
    let (databases, _folder) = outboxes("forged").await;
    for database in databases {
        for forged in ["x", "MCAw", &"A".repeat(100)] {
            let error = list(&database, &Filter::default(), forged, 9).await.unwrap_err();
            assert!(matches!(error, ReadError::CursorExpired(_)));
        }
    }
}
