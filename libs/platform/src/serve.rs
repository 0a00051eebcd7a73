//! Serving gRPC, and what HTTP routes there are beside it, until told to stop.

mod measure;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures::{FutureExt as _, Stream, future::join_all};
use opentelemetry::{global, propagation::Extractor};
use tokio::{io::DuplexStream, net::TcpListener, signal::unix::SignalKind, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{
    Code,
    codegen::http::{self, StatusCode, header::CONTENT_TYPE},
    metadata::MetadataMap,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_reflection::server::Builder as Reflection;
use tracing::{Span, info};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use self::measure::Calls;
use crate::{
    context::{self, Context},
    database::Database,
    files::Watched,
    identity::{Caller, Guard},
    memory::MemoryListener,
    telemetry::{self, watch_certificate, watch_connections},
    tls::{self, Offer},
};

/// How long databases may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(5);

/// Where and how to serve.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ServeArgs {
    /// Address to listen on.
    #[arg(long, env = "PERENNIAL_LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,

    /// Address on which probes are answered, and metrics told at `/metrics`, without TLS and without
    /// asking who asks; none by default.
    #[arg(long, env = "PERENNIAL_OPS_LISTEN")]
    pub ops_listen: Option<SocketAddr>,

    /// Seconds a request may take before the server gives up on it.
    #[arg(long, env = "PERENNIAL_REQUEST_TIMEOUT_SECONDS", default_value_t = 30)]
    pub request_timeout_seconds: u64,

    /// Seconds after which a connection is closed, once its calls are answered, so that callers spread
    /// over new processes; 0: never.
    #[arg(long, env = "PERENNIAL_CONNECTION_SECONDS", default_value_t = 900)]
    pub connection_seconds: u64,

    /// Seconds between saying that nothing is served and closing, for load balancers to look away.
    #[arg(long, env = "PERENNIAL_DRAIN_SECONDS", default_value_t = 0)]
    pub drain_seconds: u64,
}

/// What to serve.
#[derive(Debug)]
pub struct Serving {
    /// The services' handlers, with their HTTP routes.
    pub routes: Routes,
    /// Full names of the public services among them, for health and reflection.
    pub names: Vec<String>,
    /// Descriptors of the public contract.
    pub descriptors: &'static [u8],
    /// Descriptors of all that is served, which is counted by its methods.
    pub counted: &'static [u8],
    /// Where the services in this process call each other, if they do.
    pub memory: Option<MemoryListener>,
    /// The services' databases, which are closed last.
    pub databases: Vec<Database>,
    /// How callers from outside come in.
    pub entrance: Entrance,
}

/// How callers from outside come in; by default anybody does, in plain text.
#[derive(Debug, Clone, Default)]
pub struct Entrance {
    /// With what certificate, where the server speaks TLS.
    pub tls: Option<Watched<Offer>>,
    /// Who is asked who they are.
    pub guard: Option<Arc<Guard>>,
}

/// Says that the server closes. Every request carries it among its extensions: whoever answers with
/// a stream that has no end of its own ends it then, because the server closes only after its last
/// answer.
#[derive(Debug, Clone, Default)]
pub struct Stopping(CancellationToken);

impl Stopping {
    /// What `request` carries; where it was not made by a server, one that never stops.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// Waits until the server closes.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }
}

impl From<CancellationToken> for Stopping {
    /// Stops when `token` is cancelled.
    fn from(token: CancellationToken) -> Self {
        Self(token)
    }
}

/// Serves until `stop` is cancelled, then finishes the requests begun.
///
/// Health turns to `NOT_SERVING` first, so that a load balancer looks away before connections
/// close. What is called in memory stops last, because the requests that are being finished need
/// it. A request that takes longer than its time-out is cut off.
pub async fn serve(
    listener: TcpListener,
    serving: Serving,
    args: &ServeArgs,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Serving { routes, names, descriptors, counted, memory, databases, entrance } = serving;
    watch_connections(&databases);
    let (mut health, health_service) = tonic_health::server::health_reporter();
    for name in every(&names) {
        health.set_service_status(name, ServingStatus::Serving).await;
    }
    let probed = Routes::default().add_service(health_service.clone());
    let probed = probed.into_axum_router().route("/metrics", get(telemetry::metrics));
    let probed = serve_probes(args.ops_listen, probed.into()).await?;
    let routes = routes.add_service(health_service);
    let closing = Stopping::default();
    let routes: Routes = routes.into_axum_router().layer(axum::Extension(closing.clone())).into();
    let public = routes
        .clone()
        .add_service(reflection(&names, descriptors).build_v1().context("bad descriptors")?)
        .add_service(reflection(&names, descriptors).build_v1alpha().context("bad descriptors")?);

    let timeout = Duration::from_secs(args.request_timeout_seconds);
    let calls = Calls::of(counted)?;
    let public = calls.count(guarded(in_context(public, timeout), entrance.guard));
    let routes = calls.count(in_context(routes, timeout));
    let drain = Duration::from_secs(args.drain_seconds);
    let inner_stop = CancellationToken::new();
    let inner = tokio::spawn(serve_memory(routes, memory, timeout, inner_stop.clone()));

    info!(address = %listener.local_addr()?, "serving");
    let closed = async {
        close(stop.clone(), drain, &health, &names).await;
        closing.0.cancel();
        // Whoever watches the health has been told; a watch that does not end would hold the server.
        for name in every(&names) {
            health.clear_service_status(name).await;
        }
    };
    let mut outer = aging(builder(timeout), args, timeout).accept_http1(true);
    let outer = outer.add_routes(in_codes_of_http(public, timeout));
    let outer = if let Some(offer) = entrance.tls {
        watch_certificate(offer.clone());
        let incoming = tls::incoming(listener, offer);
        outer.serve_with_incoming_shutdown(incoming, closed).boxed()
    } else {
        // The builder's own setting does not reach connections that are accepted outside of it;
        // without it an answer of several frames waits for a delayed acknowledgement.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        outer.serve_with_incoming_shutdown(incoming, closed).boxed()
    };
    let cut_off = async {
        stop.cancelled().await;
        tokio::time::sleep(drain + timeout).await;
    };
    tokio::select! {
        served = outer => served.context("the server failed")?,
        () = cut_off => info!("requests were cut off"),
    }
    inner_stop.cancel();
    tokio::time::timeout(timeout, inner).await.ok();
    close_all(databases).await;
    drop(probed);
    info!("stopped");
    Ok(())
}

/// Answers probes for as long as what it returns is kept.
async fn serve_probes(
    listen: Option<SocketAddr>,
    routes: Routes,
) -> anyhow::Result<Option<AbortOnDropHandle<()>>> {
    let Some(listen) = listen else { return Ok(None) };
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("could not listen on {listen}"))?;
    // Whoever collects metrics speaks HTTP/1.1.
    let probed = builder(PROBE).accept_http1(true).add_routes(routes);
    let served = probed.serve_with_incoming(TcpIncoming::from(listener));
    Ok(Some(AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "probes are not answered any more");
        }
    }))))
}

