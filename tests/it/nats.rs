//! What happened, published to a real NATS with JetStream: once, in order, whatever dies or is away.

use chrono::TimeDelta;
use platform::fault::Fault;
use proto::renewal::v1::Event;
use tests::{Backend, Layout, Suite, fixture::*, nats::Nats};

/// An instance is registered and renewed twice.
async fn live(suite: &Suite, id: &str) {
    suite.register(vec![vm("acme", id, "2026-03-11 00:00")]).await;
    for _ in 0..2 {
        suite.create(paid_order_of("acme", selection(&[id], "1m"))).await.expect("it is renewed");
    }
}

/// Publishes what there is, and demands that the stream has it, with so many renewals.
async fn has_everything(suite: &Suite, nats: &Nats, renewed: usize) {
    let renewals =
        |events: &[Event]| events.iter().filter(|event| event.r#type == "instance.renewed").count();
    suite.has_published(nats, |events| renewals(events) == renewed).await;
}

/// The process dies when the stream has events and nobody knows, for longer than the server itself
/// remembers what it was told.
async fn dies_after_publishing(backend: Backend) {
    let nats = Nats::start();
    nats.make_forgetful_stream().await;
    let layout = Layout::OneProcessOfItsOwn;
    let mut suite = Suite::start_with(backend, layout, &nats.words()).await;
    suite.jd("acme", 10_000_00).await;
    live(&suite, "i-1").await;
    live(&suite, "i-2").await;
    suite.restart("renewal", Some(Fault::AfterPublish));
    suite.publish_until(Result::is_err).await;
    assert!(suite.died("renewal"), "nothing was published");
    assert!(!nats.messages().await.is_empty());

    suite.restart("renewal", None);
    live(&suite, "i-3").await;
    // Until then the claim is that of whoever died.
    suite.set_clock(suite.now() + TimeDelta::minutes(1));
    has_everything(&suite, &nats, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_publishing_tells_nothing_twice_on_sqlite() {
    dies_after_publishing(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_publishing_tells_nothing_twice_on_postgres() {
    dies_after_publishing(Backend::Postgres).await;
}

/// NATS is away when the suite starts, and later once more: renewals go on, and what happened waits.
async fn is_away(backend: Backend) {
    let mut nats = Nats::start();
    nats.stop();
    let suite = Suite::start_with(backend, Layout::OneProcess, &nats.words()).await;
    suite.jd("acme", 10_000_00).await;
    for renewed in [2, 4] {
        live(&suite, &format!("i-{renewed}")).await;
        suite
            .publish_until(|published| {
                let published = published.as_ref().expect("nothing of it is an error");
                assert_eq!(published.done, 0);
                published.due > 0 && published.failed.get("UNREACHABLE") == Some(&published.due)
            })
            .await;
        nats.start_again();
        has_everything(&suite, &nats, renewed).await;
        nats.stop();
    }
    suite.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nats_is_away_renewals_go_on_and_events_wait_on_sqlite() {
    is_away(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nats_is_away_renewals_go_on_and_events_wait_on_postgres() {
    is_away(Backend::Postgres).await;
}

/// Nothing is said to a server whose certificate another authority has signed, nor without TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_server_with_the_right_certificate_is_told() {
    let nats = Nats::start_with_tls();
    let suite = Suite::start_with(Backend::Sqlite, Layout::OneProcess, &nats.words()).await;
    suite.jd("acme", 10_000_00).await;
    live(&suite, "i-1").await;
    has_everything(&suite, &nats, 2).await;

    let plain = Nats::start();
    let had = nats.messages().await.len();
    for (server, words) in
        [(&nats, nats.words_of_a_stranger()), (&plain, plain.words_of_a_stranger())]
    {
        let before = server.messages().await.len();
        let suite = Suite::start_with(Backend::Sqlite, Layout::OneProcess, &words).await;
        suite.jd("acme", 0).await;
        for _ in 0..500 {
            let published = suite.publish().await.expect("nothing of it is an error");
            assert_eq!((published.done, published.failed["UNREACHABLE"]), (0, published.due));
        }
        assert_eq!(server.messages().await.len(), before);
    }
    assert_eq!(nats.messages().await.len(), had);
}
