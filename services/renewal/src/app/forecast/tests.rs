use chrono::NaiveDate;
use proto::renewal::v1::{ForecastRenewalsResponse, happening::Kind};
use rule_engine::policy::PolicyWish;

use super::*;
use crate::{
    app::automatic::RenewDue,
    store::orders::{Order, list::AttemptList},
    tests::{
        cloud::{Cloud, acme, at, clouds, id, prepaid},
        renewals::create,
    },
};

const MONTHLY: PolicyWish = PolicyWish::Auto { cycle: None, remaining: None };

impl Cloud {
    async fn automatic(&self, names: &[&str]) {
        let ids: Vec<_> = names.iter().map(|name| id(name)).collect();
        for (name, result) in self.policies.set(&acme(), &ids, MONTHLY).await.unwrap() {
            result.unwrap_or_else(|refusal| panic!("{name}: {}", refusal.reason));
        }
    }
}

/// What happens, such as `2026-03-10 a RENEWED`.
fn told(forecast: &ForecastRenewalsResponse) -> Vec<String> {
    let mut all = Vec::new();
    for day in &forecast.days {
        let date = NaiveDate::try_from(day.date.unwrap()).unwrap();
        for one in &day.happenings {
            let kind = one.kind().as_str_name().trim_start_matches("KIND_");
            let told = format!("{date} {} {kind} {}", one.instance_id, one.reason);
            all.push(told.trim_end().to_owned());
        }
    }
    all
}

// A-1, P-4: nothing is written, nothing is paid, and nothing is due twice.
#[tokio::test]
async fn a_forecast_changes_nothing() {
    let (clouds, _folder) = clouds("forecast_still").await;
    for cloud in clouds {
        cloud.purse.put(150);
        cloud.register(vec![prepaid("a", "ks", "2026-03-11 00:00")]).await;
        cloud.automatic(&["a"]).await;
        let (row, events) = (cloud.row("a").await, cloud.events().await);
        let forecast = cloud.orders.forecast(&acme(), 62).await.unwrap();
        assert_eq!(
            told(&forecast),
            [
                "2026-03-10 a RENEWED",
                "2026-04-10 a FAILED INSUFFICIENT_FUNDS",
                "2026-04-10 a FAILED INSUFFICIENT_FUNDS",
                "2026-04-11 a EXPIRED",
                "2026-04-18 a RELEASED",
            ]
        );
        let shortage = forecast.first_shortage.unwrap();
        assert_eq!(shortage.missing.unwrap().minor_units, 50);
        assert_eq!(cloud.row("a").await, row);
        assert_eq!(cloud.events().await, events);
        assert_eq!(cloud.purse.cash(), 150);
        assert!(cloud.purse.asked().is_empty());
    }
}

// what is beyond the bounds of a day waits for the next one, as it does when the day comes.
#[tokio::test]
async fn bounds_of_a_day_hold_in_a_forecast() {
    let (clouds, _folder) = clouds("forecast_caps").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        for name in ["a", "b"] {
            cloud.register(vec![prepaid(name, "pool", "2026-03-11 00:00")]).await;
        }
        cloud.automatic(&["a", "b"]).await;
        let caps = Caps { orders: Some(1), amount: None };
        let orders = cloud.orders.clone().within(caps);
        let forecast = orders.forecast(&acme(), 10).await.unwrap();
        let expected = ["2026-03-03 a RENEWED", "2026-03-03 b PARKED", "2026-03-04 b RENEWED"];
        assert_eq!(told(&forecast), expected);
    }
}

