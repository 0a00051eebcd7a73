use rule_engine::policy::PolicyWish;
use sea_orm::ConnectionTrait as _;

use super::*;
use crate::{
    app::automatic::{RenewDue, caps::Caps},
    tests::{
        cloud::{Cloud, acme, clouds, id, prepaid},
        purse::Trouble,
    },
};

impl Cloud {
    /// Registers what renews itself at the beginning of 2026-03-10, by month.
    async fn fleet(&self, names: &[&str]) {
        let rows = names.iter().map(|name| prepaid(name, "ks", "2026-03-11 00:00"));
        self.register(rows.collect()).await;
        let ids: Vec<_> = names.iter().map(|name| id(name)).collect();
        let wish = PolicyWish::Auto { cycle: None, remaining: None };
        for (_, result) in self.policies.set(&acme(), &ids, wish).await.unwrap() {
            result.unwrap_or_else(|refusal| panic!("{}", refusal.reason));
        }
    }

    async fn at(&self, time: &str) -> Result<(), OrderError> {
        self.clock.set(crate::tests::cloud::at(time));
        let page = RenewDue { shards: 0..64, after: None, limit: 1_000 };
        self.orders.renew_due(&page).await.map(drop)
    }

    /// What `day` comes to: how many by outcome, and the others, such as `a/0 decided 2 times, Nothing`.
    async fn count(&self, day: &str) -> (Vec<String>, Vec<String>) {
        let count = self.orders.count_attempts(&acme(), day.parse().unwrap()).await.unwrap();
        let decided = count.decided.into_iter().map(|(name, number)| format!("{name} {number}"));
        let others = count.others.into_iter().map(|one| {
            let AttemptIdentity { root, kind, .. } = one.identity;
            let due = if one.since.is_some() { "due" } else { "not due" };
            format!("{root}/{} {}, {due}, {:?}", kind.number(), one.decisions, one.waits_for)
        });
        (decided.collect(), others.collect())
    }

    async fn damage(&self, statement: &str) {
        self.store.database().writer().execute_unprepared(statement).await.unwrap();
    }
}

/// The words before the first number.
fn invariants(off: &[String]) -> Vec<&str> {
    off.iter().map(|off| off.split(" (").next().unwrap()).collect()
}

// every attempt that came due was decided exactly once, and the count says so.
#[tokio::test]
async fn a_day_on_which_all_is_well_has_no_others() {
    let (clouds, _folder) = clouds("proof_well").await;
    for cloud in clouds {
        cloud.purse.put(150);
        cloud.fleet(&["a", "b"]).await;
        assert_eq!(cloud.count("2026-03-10").await, (vec![], vec![]), "nothing has come due");
        cloud.clock.set(crate::tests::cloud::at("2026-03-10 00:00"));
        let waiting = ["a/0 0, due, Sweep", "b/0 0, due, Sweep"].map(str::to_owned);
        assert_eq!(cloud.count("2026-03-10").await, (vec![], waiting.into()));
        cloud.at("2026-03-10 00:00").await.unwrap();
        let decided = ["FAILED 1", "RENEWED 1"].map(str::to_owned);
        assert_eq!(cloud.count("2026-03-10").await, (decided.into(), vec![]));
        assert_eq!(cloud.count("2026-03-11").await, (vec![], vec![]));
        let error = cloud.orders.count_attempts(&"none".parse().unwrap(), NaiveDate::MIN).await;
        assert!(matches!(error, Err(OrderError::AccountNotFound(_))));
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// what sweeps overlook is named all the same, and by the audit after an hour.
#[tokio::test]
async fn what_was_skipped_is_named() {
    let (clouds, _folder) = clouds("proof_skipped").await;
    for cloud in clouds {
        cloud.purse.put(300);
        cloud.fleet(&["a", "b", "c"]).await;
        cloud.damage("UPDATE instances SET due_time = due_time + 86400000000 WHERE id = 'b'").await;
        cloud.at("2026-03-10 00:00").await.unwrap();
        let named = vec!["b/0 0, due, Sweep".to_owned()];
        assert_eq!(cloud.count("2026-03-10").await, (vec!["RENEWED 2".to_owned()], named));
        cloud.clock.set(crate::tests::cloud::at("2026-03-10 01:00"));
        assert_eq!(cloud.off().await, Vec::<String>::new(), "an hour is as long as it may take");
        cloud.clock.set(cloud.orders.now() + chrono::TimeDelta::microseconds(1));
        let off = cloud.off().await;
        assert_eq!(
            invariants(&off),
            ["acme/b: an attempt that came due is decided within an hour"]
        );
    }
}

// what counts as decided has its decision, and one only.
#[tokio::test]
async fn what_was_decided_twice_or_only_seems_to_be_is_named() {
    let (clouds, _folder) = clouds("proof_twice").await;
    for cloud in clouds {
        cloud.fleet(&["a", "b"]).await;
        cloud.at("2026-03-10 00:00").await.unwrap();
        assert_eq!(cloud.count("2026-03-10").await, (vec!["FAILED 2".to_owned()], vec![]));

        cloud.damage("UPDATE orders SET attempt_root = 'a'").await;
        let named = vec!["a/0 2, not due, Nothing".to_owned()];
        assert_eq!(cloud.count("2026-03-10").await, (vec![], named));
        assert_eq!(invariants(&cloud.off().await), ["acme/a: an attempt is decided once"]);

        cloud.damage("DELETE FROM orders").await;
        let named = ["a/0 0, not due, Nothing", "b/0 0, not due, Nothing"].map(str::to_owned);
        assert_eq!(cloud.count("2026-03-10").await, (vec![], named.into()));
        let off =
            ["a", "b"].map(|id| format!("acme/{id}: what counts as decided has its decision"));
        assert_eq!(invariants(&cloud.off().await), off);
    }
}

// whatever else a decision waits for is told, and is no fault.
#[tokio::test]
async fn what_waits_for_its_payment_or_an_operator_says_so() {
    let (clouds, _folder) = clouds("proof_waits").await;
    for mut cloud in clouds {
        cloud.purse.put(300);
        cloud.fleet(&["a", "b"]).await;
        cloud.orders = cloud.orders.within(Caps { orders: Some(1), amount: None });
        cloud.purse.fail([Trouble::Down]);
        cloud.at("2026-03-10 00:00").await.unwrap_err();
        let named = ["a/0 0, due, Payment", "b/0 0, due, Resumption"].map(str::to_owned);
        assert_eq!(cloud.count("2026-03-10").await, (vec![], named.into()));
        cloud.clock.set(crate::tests::cloud::at("2026-03-10 01:00"));
        assert_eq!(cloud.off().await, Vec::<String>::new());
        cloud.clock.set(crate::tests::cloud::at("2026-03-10 00:02"));
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 1);
        let named = vec!["b/0 0, due, Resumption".to_owned()];
        assert_eq!(cloud.count("2026-03-10").await, (vec!["RENEWED 1".to_owned()], named));
        // From the next day on a sweep may decide it, and has an hour for that.
        for (time, late) in [("2026-03-11 01:00", false), ("2026-03-11 01:01", true)] {
            cloud.clock.set(crate::tests::cloud::at(time));
            let off = cloud.off().await;
            let found = off.iter().any(|off| off.contains("is decided within an hour"));
            assert_eq!(found, late, "{time}: {off:?}");
        }
    }
}
