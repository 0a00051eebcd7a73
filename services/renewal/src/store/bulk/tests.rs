use rule_engine::policy::PolicyWish;
use sea_orm::DatabaseTransaction;

use super::*;
use crate::{
    store::instances::{Loaded, Lock, Named, Reach, load_named},
    tests::{
        cloud::{acme, clouds, id, prepaid},
        renewals::wanted,
    },
};

fn row(name: &str, version: i64) -> InstanceVersion {
    InstanceVersion { id: name.to_owned(), version }
}

/// The orders that have their instances after these claims.
async fn claimed(
    transaction: &DatabaseTransaction,
    claims: &[(u128, InstanceVersion)],
) -> HashSet<OrderId> {
    let acme = acme();
    let claims: Vec<_> = claims
        .iter()
        .map(|(number, instance)| Claim { account_id: &acme, order_id: order(*number), instance })
        .collect();
    claim(transaction, &claims).await.unwrap()
}

fn order(number: u128) -> OrderId {
    OrderId(uuid::Uuid::from_u128(number))
}

// O-2: compare-and-set on (version, no claim)
#[tokio::test]
async fn a_claim_is_had_once_at_the_version_that_was_seen() {
    let (clouds, _folder) = clouds("bulk_claim").await;
    for cloud in clouds {
        let rows = ["a", "b", "c", "d"].map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        // Orders of one statement: each has all of its instances or none.
        let tries = [
            (vec![(1, row("a", 1)), (1, row("b", 2))], vec![]),
            (vec![(1, row("a", 1)), (1, row("x", 1))], vec![]),
            (vec![(1, row("c", 1)), (1, row("d", 2)), (3, row("a", 1)), (3, row("b", 1))], vec![3]),
            (vec![(4, row("a", 2)), (5, row("c", 1))], vec![5]),
        ];
        for (claims, had) in tries {
            let transaction = cloud.store.begin().await.unwrap();
            let had: HashSet<_> = had.into_iter().map(order).collect();
            assert_eq!(claimed(&transaction, &claims).await, had, "{claims:?}");
            transaction.commit().await.unwrap();
        }
        let transaction = cloud.store.begin().await.unwrap();
        let other = release(&transaction, &acme(), order(9), &["a", "b"]).await.unwrap();
        assert_eq!(other, [], "another order's claim stays");
        let mut free = release(&transaction, &acme(), order(3), &["a", "b"]).await.unwrap();
        free.sort_by(|left, right| left.id.cmp(&right.id));
        assert_eq!(free, [row("a", 3), row("b", 3)]);
        transaction.commit().await.unwrap();
    }
}

/// A term of the instance `a`, by the order 1.
fn settled() -> SettledInstance {
    SettledInstance {
        account_id: acme(),
        order_id: order(1),
        id: "a".to_owned(),
        start_time: 10,
        end_time: 20,
        anchor: 31,
        amount: 5,
        converted: false,
        bought: None,
        configuration: None,
        pending_configuration: None,
        pending_from: None,
        nothing_pending: false,
        due_if_automatic: 15,
        due_otherwise: 16,
        product_id: "vm".to_owned(),
        delivered: false,
        automatic: false,
    }
}

