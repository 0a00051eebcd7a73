use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData, ScopeMetrics},
};
use rule_engine::policy::PolicyWish;

use super::*;
use crate::{
    app::automatic::RenewDue,
    tests::{
        cloud::{acme, at, clouds, id, prepaid},
        purse::Trouble,
    },
};

/// What was counted so far, such as `decided FAILED 1`.
fn counted(provider: &SdkMeterProvider, exporter: &InMemoryMetricExporter) -> Vec<String> {
    provider.force_flush().unwrap();
    let mut all = Vec::new();
    let resources = exporter.get_finished_metrics().unwrap();
    for metric in resources.last().unwrap().scope_metrics().flat_map(ScopeMetrics::metrics) {
        let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else {
            panic!("{} is no counter", metric.name());
        };
        let name = metric.name().strip_prefix("perennial.renewals.").unwrap();
        for point in sum.data_points() {
            let outcome = point.attributes().map(|outcome| format!(" {}", outcome.value));
            all.push(format!("{name}{} {}", outcome.collect::<String>(), point.value()));
        }
    }
    all.sort();
    all
}

//
#[tokio::test]
async fn what_is_due_is_counted_as_decided_or_as_undecided() {
    let (clouds, _folder) = clouds("meters").await;
    for mut cloud in clouds {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        cloud.orders = cloud.orders.counting(Meters::of(&provider.meter("test")));
        cloud.purse.put(150);
        cloud.register(["a", "b"].map(|id| prepaid(id, "ks", "2026-03-11 00:00")).into()).await;
        cloud.register(vec![prepaid("c", "ks", "2026-04-11 00:00")]).await;
        let ids = ["a", "b", "c"].map(id);
        let wish = PolicyWish::Auto { cycle: None, remaining: None };
        cloud.policies.set(&acme(), &ids, wish).await.unwrap();
        let page = RenewDue { shards: 0..64, after: None, limit: 1_000 };

        cloud.clock.set(at("2026-03-10 00:00"));
        cloud.purse.fail([Trouble::Down]);
        cloud.orders.renew_due(&page).await.unwrap_err();
        assert_eq!(counted(&provider, &exporter), ["due 2", "undecided 2"]);

        // The payments are found halfway, and decided.
        cloud.clock.set(at("2026-03-10 00:02"));
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 2);
        let decided = ["decided FAILED 1", "decided RENEWED 1", "due 4", "undecided 2"];
        assert_eq!(counted(&provider, &exporter), decided);

        cloud.purse.put(1_000);
        cloud.clock.set(at("2026-04-10 00:00"));
        cloud.orders.renew_due(&page).await.unwrap();
        let decided = ["decided FAILED 1", "decided RENEWED 3", "due 6", "undecided 2"];
        assert_eq!(counted(&provider, &exporter), decided);
    }
}
