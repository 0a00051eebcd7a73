use platform::testing::Counted;
use rule_engine::policy::PolicyWish;

use super::*;
use crate::{
    app::automatic::RenewDue,
    tests::{
        cloud::{acme, at, clouds, id, prepaid},
        purse::Trouble,
    },
};

/// What is counted where one renewal failed, two could not be decided, and so many were renewed.
fn one_failed_and(renewed: u64, due: u64) -> [String; 4] {
    [
        "renewals.decided FAILED 1".into(),
        format!("renewals.decided RENEWED {renewed}"),
        format!("renewals.due {due}"),
        "renewals.undecided 2".into(),
    ]
}

//
#[tokio::test]
async fn what_is_due_is_counted_as_decided_or_as_undecided() {
    let (clouds, _folder) = clouds("meters").await;
    for mut cloud in clouds {
        let counted = Counted::default();
        cloud.orders = cloud.orders.counting(Meters::of(&counted.meter()));
        cloud.purse.put(150);
        cloud.register(["a", "b"].map(|id| prepaid(id, "ks", "2026-03-11 00:00")).into()).await;
        cloud.register(vec![prepaid("c", "ks", "2026-04-11 00:00")]).await;
        let ids = ["a", "b", "c"].map(id);
        let wish = PolicyWish::Auto { cycle: None, remaining: None };
        cloud.policies.set(&acme(), &ids, wish).await.unwrap();
        let page = RenewDue { shards: 0..64, after: None, limit: 1_000 };

        cloud.clock.set(at("2026-03-10 00:00"));
        cloud.purse.fail([Trouble::Down]);
        cloud.orders.renew_due(&page).await.unwrap_err();
        assert_eq!(counted.lines(), ["renewals.due 2", "renewals.undecided 2"]);

        // The payments are found halfway, and decided.
        cloud.clock.set(at("2026-03-10 00:02"));
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 2);
        assert_eq!(counted.lines(), one_failed_and(1, 4));

        cloud.purse.put(1_000);
        cloud.clock.set(at("2026-04-10 00:00"));
        cloud.orders.renew_due(&page).await.unwrap();
        assert_eq!(counted.lines(), one_failed_and(3, 6));
    }
}