// A-8, section 11: an unpaid order is in the way until it expires or the last attempt takes its place.
#[tokio::test]
async fn unpaid_orders_are_in_the_way_for_as_long_as_they_last() {
    let (clouds, _folder) = clouds("forecast_orders").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        cloud.register(vec![prepaid("a", "pool", "2026-03-05 00:00")]).await;
        cloud.register(vec![prepaid("b", "pool", "2026-03-18 00:00")]).await;
        cloud.automatic(&["a", "b"]).await;
        for (number, name) in [(1, "a"), (2, "b")] {
            cloud.orders.create(&create(number, &[name])).await.unwrap();
        }
        let forecast = cloud.orders.forecast(&acme(), 20).await.unwrap();
        let of = |name: &str| -> Vec<_> {
            let of = format!(" {name} ");
            told(&forecast).into_iter().filter(|told| told.contains(&of)).collect()
        };
        let skipped = |name: &str, days: std::ops::RangeInclusive<u32>| {
            days.map(|day| format!("2026-03-{day:02} {name} SKIPPED OPEN_ORDER_EXISTS"))
                .collect::<Vec<_>>()
        };
        // The attempt of the day before is late, and made at once.
        let mut expected = skipped("a", 1..=1);
        expected.extend(skipped("a", 1..=3));
        expected.push("2026-03-04 a RENEWED".to_owned());
        assert_eq!(of("a"), expected);
        // Made on the 1st, it can be paid for 15 days.
        let mut expected = skipped("b", 10..=15);
        expected.push("2026-03-16 b RENEWED".to_owned());
        assert_eq!(of("b"), expected);
    }
}

// what stood on an order that the last attempt of something else has called off is tried at once, in
// forecasts as in life.
#[tokio::test]
async fn what_stood_on_an_order_that_was_called_off_is_tried_at_once() {
    let (clouds, _folder) = clouds("forecast_called_off").await;
    for cloud in clouds {
        cloud.purse.put(150);
        for (name, end) in [("a", "2026-03-05 00:00"), ("b", "2026-03-07 00:00")] {
            cloud.register(vec![prepaid(name, "pool", end)]).await;
        }
        cloud.automatic(&["a", "b"]).await;
        cloud.orders.create(&create(1, &["a", "b"])).await.unwrap();
        let forecast = cloud.orders.forecast(&acme(), 7).await.unwrap();
        let of = |day: &str| -> Vec<_> {
            told(&forecast).into_iter().filter(|told| told.starts_with(day)).collect()
        };
        let skipped = ["a", "b"].map(|name| format!("2026-03-03 {name} SKIPPED OPEN_ORDER_EXISTS"));
        assert_eq!(of("2026-03-03"), skipped);
        let last = ["2026-03-04 a RENEWED", "2026-03-04 b FAILED INSUFFICIENT_FUNDS"];
        assert_eq!(of("2026-03-04"), last);
        // Of what is due at that time, whether or not something had to be called off for it.
        let shortage = forecast.first_shortage.unwrap();
        assert_eq!(NaiveDate::try_from(shortage.date.unwrap()).unwrap().to_string(), "2026-03-04");
        assert_eq!(shortage.missing.unwrap().minor_units, 50);

        for day in 1..=4 {
            cloud.clock.set(at(&format!("2026-03-{day:02} 03:00")));
            let page = RenewDue { shards: 0..64, after: None, limit: 10 };
            while cloud.orders.renew_due(&page).await.unwrap().done > 0 {}
        }
        let wanted = AttemptList {
            account: acme(),
            instance: None,
            date: NaiveDate::from_ymd_opt(2026, 3, 4),
            before: None,
            size: 10,
        };
        let attempt = |order: Order| {
            let attempt = order.attempt.unwrap();
            let reason = attempt.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
            let outcome = attempt.outcome.unwrap();
            format!("{} {} {outcome}{reason}", attempt.identity.date, attempt.identity.root)
        };
        let attempts = cloud.orders.attempts(&wanted).await.unwrap().orders;
        let mut lived: Vec<_> = attempts.into_iter().map(attempt).collect();
        lived.sort();
        assert_eq!(lived, last);
    }
}

// What is being paid is left as it is, and does not stop the others.
#[tokio::test]
async fn what_is_being_paid_is_left_as_it_is() {
    use crate::tests::purse::Trouble;
    let (clouds, _folder) = clouds("forecast_paying").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        for name in ["a", "b"] {
            cloud.register(vec![prepaid(name, "ks", "2026-03-11 00:00")]).await;
        }
        cloud.automatic(&["a"]).await;
        cloud.clock.set(at("2026-03-10 00:00"));
        cloud.purse.fail([Trouble::Down]);
        let page = RenewDue { shards: 0..64, after: None, limit: 10 };
        cloud.orders.renew_due(&page).await.unwrap_err();
        let forecast = cloud.orders.forecast(&acme(), 40).await.unwrap();
        assert_eq!(told(&forecast), ["2026-03-11 b EXPIRED", "2026-03-18 b RELEASED"]);
    }
}

