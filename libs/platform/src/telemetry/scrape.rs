//! Metrics in the text format of Prometheus.

use std::sync::OnceLock;

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use prometheus::{Registry, TextEncoder};

/// What is counted in this process.
pub(super) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::new)
}

/// Answers with all metrics of this process as they are now.
pub async fn metrics() -> Response {
    match TextEncoder::new().encode_to_string(&registry().gather()) {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::warn!(%error, "metrics could not be told");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
