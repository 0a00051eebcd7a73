//! Empty stores for tests, on each database that there is.

use tempfile::TempDir;

use crate::store::{Migrator, Store};

/// An empty store on each database, and the folder that they live in. `name` is that of the test:
/// letters, digits and underscores.
pub async fn stores(name: &str) -> (Vec<Store>, TempDir) {
    let name = format!("renewal_{name}");
    let (databases, folder) = platform::testing::databases::<Migrator>(&name).await;
    (databases.into_iter().map(Store::new).collect(), folder)
}
