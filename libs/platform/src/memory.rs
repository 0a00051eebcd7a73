//! Calls inside one process: gRPC over a pipe in memory.
//!
//! Services that share a process still call each other through their generated clients, so that
//! there is one code path; only the wire is shorter.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use futures::Stream;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tonic::codegen::{Service, http::Uri};

/// Bytes that may be under way in each direction of one connection.
const PIPE: usize = 256 * 1024;

/// The two ends of a way into this process. Clients may be made and called before anybody serves
/// the listener: their calls wait for it.
#[must_use]
pub fn pair() -> (MemoryConnector, MemoryListener) {
    let (sender, receiver) = unbounded_channel();
    (MemoryConnector(sender), MemoryListener(receiver))
}

/// The clients' end. Clones lead to the same listener.
#[derive(Debug, Clone)]
pub struct MemoryConnector(UnboundedSender<DuplexStream>);

/// The server's end: the connections that clients make.
#[derive(Debug)]
pub struct MemoryListener(UnboundedReceiver<DuplexStream>);

impl Service<Uri> for MemoryConnector {
    type Response = TokioIo<DuplexStream>;
    type Error = std::io::Error;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (client, server) = duplex(PIPE);
        let gone = |_| std::io::Error::other("the suite in this process has stopped");
        ready(self.0.send(server).map(|()| TokioIo::new(client)).map_err(gone))
    }
}

impl Stream for MemoryListener {
    type Item = Result<DuplexStream, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|stream| stream.map(Ok))
    }
}
