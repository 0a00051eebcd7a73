//! Services that nobody but this process can reach: they answer a command from their databases.

use platform::{
    memory::MemoryListener,
    serve::{Entrance, ServeArgs, Serving, serve},
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::RoutesBuilder;

/// Serves `routes` in memory until what it returns is dropped.
pub async fn answer(routes: RoutesBuilder, listener: MemoryListener) -> anyhow::Result<DropGuard> {
    let serving = Serving {
        routes: routes.routes(),
        names: Vec::new(),
        descriptors: proto::PUBLIC_DESCRIPTORS,
        counted: proto::DESCRIPTORS,
        memory: Some(listener),
        databases: Vec::new(),
        entrance: Entrance::default(),
    };
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let listen = socket.local_addr()?;
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    let args = ServeArgs {
        listen,
        ops_listen: None,
        request_timeout_seconds: 60,
        connection_seconds: 0,
        drain_seconds: 0,
    };
    tokio::spawn(async move { serve(socket, serving, &args, stop).await });
    Ok(guard)
}
