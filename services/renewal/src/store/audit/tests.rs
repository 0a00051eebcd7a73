use platform::database::Backend;
use sea_orm::{ConnectionTrait as _, Statement};

use super::*;
use crate::store::backend_of;
use crate::tests::{
    cloud::{clouds, prepaid},
    purse::Trouble,
    renewals::{create, create_paid, take_back},
};

/// What is done to the rows of a paid order of `paid`, an open order of `open`, an order of `back`
/// that is being refunded and one of `served` that its console has not acknowledged, and the one invariant that is off then.
const DAMAGE: &[(&str, &str)] = &[
    (
        "UPDATE orders SET state = 'CANCELLED', next_attempt_at = NULL
         WHERE state = 'PENDING_PAYMENT'",
        "who is claimed",
    ),
    ("UPDATE orders SET instance_ids = '[]' WHERE state = 'PENDING_PAYMENT'", "who is claimed"),
    ("UPDATE instances SET open_order_id = NULL WHERE id = 'open'", "an open order holds"),
    ("UPDATE instances SET open_order_id = NULL WHERE id = 'back'", "a refund under way holds"),
    (
        "UPDATE terms SET reversed_by = order_id WHERE kind = 'ORDER' AND instance_id = 'paid';
         UPDATE instances SET paid_until = (SELECT end_time FROM terms
                 WHERE instance_id = 'paid' AND kind = 'REGISTRATION'),
             anchor = (SELECT anchor FROM terms
                 WHERE instance_id = 'paid' AND kind = 'REGISTRATION')
         WHERE id = 'paid'",
        "what an order took back",
    ),
    (
        "UPDATE orders SET refund_id = id WHERE state = 'REFUNDING';
         UPDATE instances SET open_order_id = (SELECT id FROM orders WHERE state = 'REFUNDING')
         WHERE id = 'back'",
        "who is claimed",
    ),
    ("UPDATE orders SET state = 'EXPIRED' WHERE state = 'COMPLETED'", "a live term was paid"),
    (
        "UPDATE terms SET kind = 'ADJUSTMENT', order_id = NULL
         WHERE kind = 'ORDER' AND instance_id = 'paid';
         UPDATE orders SET payable = 0 WHERE state = 'COMPLETED'",
        "a paid order has extended",
    ),
    (
        "UPDATE terms SET amount = amount + 1 WHERE kind = 'ORDER' AND instance_id = 'paid'",
        "an order costs the sum",
    ),
    ("UPDATE instances SET paid_until = paid_until - 1 WHERE id = 'paid'", "an instance is paid"),
    ("UPDATE instances SET anchor = 7 WHERE id = 'open'", "an instance is paid"),
    ("UPDATE instances SET billing_mode = 'POSTPAID' WHERE id = 'open'", "what is postpaid"),
    ("UPDATE instances SET due_time = NULL WHERE id = 'open'", "what can still expire"),
    (
        "UPDATE instances SET billing_mode = 'POSTPAID', paid_until = NULL, state = 'GRACE'
         WHERE id = 'open'",
        "what is postpaid is active",
    ),
    (
        "UPDATE terms SET end_time = end_time + 1
         WHERE kind = 'REGISTRATION' AND instance_id = 'paid'",
        "live terms",
    ),
    (
        "UPDATE orders SET next_attempt_at = NULL WHERE state = 'PENDING_PAYMENT'",
        "an order that is not at its end",
    ),
    (
        "UPDATE orders SET next_attempt_at = NULL WHERE state = 'REFUNDING'",
        "an order that is not at its end",
    ),
    ("UPDATE orders SET refund_id = id WHERE state = 'COMPLETED'", "an order at its end"),
    ("UPDATE orders SET next_attempt_at = 1", "an order at its end"),
    ("UPDATE orders SET state = 'COMPLETED' WHERE state = 'PAID'", "an order is completed"),
    ("UPDATE delivery_items SET state = 'ACKED'", "an order is completed"),
    ("UPDATE deliveries SET next_attempt_at = NULL", "what is to be delivered"),
    ("UPDATE deliveries SET version = version - 1", "what is to be delivered"),
    (
        "UPDATE orders SET attempt_root = 'paid', attempt_expiry = 1, attempt_date = '2026-03-10',
             attempt_kind = 0, outcome = 'RENEWED'
         WHERE state IN ('COMPLETED', 'PAID')",
        "an attempt is decided once",
    ),
    (
        "UPDATE orders SET attempt_root = 'paid', outcome = 'FAILED' WHERE state = 'COMPLETED'",
        "an attempt ended as",
    ),
];

// O-1, O-2, O-4, O-5, M-5, T-4, T-6
#[tokio::test]
async fn the_audit_finds_each_damage_and_nothing_else() {
    let (clouds, _folder) = clouds("audit").await;
    for cloud in clouds {
        cloud.purse.put(300);
        let rows = ["paid", "open", "back"].map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        cloud.register(vec![prepaid("served", "served", "2026-03-11 00:00")]).await;
        cloud.order(&create_paid(5, &["served"])).await.unwrap();
        cloud.order(&create_paid(1, &["paid"])).await.unwrap();
        cloud.order(&create(2, &["open"])).await.unwrap();
        let back = cloud.order(&create_paid(3, &["back"])).await.unwrap();
        cloud.purse.fail([Trouble::Down]);
        cloud.orders.refund(&take_back(4, &back, &[])).await.unwrap_err();
        assert_eq!(cloud.off().await, Vec::<String>::new());
        for (damage, invariant) in DAMAGE {
            let transaction = cloud.store.begin().await.unwrap();
            transaction.execute_unprepared(damage).await.unwrap();
            let off = audit(&transaction).await.unwrap();
            assert_eq!(off.len(), 1, "{damage}: {off:?}");
            assert!(off[0].invariant.starts_with(invariant), "{damage}: {}", off[0]);
            assert!(off[0].subject.starts_with("acme/"), "{damage}: {}", off[0]);
            transaction.rollback().await.unwrap();
        }
        let invariants = CHECKS.iter().map(|(invariant, _)| invariant);
        let untried =
            invariants.filter(|one| !DAMAGE.iter().any(|(_, found)| one.starts_with(found)));
        assert_eq!(untried.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}

// Whole tables take longer than a request may.
#[tokio::test]
async fn the_audit_takes_as_long_as_it_needs_on_postgres() {
    let (clouds, _folder) = clouds("audit_time").await;
    for cloud in clouds {
        let transaction = cloud.store.snapshot().await.unwrap();
        if backend_of(&transaction) != Backend::Postgres {
            continue;
        }
        let limit = async || {
            let show = "SELECT current_setting('statement_timeout') AS value";
            let show = Statement::from_string(Backend::Postgres.dialect(), show);
            let row = transaction.query_one_raw(show).await.unwrap().unwrap();
            row.try_get::<String>("", "value").unwrap()
        };
        assert_ne!(limit().await, "0");
        audit(&transaction).await.unwrap();
        assert_eq!(limit().await, "0");
        transaction.rollback().await.unwrap();
    }
}
