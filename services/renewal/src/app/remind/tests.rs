use futures::future::join_all;
use proto::renewal::v1 as pb;
use rule_engine::policy::PolicyWish;

use super::*;
use crate::{
    store::due::SHARDS,
    tests::{
        cloud::{Cloud, acme, at, clouds, id, prepaid},
        life::local,
        purse::Trouble,
        renewals::{create_paid, take_back},
    },
};

/// Reminds of everything that is due, in pages of `limit`; answers of how many instances.
async fn sweep(cloud: &Cloud, limit: u32) -> u32 {
    let mut reach = Reach { shards: (0, SHARDS), after: Place::default(), limit };
    let mut done = 0;
    loop {
        let swept = cloud.orders.remind_due(&reach).await.unwrap();
        done += swept.done;
        match swept.next {
            Some(after) => reach.after = after,
            None => return done,
        }
    }
}

/// The reminders since the first `known` events, each as what it says.
async fn reminded(cloud: &Cloud, known: usize) -> Vec<String> {
    let told = cloud.told(known).await;
    let told = told.into_iter().filter(|event| event.r#type == "account.reminder");
    told.map(|event| said(&event)).collect()
}

fn said(event: &pb::Event) -> String {
    let kinds = ["before_expiry", "at_expiry", "before_release", "new_price"];
    let kinds = kinds
        .into_iter()
        .filter_map(|kind| event.attributes.get(kind).map(|count| format!("{count} {kind}")));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    format!("{}: {}: {kinds}", event.attributes["count"], event.attributes["instances"])
}

async fn set(cloud: &Cloud, name: &str, wish: PolicyWish) {
    let results = cloud.policies.set(&acme(), &[id(name)], wish).await.unwrap();
    assert!(results.iter().all(|(_, outcome)| outcome.is_ok()), "{results:?}");
}

const AUTO: PolicyWish = PolicyWish::Auto { cycle: None, remaining: None };

// days -7 -3 -1 0 and 6, 2, 0 before release, at 09:00, each once, and none of what is past but
// the latest.
#[tokio::test]
async fn each_reminder_is_sent_once_and_late_ones_not_at_all() {
    let (clouds, _folder) = clouds("remind_once").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("i", "pool", "2026-03-21 00:00")]).await;
        let known = cloud.events().await.len();
        let mut sent = 0;
        for (now, says) in [
            ("2026-03-13 08:59", None),
            ("2026-03-13 09:00", Some("1: i: 1 before_expiry")),
            // Nothing ran on day -3: its reminder is not sent any more once day -1 has come.
            ("2026-03-19 09:30", Some("1: i: 1 before_expiry")),
            ("2026-03-20 09:00", Some("1: i: 1 at_expiry")),
            ("2026-04-13 09:00", Some("1: i: 1 before_release")),
            ("2026-04-19 10:00", Some("1: i: 1 before_release")),
            // The whole system slept until after the release.
            ("2026-05-01 09:00", None),
        ] {
            cloud.clock.set(at(now));
            sweep(&cloud, 1_000).await;
            sweep(&cloud, 1_000).await;
            let told = reminded(&cloud, known).await;
            sent += usize::from(says.is_some());
            assert_eq!(told.len(), sent, "{now}: {told:?}");
            if let Some(says) = says {
                assert_eq!(told.last().unwrap(), says, "{now}");
            }
        }
        assert_eq!(cloud.row("i").await.version, 1, "nothing of the instance has changed");
    }
}

// one event a day for each account, however many sweepers there are and however small the pages.
#[tokio::test]
async fn an_account_is_told_of_all_its_instances_in_one_event_a_day() {
    let (clouds, _folder) = clouds("remind_together").await;
    for cloud in clouds {
        let names: Vec<_> = (0..9).map(|number| format!("i-{number}")).collect();
        let rows = names.iter().map(|name| prepaid(name, "pool", "2026-03-21 00:00"));
        let mut rows: Vec<_> = rows.collect();
        rows.push(rule_engine::registration::Registration {
            account: "other".parse().unwrap(),
            ..prepaid("theirs", "pool", "2026-03-21 00:00")
        });
        cloud.register(rows).await;
        let known = cloud.events().await.len();
        cloud.clock.set(at("2026-03-13 09:00"));
        let done: u32 = join_all((0..3).map(|_| sweep(&cloud, 4))).await.into_iter().sum();
        assert_eq!(done, 10);
        let mut told = reminded(&cloud, known).await;
        told.sort();
        assert_eq!(
            told,
            [
                "1: theirs: 1 before_expiry",
                "9: i-0 i-1 i-2 i-3 i-4 i-5 i-6 i-7 i-8: 9 before_expiry",
            ]
        );
        // What comes up on the same day waits for the next morning, unless it expires before.
        cloud.clock.set(at("2026-03-13 12:00"));
        let late = prepaid("late", "pool", "2026-03-21 00:00");
        cloud.register(vec![late, prepaid("today", "pool", "2026-03-14 00:00")]).await;
        assert_eq!(local(cloud.row("late").await.due_time.unwrap()), "2026-03-14 09:00");
        sweep(&cloud, 1_000).await;
        assert_eq!(reminded(&cloud, known).await[2..], ["1: today: 1 at_expiry"]);
        cloud.clock.set(at("2026-03-14 09:00"));
        sweep(&cloud, 1_000).await;
        assert_eq!(reminded(&cloud, known).await[3..], ["1: late: 1 before_expiry"]);
    }
}

