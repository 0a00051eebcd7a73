//! Empty databases for tests, one of each kind that there is. Only with the feature `testing`.

use kernel::Env;
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::MigratorTrait;
use tempfile::TempDir;

use crate::database::{Database, DatabaseUrl, Durability};

/// The address of the PostgreSQL server of this test run; without one, only SQLite is tested.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the test runner's set-up script names its server")]
pub fn server() -> Option<String> {
    std::env::var("PERENNIAL_TEST_POSTGRES").ok()
}

/// An empty database of each kind that there is, with the tables of `M`, and the folder that SQLite's
/// lives in until it is dropped. `name` is letters, digits and underscores, and tells whose they are.
///
/// On PostgreSQL it is a schema: making a whole database costs a checkpoint, which hundreds of tests
/// would feel.
///
/// # Panics
///
/// If a database cannot be made: there is nothing to test then.
pub async fn databases<M: MigratorTrait>(name: &str) -> (Vec<Database>, TempDir) {
    let folder = tempfile::tempdir().expect("tests have room for files");
    let mut urls = vec![format!("sqlite://{}/{name}.db", folder.path().display())];
    if let Some(server) = server() {
        let id = Env::system().next_id().simple().to_string();
        // The end of an id is random, and a name has 63 letters at the most.
        let schema = format!("{name}_{}", &id[20..]);
        let admin = sea_orm::Database::connect(&server).await.expect("the server is up");
        let create = format!("CREATE SCHEMA {schema}");
        admin.execute_unprepared(&create).await.expect("a new name is free");
        admin.close().await.expect("the server is up");
        urls.push(format!("{server}?options[search_path]={schema}"));
    }
    let mut databases = Vec::new();
    for url in urls {
        let url: DatabaseUrl = url.parse().expect("it is one of the two kinds");
        let database = Database::connect(&url, Durability::Full).await.expect("it was just made");
        database.migrate::<M>().await.expect("an empty database takes every table");
        databases.push(database);
    }
    (databases, folder)
}
