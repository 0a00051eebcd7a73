//! What is measured when somebody asks for metrics.

use std::sync::Arc;

use opentelemetry::{KeyValue, global, metrics::Meter};
use sea_orm::DatabaseConnection;

use crate::{
    database::{Backend, Database},
    files::Watched,
    tls::Offer,
};

/// What all metrics are counted with. Before telemetry has started, it counts nothing.
#[must_use]
pub fn meter() -> Meter {
    global::meter("perennial")
}

/// Has the connections to `databases` measured: those that are used, and those that could be.
pub fn watch_connections(databases: &[Database]) {
    let databases: Arc<[Database]> = databases.into();
    meter()
        .u64_observable_gauge("perennial.database.connections")
        .with_description("Connections to databases, by whether they are used.")
        .with_callback(move |gauge| {
            let (mut idle, mut used) = (0, 0);
            for database in databases.iter() {
                for connection in database.connections() {
                    let (most, free) = pool(database.backend(), connection);
                    idle += free;
                    used += most - free;
                }
            }
            gauge.observe(idle, &[KeyValue::new("state", "idle")]);
            gauge.observe(used, &[KeyValue::new("state", "used")]);
        })
        .build();
}

/// How many connections there may be, and how many more could be used now.
fn pool(backend: Backend, connection: &DatabaseConnection) -> (u64, u64) {
    let (most, open, idle) = match backend {
        Backend::Postgres => {
            let pool = connection.get_postgres_connection_pool();
            (pool.options().get_max_connections(), pool.size(), pool.num_idle())
        }
        Backend::Sqlite => {
            let pool = connection.get_sqlite_connection_pool();
            (pool.options().get_max_connections(), pool.size(), pool.num_idle())
        }
    };
    let used = u64::from(open).saturating_sub(idle as u64);
    (most.into(), u64::from(most).saturating_sub(used))
}

/// Has measured how many asks wait in the queue `name`, as `waiting` says; none: the queue is no more.
pub fn watch_queue(
    name: &'static str,
    waiting: impl Fn() -> Option<usize> + Send + Sync + 'static,
) {
    meter()
        .u64_observable_gauge("perennial.queue.length")
        .with_description("Asks that wait to be done together with others, by queue.")
        .with_callback(move |gauge| {
            if let Some(waiting) = waiting() {
                gauge.observe(waiting as u64, &[KeyValue::new("queue", name)]);
            }
        })
        .build();
}

/// Has measured for how long the certificate that is served with is still valid.
pub fn watch_certificate(offer: Watched<Offer>) {
    meter()
        .f64_observable_gauge("perennial.certificate.expiry")
        .with_unit("s")
        .with_description("How long the certificate is still valid that is served with.")
        .with_callback(move |gauge| gauge.observe(offer.get().time_left().as_secs_f64(), &[]))
        .build();
}
