//! What a renewal may ask of the databases. One process, so that everything is counted.

use platform::database::{Usage, process_usage};
use proto::renewal::v1::order::State;
use tests::{Backend, Layout, Suite, fixture::*};

/// What making and paying an order of `count` instances in one call asks of all databases.
async fn renewal_of(suite: &Suite, round: &str, count: usize) -> Usage {
    let ids: Vec<_> = (0..count).map(|number| format!("{round}-{number}")).collect();
    suite.register(ids.iter().map(|id| vm("acme", id, "2026-03-11 00:00")).collect()).await;
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let before = process_usage();
    let order = suite.create(paid_order_of("acme", selection(&ids, "1m"))).await.unwrap();
    let usage = process_usage() - before;
    assert_eq!(order.state(), State::Completed);
    usage
}

async fn hold_to_the_budget(backend: Backend) {
    let suite = Suite::start(backend, Layout::OneProcess).await;
    suite.jd("acme", 1_000_000_00).await;
    // The first renewal may read rules that the later ones remember.
    renewal_of(&suite, "first", 1).await;

    let single = renewal_of(&suite, "single", 1).await;
    assert!(single.statements <= 12, "{single:?}");
    assert!(single.transactions <= 3, "{single:?}");

    let two = renewal_of(&suite, "two", 2).await;
    let hundred = renewal_of(&suite, "hundred", 100).await;
    assert_eq!(two, hundred, "the number of statements must not grow with the batch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_asks_no_more_of_sqlite_than_its_budget() {
    hold_to_the_budget(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_asks_no_more_of_postgres_than_its_budget() {
    hold_to_the_budget(Backend::Postgres).await;
}
