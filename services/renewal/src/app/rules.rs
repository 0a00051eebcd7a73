//! What the catalog says of products and account profiles, kept in memory by its version.

pub mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use kernel::ids::ProductId;
use proto::catalog::v1 as catalog;
use rule_engine::{
    lifecycle::{LifecycleRules, in_force},
    profile::{AccountProfile, DayRange, ProductProfile},
};

use super::{Pricing, RemoteError};

/// A kind of instance, as the catalog describes it.
#[derive(Debug, Clone)]
pub struct Product {
    /// The catalog that describes it.
    pub catalog: String,
    /// The product line that it is shown under.
    pub line: String,
    /// The rules in force now.
    pub profile: Arc<ProductProfile>,
    /// The rules over time, each with the instant from which it holds, oldest first (L-5).
    versions: Vec<(DateTime<Utc>, Arc<ProductProfile>)>,
    /// Settings of a configuration that decide on its price (M-1).
    priced: BTreeSet<String>,
}

/// Rules, and when they are in force.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'p> {
    /// From this instant on; none: since ever.
    pub from: Option<DateTime<Utc>>,
    /// Until this instant, which is not in it; none: for ever.
    pub until: Option<DateTime<Utc>>,
    /// The rules.
    pub profile: &'p ProductProfile,
}

impl Product {
    /// Whether this setting of a configuration decides on its price (M-1).
    #[must_use]
    pub fn is_priced(&self, setting: &str) -> bool {
        self.priced.contains(setting)
    }

    /// The rules over time, oldest first (L-5).
    #[must_use]
    pub fn in_force(&self) -> Vec<InForce<'_>> {
        if self.versions.is_empty() {
            return vec![InForce { from: None, until: None, profile: &self.profile }];
        }
        let versions = self.versions.iter().enumerate().map(|(number, (from, profile))| InForce {
            from: (number > 0).then_some(*from),
            until: self.versions.get(number + 1).map(|(next, _)| *next),
            profile,
        });
        versions.collect()
    }

    /// The rules that were in force at `instant`: an expiry, say (L-5). Before the first ones these
    /// hold.
    #[must_use]
    pub fn profile_at(&self, instant: DateTime<Utc>) -> &ProductProfile {
        let versions = self.versions.iter().map(|(from, profile)| (*from, profile));
        let oldest = || self.versions.first().map(|(_, profile)| profile);
        in_force(versions, instant).or_else(oldest).unwrap_or(&self.profile)
    }
}

/// Every product and account profile, as of one version of all catalogs.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    version: i64,
    products: BTreeMap<ProductId, Product>,
    accounts: BTreeMap<String, AccountProfile>,
}

impl Catalogue {
    /// What the catalog's messages say.
    ///
    /// What this program cannot read is left out, and said in the log: a newer catalog may sell
    /// products by rules that an older renewal service does not know.
    #[must_use]
    pub fn read(
        version: i64,
        products: Vec<catalog::Product>,
        accounts: Vec<catalog::AccountProfile>,
    ) -> Self {
        let mut catalogue = Self { version, ..Self::default() };
        for product in products {
            let id = product.product_id.clone();
            match read::product(product) {
                Ok((id, product)) => {
                    catalogue.products.insert(id, product);
                }
                Err(error) => tracing::error!(product.id = id, %error, "a product is unreadable"),
            }
        }
        for profile in accounts {
            let name = profile.profile.clone();
            match read::account_profile(&profile) {
                Ok(profile) => {
                    catalogue.accounts.insert(name, profile);
                }
                Err(error) => tracing::error!(profile = name, %error, "a profile is unreadable"),
            }
        }
        catalogue
    }

    /// The version of all catalogs.
    #[must_use]
    pub const fn version(&self) -> i64 {
        self.version
    }

    /// The product with this id.
    #[must_use]
    pub fn product(&self, id: &ProductId) -> Option<&Product> {
        self.products.get(id)
    }