fn builder(timeout: Duration) -> Server {
    Server::builder()
        .timeout(timeout)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .trace_fn(request_span)
}

fn aging(server: Server, args: &ServeArgs, grace: Duration) -> Server {
    if args.connection_seconds == 0 {
        return server;
    }
    server
        .max_connection_age(Duration::from_secs(args.connection_seconds))
        .max_connection_age_grace(grace)
}

/// Lets the handlers know who calls, and until when the answer is of use.
fn in_context(routes: Routes, timeout: Duration) -> Routes {
    let layer = from_fn(move |request: Request, next: Next| async move {
        let asked = request.headers().get("grpc-timeout").and_then(|text| text.to_str().ok());
        let asked = asked.and_then(context::timeout).unwrap_or(timeout);
        let caller = request.extensions().get().cloned().unwrap_or_else(Caller::everybody);
        let deadline = Instant::now() + asked.min(timeout);
        let call = request.extensions().get().cloned();
        Context { caller, deadline, call }.scope(next.run(request)).await
    });
    routes.into_axum_router().layer(layer).into()
}

/// Has `guard` ask who calls before anything else looks at a request.
fn guarded(routes: Routes, guard: Option<Arc<Guard>>) -> Routes {
    let Some(guard) = guard else { return routes };
    let layer = from_fn(move |request: Request, next: Next| Arc::clone(&guard).ask(request, next));
    routes.into_axum_router().layer(layer).into()
}

