//! What tests of several services need: empty databases, one of each kind that there is, and what a meter
//! has counted. Only with the feature `testing`.

use kernel::Env;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData, ScopeMetrics},
};
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::MigratorTrait;
use tempfile::TempDir;

use crate::database::{Database, DatabaseUrl, Durability};

/// The address of the PostgreSQL server of this test run; without one, only SQLite is tested.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the test runner's set-up script names its server")]
pub fn server() -> Option<String> {
    std::env::var("PERENNIAL_TEST_POSTGRES").ok()
}

/// An empty database of each kind that there is, with the tables of `M`, and the folder that SQLite's
/// lives in until it is dropped. `name` is letters, digits and underscores, and tells whose they are.
///
/// On PostgreSQL it is a schema: making a whole database costs a checkpoint, which hundreds of tests
/// would feel.
///
/// # Panics
///
/// If a database cannot be made: there is nothing to test then.
pub async fn databases<M: MigratorTrait>(name: &str) -> (Vec<Database>, TempDir) {
    let folder = tempfile::tempdir().expect("tests have room for files");
    let mut urls = vec![format!("sqlite://{}/{name}.db", folder.path().display())];
    if let Some(server) = server() {
        let id = Env::system().next_id().simple().to_string();
        // The end of an id is random, and a name has 63 letters at the most.
        let schema = format!("{name}_{}", &id[20..]);
        let admin = sea_orm::Database::connect(&server).await.expect("the server is up");
        let create = format!("CREATE SCHEMA {schema}");
        admin.execute_unprepared(&create).await.expect("a new name is free");
        admin.close().await.expect("the server is up");
        urls.push(format!("{server}?options[search_path]={schema}"));
    }
    let mut databases = Vec::new();
    for url in urls {
        let url: DatabaseUrl = url.parse().expect("it is one of the two kinds");
        let database = Database::connect(&url, Durability::Full).await.expect("it was just made");
        database.migrate::<M>().await.expect("an empty database takes every table");
        databases.push(database);
    }
    (databases, folder)
}

/// Metrics that only one test counts and reads.
#[derive(Debug)]
pub struct Counted {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl Default for Counted {
    fn default() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        Self { provider: SdkMeterProvider::builder().with_reader(reader).build(), exporter }
    }
}

impl Counted {
    /// What is to count them.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.provider.meter("test")
    }

    /// What they are now, sorted: name without `perennial.`, values of attributes, value, such as
    /// `orders PAYING 1`.
    ///
    /// # Panics
    ///
    /// If there are none, or one of them is not called `perennial.`, or is neither a counter nor a gauge.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.provider.force_flush().expect("memory takes all");
        let resources = self.exporter.get_finished_metrics().expect("memory holds all");
        let last = resources.last().expect("something was counted");
        let mut lines = Vec::new();
        for metric in last.scope_metrics().flat_map(ScopeMetrics::metrics) {
            macro_rules! note {
                ($points:expr) => {
                    lines.extend($points.data_points().map(|point| {
                        let labels = point.attributes().map(|it| format!("{} ", it.value));
                        format!("{} {}{}", metric.name(), labels.collect::<String>(), point.value())
                    }))
                };
            }
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => note!(sum),
                AggregatedMetrics::U64(MetricData::Gauge(gauge)) => note!(gauge),
                AggregatedMetrics::F64(MetricData::Gauge(gauge)) => note!(gauge),
                _ => panic!("{} is neither a counter nor a gauge", metric.name()),
            }
        }
        let named = |line: &String| line.strip_prefix("perennial.").map(str::to_owned);
        let mut lines: Vec<_> =
            lines.iter().map(named).collect::<Option<_>>().expect("all are called so");
        lines.sort_unstable();
        lines
    }
}
