//! How many calls of each method come, how they end, and how long they take.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use http_body_util::BodyExt as _;
use opentelemetry::{KeyValue, metrics::Histogram};
use tokio::time::Instant;
use tonic::{
    Code,
    codegen::http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
    service::Routes,
};

use crate::{contract::calls, telemetry::meter};

/// Seconds, from an answer out of memory to what a request may take at the most.
const BOUNDARIES: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];

/// What a method is called that there is not: callers must not make up names for what is kept.
const OTHER: &str = "other";

/// Counts calls.
#[derive(Debug)]
pub struct Calls {
    durations: Histogram<f64>,
    /// Paths of all methods, without the first slash.
    methods: BTreeSet<String>,
}

impl Calls {
    /// Counts calls of the methods in `descriptors`.
    pub fn of(descriptors: &[u8]) -> anyhow::Result<Arc<Self>> {
        let methods = calls(descriptors)?.into_iter();
        let methods = methods.map(|(path, _)| path.trim_start_matches('/').to_owned());
        let durations = meter()
            .f64_histogram("perennial.request.duration")
            .with_unit("s")
            .with_description("How long calls took until their answer began, by method and code.")
            .with_boundaries(BOUNDARIES.into())
            .build();
        Ok(Arc::new(Self { durations, methods: methods.collect() }))
    }

    /// Counts the calls that `routes` answer, or refuse.
    pub fn count(self: &Arc<Self>, routes: Routes) -> Routes {
        let calls = Arc::clone(self);
        let layer = from_fn(move |request: Request, next: Next| {
            let calls = Arc::clone(&calls);
            async move { calls.follow(request, next).await }
        });
        routes.into_axum_router().layer(layer).into()
    }

    async fn follow(self: Arc<Self>, request: Request, next: Next) -> Response {
        let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if !kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
            return next.run(request).await;
        }
        let path = request.uri().path().trim_start_matches('/');
        let method = self.methods.get(path).map_or(OTHER, String::as_str).to_owned();
        let begin = Instant::now();
        let durations = self.durations.clone();
        let mut call = Call { durations, method, begin, seconds: None, code: Code::Cancelled };
        let response = next.run(request).await;
        call.seconds = Some(call.begin.elapsed().as_secs_f64());
        // A refusal may have no body: its code stands in the head.
        call.note(response.headers());
        let (head, body) = response.into_parts();
        let body = body.map_frame(move |frame| {
            if let Some(trailers) = frame.trailers_ref() {
                call.note(trailers);
            }
            frame
        });
        Response::from_parts(head, Body::new(body))
    }
}

/// A call that is being answered; it is counted when its answer has ended, or nobody waits for it.
struct Call {
    durations: Histogram<f64>,
    method: String,
    begin: Instant,
    /// How long it took until the answer began.
    seconds: Option<f64>,
    code: Code,
}

impl Call {
    fn note(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get("grpc-status") {
            self.code = Code::from_bytes(code.as_bytes());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let seconds = self.seconds.unwrap_or_else(|| self.begin.elapsed().as_secs_f64());
        let method = KeyValue::new("method", std::mem::take(&mut self.method));
        self.durations.record(seconds, &[method, KeyValue::new("code", name(self.code))]);
    }
}

/// As gRPC writes it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
