use sea_orm::ConnectionTrait as _;

use super::*;
use crate::{
    store::due::{SHARDS, pages::Place},
    tests::cloud::{Cloud, at, clouds, prepaid},
};

/// Derives everything anew, in pages of `limit`: how many were looked at, written, and too late.
async fn rebuild(cloud: &Cloud, limit: u32, always: bool) -> (u32, u32, u32) {
    let reach = Reach { shards: (0, SHARDS), after: Place::default(), limit };
    let mut wanted = Rebuild { reach, version: None, always };
    let mut all = (0, 0, 0);
    loop {
        let (swept, version) = cloud.orders.rebuild_due(&wanted).await.unwrap();
        let late = swept.failed.values().sum::<u32>();
        all = (all.0 + swept.due, all.1 + swept.done, all.2 + late);
        let Some(after) = swept.next else { return all };
        (wanted.reach.after, wanted.version) = (after, Some(version));
    }
}

async fn plant(cloud: &Cloud, sql: &str) {
    cloud.store.database().writer().execute_unprepared(sql).await.unwrap();
}

#[tokio::test]
async fn what_would_be_looked_at_too_late_is_found_and_put_right() {
    let (clouds, _folder) = clouds("rebuild").await;
    for cloud in clouds {
        let rows = ["a", "b", "c", "d", "e"].map(|name| prepaid(name, "pool", "2026-03-21 00:00"));
        cloud.register(rows.into()).await;
        assert_eq!(rebuild(&cloud, 2, false).await, (5, 0, 0), "nothing was ever derived anew");
        assert_eq!(rebuild(&cloud, 2, false).await, (0, 0, 0), "the rules are the same");
        let right = cloud.row("a").await.due_time;
        plant(&cloud, "UPDATE instances SET due_time = due_time + 1 WHERE id = 'a'").await;
        plant(&cloud, "UPDATE instances SET due_time = NULL WHERE id = 'd'").await;
        // Too early is no mistake.
        plant(&cloud, "UPDATE instances SET due_time = due_time - 1 WHERE id = 'e'").await;
        assert_eq!(rebuild(&cloud, 2, true).await, (5, 3, 2));
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(cloud.row(name).await.due_time, right, "{name}");
            assert_eq!(cloud.row(name).await.version, 1);
        }
        assert_eq!(rebuild(&cloud, 1_000, true).await, (5, 0, 0));
        // What is due by now is found, whenever it should have been.
        cloud.clock.set(at("2026-03-15 00:00"));
        plant(&cloud, "UPDATE instances SET due_time = due_time + 1 WHERE id = 'a'").await;
        assert_eq!(rebuild(&cloud, 1_000, true).await.2, 0);
    }
}

// L-5: a later catalog counts for later expiries.
#[tokio::test]
async fn other_rules_and_another_day_have_everything_derived_anew() {
    let (clouds, _folder) = clouds("rebuild_rules").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("a", "pool", "2026-03-21 00:00")]).await;
        assert_eq!(rebuild(&cloud, 1, false).await, (1, 0, 0));
        plant(&cloud, "UPDATE instances SET due_time = due_time + 1").await;
        cloud.catalog.change();
        assert_eq!(rebuild(&cloud, 1, false).await, (1, 1, 0), "by other rules it is no mistake");
        assert_eq!(rebuild(&cloud, 1, false).await, (0, 0, 0));
        cloud.clock.set(at("2026-03-02 00:00"));
        assert_eq!(rebuild(&cloud, 1, false).await, (1, 0, 0));
    }
}
