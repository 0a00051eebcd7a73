use std::collections::BTreeSet;

use sea_orm::ConnectionTrait as _;

use crate::tests::*;

/// Runs `sql` past all decisions, as an operator with a database prompt might.
async fn tamper(world: &World, sql: &str) -> Result<(), sea_orm::DbErr> {
    world.database.writer().execute_unprepared(sql).await.map(|_| ())
}

/// A wallet of 100 that has paid 10 from a voucher and 20 from cash.
async fn used(world: &World) {
    world.with_cash(&acme(), 100).await;
    world.with_vouchers(&[(10, 30)]).await;
    assert_eq!(outcome(&world.charge(charge(1, 30)).await.unwrap()), "SUCCEEDED");
    world.assert_sound().await;
}

// W-2
#[tokio::test]
async fn the_ledger_cannot_be_changed() {
    on_each_database(async |world| {
        used(world).await;
        for sql in ["UPDATE entries SET amount = amount + 1", "DELETE FROM entries"] {
            let error = tamper(world, sql).await.unwrap_err();
            assert!(error.to_string().contains("never changed or deleted"), "{error}");
        }
    })
    .await;
}

// W-2
#[tokio::test]
async fn no_balance_falls_below_zero_whoever_writes_it() {
    on_each_database(async |world| {
        used(world).await;
        for sql in [
            "UPDATE wallets SET cash = -1",
            "UPDATE wallets SET held = -1",
            "UPDATE vouchers SET remaining = -1, captured = face + 1",
            "UPDATE vouchers SET remaining = remaining + 1",
        ] {
            let error = tamper(world, sql).await.unwrap_err().to_string().to_lowercase();
            assert!(error.contains("check constraint"), "{error}");
        }
    })
    .await;
}

const CASH: &str = "cash is the sum of its entries";
const NUMBERED: &str = "entries are numbered without a gap";
const CURRENCY: &str = "every entry is of a wallet and in its currency";
const ISSUED: &str = "the vouchers issued are those that there are";
const REMAINS: &str = "what remains of a voucher is the sum of its entries";
const TAKEN: &str = "the entries of a payment are what was taken";
const MOVED: &str = "money moved only for payments that succeeded";
const PARTS: &str = "the parts of a payment are what each source paid of it";

/// What is done to the rows, and the invariants that are off then; one that an amount or an entry
/// is part of several times is off with each of them.
const DAMAGE: &[(&str, &[&str])] = &[
    ("UPDATE wallets SET cash = cash + 1", &[CASH]),
    ("UPDATE wallets SET entries = entries + 1", &[NUMBERED]),
    ("UPDATE wallets SET currency = 'USD'", &[CURRENCY]),
    ("UPDATE wallets SET issued = issued + 1", &[ISSUED]),
    ("UPDATE vouchers SET remaining = remaining + 1, captured = captured - 1", &[REMAINS]),
    ("UPDATE payments SET amount = amount + 1", &[TAKEN, PARTS]),
    ("UPDATE payments SET state = 'VOIDED'", &[TAKEN, MOVED]),
    (
        "INSERT INTO entries SELECT account, number + 1, 'voucher:7', credit, 1, currency,
             payment_id, note, created_us FROM entries WHERE number = 4",
        &[NUMBERED, TAKEN, PARTS],
    ),
];

// W-2, V-4, V-5: what the audit is for.
#[tokio::test]
async fn the_audit_finds_what_is_off_and_nothing_else() {
    for (sql, invariants) in DAMAGE {
        on_each_database(async |world| {
            used(world).await;
            tamper(world, sql).await.unwrap();
            let findings = world.store.audit().await.unwrap();
            let found: BTreeSet<_> = findings
                .iter()
                .map(|finding| finding.invariant.split(" (").next().unwrap())
                .collect();
            assert_eq!(found, invariants.iter().copied().collect(), "{sql}: {findings:?}");
            assert!(findings[0].to_string().starts_with("acme"));
        })
        .await;
    }
}

#[tokio::test]
async fn the_audit_tells_which_voucher_or_payment_it_is() {
    on_each_database(async |world| {
        used(world).await;
        tamper(world, "UPDATE payments SET amount = amount + 1").await.unwrap();
        let findings = world.store.audit().await.unwrap();
        let subject = format!("acme payment {}", id(1));
        assert!(findings.iter().all(|finding| finding.subject == subject), "{findings:?}");
    })
    .await;
}
