//! What the service keeps: every version of every catalog, and the rules of products over time.
//!
//! Rows are only ever added. The version of all catalogs is the greatest version of one, so that a
//! replica finds out with one cheap query whether it is behind.

mod entity;
mod migration;

use chrono::{DateTime, Utc};
use kernel::ids::ProductId;
use platform::database::Database;
use rule_engine::profile::ProductProfile;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, sea_query::OnConflict,
};

use self::entity::{catalog_version, product_profile};

pub use self::migration::Migrator;
pub use platform::database::StoreError;

/// One version of one catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogVersion {
    /// Counts over all catalogs.
    pub version: i64,
    /// The catalog.
    pub name: String,
    /// As it was applied.
    pub document: String,
    /// When it was applied.
    pub applied_at: DateTime<Utc>,
}

/// The rules of a product from an instant on (L-5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileVersion {
    /// The product.
    pub product: ProductId,
    /// The catalog version that they came with.
    pub version: i64,
    /// The first instant at which they hold.
    pub effective_at: DateTime<Utc>,
    /// The rules.
    pub profile: ProductProfile,
}

/// The service's database. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Keeps everything in `database`, whose schema is up to date.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The version of all catalogs; 0 before the first.
    pub async fn version(&self) -> Result<i64, StoreError> {
        let newest = catalog_version::Entity::find()
            .select_only()
            .column(catalog_version::Column::Version)
            .order_by_desc(catalog_version::Column::Version)
            .limit(1)
            .into_tuple::<i64>()
            .one(self.database.reader())
            .await?;
        Ok(newest.unwrap_or_default())
    }

    /// The newest version of each catalog, and every profile ever, oldest first.
    pub async fn load(&self) -> Result<(Vec<CatalogVersion>, Vec<ProfileVersion>), StoreError> {
        let snapshot = self.database.begin_snapshot().await?;
        let newest = catalog_version::Entity::find()
            .select_only()
            .column_as(catalog_version::Column::Version.max(), "version")
            .group_by(catalog_version::Column::Name)
            .into_tuple::<i64>()
            .all(&snapshot)
            .await?;
        let catalogs = catalog_version::Entity::find()
            .filter(catalog_version::Column::Version.is_in(newest))
            .order_by_asc(catalog_version::Column::Name)
            .all(&snapshot)
            .await?;
        let profiles = product_profile::Entity::find()
            .order_by_asc(product_profile::Column::ProductId)
            .order_by_asc(product_profile::Column::Version)
            .all(&snapshot)
            .await?;
        snapshot.commit().await?;
        let catalogs = catalogs.into_iter().map(catalog_version::Model::read).collect();
        let profiles = profiles.into_iter().map(product_profile::Model::read).collect();
        Ok((all(catalogs)?, all(profiles)?))
    }

    /// Every version of every catalog before `version`, newest first, one at a time: the next one
    /// is asked for with the version of the last.
    pub async fn before(&self, version: i64) -> Result<Option<CatalogVersion>, StoreError> {
        let row = catalog_version::Entity::find()
            .filter(catalog_version::Column::Version.lt(version))
            .order_by_desc(catalog_version::Column::Version)
            .one(self.database.reader())
            .await?;
        row.map(catalog_version::Model::read).transpose()
    }

    /// Adds a version with the profiles that are new in it, and tells whether it did: not if
    /// another one has taken its number.
    pub async fn add(
        &self,
        catalog: &CatalogVersion,
        profiles: &[ProfileVersion],
    ) -> Result<bool, StoreError> {
        let transaction = self.database.begin_write().await?;
        let row = catalog_version::ActiveModel {
            version: Set(catalog.version),
            name: Set(catalog.name.clone()),
            document: Set(catalog.document.clone()),
            applied_at: Set(catalog.applied_at.timestamp_micros()),
        };
        let added = catalog_version::Entity::insert(row)
            .on_conflict(
                OnConflict::column(catalog_version::Column::Version).do_nothing().to_owned(),
            )
            .exec_without_returning(&transaction)
            .await?;
        if added == 0 {
            return Ok(false);
        }
        for profile in profiles {
            let text = serde_json::to_string(&profile.profile).map_err(|error| {
                StoreError::Unreadable(format!("the profile of {} ({error})", profile.product))
            })?;
            let row = product_profile::ActiveModel {
                product_id: Set(profile.product.to_string()),
                version: Set(profile.version),
                effective_at: Set(profile.effective_at.timestamp_micros()),
                profile: Set(text),
            };
            product_profile::Entity::insert(row).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

fn all<T>(rows: Vec<Result<T, StoreError>>) -> Result<Vec<T>, StoreError> {
    rows.into_iter().collect()
}

fn instant(micros: i64) -> Result<DateTime<Utc>, StoreError> {
    let unreadable = || StoreError::Unreadable(format!("the instant {micros}"));
    DateTime::from_timestamp_micros(micros).ok_or_else(unreadable)
}

impl catalog_version::Model {
    fn read(self) -> Result<CatalogVersion, StoreError> {
        let Self { version, name, document, applied_at } = self;
        Ok(CatalogVersion { version, name, document, applied_at: instant(applied_at)? })
    }
}

impl product_profile::Model {
    fn read(self) -> Result<ProfileVersion, StoreError> {
        let unreadable =
            || format!("the profile of {} in version {}", self.product_id, self.version);
        let profile = serde_json::from_str(&self.profile)
            .map_err(|error| StoreError::Unreadable(format!("{} ({error})", unreadable())))?;
        let product = self.product_id.parse().map_err(|_| StoreError::Unreadable(unreadable()))?;
        let effective_at = instant(self.effective_at)?;
        Ok(ProfileVersion { product, version: self.version, effective_at, profile })
    }
}
