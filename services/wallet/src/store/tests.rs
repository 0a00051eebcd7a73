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

// W-2, V-4, V-5: what the audit is for.
#[tokio::test]
async fn the_audit_finds_what_is_off() {
    for (sql, invariant) in [
        ("UPDATE wallets SET cash = cash + 1", "cash is the sum of its entries"),
        ("UPDATE wallets SET entries = entries + 1", "entries are numbered without a gap"),
        ("UPDATE wallets SET currency = 'USD'", "every entry is of a wallet and in its currency"),
        ("UPDATE wallets SET issued = issued + 1", "the vouchers issued are those that there are"),
        (
            "UPDATE vouchers SET remaining = remaining + 1, captured = captured - 1",
            "what remains of a voucher is the sum of its entries",
        ),
        ("UPDATE payments SET amount = amount + 1", "the entries of a payment are what was taken"),
        ("UPDATE payments SET state = 'VOIDED'", "money moved only for payments that succeeded"),
        (
            "INSERT INTO entries SELECT account, number + 1, 'voucher:7', credit, 1, currency,
                 payment_id, note, created_us FROM entries WHERE number = 4",
            "the parts of a payment are what each source paid of it",
        ),
    ] {
        on_each_database(async |world| {
            used(world).await;
            tamper(world, sql).await.unwrap();
            let findings = world.store.audit().await.unwrap();
            let found = findings.iter().any(|finding| finding.invariant.starts_with(invariant));
            assert!(found, "{sql} is not found as {invariant:?}: {findings:?}");
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