// C-2: what a settlement does to configurations.
#[tokio::test]
async fn a_settled_instance_keeps_or_changes_what_is_pending() {
    let (clouds, _folder) = clouds("bulk_extend").await;
    let settled = settled();
    let pending = |name: &str| Some(format!("[{{\"name\":\"flavor\",\"value\":\"{name}\"}}]"));
    let steps = [
        (pending("x"), Some(20), true, Some("x")),
        (None, None, false, Some("x")),
        (pending("y"), Some(30), true, Some("y")),
        (None, None, true, None),
    ];
    for cloud in clouds {
        cloud.register(vec![prepaid("a", "vm", "2026-03-11 00:00")]).await;
        for (step, (pending_configuration, pending_from, nothing_pending, expected)) in
            (0..).zip(steps.clone())
        {
            let settled = SettledInstance {
                start_time: 10 + step,
                pending_configuration,
                pending_from,
                nothing_pending,
                ..settled.clone()
            };
            let transaction = cloud.store.begin().await.unwrap();
            let version = 1 + 2 * step;
            assert_eq!(claimed(&transaction, &[(1, row("a", version))]).await, [order(1)].into());
            let others = SettledInstance { order_id: order(2), ..settled.clone() };
            assert!(extend(&transaction, &[others]).await.unwrap().is_empty());
            let versions = extend(&transaction, std::slice::from_ref(&settled)).await.unwrap();
            let key = (acme().to_string(), "a".to_owned());
            assert_eq!(versions, [(key, Since { version: version + 2, manual: true })].into());
            let terms = [(version + 2, &settled)];
            let now = chrono::DateTime::UNIX_EPOCH;
            append_terms(&transaction, &terms, now).await.unwrap();
            transaction.commit().await.unwrap();

            let (account, ids) = (acme(), [id("a")]);
            let reach = crate::app::preview::reach_of(&wanted(&["a"]).selection);
            let lock = Lock::None;
            let reader = cloud.store.reader();
            let loaded = crate::store::instances::load(reader, &account, &ids, reach, lock).await;
            let instance = loaded.unwrap().remove(0).instance;
            let flavor = instance.pending.as_ref().and_then(|one| one.configuration.get("flavor"));
            assert_eq!(flavor, expected);
            assert_eq!(instance.expiry().map(values::micros), Some(20));
            assert_eq!(instance.open_order, None);
        }
        // O-1: a live term with the same start is refused.
        let transaction = cloud.store.begin().await.unwrap();
        let twice = [(99, &SettledInstance { start_time: 10, ..settled.clone() })];
        let now = chrono::DateTime::UNIX_EPOCH;
        append_terms(&transaction, &twice, now).await.unwrap_err();
    }
}

// A forecast makes of its copies what a settlement makes of rows (C-1, C-2, P-3).
#[tokio::test]
async fn a_copy_becomes_what_the_row_becomes() {
    let (clouds, _folder) = clouds("bulk_copy").await;
    let flavor = |name: &str| Some(format!("[{{\"name\":\"flavor\",\"value\":\"{name}\"}}]"));
    let term = |number: i64| SettledInstance {
        start_time: number,
        end_time: number + 100,
        due_if_automatic: number + 50,
        due_otherwise: number + 60,
        ..settled()
    };
    let automatic = |number| SettledInstance { automatic: true, ..term(number) };
    let steps = [
        SettledInstance { configuration: flavor("x"), ..automatic(1) },
        SettledInstance {
            pending_configuration: flavor("y"),
            pending_from: Some(7),
            nothing_pending: true,
            ..term(2)
        },
        SettledInstance { anchor: 7, ..automatic(3) },
        SettledInstance { nothing_pending: true, ..automatic(4) },
        SettledInstance { converted: true, ..term(5) },
        automatic(6),
    ];
    for cloud in clouds {
        cloud.register(vec![prepaid("a", "vm", "2026-03-11 00:00")]).await;
        let twice = PolicyWish::Auto { cycle: None, remaining: Some(3.try_into().unwrap()) };
        let set = cloud.policies.set(&acme(), &[id("a")], twice).await.unwrap();
        assert!(set[0].1.is_ok());
        for settled in &steps {
            let transaction = cloud.store.begin().await.unwrap();
            let mut copy = loaded(&transaction).await;
            assert!(!claimed(&transaction, &[(1, row("a", copy.version))]).await.is_empty());
            copy.version += 1;
            settled.extend(&mut copy).unwrap();
            extend(&transaction, std::slice::from_ref(settled)).await.unwrap();
            assert_eq!(loaded(&transaction).await, copy, "{settled:?}");
            transaction.commit().await.unwrap();
        }
    }
}

/// The instance `a`.
async fn loaded(transaction: &DatabaseTransaction) -> Loaded {
    let (acme, id) = (acme(), id("a"));
    let named = [Named { account: &acme, id: &id }];
    let loaded = load_named(transaction, &named, Reach::Groups, Lock::None).await;
    loaded.unwrap().remove(0)
}
