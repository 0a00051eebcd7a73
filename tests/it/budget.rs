//! What a renewal may ask of the databases. One process, so that everything is counted.

use platform::database::{Usage, process_usage};
use proto::renewal::v1::order::State;
use tests::{Backend, Layout, Suite, fixture::*, issuer::Issuer};

/// What making and paying an order of `count` instances in one call asks of all databases: the least of
/// some tries, for now and then something else asks for the version of the catalogs meanwhile.
async fn renewal_of(suite: &Suite, round: &str, count: usize) -> Usage {
    let mut usages = Vec::new();
    for number in 0..3 {
        usages.push(one_renewal_of(suite, &format!("{round}-{number}"), count).await);
    }
    usages.into_iter().min_by_key(|usage| usage.statements).expect("three tries")
}

async fn one_renewal_of(suite: &Suite, round: &str, count: usize) -> Usage {
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

/// Noting who asked for it costs a renewal one statement, and no transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noting_who_asked_costs_one_statement() {
    let issuer = Issuer::new();
    let mut asking = Suite::start_asking(Backend::Postgres, &issuer.words()).await;
    asking.clients = asking.clients_of(&issuer.token(&["platform"]));
    let mut usages = Vec::new();
    for suite in [Suite::start(Backend::Postgres, Layout::OneProcess).await, asking] {
        suite.jd("acme", 1_000_000_00).await;
        renewal_of(&suite, "first", 1).await;
        usages.push(renewal_of(&suite, "single", 1).await);
    }
    assert_eq!(usages[1].statements, usages[0].statements + 1, "{usages:?}");
    assert_eq!(usages[1].transactions, usages[0].transactions);
}

/// What a page of `count` automatic renewals asks of all databases, half of them for want of money in
/// vain.
async fn page_of(suite: &Suite, round: &str, count: usize) -> Usage {
    let mut ids = Vec::new();
    for account in ["rich", "poor"] {
        let account = format!("{account}-{round}");
        suite.open_account(&account, "kingsoft", 0).await;
        let own: Vec<_> = (0..count / 2).map(|number| format!("{account}-{number}")).collect();
        let settings = [("line_type", "bgp"), ("bandwidth_mbps", "5")];
        let row = |id: &String| prepaid(&account, id, "ks-eip", &settings, "2026-03-11 00:00");
        for own in own.chunks(100) {
            suite.register(own.iter().map(row).collect()).await;
            suite.set_auto(&account, &own.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
        ids.extend(own);
    }
    suite.deposit(&format!("rich-{round}"), 1_000_000_00).await;
    suite.issue(&format!("rich-{round}"), 10, "2026-01-01 00:00", "2027-01-01 00:00").await;
    suite.set_clock(at("2026-03-10 00:00"));
    let before = process_usage();
    assert_eq!(suite.renew_due(0).await, i32::try_from(count).unwrap());
    let usage = process_usage() - before;
    suite.set_clock(at("2026-03-01 09:00"));
    eprintln!("a page of {count}: {usage:?}");
    usage
}

/// a page has a fixed number of statements, however many instances are on it.
async fn hold_pages_to_the_budget(backend: Backend) {
    let suite = Suite::start(backend, Layout::OneProcess).await;
    suite.apply_catalogs().await;
    page_of(&suite, "first", 2).await;
    let two = page_of(&suite, "two", 2).await;
    let hundred = page_of(&suite, "hundred", 100).await;
    for usage in [two, hundred] {
        assert!(usage.statements <= 16, "{usage:?}");
        assert_eq!(usage.transactions, 3);
    }
    assert_eq!(two, hundred, "the number of statements must not grow with the page");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_asks_no_more_of_sqlite_than_its_budget() {
    hold_pages_to_the_budget(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_asks_no_more_of_postgres_than_its_budget() {
    hold_pages_to_the_budget(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_asks_no_more_of_sqlite_than_its_budget() {
    hold_to_the_budget(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_asks_no_more_of_postgres_than_its_budget() {
    hold_to_the_budget(Backend::Postgres).await;
}
