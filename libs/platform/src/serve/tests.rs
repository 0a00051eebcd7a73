use tokio::task::JoinHandle;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus as Answer, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::*;
use crate::{client::Peer, memory};

mod drain;
mod plain;

/// A server of nothing but health and reflection, and how to reach it from outside.
async fn start(stop: &CancellationToken, memory: Option<MemoryListener>) -> Peer {
    start_with(Routes::default(), stop, memory).await.0
}

/// A server of `routes`, how to reach it from outside, and how it ends.
async fn start_with(
    routes: Routes,
    stop: &CancellationToken,
    memory: Option<MemoryListener>,
) -> (Peer, JoinHandle<anyhow::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Serving {
        routes,
        names: vec!["perennial.catalog.v1.CatalogService".to_owned()],
        descriptors: tonic_health::pb::FILE_DESCRIPTOR_SET,
        counted: tonic_health::pb::FILE_DESCRIPTOR_SET,
        memory,
        databases: Vec::new(),
        entrance: Entrance::default(),
    };
    let args = ServeArgs {
        listen: address,
        ops_listen: None,
        request_timeout_seconds: 5,
        connection_seconds: 0,
        drain_seconds: 0,
    };
    let stop = stop.clone();
    let served = tokio::spawn(async move { serve(listener, serving, &args, stop).await });
    (format!("http://{address}").parse().unwrap(), served)
}

async fn health(peer: &Peer, service: &str) -> Result<Answer, tonic::Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(peer.connect()).check(request).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

/// What a server answers that is no more.
async fn gone(peer: &Peer) -> tonic::Code {
    loop {
        match health(peer, "").await {
            // In its last moment it says no more how it is.
            Ok(_) | Err(tonic::Code::NotFound) => {}
            Err(code) => return code,
        }
    }
}

#[tokio::test]
async fn each_service_has_its_own_health() {
    let stop = CancellationToken::new();
    let peer = start(&stop, None).await;
    assert_eq!(health(&peer, "").await, Ok(Answer::Serving));
    assert_eq!(health(&peer, "perennial.catalog.v1.CatalogService").await, Ok(Answer::Serving));
    assert_eq!(
        health(&peer, "perennial.wallet.v1.WalletService").await,
        Err(tonic::Code::NotFound)
    );
    stop.cancel();
}

#[tokio::test]
async fn a_call_in_memory_waits_until_the_process_serves() {
    let stop = CancellationToken::new();
    let (connector, listener) = memory::pair();
    let peer = Peer::Memory(connector);
    let early = tokio::spawn(async move { health(&peer, "").await });
    start(&stop, Some(listener)).await;
    assert_eq!(early.await.unwrap(), Ok(Answer::Serving));
    stop.cancel();
}

#[tokio::test]
async fn reflection_names_what_is_served() {
    let stop = CancellationToken::new();
    let peer = start(&stop, None).await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(peer.connect());
    let mut answers =
        client.server_reflection_info(futures::stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
    assert!(names.contains(&"perennial.catalog.v1.CatalogService".to_owned()), "{names:?}");
    stop.cancel();
}

#[tokio::test]
async fn a_stopped_server_is_gone() {
    let stop = CancellationToken::new();
    let peer = start(&stop, None).await;
    assert_eq!(health(&peer, "").await, Ok(Answer::Serving));
    stop.cancel();
    // A connection of the last moment is dropped before it has said which protocol it speaks, and
    // that is `Cancelled`: to our clients, no answer either.
    let code = gone(&peer).await;
    assert!(matches!(code, tonic::Code::Unavailable | tonic::Code::Cancelled), "{code:?}");
}
