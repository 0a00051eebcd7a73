use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData, ScopeMetrics},
};

use super::*;
use crate::tests::{
    cloud::{at, clouds, prepaid},
    renewals::create,
};

/// What was measured last, such as `orders PAYING 1`; without zeros.
fn measured(provider: &SdkMeterProvider, exporter: &InMemoryMetricExporter) -> Vec<String> {
    provider.force_flush().unwrap();
    let mut all = Vec::new();
    let resources = exporter.get_finished_metrics().unwrap();
    for metric in resources.last().unwrap().scope_metrics().flat_map(ScopeMetrics::metrics) {
        let name = metric.name().strip_prefix("perennial.").unwrap();
        let mut add = |state: Option<&KeyValue>, value: String| {
            let state = state.map(|state| format!(" {}", state.value)).unwrap_or_default();
            if value != "0" {
                all.push(format!("{name}{state} {value}"));
            }
        };
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Gauge(gauge)) => gauge
                .data_points()
                .for_each(|point| add(point.attributes().next(), point.value().to_string())),
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge
                .data_points()
                .for_each(|point| add(point.attributes().next(), point.value().to_string())),
            _ => panic!("{} is no gauge", metric.name()),
        }
    }
    all.sort();
    all
}

#[tokio::test]
async fn orders_that_wait_are_measured_by_state_and_since_when() {
    let (clouds, _folder) = clouds("backlog").await;
    for cloud in clouds {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let clock = kernel::Env::with_clock(cloud.clock.clone());
        let backlog = Backlog::new(cloud.store.clone(), clock, &provider.meter("test"));
        backlog.measure().await.unwrap();
        assert_eq!(measured(&provider, &exporter), Vec::<String>::new());

        cloud.register(["a", "b"].map(|id| prepaid(id, "vm", "2026-03-11 00:00")).into()).await;
        cloud.order(&create(1, &["a"])).await.unwrap();
        cloud.clock.advance(chrono::TimeDelta::seconds(50));
        cloud.order(&create(2, &["b"])).await.unwrap();
        cloud.clock.advance(chrono::TimeDelta::seconds(10));
        backlog.measure().await.unwrap();
        let waiting = ["orders PENDING_PAYMENT 2", "orders.oldest PENDING_PAYMENT 60"];
        assert_eq!(measured(&provider, &exporter), waiting);

        // Nobody pays them: they end, and nothing waits.
        cloud.clock.set(at("2027-01-01 00:00"));
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 2);
        backlog.measure().await.unwrap();
        assert_eq!(measured(&provider, &exporter), Vec::<String>::new());
    }
}