// AUTO is reminded of only when its renewal will fail, or costs something else.
#[tokio::test]
async fn what_renews_itself_is_reminded_of_when_that_will_fail_or_costs_more() {
    let (clouds, _folder) = clouds("remind_auto").await;
    for cloud in clouds {
        cloud.purse.put(200);
        let days = crate::app::accounts::SettingsChange {
            auto_days_before: Some(Some(0)),
            ..Default::default()
        };
        cloud.accounts.update_settings(&acme(), days, "").await.unwrap();
        // Renewed once before, for 1.00 each; 0.00 is left.
        cloud
            .register(vec![
                prepaid("a", "pool", "2026-03-21 00:00"),
                prepaid("b", "pool", "2026-03-21 00:00"),
            ])
            .await;
        cloud.order(&create_paid(1, &["a", "b"])).await.unwrap();
        for name in ["a", "b"] {
            set(&cloud, name, AUTO).await;
        }
        let known = cloud.events().await.len();
        let told = async |now: &str| {
            cloud.clock.set(at(now));
            sweep(&cloud, 1_000).await;
            reminded(&cloud, known).await
        };
        // Enough for one of them: the other fails.
        cloud.purse.put(100);
        assert_eq!(told("2026-04-13 09:00").await, ["1: b: 1 before_expiry"]);
        // The money suffices with a voucher that pays half of it.
        cloud.purse.set_vouchers(100);
        assert_eq!(told("2026-04-17 09:00").await.len(), 1);
        // 1.01 each: told once.
        cloud.purse.put(2);
        cloud.catalog.change();
        assert_eq!(told("2026-04-19 09:00").await[1..], ["2: a b: 2 new_price"]);
        cloud.catalog.change();
        cloud.purse.put(1_000);
        // On the last day it was tried already: of a price that is charged nobody is reminded.
        assert_eq!(told("2026-04-20 09:00").await.len(), 2);
    }
}

// Where another service does not answer, what depends on it comes up again, and nothing else waits.
#[tokio::test]
async fn an_outlook_that_is_not_known_waits() {
    let (clouds, _folder) = clouds("remind_down").await;
    for cloud in clouds {
        cloud
            .register(vec![
                prepaid("auto", "pool", "2026-03-21 00:00"),
                prepaid("manual", "pool", "2026-03-21 00:00"),
            ])
            .await;
        set(&cloud, "auto", AUTO).await;
        let known = cloud.events().await.len();
        cloud.clock.set(at("2026-03-17 09:00"));
        cloud.purse.fail([Trouble::Down]);
        let reach = Reach { shards: (0, SHARDS), after: Place::default(), limit: 1_000 };
        let swept = cloud.orders.remind_due(&reach).await.unwrap();
        assert_eq!(swept.failed, [("SERVICE_UNAVAILABLE".to_owned(), 1)].into());
        assert_eq!(reminded(&cloud, known).await, ["1: manual: 1 before_expiry"]);
        cloud.clock.set(at("2026-03-18 09:00"));
        sweep(&cloud, 1_000).await;
        assert_eq!(reminded(&cloud, known).await[1..], ["1: auto: 1 before_expiry"]);
    }
}

// R-1, O-6: one for each (instance, expiry, offset), also where a refund brings an expiry back.
#[tokio::test]
async fn a_refund_reminds_of_nothing_twice() {
    let (clouds, _folder) = clouds("remind_refund").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("i", "pool", "2026-03-21 00:00")]).await;
        let known = cloud.events().await.len();
        cloud.clock.set(at("2026-03-13 09:00"));
        sweep(&cloud, 1_000).await;
        let order = cloud.order(&create_paid(1, &["i"])).await.unwrap();
        assert_eq!(local(cloud.row("i").await.due_time.unwrap()), "2026-04-13 09:00");
        cloud.orders.refund(&take_back(2, &order, &[])).await.unwrap();
        assert_eq!(local(cloud.row("i").await.due_time.unwrap()), "2026-03-17 09:00");
        cloud.clock.set(at("2026-03-16 09:00"));
        sweep(&cloud, 1_000).await;
        assert_eq!(reminded(&cloud, known).await.len(), 1);
    }
}

// An event is a notice: at most 300 bytes, however many instances it is about.
#[test]
fn an_event_of_many_instances_is_short() {
    let notice = |number: usize| Notice {
        kind: ReminderKind::BeforeExpiry,
        id: id(&format!("{}{number}", "x".repeat(60))),
        until: at("2026-03-21 00:00"),
        new_price: false,
    };
    let notices: Vec<_> = (0..1_000).map(notice).collect();
    let text = format!("{:?}", event(&acme(), &notices.iter().collect::<Vec<_>>()));
    assert!(text.contains("1000") && text.matches("xxx0").count() == 1, "{text}");
    assert!(!text.contains("xxx2"), "{text}");
}
