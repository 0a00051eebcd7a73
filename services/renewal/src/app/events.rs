//! Telling what happened, and forgetting what happened long ago.

mod watch;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use outbox::{Filter, ReadError};
use proto::{convert::instant, renewal::v1 as pb};

use self::watch::Watching;
pub use self::watch::{Limits, Start, TooManyWatchers};
use crate::store::{
    Store, StoreError,
    events::{self, Page},
};

/// How many times a call looks further where it has found nothing of what was asked for.
const LOOKS: usize = 20;

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Of whom, and which kinds.
    pub filter: Filter,
    /// Only of instances of this product.
    pub product: Option<String>,
}

/// Tells what happened. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Events {
    store: Store,
    watching: Watching,
}

/// What an event says, as receivers of webhooks and readers of streams are told it.
#[must_use]
pub fn content(event: &pb::Event) -> serde_json::Value {
    serde_json::json!({
        "account_id": event.account_id,
        "instance_id": event.instance_id,
        "instance_version": event.instance_version,
        "product_id": event.product_id,
        "order_id": event.order_id,
        "attributes": event.attributes,
    })
}

/// When an event happened, as text; `now` if it does not say.
#[must_use]
pub fn time_of(event: &pb::Event, now: DateTime<Utc>) -> String {
    let time = event.time.and_then(|time| instant(time).ok()).unwrap_or(now);
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl Events {
    /// Tells what `store` keeps. What is told as it comes goes by `limits`.
    #[must_use]
    pub fn new(store: Store, limits: Limits) -> Self {
        let watching = Watching::new(store.clone(), limits);
        Self { store, watching }
    }

    /// At most `limit` events that are `wanted`, after `cursor`, and the cursor to go on from.
    pub async fn list(&self, wanted: &Wanted, cursor: &str, limit: u32) -> Result<Page, ReadError> {
        let mut page = self.look(wanted, cursor, limit).await?;
        for _ in 1..LOOKS {
            if !page.more || !page.events.is_empty() {
                break;
            }
            page = self.look(wanted, &page.next, limit).await?;
        }
        Ok(page)
    }

    async fn look(&self, wanted: &Wanted, cursor: &str, limit: u32) -> Result<Page, ReadError> {
        let database = self.store.database();
        let mut page = events::list(database, &wanted.filter, cursor, limit).await?;
        if let Some(product) = &wanted.product {
            page.events.retain(|event: &pb::Event| event.product_id == *product);
        }
        Ok(page)
    }

    /// Forgets at most `limit` events that are older than `days` at `now`, and tells how many.
    pub async fn purge(
        &self,
        now: DateTime<Utc>,
        days: u32,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let horizon = now - TimeDelta::days(days.into());
        Ok(outbox::purge(self.store.database(), horizon, limit).await?)
    }
}

#[cfg(test)]
mod tests;
