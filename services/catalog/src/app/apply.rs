//! Making a catalog what a document says.

use chrono::{DateTime, Utc};
use kernel::ids::ProductId;
use rule_engine::profile::ProductProfile;

use super::{Catalogs, Snapshot};
use crate::{
    domain::{
        difference::{self, Change},
        document::{Document, Mistake, Parsed},
        history::{self, Frozen, Remembered},
        policies,
    },
    store::{CatalogVersion, ProfileVersion, StoreError},
};

/// How often a document is tried that meets another one at the same time.
const ATTEMPTS: u32 = 5;

/// What an apply did, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The version of all catalogs afterwards.
    pub version: i64,
    /// What changed.
    pub changes: Vec<Change>,
    /// What it does to customers, for people.
    pub impacts: Vec<String>,
    /// The rules of products that there were, where they are others.
    pub profiles: Vec<(ProductId, ProductProfile)>,
}

/// Why a document was not applied. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It cannot be read, or says what cannot be.
    #[error("the catalog document has {} mistakes", .0.len())]
    Invalid(Vec<Mistake>),
    /// Prices in force would change (M-8).
    #[error("{}", .0.iter().map(|frozen| frozen.problem.as_str()).collect::<Vec<_>>().join("; "))]
    Immutable(Vec<Frozen>),
    /// Other documents were applied at the same time, again and again.
    #[error("other catalogs are being applied; try again")]
    Busy,
    /// The store failed.
    #[error("the catalog store failed")]
    Store(#[from] StoreError),
}

impl Catalogs {
    /// Makes a catalog what `text` says, or only says what would change. The same content again
    /// changes nothing, and makes no version. A document with mistakes changes nothing.
    pub async fn apply(&self, text: &str, dry_run: bool) -> Result<Applied, ApplyError> {
        let parsed = Parsed::read(text).map_err(ApplyError::Invalid)?;
        let now = self.env.now();
        let _loading = self.loading.lock().await;
        for _ in 0..ATTEMPTS {
            let snapshot = self.reload().await?;
            let decided = self.decide(&snapshot, &parsed, now).await?;
            let done = decided.changes.is_empty() || dry_run;
            if done {
                return Ok(decided);
            }
            let version = snapshot.version + 1;
            let profiles = new_profiles(&snapshot, &parsed.document, version, now);
            let catalog = CatalogVersion {
                version,
                name: parsed.document.name.clone(),
                document: text.to_owned(),
                applied_at: now,
            };
            if self.store.add(&catalog, &profiles).await? {
                self.reload().await?;
                tracing::info!(catalog.name, catalog.version = version, "a catalog was applied");
                return Ok(Applied { version, ..decided });
            }
        }
        Err(ApplyError::Busy)
    }

    /// What the document would change, if it may.
    async fn decide(
        &self,
        snapshot: &Snapshot,
        parsed: &Parsed,
        now: DateTime<Utc>,
    ) -> Result<Applied, ApplyError> {
        let Parsed { document, lines } = parsed;
        let taken = taken_ids(snapshot, parsed);
        if !taken.is_empty() {
            return Err(ApplyError::Invalid(taken));
        }
        let contradictions = policies::contradictions(snapshot.money_policies(), document, lines);
        if !contradictions.is_empty() {
            return Err(ApplyError::Invalid(contradictions));
        }
        let remembered = self.remember(snapshot, document).await?;
        let frozen = history::frozen(&remembered, document, lines, now);
        if !frozen.is_empty() {
            return Err(ApplyError::Immutable(frozen));
        }
        let before = snapshot.document(&document.name);
        Ok(Applied {
            version: snapshot.version,
            changes: difference::changes(before, document),
            impacts: difference::impacts(before, document, now),
            profiles: difference::profiles(before, document),
        })
    }

    /// The prices that the products of `document` had when they were last in a catalog: most of
    /// them now, those that were removed some versions ago.
    async fn remember(
        &self,
        snapshot: &Snapshot,
        document: &Document,
    ) -> Result<Remembered, StoreError> {
        let mut remembered = Remembered::new();
        let mut missing: Vec<&ProductId> = Vec::new();
        let current = snapshot.document(&document.name);
        for product in &document.products {
            match current.filter(|current| has(current, &product.id)) {
                Some(current) => {
                    remembered.insert(product.id.clone(), prices_of(current, &product.id));
                }
                None if snapshot.was_known(&product.id) => missing.push(&product.id),
                None => {}
            }
        }
        let mut before = snapshot.version + 1;
        while !missing.is_empty()
            && let Some(older) = self.store.before(before).await?
        {
            before = older.version;
            // What could be applied once may be unreadable to a newer program; then it is unknown.
            let Ok(older) = Parsed::read(&older.document) else { continue };
            missing.retain(|id| {
                let found = has(&older.document, id);
                if found {
                    remembered.insert((*id).clone(), prices_of(&older.document, id));
                }
                !found
            });
        }
        Ok(remembered)
    }
}

fn has(document: &Document, id: &ProductId) -> bool {
    document.products.iter().any(|product| product.id == *id)
}

fn prices_of(document: &Document, id: &ProductId) -> Vec<rule_engine::price::PriceEntry> {
    let prices = document.prices.prices.iter();
    prices.filter(|price| price.product == *id).cloned().collect()
}

/// A product belongs to one catalog.
fn taken_ids(snapshot: &Snapshot, parsed: &Parsed) -> Vec<Mistake> {
    let products = parsed.document.products.iter().zip(&parsed.lines.products);
    let taken = products.filter_map(|(product, &line)| {
        let owner = snapshot.product(&product.id).ok()?.catalog();
        let problem = format!("the product {} belongs to the catalog {owner}", product.id);
        (owner != parsed.document.name).then_some(Mistake { line, problem })
    });
    taken.collect()
}

/// The profiles that are not what they were. The first of a product holds since ever, a later one
/// from now on (L-5).
fn new_profiles(
    snapshot: &Snapshot,
    document: &Document,
    version: i64,
    now: DateTime<Utc>,
) -> Vec<ProfileVersion> {
    let changed = document.products.iter().filter_map(|product| {
        let last = snapshot.last_profile(&product.id);
        if last.is_some_and(|last| last.profile == product.profile) {
            return None;
        }
        Some(ProfileVersion {
            product: product.id.clone(),
            version,
            effective_at: if last.is_some() { now } else { DateTime::UNIX_EPOCH },
            profile: product.profile.clone(),
        })
    });
    changed.collect()
}
