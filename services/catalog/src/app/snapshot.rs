//! All catalogs at one version, compiled and never changed.

use std::{collections::BTreeMap, sync::Arc};

use kernel::ids::ProductId;
use rule_engine::{
    price::{PriceBook, PricedProduct},
    profile::{AccountProfile, MoneyPolicy},
};
use sha2::{Digest as _, Sha256};

use super::CatalogError;
use crate::{
    domain::document::{Document, Parsed, Product},
    store::{CatalogVersion, ProfileVersion, StoreError},
};

/// One catalog at one version.
#[derive(Debug)]
pub struct Catalog {
    /// What it says.
    pub document: Document,
    book: PriceBook,
}

/// A product, with all that it needs to be shown and priced.
#[derive(Debug, Clone)]
pub struct Entry {
    catalog: Arc<Catalog>,
    /// Its position in the document.
    at: usize,
    /// Its rules over time, oldest first (L-5).
    pub profiles: Vec<ProfileVersion>,
    /// Changes whenever the product does.
    pub etag: String,
}

/// All catalogs at one version.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The version of all catalogs; 0 before the first.
    pub version: i64,
    catalogs: BTreeMap<String, Arc<Catalog>>,
    products: BTreeMap<ProductId, Entry>,
    /// Rules of products that are in no catalog any more.
    removed: BTreeMap<ProductId, Vec<ProfileVersion>>,
}

impl Entry {
    /// The product.
    pub fn product(&self) -> &Product {
        &self.catalog.document.products[self.at]
    }

    /// How it is priced.
    pub fn priced(&self) -> &PricedProduct {
        &self.catalog.document.prices.products[self.at]
    }

    /// The name of its catalog.
    pub fn catalog(&self) -> &str {
        &self.catalog.document.name
    }

    /// What prices it.
    pub fn book(&self) -> &PriceBook {
        &self.catalog.book
    }
}

impl Snapshot {
    /// Compiles what the store holds: the newest version of each catalog, and all profiles.
    pub fn build(
        catalogs: Vec<CatalogVersion>,
        profiles: Vec<ProfileVersion>,
    ) -> Result<Self, StoreError> {
        let mut snapshot = Self::default();
        for CatalogVersion { version, name, document, .. } in catalogs {
            let unreadable = || StoreError::Unreadable(format!("version {version} of {name}"));
            let Parsed { document, .. } = Parsed::read(&document).map_err(|_| unreadable())?;
            let label = format!("{name}.{version}");
            let book = PriceBook::compile(&label, &document.prices).map_err(|_| unreadable())?;
            snapshot.version = snapshot.version.max(version);
            snapshot.catalogs.insert(name, Arc::new(Catalog { document, book }));
        }
        let mut over_time: BTreeMap<ProductId, Vec<ProfileVersion>> = BTreeMap::new();
        for profile in profiles {
            over_time.entry(profile.product.clone()).or_default().push(profile);
        }
        for catalog in snapshot.catalogs.values() {
            for (at, product) in catalog.document.products.iter().enumerate() {
                let catalog = Arc::clone(catalog);
                let profiles = over_time.remove(&product.id).unwrap_or_default();
                let etag = etag(&catalog, at, &profiles);
                let entry = Entry { catalog, at, profiles, etag };
                snapshot.products.insert(product.id.clone(), entry);
            }
        }
        snapshot.removed = over_time;
        Ok(snapshot)
    }

    /// Whether there ever was such a product.
    pub fn was_known(&self, id: &ProductId) -> bool {
        self.last_profile(id).is_some()
    }

    /// The newest rules of a product, also of one that is in no catalog any more.
    pub fn last_profile(&self, id: &ProductId) -> Option<&ProfileVersion> {
        let current = self.products.get(id).map(|entry| &entry.profiles);
        current.or_else(|| self.removed.get(id))?.last()
    }

    /// The money policies that every product ever had, oldest first.
    pub fn money_policies(&self) -> impl Iterator<Item = (&ProductId, &MoneyPolicy)> {
        let current = self.products.iter().map(|(id, entry)| (id, &entry.profiles));
        let all = current.chain(self.removed.iter());
        all.flat_map(|(id, versions)| {
            versions.iter().map(move |version| (id, &version.profile.money_policy))
        })
    }

    /// A product.
    pub fn product(&self, id: &ProductId) -> Result<&Entry, CatalogError> {
        self.products.get(id).ok_or_else(|| CatalogError::ProductNotFound(id.clone()))
    }

    /// The products of one catalog or of all, by id, from after `after` on.
    pub fn products<'s>(
        &'s self,
        catalog: &'s str,
        after: Option<&ProductId>,
    ) -> impl Iterator<Item = &'s Entry> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let entries =
            self.products.range::<ProductId, _>((from, Unbounded)).map(|(_, entry)| entry);
        entries.filter(move |entry| catalog.is_empty() || entry.catalog() == catalog)
    }

    /// The document of a catalog.
    pub fn document(&self, catalog: &str) -> Option<&Document> {
        self.catalogs.get(catalog).map(|catalog| &catalog.document)
    }

    /// The account profiles, one for each catalog, by name.
    pub fn account_profiles(&self) -> impl Iterator<Item = (&str, &AccountProfile)> {
        self.catalogs
            .iter()
            .map(|(name, catalog)| (name.as_str(), &catalog.document.account_profile))
    }
}

/// A digest of everything that a product says.
fn etag(catalog: &Catalog, at: usize, profiles: &[ProfileVersion]) -> String {
    let document = &catalog.document;
    let said = (&document.products[at], &document.prices.products[at], &document.name, profiles);
    let digest = Sha256::digest(format!("{said:?}"));
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    format!("{:016x}", u64::from_be_bytes(short))
}
