//! What becomes of a request that is in flight when the server is told to stop.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tonic::{body::Body, server::NamedService};
use tower::{Service, ServiceExt as _};

use super::*;

/// A service whose only call says that it has begun, ends when it is told to, and calls a service
/// in memory before it does.
#[derive(Debug, Clone)]
struct Slow {
    begun: Arc<Notify>,
    go: Arc<Notify>,
    memory: Peer,
}

impl NamedService for Slow {
    const NAME: &'static str = "test.Slow";
}

impl Service<http::Request<Body>> for Slow {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let Self { begun, go, memory } = self.clone();
        Box::pin(async move {
            begun.notify_one();
            go.notified().await;
            // Nothing is known to be well any more; that it says so is what counts.
            let answer = match health(&memory, "").await {
                Ok(_) | Err(tonic::Code::NotFound) => tonic::Status::ok("answered"),
                Err(code) => tonic::Status::new(code, "no answer"),
            };
            Ok(answer.into_http())
        })
    }
}

/// Calls [`Slow`], and tells the code and the message of its answer.
async fn call_slow(peer: Peer) -> (String, String) {
    let request = http::Request::post("/test.Slow/Call").header("content-type", "application/grpc");
    let answer = peer.connect().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let header = |name| answer.headers()[name].to_str().unwrap().to_owned();
    (header("grpc-status"), header("grpc-message"))
}

#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_server_closes() {
    let stop = CancellationToken::new();
    let (connector, listener) = memory::pair();
    let slow = Slow { begun: Arc::default(), go: Arc::default(), memory: Peer::Memory(connector) };
    let Slow { begun, go, .. } = slow.clone();
    let (peer, served) = start_with(Routes::new(slow), &stop, Some(listener)).await;
    let in_flight = tokio::spawn(call_slow(peer.clone()));
    begun.notified().await;
    let request = HealthCheckRequest { service: String::new() };
    let watched = HealthClient::new(peer.connect()).watch(request).await;
    let mut watched = watched.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), Answer::Serving);

    stop.cancel();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), Answer::NotServing);
    assert!(watched.message().await.unwrap().is_none(), "a watch does not hold the server");
    assert_eq!(gone(&peer).await, tonic::Code::Unavailable, "nobody new is let in");
    assert!(!served.is_finished() && !in_flight.is_finished());

    go.notify_one();
    let finished = ("0".to_owned(), "answered".to_owned());
    assert_eq!(in_flight.await.unwrap(), finished, "what it calls in memory still answers");
    served.await.unwrap().unwrap();
}

/// A service whose only call answers when the server closes.
#[derive(Debug, Clone)]
struct Endless(Arc<Notify>);

impl NamedService for Endless {
    const NAME: &'static str = "test.Slow";
}

impl Service<http::Request<Body>> for Endless {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let begun = Arc::clone(&self.0);
        Box::pin(async move {
            let request = tonic::Request::from_http(request);
            begun.notify_one();
            Stopping::of(&request).stopped().await;
            Ok(tonic::Status::ok("closing").into_http())
        })
    }
}

#[tokio::test]
async fn what_has_no_end_is_told_that_the_server_closes() {
    let (stop, begun) = (CancellationToken::new(), Arc::new(Notify::new()));
    let routes = Routes::new(Endless(Arc::clone(&begun)));
    let (peer, served) = start_with(routes, &stop, None).await;
    let call = tokio::spawn(call_slow(peer));
    begun.notified().await;

    stop.cancel();

    assert_eq!(call.await.unwrap(), ("0".to_owned(), "closing".to_owned()));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_no_server_made_never_stops() {
    let stopping = Stopping::of(&tonic::Request::new(()));
    assert!(!stopping.0.is_cancelled());
}
