//! Empty stores for tests, on each database that there is.

use platform::database::{Database, DatabaseUrl, Durability};
use sea_orm::ConnectionTrait as _;
use tempfile::TempDir;

use crate::store::{Migrator, Store};

/// The address of the PostgreSQL server of this test run; without one, only SQLite is tested.
#[expect(clippy::disallowed_methods, reason = "the test runner's set-up script names its server")]
fn server() -> Option<String> {
    std::env::var("PERENNIAL_TEST_POSTGRES").ok()
}

/// An empty store on each database, and the folder that they live in. `name` is that of the test:
/// letters, digits and underscores.
pub async fn stores(name: &str) -> (Vec<Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}/scheduler.db", folder.path().display());
    let mut urls: Vec<DatabaseUrl> = vec![file.parse().unwrap()];
    if let Some(server) = server() {
        let admin: DatabaseUrl = server.parse().unwrap();
        let admin = Database::connect(&admin, Durability::Full).await.unwrap();
        let database = format!("scheduler_{name}_{}", std::process::id());
        let create = format!("CREATE DATABASE {database}");
        admin.writer().execute_unprepared(&create).await.unwrap();
        let base = server.rsplit_once('/').unwrap().0;
        urls.push(format!("{base}/{database}").parse().unwrap());
    }
    let mut stores = Vec::new();
    for url in urls {
        let database = Database::connect(&url, Durability::Full).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        stores.push(Store::new(database));
    }
    (stores, folder)
}
