use super::*;
use crate::tests::{
    cloud::{acme, clouds, id, prepaid},
    renewals::wanted,
};

fn row(name: &str, version: i64) -> InstanceVersion {
    InstanceVersion { id: name.to_owned(), version }
}

fn order(number: u128) -> OrderId {
    OrderId(uuid::Uuid::from_u128(number))
}

// O-2: compare-and-set on (version, no claim)
#[tokio::test]
async fn a_claim_is_had_once_at_the_version_that_was_seen() {
    let (clouds, _folder) = clouds("bulk_claim").await;
    for cloud in clouds {
        let rows = ["a", "b"].map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        let tries = [
            (vec![row("a", 1), row("b", 2)], false),
            (vec![row("a", 1), row("c", 1)], false),
            (vec![row("a", 1), row("b", 1)], true),
            (vec![row("a", 2)], false),
        ];
        for (number, (rows, had)) in (1..).zip(tries) {
            let transaction = cloud.store.begin().await.unwrap();
            assert_eq!(claim(&transaction, &acme(), order(number), &rows).await.unwrap(), had);
            if had {
                transaction.commit().await.unwrap();
            }
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

// C-2: what a settlement does to configurations.
#[tokio::test]
async fn a_settled_instance_keeps_or_changes_what_is_pending() {
    let (clouds, _folder) = clouds("bulk_extend").await;
    let settled = SettledInstance {
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
    };
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
            assert!(claim(&transaction, &acme(), order(1), &[row("a", version)]).await.unwrap());
            let versions =
                extend(&transaction, &acme(), order(1), std::slice::from_ref(&settled)).await;
            assert_eq!(versions.unwrap(), [row("a", version + 2)]);
            let terms = [(version + 2, &settled)];
            let now = chrono::DateTime::UNIX_EPOCH;
            append_terms(&transaction, &acme(), order(1), &terms, now).await.unwrap();
            transaction.commit().await.unwrap();

            let (account, ids) = (acme(), [id("a")]);
            let reach = crate::app::preview::reach_of(&wanted(&["a"]).selection);
            let lock = crate::store::instances::Lock::None;
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
        append_terms(&transaction, &acme(), order(1), &twice, now).await.unwrap_err();
    }
}
