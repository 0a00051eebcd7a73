//! What waits, measured now and then for whoever watches over it.

use std::time::Duration;

use kernel::Env;
use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Meter},
};
use tokio::time::sleep;

use crate::{
    domain::order::State,
    store::{Store, StoreError, backlog},
};

/// How often it is measured.
const INTERVAL: Duration = Duration::from_secs(30);

/// The states in which an order waits for something.
const WAITING: [State; 4] = [State::PendingPayment, State::Paying, State::Paid, State::Refunding];

/// Measures what waits: orders that are not where they should be for good, consoles that have not been
/// heard of for an hour, and letters to receivers of webhooks.
#[derive(Debug, Clone)]
pub struct Backlog {
    store: Store,
    env: Env,
    orders: Gauge<u64>,
    oldest: Gauge<f64>,
    late: Gauge<u64>,
    letters: Gauge<u64>,
}

impl Backlog {
    /// Measures what is in `store` with `meter`.
    #[must_use]
    pub fn new(store: Store, env: Env, meter: &Meter) -> Self {
        let count = |name, about| meter.u64_gauge(name).with_description(about).build();
        Self {
            store,
            env,
            orders: count("perennial.orders", "Orders that wait for something, by state."),
            oldest: meter
                .f64_gauge("perennial.orders.oldest")
                .with_unit("s")
                .with_description("For how long the oldest of them waits.")
                .build(),
            late: count(
                "perennial.deliveries.late",
                "Instances whose console has not acknowledged them for an hour.",
            ),
            letters: count(
                "perennial.webhooks.letters",
                "Events that receivers of webhooks have not taken, by state.",
            ),
        }
    }

    /// Measures from now on, every half minute.
    pub async fn keep_measuring(self) {
        loop {
            sleep(INTERVAL).await;
            if let Err(error) = self.measure().await {
                tracing::debug!(%error, "what waits could not be measured");
            }
        }
    }

    /// Measures once.
    pub async fn measure(&self) -> Result<(), StoreError> {
        let waiting = backlog::read(self.store.reader()).await?;
        let now = self.env.now();
        // A state that nothing is in any more is not among the rows.
        for state in WAITING.map(|state| state.to_string()) {
            let found = waiting.iter().find(|one| one.sort == "order" && one.state == state);
            let state = KeyValue::new("state", state);
            let count = found.map_or(0, |one| one.count.unsigned_abs());
            self.orders.record(count, std::slice::from_ref(&state));
            self.oldest.record(found.and_then(|one| one.seconds(now)).unwrap_or(0.0), &[state]);
        }
        for one in &waiting {
            let count = one.count.unsigned_abs();
            match one.sort.as_str() {
                "delivery" => self.late.record(count, &[]),
                "letter" => {
                    let state = KeyValue::new("state", one.state.to_lowercase());
                    self.letters.record(count, &[state]);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