    /// The same, where `profiles` hold from `now` on (L-5).
    #[must_use]
    pub fn with(mut self, profiles: Vec<(ProductId, ProductProfile)>, now: DateTime<Utc>) -> Self {
        for (id, profile) in profiles {
            if let Some(product) = self.products.get_mut(&id) {
                let profile = Arc::new(profile);
                if product.versions.is_empty() {
                    let ever = (DateTime::UNIX_EPOCH, Arc::clone(&product.profile));
                    product.versions.push(ever);
                }
                product.versions.push((now, Arc::clone(&profile)));
                product.profile = profile;
            }
        }
        self
    }

    /// The products whose days of grace and retention, or boundary, are others than in `other` (L-5).
    pub fn differing<'c>(&'c self, other: &'c Self) -> impl Iterator<Item = &'c ProductId> {
        let both = self.products.iter().filter_map(|(id, one)| Some((id, one, other.product(id)?)));
        let differs = |one: &Product, other: &Product| {
            LifecycleRules::of(&one.profile) != LifecycleRules::of(&other.profile)
        };
        both.filter(move |(_, one, other)| differs(one, other)).map(|(id, ..)| id)
    }

    /// Every product, by id.
    pub fn products(&self) -> impl Iterator<Item = (&ProductId, &Product)> {
        self.products.iter()
    }

    /// Which days before expiry the products of `catalog` let an account choose for its first
    /// automatic attempts.
    #[must_use]
    pub fn auto_overrides(&self, catalog: &str) -> Vec<DayRange> {
        let products = self.products.values().filter(|product| product.catalog == catalog);
        let schedules = products.filter_map(|product| product.profile.auto_schedule.as_ref());
        schedules.filter_map(|schedule| schedule.account_override).collect()
    }

    /// The profile of the accounts that live under this name.
    #[must_use]
    pub fn account_profile(&self, name: &str) -> Option<&AccountProfile> {
        self.accounts.get(name)
    }
}

/// The catalogue, read when it is first needed and again when it has changed.
#[derive(Debug)]
pub struct Rules {
    pricing: Arc<dyn Pricing>,
    known: RwLock<Option<Arc<Catalogue>>>,
}

impl Rules {
    /// What `pricing` says.
    #[must_use]
    pub fn new(pricing: Arc<dyn Pricing>) -> Self {
        Self { pricing, known: RwLock::new(None) }
    }

    /// The catalogue as of now. Where the catalog does not answer, what is known of it holds on:
    /// rules change seldom, and no money moves without a price.
    pub async fn current(&self) -> Result<Arc<Catalogue>, RemoteError> {
        let Some(known) = self.known() else { return self.refreshed().await };
        let fresh = match self.pricing.version().await {
            Ok(version) if version == known.version => return Ok(known),
            Ok(_) => self.refreshed().await,
            Err(error) => Err(error),
        };
        fresh.or_else(|error| if error.is_open() { Ok(known) } else { Err(error) })
    }

    /// The catalogue as it was read last: where a price is asked for anyway, its version tells
    /// whether that was too long ago.
    pub async fn last_known(&self) -> Result<Arc<Catalogue>, RemoteError> {
        match self.known() {
            Some(known) => Ok(known),
            None => self.refreshed().await,
        }
    }

    /// The catalogue as of now, and what it would be if `document` were applied at `now`.
    pub async fn proposed(
        &self,
        document: &str,
        now: DateTime<Utc>,
    ) -> Result<(Arc<Catalogue>, Catalogue), RemoteError> {
        let profiles = self.pricing.proposed(document.to_owned()).await?;
        let current = self.refreshed().await?;
        let proposed = Catalogue::clone(&current).with(profiles, now);
        Ok((current, proposed))
    }

    /// The catalogue, read anew.
    pub async fn refreshed(&self) -> Result<Arc<Catalogue>, RemoteError> {
        let read = Arc::new(self.pricing.catalogue().await?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Of two that are read at once the newer one stays.
        match &*known {
            Some(other) if other.version > read.version => Ok(Arc::clone(other)),
            _ => {
                *known = Some(Arc::clone(&read));
                Ok(read)
            }
        }
    }

    fn known(&self) -> Option<Arc<Catalogue>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
