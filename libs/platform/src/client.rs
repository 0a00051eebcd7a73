//! Calling other services.

mod again;
mod balance;
mod credentials;

use std::{fmt, io, str::FromStr, time::Duration};

use opentelemetry::{global, propagation::Injector};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::{
    Request, Status,
    codegen::http::Uri,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Endpoint,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use self::balance::Balanced;
pub use self::{
    again::{is_open, no_answer, pass_on, safe},
    credentials::{Credentials, CredentialsArgs},
};
use crate::{context::time_left, memory::MemoryConnector};

/// Where a service is.
#[derive(Debug, Clone)]
pub enum Peer {
    /// In other processes, one or several.
    Address(Address),
    /// In this one.
    Memory(MemoryConnector),
}

/// The address of a service, and with what this process proves there who it is.
#[derive(Debug, Clone)]
pub struct Address {
    uri: Uri,
    credentials: Credentials,
}

impl Address {
    /// Host and port as they are written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Whether what is said there is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// A stream to it, for those who speak something else than gRPC; over TLS where it is secure.
    pub async fn stream(&self) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>> {
        let tls = self.is_secure().then(|| self.credentials.tls());
        balance::stream(&self.uri, tls).await
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

/// The text is not the address of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an address such as http://127.0.0.1:50051")]
pub struct InvalidAddress;

impl FromStr for Peer {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if !["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(InvalidAddress);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidAddress)?;
        Ok(Self::Address(Address { uri, credentials: Credentials::default() }))
    }
}

/// How long to wait for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection.
    pub connect: Duration,
    /// For the answer to a call that does not bring a deadline of its own.
    pub request: Duration,
}

impl Default for Deadlines {
    /// 2 s to connect, 10 s to answer: less than a server gives its own caller, so that a caller
    /// hears why.
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), request: Duration::from_secs(10) }
    }
}

/// A connection for generated clients: connects when it is first used and again when it broke, and
/// sends deadline and trace along. Cloning is cheap, and clones share the connection.
pub type Connection = InterceptedService<Balanced, Outgoing>;

impl Peer {
    /// The same service, to which this process proves by `credentials` who it is. Inside one process
    /// nothing is to be proved.
    #[must_use]
    pub fn with(self, credentials: &Credentials) -> Self {
        match self {
            Self::Address(Address { uri, .. }) => {
                Self::Address(Address { uri, credentials: credentials.clone() })
            }
            Self::Memory(connector) => Self::Memory(connector),
        }
    }

    /// A connection to the service with the usual deadlines.
    #[must_use]
    pub fn connect(&self) -> Connection {
        self.connect_within(Deadlines::default())
    }

    /// A connection to the service with these `deadlines`.
    #[must_use]
    pub fn connect_within(&self, deadlines: Deadlines) -> Connection {
        let deadline = deadlines.request;
        match self {
            Self::Address(address) => {
                let Address { uri, credentials } = address;
                let tls = address.is_secure().then(|| credentials.tls());
                let connections = Balanced::to(uri, tls, deadlines);
                let credentials = credentials.clone();
                InterceptedService::new(connections, Outgoing { deadline, credentials })
            }
            // No connect deadline: calls wait until the suite in this process serves.
            Self::Memory(connector) => {
                let channel = Endpoint::from_static("http://memory")
                    .connect_with_connector_lazy(connector.clone());
                let credentials = Credentials::default();
                InterceptedService::new(
                    Balanced::single(channel),
                    Outgoing { deadline, credentials },
                )
            }
        }
    }
}

/// Without keepalive a client never learns that its peer vanished without closing.
fn kept_alive(endpoint: Endpoint, deadlines: Deadlines) -> Endpoint {
    endpoint
        .connect_timeout(deadlines.connect)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
}

/// What every outgoing call carries: a deadline, which is not later than that of the request for whose
/// sake it is made, the trace that it belongs to, and the token of this process, never a user's.
#[derive(Debug, Clone)]
pub struct Outgoing {
    deadline: Duration,
    credentials: Credentials,
}

impl Interceptor for Outgoing {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if !request.metadata().contains_key("grpc-timeout") {
            let left = time_left().unwrap_or(self.deadline);
            request.set_timeout(left.min(self.deadline));
        }
        if let Some(bearer) = self.credentials.bearer() {
            request.metadata_mut().insert("authorization", bearer);
        }
        let context = Span::current().context();
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut Headers(request.metadata_mut()));
        });
        Ok(request)
    }
}

struct Headers<'a>(&'a mut MetadataMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) =
            (MetadataKey::from_bytes(key.as_bytes()), MetadataValue::try_from(value))
        {
            self.0.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests;
