use std::collections::BTreeSet;

use sea_orm::ConnectionTrait as _;

use crate::tests::*;

/// Runs `sql` past all decisions, as an operator with a database prompt might.
pub async fn tamper(world: &World, sql: &str) -> Result<(), sea_orm::DbErr> {
    world.database.writer().execute_unprepared(sql).await.map(|_| ())
}

/// A wallet of 100 that has paid 10 from a voucher and 20 from cash.
pub async fn used(world: &World) {
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

const CHAIN: &str = "the hashes of the ledger are one chain up to its head";
const CASH: &str = "cash is the sum of its entries";
const NUMBERED: &str = "entries are numbered without a gap";
const CURRENCY: &str = "every entry is of a wallet and in its currency";
const ISSUED: &str = "the vouchers issued are those that there are";
const REMAINS: &str = "the parts of a voucher are the sums of their entries";
const TAKEN: &str = "the entries of a payment are what was taken";
const MOVED: &str = "money moved only for payments that took or held it";
const ASIDE: &str = "the cash set aside is the sum of its entries";
const HELD: &str = "what is held for a payment is what its parts say";
const PENDING: &str = "money is set aside only for payments that are pending";
const BROUGHT: &str = "what channels brought is booked, and nothing else";
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
             payment_id, order_id, refund_id, note, created_us, hash FROM entries
         WHERE number = 4",
        &[NUMBERED, TAKEN, PARTS, CHAIN],
    ),
    ("UPDATE wallets SET held = held + 1", &[ASIDE]),
    ("UPDATE vouchers SET held = held + 1, captured = captured - 1", &[REMAINS]),
    ("UPDATE vouchers SET voided = voided + 1, captured = captured - 1", &[REMAINS]),
    ("UPDATE vouchers SET expired = expired + 1, captured = captured - 1", &[REMAINS]),
    ("UPDATE vouchers SET forfeited = forfeited + 1, captured = captured - 1", &[REMAINS]),
];

/// A wallet of 100 that holds 10 of a voucher and 100 of cash, with a payment confirmed before.
async fn holding(world: &World) {
    world.with_cash(&acme(), 0).await;
    let intent = world.intend(1, 30).await;
    assert_eq!(world.told("m-1", &paid(intent, "CP-1", 30)).await, "PAID 30");
    world.wallets.deposit(world.once(1), &acme(), cny(100), "").await.unwrap();
    world.with_vouchers(&[(10, 30)]).await;
    world.intend(2, 200).await;
    world.assert_sound().await;
}

/// As above, where money is held and a channel has paid.
const DAMAGE_TO_HOLDS: &[(&str, &[&str])] = &[
    ("UPDATE wallets SET held = held - 1", &[ASIDE]),
    ("UPDATE payments SET state = 'VOIDED' WHERE state = 'PENDING'", &[PENDING]),
    (
        "INSERT INTO entries SELECT account, number + 1, credit, debit, 1, currency, payment_id,
             order_id, refund_id, note, created_us, hash FROM entries WHERE number = 5",
        &[NUMBERED, CASH, ASIDE, HELD, CHAIN],
    ),
    (
        "INSERT INTO entries SELECT account, number + 1, 'external:channel:sandbox', 'cash', 1,
             currency, payment_id, order_id, refund_id, note, created_us, hash FROM entries
         WHERE number = 5",
        &[NUMBERED, CASH, BROUGHT, CHAIN],
    ),
    ("UPDATE callbacks SET amount = amount + 1", &[BROUGHT]),
    ("DELETE FROM callbacks", &[BROUGHT]),
    ("UPDATE payments SET channel_amount = channel_amount + 1, channel = 'other'", &[PARTS]),
];

// W-3, W-4
#[tokio::test]
async fn the_audit_finds_what_is_off_with_holds_and_channels() {
    for (sql, invariants) in DAMAGE_TO_HOLDS {
        on_each_database(async |world| {
            holding(world).await;
            tamper(world, sql).await.unwrap();
            let findings = world.store.audit(None).await.unwrap().findings;
            let found: BTreeSet<_> = findings
                .iter()
                .map(|finding| finding.invariant.split(" (").next().unwrap())
                .collect();
            assert_eq!(found, invariants.iter().copied().collect(), "{sql}: {findings:?}");
        })
        .await;
    }
}

