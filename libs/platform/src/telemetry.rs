//! Logs to standard error; logs, metrics and traces to an OTLP collector where one is named; and
//! metrics for whoever asks for them.

mod gauges;
mod scrape;
mod trace;

use std::io::{IsTerminal as _, stderr};

use anyhow::Context as _;
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource, logs::SdkLoggerProvider, metrics::SdkMeterProvider,
    propagation::TraceContextPropagator, trace::SdkTracerProvider,
};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

pub use self::{
    gauges::{meter, watch_certificate, watch_connections, watch_queue},
    scrape::metrics,
    trace::{round_span, trace_parent},
};

/// What the exporters' own calls log and trace would be exported in turn, for ever.
const QUIET: &str =
    "h2=off,hyper=off,hyper_util=off,tonic=off,tower=off,opentelemetry=off,sqlx=off,sea_orm=off";

/// How to report what the process does.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryArgs {
    /// What to log, as `tracing` directives.
    #[arg(long, env = "PERENNIAL_LOG", default_value = "info,sea_orm_migration=warn")]
    pub log: String,

    /// OTLP/gRPC collector to send logs, metrics and traces to; without one, none are sent.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,

    /// What this process is called in them.
    #[arg(long, env = "OTEL_SERVICE_NAME", default_value = "perennial")]
    pub service_name: String,
}

/// Keeps telemetry flowing; flushes what is left when dropped.
#[derive(Debug)]
#[must_use = "telemetry stops when this is dropped"]
pub struct Telemetry {
    metrics: SdkMeterProvider,
    collector: Option<(SdkTracerProvider, SdkLoggerProvider)>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let mut ends = vec![self.metrics.shutdown()];
        if let Some((traces, logs)) = self.collector.take() {
            ends.extend([traces.shutdown(), logs.shutdown()]);
        }
        for error in ends.into_iter().filter_map(Result::err) {
            eprintln!("could not flush telemetry: {error}");
        }
    }
}

/// Starts reporting: for people where standard error is a terminal, else one JSON object a line.
/// Call it once, inside the runtime, before services start: what they count with is made then.
pub fn init(args: &TelemetryArgs) -> anyhow::Result<Telemetry> {
    let filter: EnvFilter = args.log.parse().context("--log has no valid directives")?;
    let resource = Resource::builder().with_service_name(args.service_name.clone()).build();
    let endpoint = args.otlp_endpoint.as_deref();
    let metrics = meter_provider(&resource, endpoint)?;
    let collector = endpoint.map(|endpoint| collector(&resource, endpoint)).transpose()?;
    let sent = collector.as_ref().map(|(traces, logs)| {
        let told = EnvFilter::new(format!("{},{QUIET}", args.log));
        let spans = EnvFilter::new(format!("info,{QUIET}"));
        let traces = tracing_opentelemetry::layer().with_tracer(traces.tracer("perennial"));
        let logs = OpenTelemetryTracingBridge::new(logs);
        traces.with_filter(spans).and_then(logs.with_filter(told))
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines = if stderr().is_terminal() {
        lines.with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    };

    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_meter_provider(metrics.clone());
    Registry::default().with(sent).with(lines.with_filter(filter)).try_init()?;
    Ok(Telemetry { metrics, collector })
}

fn meter_provider(resource: &Resource, endpoint: Option<&str>) -> anyhow::Result<SdkMeterProvider> {
    let asked = opentelemetry_prometheus::exporter()
        .with_registry(scrape::registry().clone())
        .scope_info_enabled(false)
        .build()?;
    let provider = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(asked);
    let Some(endpoint) = endpoint else { return Ok(provider.build()) };
    let exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    Ok(provider.with_periodic_exporter(exporter).build())
}

fn collector(
    resource: &Resource,
    endpoint: &str,
) -> anyhow::Result<(SdkTracerProvider, SdkLoggerProvider)> {
    let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let traces = SdkTracerProvider::builder().with_batch_exporter(spans);
    let lines = LogExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let logs = SdkLoggerProvider::builder().with_batch_exporter(lines);
    Ok((
        traces.with_resource(resource.clone()).build(),
        logs.with_resource(resource.clone()).build(),
    ))
}
