//! Whoever can write to the database cannot change the past unseen (W-2).

use platform::database::{Backend, hexadecimal};
use sea_orm::EntityTrait as _;

use super::*;
use crate::{
    store::tests::{tamper, used},
    tests::*,
};

/// Whose entries those are that were moved away.
const B: &str = "b";

/// Columns, and a value that no entry of the test has there: on SQLite, and on PostgreSQL.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("account", "'b'", "'b'"),
    ("number", "number + 100", "number + 100"),
    ("debit", "debit || '0'", "debit || '0'"),
    ("credit", "credit || '0'", "credit || '0'"),
    ("amount", "amount + 1", "amount + 1"),
    ("currency", "'USD'", "'USD'"),
    ("payment_id", "zeroblob(16)", "CAST('00000000-0000-0000-0000-000000000000' AS uuid)"),
    ("order_id", "zeroblob(16)", "CAST('00000000-0000-0000-0000-000000000009' AS uuid)"),
    ("refund_id", "zeroblob(16)", "CAST('00000000-0000-0000-0000-000000000009' AS uuid)"),
    ("note", "note || '.'", "note || '.'"),
    ("created_us", "created_us + 1", "created_us + 1"),
    ("hash", "zeroblob(32)", "decode(repeat('00', 32), 'hex')"),
];

/// Takes away what keeps entries from being changed, and keeps a copy of them.
async fn open_the_ledger(world: &World) {
    let triggers = world.database.backend().pick(
        "DROP TRIGGER entries_are_not_changed; DROP TRIGGER entries_are_not_deleted",
        "DROP TRIGGER entries_are_final ON entries",
    );
    for sql in [triggers, "CREATE TABLE kept AS SELECT * FROM entries"] {
        tamper(world, sql).await.unwrap();
    }
}

async fn restore(world: &World) {
    tamper(world, "DELETE FROM entries").await.unwrap();
    tamper(world, "INSERT INTO entries SELECT * FROM kept").await.unwrap();
}

/// What the check of the chains finds.
async fn off(world: &World) -> Vec<String> {
    let transaction = world.database.begin_snapshot().await.unwrap();
    let backend = world.database.backend();
    let survey =
        Survey { transaction: &transaction, backend, account: None, bounds: Bounds::USUAL };
    let findings = check(survey).await.unwrap();
    // Wherever its pages end.
    let bounds = Bounds { page: 1, entries: 2, most: 100 };
    assert_eq!(check(Survey { bounds, ..survey }).await.unwrap(), findings);
    let shown = |it: &Finding| format!("{}: {}", it.subject, it.invariant);
    findings.iter().map(shown).collect()
}

fn chain(entry: i64) -> String {
    format!("acme entry {entry}: {CHAIN}")
}

// W-2
#[tokio::test]
async fn a_change_of_any_column_of_any_entry_is_found_at_that_entry() {
    on_each_database(async |world| {
        world.with_cash(&B.parse().unwrap(), 0).await;
        used(world).await;
        open_the_ledger(world).await;
        for entry in 1..=4 {
            for (column, sqlite, postgres) in COLUMNS {
                let value = world.database.backend().pick(sqlite, postgres);
                let sql = format!("UPDATE entries SET {column} = {value} WHERE number = {entry}");
                tamper(world, &sql).await.unwrap();
                let found = off(world).await;
                assert_eq!(found.first(), Some(&chain(entry)), "{sql}: {found:?}");
                restore(world).await;
                world.assert_sound().await;
            }
            tamper(world, &format!("DELETE FROM entries WHERE number = {entry}")).await.unwrap();
            assert_eq!(off(world).await, [chain(entry)]);
            restore(world).await;
        }
        tamper(world, "UPDATE wallets SET head = (SELECT hash FROM entries WHERE number = 3)")
            .await
            .unwrap();
        assert_eq!(off(world).await.first(), Some(&chain(5)));
    })
    .await;
}

/// Makes all hashes of `acme` fit its entries, as somebody might who knows how.
async fn rewrite(world: &World) {
    let rows = entry::Entity::find()
        .filter(entry::Column::Account.eq("acme"))
        .order_by_asc(entry::Column::Number)
        .all(world.database.writer())
        .await
        .unwrap();
    let literal = |hash: Hash| {
        let text = hexadecimal(&hash.0);
        match world.database.backend() {
            Backend::Sqlite => format!("X'{text}'"),
            Backend::Postgres => format!("decode('{text}', 'hex')"),
        }
    };
    let mut walk = Walk::new(wallet_row());
    for row in &rows {
        walk.off = None;
        walk.step(row);
        let hash = literal(walk.head);
        let sql = format!("UPDATE entries SET hash = {hash} WHERE number = {}", row.number);
        tamper(world, &sql).await.unwrap();
    }
    let (head, last) = (literal(walk.head), rows.len());
    let sql = format!("UPDATE wallets SET head = {head}, entries = {last} WHERE account = 'acme'");
    tamper(world, &sql).await.unwrap();
}

fn wallet_row() -> wallet::Model {
    let wallet = crate::domain::Wallet::open(acme(), kernel::Currency::Cny, noon());
    wallet::Model::from(&wallet)
}

// W-2
#[tokio::test]
async fn a_past_written_anew_is_found_by_what_was_anchored() {
    on_each_database(async |world| {
        used(world).await;
        open_the_ledger(world).await;
        let forge = "UPDATE entries SET note = 'forged' WHERE number = 2";
        tamper(world, forge).await.unwrap();
        rewrite(world).await;
        assert_eq!(off(world).await, [] as [String; 0], "nobody could know");
        restore(world).await;
        rewrite(world).await;

        let (swept, _) = world.wallets.anchor_chains(10).await.unwrap();
        assert_eq!(swept.done, 1);
        world.assert_sound().await;
        tamper(world, forge).await.unwrap();
        rewrite(world).await;
        assert_eq!(off(world).await, [format!("acme entry 4: {ANCHORED}")]);
        tamper(world, "DELETE FROM entries WHERE number > 2").await.unwrap();
        tamper(world, "UPDATE wallets SET anchored = 0").await.unwrap();
        rewrite(world).await;
        assert_eq!(off(world).await, [format!("acme entry 4: {ANCHORED}")]);
    })
    .await;
}

// W-2
#[tokio::test]
async fn a_chain_is_anchored_when_it_has_grown() {
    on_each_database(async |world| {
        used(world).await;
        world.with_cash(&B.parse().unwrap(), 5).await;
        for (limit, done, more) in [(1, 1, true), (1, 1, true), (1, 0, false), (2, 0, false)] {
            let (swept, time) = world.wallets.anchor_chains(limit).await.unwrap();
            assert_eq!((swept.done, swept.more, time), (done, more, noon()));
        }
        world.wallets.deposit(world.once(1), &acme(), cny(1), "").await.unwrap();
        assert_eq!(world.wallets.anchor_chains(9).await.unwrap().0.done, 1);
        let kinds = vec!["ledger.anchored".to_owned()];
        let filter = outbox::Filter { kinds, ..outbox::Filter::default() };
        let events = outbox::list(&world.database, &filter, "", 10).await.unwrap().events;
        if world.database.backend() == Backend::Sqlite {
            let told: Vec<_> =
                events.iter().map(|it| (it.account.as_str(), it.kind.as_str())).collect();
            let anchored = |account| (account, "ledger.anchored");
            assert_eq!(told, ["acme", "b", "acme"].map(anchored));
        }
        world.assert_sound().await;
    })
    .await;
}
