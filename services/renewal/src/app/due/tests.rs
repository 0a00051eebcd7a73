use rule_engine::{instance::BindingKind, policy::PolicyWish, registration::Registration};

use crate::{
    app::accounts::SettingsChange,
    tests::{
        cloud::{Cloud, acme, bound, clouds, id, prepaid},
        renewals::{create_paid, take_back},
    },
};

const AUTO: PolicyWish = PolicyWish::Auto { cycle: None, remaining: None };

/// When `name` is due, by the clock of Shanghai.
async fn due(cloud: &Cloud, name: &str) -> String {
    let row = cloud.row(name).await;
    row.due_time.map_or_else(|| "never".to_owned(), crate::tests::life::local)
}

async fn set(cloud: &Cloud, name: &str, wish: PolicyWish) {
    let results = cloud.policies.set(&acme(), &[id(name)], wish).await.unwrap();
    assert!(results.iter().all(|(_, outcome)| outcome.is_ok()), "{results:?}");
}

fn newer(row: &Registration, version: u64, released: bool) -> Registration {
    Registration { source_version: version, released, ..row.clone() }
}

// A-1, L-3, L-4, R-1: a reminder on day -7, attempts from day -7 at 03:00 on, and what they will cost is
// said the day before.
#[tokio::test]
async fn whatever_changes_an_instance_says_when_it_is_due() {
    let (clouds, _folder) = clouds("due_times").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        let row = prepaid("i", "pool", "2026-03-21 00:00");
        cloud.register(vec![row.clone()]).await;
        assert_eq!(due(&cloud, "i").await, "2026-03-13 09:00");
        for (wish, expected) in [
            (AUTO, "2026-03-12 09:00"),
            (PolicyWish::NotRenew, "2026-03-17 09:00"),
            (PolicyWish::PostpaidAfterExpiry, "2026-03-13 09:00"),
            (AUTO, "2026-03-12 09:00"),
        ] {
            set(&cloud, "i", wish).await;
            assert_eq!(due(&cloud, "i").await, expected, "{wish:?}");
        }
        // Later days of the first attempt change nothing at once; who looks then knows better.
        let days = |days| SettingsChange { auto_days_before: Some(days), ..Default::default() };
        cloud.accounts.update_settings(&acme(), days(Some(0)), "").await.unwrap();
        assert_eq!(due(&cloud, "i").await, "2026-03-01 00:00");
        set(&cloud, "i", PolicyWish::Manual).await;
        set(&cloud, "i", AUTO).await;
        assert_eq!(due(&cloud, "i").await, "2026-03-13 09:00");

        // Settled: by the earliest day that the account may choose until then.
        let order = cloud.order(&create_paid(1, &["i"])).await.unwrap();
        assert_eq!(due(&cloud, "i").await, "2026-04-12 09:00");
        cloud.orders.refund(&take_back(2, &order, &[])).await.unwrap();
        assert_eq!(due(&cloud, "i").await, "2026-03-13 09:00");
        cloud.correct(3, "i", "2026-03-25 00:00").await;
        assert_eq!(due(&cloud, "i").await, "2026-03-17 09:00");

        // The product reports it gone, and then here again.
        cloud.register(vec![newer(&row_until(&row, "2026-03-25 00:00"), 2, true)]).await;
        assert_eq!(due(&cloud, "i").await, "never");
        cloud.register(vec![newer(&row_until(&row, "2026-03-25 00:00"), 3, false)]).await;
        assert_eq!(due(&cloud, "i").await, "2026-03-17 09:00");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

/// The row as its console has it since its expiry was corrected.
fn row_until(row: &Registration, end: &str) -> Registration {
    let prepaid = prepaid("i", "pool", end);
    Registration { billing: prepaid.billing, ..row.clone() }
}

// B-5: the group is due at the earliest expiry among its members, and a child never by itself.
#[tokio::test]
async fn a_child_makes_its_parent_due() {
    let (clouds, _folder) = clouds("due_groups").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("vm", "pool", "2026-04-21 00:00")]).await;
        set(&cloud, "vm", AUTO).await;
        assert_eq!(due(&cloud, "vm").await, "2026-04-12 09:00");
        let disk = prepaid("disk", "pool", "2026-04-11 00:00");
        let disk = bound(disk, "vm", BindingKind::Forced);
        assert_eq!(cloud.register(vec![disk.clone()]).await, ["Created"]);
        assert_eq!(due(&cloud, "vm").await, "2026-04-03 03:00");
        assert_eq!(due(&cloud, "disk").await, "2026-04-03 09:00");

        // A correction of the child moves its parent's time, which is not corrected itself.
        cloud.correct(1, "disk", "2026-04-05 00:00").await;
        assert_eq!(due(&cloud, "vm").await, "2026-03-28 03:00");
        assert_eq!(due(&cloud, "disk").await, "2026-03-28 09:00");

        // It leaves the group.
        let free = Registration { binding: None, source_version: 2, ..disk };
        let billing = prepaid("disk", "pool", "2026-04-05 00:00").billing;
        assert_eq!(cloud.register(vec![Registration { billing, ..free }]).await, ["Updated"]);
        assert_eq!(due(&cloud, "vm").await, "2026-04-12 09:00");
    }
}