// W-5, M-8: rules and prices are of one version, and nothing is bought with nothing.
#[tokio::test]
async fn what_costs_nothing_is_renewed_without_money() {
    let (clouds, _folder) = clouds("forecast_free").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("a", "ks", "2026-03-11 00:00")]).await;
        cloud.automatic(&["a"]).await;
        cloud.catalog.give_away();
        let forecast = cloud.orders.forecast(&acme(), 20).await.unwrap();
        assert_eq!(told(&forecast), ["2026-03-10 a RENEWED"]);
        cloud.catalog.change();
        let forecast = cloud.orders.forecast(&acme(), 20).await.unwrap();
        let renewed = &forecast.days[0].happenings[0];
        assert_eq!((renewed.kind(), renewed.items[0].parts.clone()), (Kind::Renewed, None));
    }
}

// Bounds: of too much that happens at too many instants, nothing is told.
#[tokio::test]
async fn too_many_instants_are_refused() {
    let (clouds, _folder) = clouds("forecast_instants").await;
    for cloud in clouds {
        let row =
            |number| prepaid(&format!("n{number}"), "ks", &format!("2026-{number:02}-11 00:00"));
        // Each expires, and is released a week later.
        cloud.register((3..=12).map(row).collect()).await;
        let days = (1..=28)
            .map(|day| prepaid(&format!("d{day}"), "ks", &format!("2026-04-{day:02} 00:00")));
        cloud.register(days.collect()).await;
        assert_eq!(cloud.orders.forecast(&acme(), 50).await.unwrap().days.len(), 21);
        let forecast = cloud.orders.forecast(&acme(), 366).await.unwrap();
        assert_eq!(forecast.totals.unwrap().released, 38);
        let more = (1..=28)
            .map(|day| prepaid(&format!("e{day}"), "ks", &format!("2026-08-{day:02} 00:00")));
        cloud.register(more.collect()).await;
        let Err(OrderError::Refused(refused)) = cloud.orders.forecast(&acme(), 366).await else {
            panic!("that was too much")
        };
        assert_eq!(refused.first.reason, Reason::TooManyInstances);
        let account = cloud.accounts.get(&acme()).await.unwrap();
        let late = at("9999-12-20 00:00");
        assert!(end_after(&account, 10, late).is_ok());
        let Err(OrderError::Refused(refused)) = end_after(&account, 13, late) else {
            panic!("there is no such day")
        };
        assert_eq!(refused.first.reason, Reason::DateOutOfRange);
    }
}

// Bounds: of more than can be told, nothing is told.
#[tokio::test]
async fn too_much_is_refused() {
    let (clouds, _folder) = clouds("forecast_bounds").await;
    for cloud in clouds {
        let unknown = cloud.orders.forecast(&"nobody".parse().unwrap(), 1).await;
        assert!(matches!(unknown, Err(OrderError::AccountNotFound(_))));
        for part in 0..2 {
            let most = i32::try_from(MOST_INSTANCES).unwrap();
            let numbers = if part == 0 { 1..most + 1 } else { 0..1 };
            let rows: Vec<_> = numbers
                .map(|number| prepaid(&format!("n{number}"), "ks", "2026-03-11 00:00"))
                .collect();
            cloud.register(rows).await;
            let forecast = cloud.orders.forecast(&acme(), 11).await;
            if part == 0 {
                assert_eq!(forecast.unwrap().totals.unwrap().expired, most);
            } else {
                let Err(OrderError::Refused(refused)) = forecast else { panic!("{forecast:?}") };
                assert_eq!(refused.first.reason, Reason::TooManyInstances);
                // Before anything is due there is nothing to tell.
                assert!(cloud.orders.forecast(&acme(), 9).await.unwrap().days.is_empty());
            }
        }
    }
}