/// Answers requests that are not gRPC with a code of HTTP: whoever posts to a path that there is not
/// must not take the 200 around a status of gRPC for a yes.
fn in_codes_of_http(routes: Routes, timeout: Duration) -> Routes {
    // The server's own time-out, further out, answers in gRPC to everybody: be earlier.
    let patience = timeout * 9 / 10;
    let layer = from_fn(move |request: Request, next: Next| async move {
        let kind = request.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        if kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
            return next.run(request).await;
        }
        let answer = tokio::time::timeout(patience, next.run(request)).await;
        answer.map_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response(), in_http)
    });
    routes.into_axum_router().layer(layer).into()
}

fn in_http(response: Response) -> Response {
    match response.headers().get("grpc-status").map(|code| Code::from_bytes(code.as_bytes())) {
        None => response,
        Some(Code::Unimplemented) => StatusCode::NOT_FOUND.into_response(),
        Some(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn serve_memory(
    routes: Routes,
    listener: Option<MemoryListener>,
    timeout: Duration,
    stop: CancellationToken,
) {
    let Some(listener) = listener else { return };
    let incoming: &mut (dyn Stream<Item = Result<DuplexStream, Infallible>> + Send + Unpin) =
        &mut { listener };
    let served = builder(timeout)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop.cancelled())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the server in memory failed");
    }
}

/// Waits for `stop`, says that nothing is served any more, and lets load balancers notice.
async fn close(
    stop: CancellationToken,
    drain: Duration,
    health: &HealthReporter,
    names: &[String],
) {
    stop.cancelled().await;
    for name in every(names) {
        health.set_service_status(name, ServingStatus::NotServing).await;
    }
    tokio::time::sleep(drain).await;
}

/// Each of `names`, and the server as a whole.
fn every(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str).chain([""])
}

/// Closes what nobody asks any more: the files of SQLite are then whole by themselves.
async fn close_all(databases: Vec<Database>) {
    let closed = join_all(databases.into_iter().map(Database::close));
    if tokio::time::timeout(CLOSING, closed).await.is_err() {
        info!("databases were left open");
    }
}

/// Generic clients see the named services and health, and no others.
fn reflection<'a>(names: &[String], descriptors: &'a [u8]) -> Reflection<'a> {
    let builder = Reflection::configure()
        .register_encoded_file_descriptor_set(descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("grpc.health.v1.Health");
    names.iter().fold(builder, Reflection::with_service_name)
}

/// The span of one request, which goes on the caller's trace where it brought one.
fn request_span(request: &http::Request<()>) -> Span {
    let span = tracing::info_span!("request", rpc.method = request.uri().path());
    let headers = Headers(MetadataMap::from_headers(request.headers().clone()));
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    // Fails only where no tracer listens, and then there is no trace to go on.
    let _ = span.set_parent(parent);
    span
}

struct Headers(MetadataMap);

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// A token that is cancelled by `SIGTERM` or `SIGINT`.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("stopping on SIGTERM"),
            _ = interrupt.recv() => info!("stopping on SIGINT"),
        }
        stopped.cancel();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests;
