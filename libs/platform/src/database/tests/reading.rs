//! A database that is only to be read stays as it is.

use std::{collections::BTreeMap, fs};

use super::{Migrator, *};

/// The files of `folder`, with what is in them.
fn files(folder: &tempfile::TempDir) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
    let read = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

async fn sum(database: &Database) -> i64 {
    let query = Statement::from_string(database.backend().dialect(), "SELECT sum(n) FROM t");
    let row = database.reader().query_one_raw(query).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made_to_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Database::open_to_read::<Migrator>(&url(&folder)).await.unwrap_err();
    assert!(matches!(&refused, SchemaError::Missing(_)), "{refused:?}");
    assert!(refused.to_string().ends_with("/test.db"), "{refused}");
    assert_eq!(files(&folder), BTreeMap::new());
}

#[tokio::test]
async fn an_older_schema_stays_what_it_is_where_it_is_to_be_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("test.db"), "").unwrap();
    let refused = Database::open_to_read::<Migrator>(&url(&folder)).await.unwrap_err();
    assert!(matches!(&refused, SchemaError::Behind(_)), "{refused:?}");
    assert_eq!(files(&folder), [("test.db".to_owned(), Vec::new())].into());
}

#[tokio::test]
async fn who_reads_a_database_at_rest_leaves_it_as_it_is_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let at_work = database(&folder).await;
    at_work.prepare::<Migrator>().await.unwrap();
    at_work.writer().execute_unprepared("INSERT INTO t VALUES (5)").await.unwrap();
    at_work.reader().clone().close().await.unwrap();
    at_work.writer().clone().close().await.unwrap();
    let before = files(&folder);
    assert_eq!(before.len(), 1, "nobody has it in use: {:?}", before.keys());

    let database = Database::open_to_read::<Migrator>(&url(&folder)).await.unwrap();
    assert_eq!(sum(&database).await, 5);
    assert!(database.writer().execute_unprepared("INSERT INTO t VALUES (1)").await.is_err());
    assert_eq!(files(&folder), before);
}

#[tokio::test]
async fn who_reads_a_database_in_use_sees_what_its_log_says() {
    let folder = tempfile::tempdir().unwrap();
    let at_work = database(&folder).await;
    at_work.prepare::<Migrator>().await.unwrap();
    let database = Database::open_to_read::<Migrator>(&url(&folder)).await.unwrap();
    for n in [5, 7] {
        let insert = format!("INSERT INTO t VALUES ({n})");
        at_work.writer().execute_unprepared(&insert).await.unwrap();
    }
    assert_eq!(sum(&database).await, 12);
    assert!(database.writer().execute_unprepared("INSERT INTO t VALUES (1)").await.is_err());
}
