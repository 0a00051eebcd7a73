//! What can be asked of catalogs: apply one, look products up, price.

mod apply;
mod snapshot;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{
    Currency, Env,
    ids::{ProductId, Region},
};
use rule_engine::{
    configuration::Configuration,
    duration::TermDuration,
    kind::OrderKind,
    price::{PriceFacts, PriceRefused, Quote},
    term::PricedSpan,
};
use tokio::sync::Mutex;

use crate::store::{Store, StoreError};

pub use self::{
    apply::ApplyError,
    snapshot::{Entry, Snapshot},
};

/// How far a caller's clock may be from ours.
const MAX_SKEW: TimeDelta = TimeDelta::minutes(5);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no such product.
    #[error("there is no product {0}")]
    ProductNotFound(ProductId),
    /// The caller's instant is too far from ours.
    #[error("as_of {as_of} is more than 5 minutes from the catalog's clock, {now}")]
    ClockSkew {
        /// The caller's.
        as_of: DateTime<Utc>,
        /// Ours.
        now: DateTime<Utc>,
    },
    /// Something has no price.
    #[error(transparent)]
    Price(#[from] PriceRefused),
    /// The store failed.
    #[error("the catalog store failed")]
    Store(#[from] StoreError),
}

/// One item to be priced.
#[derive(Debug, Clone)]
pub struct Item {
    /// The caller's own name of it.
    pub id: String,
    /// The product.
    pub product: ProductId,
    /// The region.
    pub region: Region,
    /// What is priced.
    pub configuration: Configuration,
    /// What the order does.
    pub order_kind: OrderKind,
    /// The time that is priced.
    pub span: PricedSpan,
    /// For which of the buyers.
    pub buyer: usize,
}

/// What is to be priced with the price calculator.
#[derive(Debug, Clone)]
pub struct Calculation {
    /// The product.
    pub product: ProductId,
    /// The region.
    pub region: Region,
    /// The currency.
    pub currency: Currency,
    /// What is priced.
    pub configuration: Configuration,
    /// The instant to price at; now where it is left out.
    pub as_of: Option<DateTime<Utc>>,
}

/// For whom items are priced.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// The account's currency.
    pub currency: Currency,
    /// The account's labels.
    pub labels: BTreeMap<String, String>,
}

/// The service's operations, whatever asks for them.
#[derive(Debug)]
pub struct Catalogs {
    store: Store,
    env: Env,
    current: RwLock<Arc<Snapshot>>,
    /// Held by whoever loads or applies, so that a snapshot is never replaced by an older one.
    loading: Mutex<()>,
}

impl Catalogs {
    /// Serves what `store` holds now.
    pub async fn load(store: Store, env: Env) -> Result<Self, StoreError> {
        let (catalogs, profiles) = store.load().await?;
        let current = RwLock::new(Arc::new(Snapshot::build(catalogs, profiles)?));
        Ok(Self { store, env, current, loading: Mutex::new(()) })
    }

    /// What is served at this moment; a request reads it once.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the store anew if another replica has applied something.
    pub async fn follow(&self) -> Result<Arc<Snapshot>, StoreError> {
        if self.store.version().await? == self.snapshot().version {
            return Ok(self.snapshot());
        }
        let _loading = self.loading.lock().await;
        self.reload().await
    }

    /// Reads the store anew. The caller holds `loading`.
    async fn reload(&self) -> Result<Arc<Snapshot>, StoreError> {
        let (catalogs, profiles) = self.store.load().await?;
        let snapshot = Arc::new(Snapshot::build(catalogs, profiles)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&snapshot);
        Ok(snapshot)
    }

    /// What a configuration costs for every duration that its product sells, shortest first, with
    /// no account (M-7).
    pub fn calculate<'s>(
        &self,
        snapshot: &'s Snapshot,
        asked: &'s Calculation,
        no_labels: &'s BTreeMap<String, String>,
    ) -> Result<Vec<(TermDuration, Quote<'s>)>, CatalogError> {
        let entry = snapshot.product(&asked.product)?;
        let as_of = asked.as_of.unwrap_or_else(|| self.env.now());
        let mut durations = entry.product().profile.durations.clone();
        durations.sort();
        let quotes = durations.into_iter().map(|duration| {
            let months = duration.months();
            let facts = PriceFacts {
                product: &asked.product,
                region: &asked.region,
                configuration: &asked.configuration,
                currency: asked.currency,
                // Without a day to begin on a term has no days, only months.
                span: PricedSpan {
                    duration: Some(duration),
                    whole_months: months,
                    odd_days: 0,
                    total_days: 0,
                },
                order_kind: OrderKind::Renewal,
                account_labels: no_labels,
                as_of,
            };
            Ok((duration, entry.book().quote(&facts)?))
        });
        quotes.collect()
    }

    /// Prices `items` at `as_of`, each for its one of `buyers` and as if it were alone (M-5). The
    /// caller's instant is ours, give or take five minutes, or later for a `forecast`: `CLOCK_SKEW`.
    pub fn quote<'s>(
        &self,
        snapshot: &'s Snapshot,
        items: &'s [Item],
        buyers: &'s [Buyer],
        as_of: DateTime<Utc>,
        forecast: bool,
    ) -> Result<Vec<Result<Quote<'s>, PriceRefused>>, CatalogError> {
        let now = self.env.now();
        if now - as_of > MAX_SKEW || !forecast && as_of - now > MAX_SKEW {
            return Err(CatalogError::ClockSkew { as_of, now });
        }
        let quote = |item: &'s Item| {
            let unknown = |_| PriceRefused::UnknownProduct(item.product.clone());
            let entry = snapshot.product(&item.product).map_err(unknown)?;
            let buyer = &buyers[item.buyer];
            entry.book().quote(&PriceFacts {
                product: &item.product,
                region: &item.region,
                configuration: &item.configuration,
                currency: buyer.currency,
                span: item.span,
                order_kind: item.order_kind,
                account_labels: &buyer.labels,
                as_of,
            })
        };
        Ok(items.iter().map(quote).collect())
    }
}

/// Looks for new versions at an interval, for as long as the service lives.
pub fn keep_following(catalogs: &Arc<Catalogs>, interval: Duration) {
    let catalogs = Arc::downgrade(catalogs);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(interval).await;
            let Some(catalogs) = catalogs.upgrade() else { return };
            if let Err(error) = catalogs.follow().await {
                tracing::warn!(%error, "new catalogs could not be read; this is repeated");
            }
        }
    });
}

#[cfg(test)]
pub mod tests;