const GIVEN_BACK: &str = "a refund gives back what the payment's parts say, each once";
const BOOKED: &str = "the entries of a refund are what it gives back";
const KNOWN: &str = "money goes back only by refunds that there are";
const ONCE: &str = "an item is given back by one refund";

/// As above, where a payment of 10 from a voucher and 20 from cash is given back.
const DAMAGE_TO_REFUNDS: &[(&str, &[&str])] = &[
    ("UPDATE refunds SET amount = amount + 1", &[GIVEN_BACK]),
    ("DELETE FROM refunded_items", &[GIVEN_BACK]),
    ("UPDATE refunded_items SET instance = 'other'", &[GIVEN_BACK]),
    ("DELETE FROM refunds", &[KNOWN, ONCE]),
    ("UPDATE payments SET state = 'VOIDED'", &[TAKEN, MOVED, GIVEN_BACK]),
    (
        "INSERT INTO entries SELECT account, number + 1, debit, credit, 1, currency, payment_id,
             order_id, refund_id, note, created_us, hash FROM entries WHERE number = 6",
        &[NUMBERED, CASH, BOOKED, CHAIN],
    ),
    (
        "INSERT INTO entries SELECT account, number + 1, debit, credit, 1, currency, payment_id,
             order_id, NULL, note, created_us, hash FROM entries WHERE number = 6",
        &[NUMBERED, CASH, KNOWN, CHAIN],
    ),
];

// O-6, V-5
#[tokio::test]
async fn the_audit_finds_what_is_off_with_refunds() {
    for (sql, invariants) in DAMAGE_TO_REFUNDS {
        on_each_database(async |world| {
            used(world).await;
            let ask = ask(50, 1, &["i-1"]);
            world.wallets.refund(&ask).await.unwrap();
            world.assert_sound().await;
            tamper(world, sql).await.unwrap();
            let findings = world.store.audit(None).await.unwrap().findings;
            let found: BTreeSet<_> = findings
                .iter()
                .map(|finding| finding.invariant.split(" (").next().unwrap())
                .collect();
            assert_eq!(found, invariants.iter().copied().collect(), "{sql}: {findings:?}");
        })
        .await;
    }
}

// W-3: a payment without an intent cannot be pending, and only one that succeeded was confirmed.
#[tokio::test]
async fn states_that_cannot_be_are_refused_whoever_writes_them() {
    on_each_database(async |world| {
        used(world).await;
        for sql in ["UPDATE payments SET state = 'PENDING'", "UPDATE payments SET state = 'LOST'"] {
            let error = tamper(world, sql).await.unwrap_err().to_string().to_lowercase();
            assert!(error.contains("check constraint"), "{error}");
        }
    })
    .await;
}

// W-2, V-4, V-5: what the audit is for.
#[tokio::test]
async fn the_audit_finds_what_is_off_and_nothing_else() {
    for (sql, invariants) in DAMAGE {
        on_each_database(async |world| {
            used(world).await;
            tamper(world, sql).await.unwrap();
            let findings = world.store.audit(None).await.unwrap().findings;
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
        let findings = world.store.audit(None).await.unwrap().findings;
        let subject = format!("acme payment {}", id(1));
        assert!(findings.iter().all(|finding| finding.subject == subject), "{findings:?}");
    })
    .await;
}

// W-2: of one account, nothing of the others is told.
#[tokio::test]
async fn one_account_is_audited_alone() {
    on_each_database(async |world| {
        used(world).await;
        let b = "b".parse().unwrap();
        world.with_cash(&b, 7).await;
        tamper(world, "UPDATE wallets SET cash = cash + 1, issued = issued + 1").await.unwrap();
        let all = world.store.audit(None).await.unwrap();
        let of_b = world.store.audit(Some(&b)).await.unwrap();
        let of_none = world.store.audit(Some(&"c".parse().unwrap())).await.unwrap();
        assert_eq!((all.findings.len(), all.wallets), (4, 2));
        let subjects: Vec<_> = of_b.findings.iter().map(|it| it.subject.as_str()).collect();
        assert_eq!((subjects, of_b.wallets), (vec!["b", "b"], 1));
        assert_eq!((of_none.findings, of_none.wallets), (Vec::new(), 0));
    })
    .await;
}
