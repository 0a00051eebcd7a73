use futures::future::join_all;
use rule_engine::{instance::BindingKind, policy::PolicyWish};

use super::*;
use crate::{
    domain::order::State,
    store::due::{SHARDS, pages::Place},
    tests::{
        cloud::{Cloud, acme, at, bound, clouds, id, prepaid},
        purse::Trouble,
        renewals::{check_out, create, create_paid, pay, reason, take_back},
    },
};

fn all(limit: u32) -> Reach {
    Reach { shards: (0, SHARDS), after: Place::default(), limit }
}

/// Sweeps until nothing more is due, in pages of `limit`, and tells how many moved.
async fn sweep(cloud: &Cloud, limit: u32) -> u32 {
    let mut reach = all(limit);
    let mut done = 0;
    loop {
        let swept = cloud.orders.expire_due(&reach).await.unwrap();
        done += swept.done;
        match swept.next {
            Some(after) => reach.after = after,
            None => return done,
        }
    }
}

/// The kinds of what was told since the first `known` events.
async fn told(cloud: &Cloud, known: usize) -> Vec<String> {
    cloud.events().await.split_off(known)
}

async fn state(cloud: &Cloud, name: &str) -> String {
    let row = cloud.row(name).await;
    format!("{} {} {}", row.state, row.billing_mode, row.policy)
}

// L-1, L-3: 15 and 15 days; one event for each step, however often it is looked at.
#[tokio::test]
async fn each_step_of_a_life_is_told_once() {
    let (clouds, _folder) = clouds("life_steps").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("i", "pool", "2026-03-11 00:00")]).await;
        let known = cloud.events().await.len();
        for (now, expected, events) in [
            ("2026-03-10 23:59", "ACTIVE", 0),
            ("2026-03-11 00:00", "GRACE", 1),
            ("2026-03-25 23:59", "GRACE", 1),
            ("2026-03-26 00:00", "RETAINED", 2),
            ("2026-04-09 23:59", "RETAINED", 2),
            ("2026-04-10 00:00", "RELEASED", 3),
            ("2026-05-01 00:00", "RELEASED", 3),
        ] {
            cloud.clock.set(at(now));
            let shown = cloud.instances.get(&acme(), &id("i")).await.unwrap().instance.state;
            sweep(&cloud, 1_000).await;
            assert_eq!(sweep(&cloud, 1_000).await, 0, "{now}");
            assert_eq!(state(&cloud, "i").await, format!("{expected} PREPAID MANUAL"), "{now}");
            assert_eq!(shown.code(), expected, "reads never wait for a sweep");
            assert_eq!(told(&cloud, known).await.len(), events, "{now}");
        }
        let all = ["instance.expired", "instance.retained", "instance.released"];
        assert_eq!(told(&cloud, known).await, all);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// L-3: late, and by two sweepers at once; each step is told once and in order, at versions of its own.
