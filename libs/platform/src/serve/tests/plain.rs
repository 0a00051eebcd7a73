//! What becomes of requests that are not gRPC.

use axum::routing::post;
use tonic::body::Body;
use tower::ServiceExt as _;

use super::*;

/// A server with a route that answers, and with one that never does.
async fn with_routes(stop: &CancellationToken, seconds: u64) -> Peer {
    let routes = Routes::default()
        .into_axum_router()
        .route("/there", post(async || "taken"))
        .route("/stuck", post(std::future::pending::<&str>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Serving {
        routes: routes.into(),
        names: Vec::new(),
        descriptors: tonic_health::pb::FILE_DESCRIPTOR_SET,
        counted: tonic_health::pb::FILE_DESCRIPTOR_SET,
        memory: None,
        databases: Vec::new(),
        entrance: Entrance::default(),
    };
    let args = ServeArgs {
        listen: address,
        ops_listen: None,
        request_timeout_seconds: seconds,
        connection_seconds: 0,
        drain_seconds: 0,
    };
    let stop = stop.clone();
    tokio::spawn(async move { serve(listener, serving, &args, stop).await });
    format!("http://{address}").parse().unwrap()
}

/// Posts to `path`, and tells the code of HTTP and that of gRPC, if there is one.
async fn posted(peer: &Peer, path: &str, content_type: &str) -> (u16, Option<String>) {
    let request = http::Request::post(path).header(CONTENT_TYPE, content_type);
    let answer = peer.connect().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let code = answer.headers().get("grpc-status").map(|it| it.to_str().unwrap().to_owned());
    (answer.status().as_u16(), code)
}

// W-4: a channel takes 200 for a yes.
#[tokio::test]
async fn a_path_that_there_is_not_is_answered_in_the_callers_language() {
    let stop = CancellationToken::new();
    let peer = with_routes(&stop, 30).await;
    assert_eq!(posted(&peer, "/there", "application/json").await, (200, None));
    for path in ["/there/", "/nowhere", "/v1//channels"] {
        assert_eq!(posted(&peer, path, "application/json").await, (404, None), "{path}");
        let unimplemented = (200, Some("12".to_owned()));
        assert_eq!(posted(&peer, path, "application/grpc+proto").await, unimplemented, "{path}");
    }
    // A call that is there but cannot be read so is not a yes either.
    let call = "/grpc.health.v1.Health/Check";
    assert_eq!(posted(&peer, call, "application/json").await, (503, None));
    stop.cancel();
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_in_the_callers_language() {
    let stop = CancellationToken::new();
    let peer = with_routes(&stop, 1).await;
    assert_eq!(posted(&peer, "/stuck", "application/json").await, (503, None));
    let (code, status) = posted(&peer, "/stuck", "application/grpc").await;
    assert_eq!((code, status.is_some()), (200, true));
    stop.cancel();
}
