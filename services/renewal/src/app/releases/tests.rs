use rule_engine::instance::BindingKind;

use super::*;
use crate::tests::cloud::{Cloud, at, bound, clouds, prepaid};

/// What `document` would move, looking at so many instances at a time: instance, release, and what it
/// would be.
async fn moved(cloud: &Cloud, document: &str, limit: u32) -> Vec<(String, String, String)> {
    let rules = Arc::new(Rules::new(Arc::clone(&cloud.catalog) as _));
    let env = Env::with_clock(Arc::clone(&cloud.clock) as _);
    let releases = Releases::new(cloud.store.clone(), rules, env);
    let (mut all, mut after) = (Vec::new(), Place::default());
    loop {
        let page = releases.moved(document, &after, limit).await.unwrap();
        assert!(page.moved.len() <= usize::try_from(limit).unwrap());
        all.extend(page.moved);
        let Some(next) = page.next else { break };
        after = next;
    }
    let zone = chrono_tz::Asia::Shanghai;
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).format("%m-%d %H:%M").to_string();
    all.iter().map(|one| (one.id.to_string(), day(one.release), day(one.would_be))).collect()
}

// L-5, B-4: what expires from now on goes by the new rules; a strong member by those of its primary.
#[tokio::test]
async fn releases_move_of_what_is_not_expired() {
    let (clouds, _folder) = clouds("releases").await;
    for cloud in clouds {
        let end = "2026-03-11 00:00";
        let strong = bound(prepaid("strong", "vm", end), "primary", BindingKind::Strong);
        let forced = bound(prepaid("forced", "vm", end), "alone", BindingKind::Forced);
        let registered = cloud
            .register(vec![
                prepaid("alone", "pool", end),
                forced,
                prepaid("other", "vm", end),
                prepaid("primary", "pool", end),
                strong,
                prepaid("expired", "pool", "2026-03-02 00:00"),
            ])
            .await;
        assert_eq!(registered.len(), 6, "{registered:?}");
        cloud.clock.set(at("2026-03-05 00:00"));
        let expected = ["alone", "primary", "strong"]
            .map(|id| (id.to_owned(), "04-10 00:00".to_owned(), "04-15 00:00".to_owned()));
        for limit in [1, 2, 1_000] {
            assert_eq!(moved(&cloud, "pool 20", limit).await, expected, "{limit}");
        }
        assert_eq!(moved(&cloud, "pool 15", 1_000).await, []);
    }
}
