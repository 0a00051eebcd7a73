//! Calling other services.

use std::{str::FromStr, time::Duration};

use opentelemetry::{global, propagation::Injector};
use tonic::{
    Code, Request, Status,
    codegen::http::Uri,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tonic_types::{ErrorDetails, StatusExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{
    memory::MemoryConnector,
    status::{ERROR_DOMAIN, INTERNAL, LATER, SERVICE_UNAVAILABLE, reason},
};

/// How often a safe call is made in all.
const ATTEMPTS: u32 = 4;

/// The pause after the first attempt of a safe call; it doubles after each.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Where a service is.
#[derive(Debug, Clone)]
pub enum Peer {
    /// In another process.
    Address(Uri),
    /// In this one.
    Memory(MemoryConnector),
}

/// The text is not the address of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an address such as http://127.0.0.1:50051")]
pub struct InvalidAddress;

impl FromStr for Peer {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if !text.starts_with("http://") {
            return Err(InvalidAddress);
        }
        text.parse().map(Self::Address).map_err(|_| InvalidAddress)
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
pub type Connection = InterceptedService<Channel, Outgoing>;

impl Peer {
    /// A connection to the service with the usual deadlines.
    #[must_use]
    pub fn connect(&self) -> Connection {
        self.connect_within(Deadlines::default())
    }

    /// A connection to the service with these `deadlines`.
    #[must_use]
    pub fn connect_within(&self, deadlines: Deadlines) -> Connection {
        let channel = match self {
            Self::Address(uri) => kept_alive(uri.clone().into(), deadlines).connect_lazy(),
            // No connect deadline: calls wait until the suite in this process serves.
            Self::Memory(connector) => Endpoint::from_static("http://memory")
                .connect_with_connector_lazy(connector.clone()),
        };
        InterceptedService::new(channel, Outgoing { deadline: deadlines.request })
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

/// What every outgoing call carries: a deadline, and the trace that it belongs to.
#[derive(Debug, Clone)]
pub struct Outgoing {
    deadline: Duration,
}

impl Interceptor for Outgoing {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if !request.metadata().contains_key("grpc-timeout") {
            request.set_timeout(self.deadline);
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

/// Makes a call that is safe to repeat (a read, or a call whose repeat changes nothing), again
/// while the service is unavailable, four times at most, with a growing pause. A connection that a
/// stopping service drops before a word was said ends the call as cancelled.
pub async fn safe<T, Call>(mut call: impl FnMut() -> Call) -> Result<T, Status>
where
    Call: Future<Output = Result<T, Status>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match call().await {
            Err(status) if matches!(status.code(), Code::Unavailable | Code::Cancelled) => {
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
        pause *= 2;
    }
    call().await
}

/// Whether `status` leaves open what the call did: it timed out, its connection broke, or it lost
/// a race. It is to be repeated with the same ids; it is not an answer.
#[must_use]
pub fn is_open(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::Unknown
        | Code::Internal
        | Code::ResourceExhausted => true,
        _ => reason(status).is_none(),
    }
}

/// What stands for an answer of `service` that cannot be used, and `why`: it leaves open what the
/// call did.
#[must_use]
pub fn no_answer(service: &str, why: &str) -> Status {
    Status::with_error_details(Code::Unavailable, why, details_of(SERVICE_UNAVAILABLE, service))
}

/// What a caller of ours is told when `service` answered us with `status`: a refusal as it is, and
/// of all else only that the service does not work.
#[must_use]
pub fn pass_on(service: &str, status: Status) -> Status {
    if !is_open(&status) || status.code() == Code::Aborted {
        return status;
    }
    let (code, reason) = match status.code() {
        Code::Internal | Code::Unknown => (Code::Internal, INTERNAL),
        code if code == Code::ResourceExhausted => (code, SERVICE_UNAVAILABLE),
        _ => (Code::Unavailable, SERVICE_UNAVAILABLE),
    };
    tracing::warn!(peer.service = service, error = %status, "a call to another service failed");
    let details = details_of(reason, service);
    let message = match code {
        Code::Internal => "internal error".to_owned(),
        _ => format!("the {service} service is not available; repeat the call"),
    };
    Status::with_error_details(code, message, details)
}

/// What is said of a `service` that does not work: which it is, and when to come again.
fn details_of(reason: &str, service: &str) -> ErrorDetails {
    let metadata = [("service".to_owned(), service.to_owned())];
    let mut details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata);
    if reason == SERVICE_UNAVAILABLE {
        details.set_retry_info(Some(LATER));
    }
    details
}

#[cfg(test)]
mod tests;
