use std::collections::BTreeSet;

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Server, server::TcpIncoming};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;

/// A server that knows only the service `name`, and its address.
async fn server(name: &str) -> (SocketAddr, DropGuard) {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status(name, tonic_health::ServingStatus::Serving).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let served = Server::builder()
        .add_service(health)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stopped);
    tokio::spawn(served);
    (address, stop.drop_guard())
}

/// Connections to these addresses, as if one name led to all of them.
fn balanced(addresses: &[SocketAddr]) -> Balanced {
    let uri = Uri::from_static("http://service.example");
    let way = Way { uri, tls: None, deadlines: Deadlines::default() };
    let channels = addresses.iter().map(|&address| way.connect(address)).collect();
    let (_, channels) = watch::channel(channels);
    Balanced::of(channels, Arc::new(()), Duration::ZERO)
}

/// Whether whoever is next knows the service `name`; nothing if it does not answer.
async fn knows(balanced: &Balanced, name: &str) -> Option<bool> {
    let mut client = HealthClient::new(balanced.clone());
    let answer = client.check(HealthCheckRequest { service: name.to_owned() }).await;
    match answer {
        Ok(_) => Some(true),
        Err(status) if status.code() == tonic::Code::NotFound => Some(false),
        Err(_) => None,
    }
}

#[tokio::test]
async fn calls_go_to_each_address_in_turn() {
    let (one, _one) = server("one").await;
    let (two, _two) = server("two").await;
    let balanced = balanced(&[one, two]);
    let mut known = Vec::new();
    for _ in 0..4 {
        known.push(knows(&balanced, "one").await);
    }
    assert_eq!(known, [Some(true), Some(false), Some(true), Some(false)]);
}

#[tokio::test]
async fn the_call_after_one_that_failed_goes_to_somebody_else() {
    let (one, _one) = server("one").await;
    let (two, gone) = server("two").await;
    let balanced = balanced(&[two, one]);
    assert_eq!(knows(&balanced, "two").await, Some(true));
    assert_eq!(knows(&balanced, "two").await, Some(false));
    drop(gone);
    let answers: BTreeSet<_> =
        [knows(&balanced, "one").await, knows(&balanced, "one").await].into();
    assert!(answers.contains(&Some(true)), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_nowhere_is_unavailable() {
    // RFC 6761: never a name of anything.
    let uri = Uri::from_static("http://nowhere.invalid");
    let balanced = Balanced::to(&uri, None, Deadlines::default());
    let mut client = HealthClient::new(balanced);
    let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
}
