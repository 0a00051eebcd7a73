use super::*;
use crate::database::{Database, Durability};

#[test]
fn a_finding_says_what_is_off_with_what() {
    let invariant = "an order costs the sum of its items (M-5)";
    let finding = Finding { invariant, subject: "acme/1".to_owned(), found: "x".to_owned() };
    assert_eq!(finding.to_string(), "acme/1: an order costs the sum of its items (M-5): x");
}

#[tokio::test]
async fn a_check_tells_ids_as_people_write_them_and_no_more_than_anybody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display()).parse().unwrap();
    let database = Database::connect(&url, Durability::Full).await.unwrap();
    let rows = "CREATE TABLE t (id blob, list text);
        INSERT INTO t VALUES (X'0190aabbccddeeff0123456789abcdef', '[\"one\", \"two\"]')";
    database.writer().execute_unprepared(rows).await.unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        SELECT 'n' || i AS subject, '' AS found FROM n";
    let each = "SELECT {id:t.id} AS subject, item.value AS found FROM t, {each:t.list}";

    let snapshot = database.begin_snapshot().await.unwrap();
    let found = findings(&snapshot, &[("each", each), ("many", many)]).await.unwrap();
    let told: Vec<_> = found[..3].iter().map(ToString::to_string).collect();
    let id = "0190aabb-ccdd-eeff-0123-456789abcdef";
    assert_eq!(told, [format!("{id}: each: one"), format!("{id}: each: two"), "n1: many: ".into()]);
    assert_eq!(found.len(), 2 + MOST);
}