#[tokio::test]
async fn late_steps_are_told_in_their_order_by_one_of_many_sweepers() {
    let (clouds, _folder) = clouds("life_late").await;
    for cloud in clouds {
        let names: Vec<_> = (0..7).map(|number| format!("i-{number}")).collect();
        let rows = names.iter().map(|name| prepaid(name, "pool", "2026-03-11 00:00"));
        cloud.register(rows.collect()).await;
        let known = cloud.events().await.len();
        cloud.clock.set(at("2026-06-01 00:00"));
        let moved: Vec<_> = join_all((0..4).map(|_| sweep(&cloud, 3))).await;
        assert_eq!(moved.iter().sum::<u32>(), 7, "{moved:?}");
        let told = cloud.told(known).await;
        for name in &names {
            let own = told.iter().filter(|event| event.instance_id == *name);
            let own: Vec<_> =
                own.map(|event| (event.r#type.as_str(), event.instance_version)).collect();
            let steps =
                [("instance.expired", 2), ("instance.retained", 3), ("instance.released", 4)];
            assert_eq!(own, steps, "{name}");
            assert_eq!(cloud.row(name).await.version, 4);
        }
        assert_eq!(told.len(), 21);
        let since = told.iter().find(|event| event.r#type == "instance.retained").unwrap();
        assert_eq!(since.attributes["since"], "2026-03-25T16:00:00+00:00");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// L-4: each member of a group at its own expiry; unpaid orders end.
#[tokio::test]
async fn what_becomes_postpaid_keeps_running_without_a_policy() {
    let (clouds, _folder) = clouds("life_postpaid").await;
    for cloud in clouds {
        let child = prepaid("child", "pool", "2026-03-13 00:00");
        cloud
            .register(vec![
                prepaid("i", "pool", "2026-03-11 00:00"),
                bound(child, "i", BindingKind::Forced),
                prepaid("other", "pool", "2026-03-25 00:00"),
            ])
            .await;
        let wish = PolicyWish::PostpaidAfterExpiry;
        cloud.policies.set(&acme(), &[id("i")], wish).await.unwrap();
        let order = cloud.order(&create(1, &["other"])).await.unwrap();
        let unpaid = cloud.order(&create(2, &["i"])).await.unwrap();
        cloud.clock.set(at("2026-03-11 00:00"));
        let known = cloud.events().await.len();
        assert_eq!(sweep(&cloud, 1_000).await, 1);
        assert_eq!(told(&cloud, known).await, ["instance.became_postpaid", "order.expired"]);
        assert_eq!(state(&cloud, "i").await, "ACTIVE POSTPAID MANUAL");
        assert_eq!(state(&cloud, "child").await, "ACTIVE PREPAID POSTPAID_AFTER_EXPIRY");
        assert_eq!(cloud.row("i").await.due_time, None);
        let ended = cloud.reread(&unpaid).await;
        assert_eq!(ended.state, State::Expired);
        assert_eq!(ended.ended_why.unwrap().reason, "NO_EXPIRY");
        assert_eq!(cloud.row("child").await.open_order_id, None);
        assert_eq!(cloud.reread(&order).await.state, State::PendingPayment);
        cloud.clock.set(at("2026-03-13 00:00"));
        assert_eq!(sweep(&cloud, 1_000).await, 1);
        assert_eq!(state(&cloud, "child").await, "ACTIVE POSTPAID MANUAL");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// L-3, section 11: RENEWAL_WINDOW_CLOSED
#[tokio::test]
async fn release_ends_unpaid_orders_and_waits_for_payments() {
    let (clouds, _folder) = clouds("life_release").await;
    for cloud in clouds {
        let names = ["unpaid", "with", "paying"];
        let rows = names.map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        cloud.clock.set(at("2026-03-17 23:59"));
        let unpaid = cloud.order(&create(1, &["unpaid", "with"])).await.unwrap();
        let paying = cloud.order(&create(2, &["paying"])).await.unwrap();
        cloud.purse.put(1_000);
        cloud.purse.fail([Trouble::AnswerLost]);
        cloud.orders.pay(&pay(3, &paying)).await.unwrap_err();

        cloud.clock.set(at("2026-03-18 00:00"));
        let swept = cloud.orders.expire_due(&all(1_000)).await.unwrap();
        assert_eq!((swept.due, swept.done), (3, 3));
        assert_eq!(swept.failed, [("OPEN_ORDER_EXISTS".to_owned(), 1)].into());
        assert_eq!(state(&cloud, "unpaid").await, "RELEASED PREPAID MANUAL");
        assert_eq!(state(&cloud, "paying").await, "RETAINED PREPAID MANUAL");
        let ended = cloud.reread(&unpaid).await;
        assert_eq!(ended.state, State::Expired);
        assert_eq!(ended.ended_why.unwrap().reason, "RENEWAL_WINDOW_CLOSED");
        assert_eq!(cloud.row("with").await.open_order_id, None);
        assert_eq!(cloud.off().await, Vec::<String>::new());

        // What was paid in time lives on, as if it never had expired.
        let paid = cloud.orders.charge_and_settle(cloud.reread(&paying).await).await.unwrap();
        assert_eq!(paid.state, State::Completed);
        assert_eq!(state(&cloud, "paying").await, "ACTIVE PREPAID MANUAL");
        assert_eq!(sweep(&cloud, 1_000).await, 0);
        let error = cloud.order(&create(4, &["unpaid"])).await.unwrap_err();
        assert_eq!(reason(&error), "RENEWAL_WINDOW_CLOSED");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// W-4, L-3: whoever paid through a channel before the release is not released.
#[tokio::test]
async fn a_channel_that_was_in_time_saves_the_instance() {
    let (clouds, _folder) = clouds("life_channel").await;
    for cloud in clouds {
        for (name, confirmed) in [("late", false), ("in-time", true)] {
            cloud.clock.set(at("2026-03-01 00:00"));
            cloud.register(vec![prepaid(name, "vm", "2026-03-11 00:00")]).await;
            cloud.clock.set(at("2026-03-17 23:50"));
            let number = if confirmed { 10 } else { 20 };
            let order = cloud.order(&create(number, &[name])).await.unwrap();
            cloud.orders.checkout(&check_out(number + 1, &order)).await.unwrap();
            if confirmed {
                cloud.purse.confirm_payments(at("2026-03-17 23:55"));
            }
            cloud.clock.set(at("2026-03-18 00:00"));
            // Asked once; the next page finds what came of it.
            let first = cloud.orders.expire_due(&all(1_000)).await.unwrap();
            assert_eq!(first.failed, [("OPEN_ORDER_EXISTS".to_owned(), 1)].into(), "{name}");
            sweep(&cloud, 1_000).await;
            let (order_state, expected) = if confirmed {
                (State::Completed, "ACTIVE PREPAID MANUAL")
            } else {
                (State::Expired, "RELEASED PREPAID MANUAL")
            };
            assert_eq!(cloud.reread(&order).await.state, order_state, "{name}");
            assert_eq!(state(&cloud, name).await, expected, "{name}");
            assert_eq!(cloud.off().await, Vec::<String>::new());
        }
    }
}

// L-2, I-2, O-6: what was recorded goes back with the dates, and forward with a sweep only.
#[tokio::test]
async fn a_recorded_state_goes_back_with_its_dates() {
    let (clouds, _folder) = clouds("life_back").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        cloud.register(vec![prepaid("i", "pool", "2026-03-11 00:00")]).await;
        cloud.clock.set(at("2026-03-12 00:00"));
        sweep(&cloud, 1_000).await;
        assert_eq!(state(&cloud, "i").await, "GRACE PREPAID MANUAL");
        // Renewed late, from the old expiry on.
        cloud.order(&create_paid(1, &["i"])).await.unwrap();
        assert_eq!(state(&cloud, "i").await, "ACTIVE PREPAID MANUAL");
        let order = cloud.order(&create_paid(2, &["i"])).await.unwrap();
        cloud.orders.refund(&take_back(3, &order, &[])).await.unwrap();
        assert_eq!(state(&cloud, "i").await, "ACTIVE PREPAID MANUAL");
        for (number, now, to, at_once, swept) in [
            (4, "2026-03-15 00:00", "2026-03-14 00:00", "ACTIVE", "GRACE"),
            (5, "2026-04-20 00:00", "2026-04-01 00:00", "GRACE", "RETAINED"),
            (6, "2026-04-20 00:00", "2026-04-10 00:00", "GRACE", "GRACE"),
            (7, "2026-04-20 00:00", "2026-05-01 00:00", "ACTIVE", "ACTIVE"),
        ] {
            cloud.clock.set(at(now));
            cloud.correct(number, "i", to).await;
            assert_eq!(state(&cloud, "i").await, format!("{at_once} PREPAID MANUAL"), "{to}");
            sweep(&cloud, 1_000).await;
            assert_eq!(state(&cloud, "i").await, format!("{swept} PREPAID MANUAL"), "{to}");
        }
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// B-5: a forced child whose parent is gone stands alone, and is due by itself from then on.
#[tokio::test]
async fn a_child_is_due_by_itself_once_its_parent_is_gone() {
    let (clouds, _folder) = clouds("life_child").await;
    for cloud in clouds {
        let child = prepaid("child", "pool", "2026-05-21 00:00");
        cloud
            .register(vec![
                prepaid("vm", "pool", "2026-03-11 00:00"),
                bound(child, "vm", BindingKind::Forced),
            ])
            .await;
        let wish = PolicyWish::Auto { cycle: None, remaining: None };
        cloud.policies.set(&acme(), &[id("vm")], wish).await.unwrap();
        let due = async || crate::tests::life::local(cloud.row("child").await.due_time.unwrap());
        assert_eq!(due().await, "2026-05-13 09:00", "a reminder");
        cloud.clock.set(at("2026-04-10 00:00"));
        assert_eq!(sweep(&cloud, 1_000).await, 1);
        assert_eq!(due().await, "2026-05-12 09:00", "what its first attempt will cost");
    }
}

// T-4, T-6, L-1: 2018-11-04 begins at 01:00 in São Paulo, 2026-04-24 at 01:00 in Cairo, 2026-03-29 at
// 01:00 in Beirut; with no day between, and with seven.
#[tokio::test]
async fn a_day_without_midnight_ends_with_the_next_ones_first_instant() {
    let (clouds, _folder) = clouds("life_gap").await;
    for cloud in clouds {
        for (number, (zone, end, day_after)) in (0..).zip([
            (chrono_tz::America::Sao_Paulo, "2018-11-04T03:00:00Z", "2018-11-11T02:00:00Z"),
            (chrono_tz::Africa::Cairo, "2026-04-23T22:00:00Z", "2026-04-30T21:00:00Z"),
            (chrono_tz::Asia::Beirut, "2026-03-28T22:00:00Z", "2026-04-04T21:00:00Z"),
        ]) {
            let (end, release): (DateTime<Utc>, DateTime<Utc>) =
                (end.parse().unwrap(), day_after.parse().unwrap());
            let account = format!("zone-{number}");
            cloud.clock.set(end - chrono::TimeDelta::days(20));
            let row =
                crate::app::accounts::AccountRow { zone, ..crate::tests::cloud::account(&account) };
            cloud.accounts.upsert(vec![row]).await.unwrap();
            let name = format!("i-{number}");
            let start = end - chrono::TimeDelta::days(28);
            let billing =
                rule_engine::registration::RegisteredBilling::Prepaid { start, end, anchor: None };
            let row = rule_engine::registration::Registration {
                account: account.parse().unwrap(),
                billing,
                ..prepaid(&name, "vm", "2026-03-11 00:00")
            };
            assert_eq!(cloud.register(vec![row]).await, ["Created"]);
            let second = chrono::TimeDelta::seconds(1);
            for (now, done) in [(end - second, 0), (end, 1), (release - second, 0), (release, 1)] {
                cloud.clock.set(now);
                assert_eq!(sweep(&cloud, 1_000).await, done, "{zone} {now}");
            }
        }
    }
}

// A page asks the same number of statements however many instances it has.
#[tokio::test]
async fn a_page_of_steps_takes_a_constant_number_of_statements() {
    let (clouds, _folder) = clouds("life_budget").await;
    for cloud in clouds {
        let mut asked = Vec::new();
        for (round, count) in [(0, 1), (1, 40)] {
            let end = "2026-03-11 00:00";
            cloud.clock.set(at("2026-03-01 00:00"));
            let names: Vec<_> = (0..count).map(|number| format!("i-{round}-{number}")).collect();
            cloud.register(names.iter().map(|name| prepaid(name, "vm", end)).collect()).await;
            cloud.clock.set(at("2026-03-17 00:00"));
            for (number, name) in (0..).zip(&names) {
                let request = 1_000 * (round + 1) + number;
                cloud.order(&create(request, &[name])).await.unwrap();
            }
            cloud.clock.set(at("2026-03-18 00:00"));
            let before = cloud.store.database().usage();
            assert_eq!(sweep(&cloud, 1_000).await, count);
            asked.push(cloud.store.database().usage() - before);
        }
        assert_eq!(asked[0], asked[1]);
        assert!(asked[0].statements <= 12, "{asked:?}");
    }
}
