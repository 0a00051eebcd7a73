use platform::database::{Database, Durability};

use super::*;

#[tokio::test]
async fn the_schema_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("renewal.db").display());
    let database = Database::connect(&url.parse().unwrap(), Durability::Full).await.unwrap();
    database.prepare::<Migrator>().await.unwrap();
    database.prepare::<Migrator>().await.unwrap();
}
