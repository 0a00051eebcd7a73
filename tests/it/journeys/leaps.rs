//! Nights in which the clock leaps: a month at once, and over a midnight that there is not.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proto::{
    convert::timestamp,
    renewal::{
        internal::v1::{AdvanceRequest, ExpireDueRequest, NoticeFundsRequest, RemindDueRequest},
        v1::{
            Account, Event, ListEventsRequest, UpsertAccountsRequest,
            instance_registration::Billing, order::State,
        },
    },
    wallet::internal::v1::{ExpireHoldsRequest, ExpireVouchersRequest},
};
use rule_engine::calendar::at_local;
use tests::{Suite, fixture::*};

/// Has all sweeps of instances, orders and money do what is due, in order, until nothing more comes of
/// it: what was done, such as `renew 2`.
async fn sweep_all(suite: &Suite) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..5 {
        let done = [
            ("advance", advanced(suite).await),
            ("notice-funds", noticed(suite).await),
            ("renew", suite.renew_due(0).await),
            ("expire", expired(suite).await),
            ("remind", reminded(suite).await),
            ("expire-holds", holds(suite).await),
            ("expire-vouchers", vouchers(suite).await),
        ];
        let before = told.len();
        let some = done.into_iter().filter(|(_, count)| *count > 0);
        told.extend(some.map(|(kind, count)| format!("{kind} {count}")));
        if told.len() == before {
            return told;
        }
    }
    panic!("it never ends: {told:?}")
}

async fn advanced(suite: &Suite) -> i32 {
    let page = suite.sweeps().advance(AdvanceRequest { limit: 0 }).await;
    page.expect("a page").into_inner().advanced
}

async fn noticed(suite: &Suite) -> i32 {
    let page = suite.sweeps().notice_funds(NoticeFundsRequest { limit: 0 }).await;
    page.expect("a page").into_inner().noted
}

async fn expired(suite: &Suite) -> i32 {
    let page = suite.sweeps().expire_due(ExpireDueRequest::default()).await;
    page.expect("a page").into_inner().done
}

async fn reminded(suite: &Suite) -> i32 {
    let page = suite.sweeps().remind_due(RemindDueRequest::default()).await;
    page.expect("a page").into_inner().done
}

async fn holds(suite: &Suite) -> i32 {
    let page = suite.wallet_sweeps().expire_holds(ExpireHoldsRequest { limit: 0 }).await;
    page.expect("a page").into_inner().voided
}

async fn vouchers(suite: &Suite) -> i32 {
    let page = suite.wallet_sweeps().expire_vouchers(ExpireVouchersRequest { limit: 0 }).await;
    page.expect("a page").into_inner().expired
}

/// The events of this type, of `account` or of all, in order.
async fn events(suite: &Suite, account: &str, kind: &str, count: usize) -> Vec<Event> {
    let (account_id, types) = (account.to_owned(), vec![kind.to_owned()]);
    let request = ListEventsRequest { account_id, types, limit: 1_000, ..Default::default() };
    // On PostgreSQL, events wait for whatever transaction of the server began before them.
    for _ in 0..1_000 {
        let page = suite.events().list_events(request.clone()).await.expect("events").into_inner();
        if page.events.len() >= count {
            assert_eq!(page.events.len(), count, "{kind}");
            return page.events;
        }
    }
    panic!("there are not {count} events {kind}")
}

/// Since when, by its own dates, each instance is in this state: such as `vm-1 2026-03-11 00:00:00`.
async fn since(suite: &Suite, kind: &str, count: usize) -> Vec<String> {
    let told = events(suite, "", kind, count).await.into_iter().map(|event| {
        let since: DateTime<Utc> = event.attributes["since"].parse().expect("an instant");
        format!("{} {}", event.instance_id, local(Some(timestamp(since))))
    });
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

/// How often each account was reminded of anything.
async fn reminded_of(suite: &Suite) -> BTreeMap<String, usize> {
    let types = vec!["account.reminder".to_owned()];
    let request = ListEventsRequest { types, limit: 1_000, ..Default::default() };
    let page = suite.events().list_events(request).await.expect("events").into_inner();
    let mut counts = BTreeMap::new();
    for event in page.events {
        *counts.entry(event.account_id).or_default() += 1;
    }
    counts
}

/// The accounts `ksc`, which has the money for two months of an address, `poor`, which has none, and
/// `hwc`, which has the money for a month of a pool; all that they have renews itself.
async fn fleets(suite: &Suite) {
    suite.kingsoft("ksc", 0).await;
    suite.open_account("poor", "kingsoft", 0).await;
    suite.open_account("hwc", "huaweicloud", 0).await;
    for (account, ends) in [
        (
            "ksc",
            &[("missed", "03-21"), ("outage", "04-01"), ("late", "04-02"), ("not-yet", "04-10")][..],
        ),
        ("poor", &[("poor-outage", "04-01"), ("poor-late", "04-02")]),
    ] {
        let row = |(id, end): &(&str, &str)| eip(account, id, &format!("2026-{end} 00:00"));
        suite.register(ends.iter().map(row).collect()).await;
        suite.set_auto(account, &ends.iter().map(|(id, _)| *id).collect::<Vec<_>>()).await;
    }
    let pools = [("pool", "2026-04-05 00:00"), ("pool-missed", "2026-03-20 00:00")];
    suite.register(pools.map(|(id, end)| pool("hwc", id, end)).into()).await;
    suite.set_auto("hwc", &pools.map(|(id, _)| id)).await;
    suite.deposit("ksc", 2 * suite.price("ksc", "late").await).await;
    suite.deposit("hwc", suite.price("hwc", "pool").await).await;
}

/// Demands that these are the attempts of the account, each of them decided once, and its money spent.
async fn decided(suite: &Suite, account: &str, attempts: &[&str]) {
    assert_eq!(suite.attempts(account).await, attempts);
    assert_eq!(suite.cash(account).await, 0);
    for attempt in attempts {
        let date = attempt.split([' ', '/']).nth(1).expect("a date");
        suite.decided_once(account, date.parse().expect("a date")).await;
    }
}

crate::journeys! {
    /// L-3, R-1, O-1: nothing ran for a month. What was due is done late, once, and under its own
    /// dates; what is too late is told; what was to be told in between is not made up for.
    async fn a_month_that_passes_at_once_is_made_good_once(suite) {
        fleets(suite).await;
        suite.open_account("acme", "jdcloud", 10_00).await;
        let machines = [("vm-1", "2026-03-11"), ("vm-2", "2026-06-11"), ("vm-3", "2026-06-11")];
        let row = |(id, end): (&str, &str)| vm("acme", id, &format!("{end} 00:00"));
        suite.register(machines.map(row).into()).await;
        let unpaid = suite.create(order_of("acme", selection(&["vm-2"], "1m"))).await.unwrap();
        let asked = suite.create(order_of("acme", selection(&["vm-3"], "1m"))).await.unwrap();
        suite.orders().checkout_order(checkout_of("acme", &asked)).await.unwrap();
        suite.issue("acme", 10, "2026-01-01 00:00", "2026-03-05 12:00").await;

        suite.set_clock(at("2026-04-01 09:00"));
        let done = sweep_all(suite).await;
        assert!(done.contains(&"expire-vouchers 1".to_owned()), "{done:?}");
        assert_eq!(sweep_all(suite).await, [""; 0], "all of it is done once");

        let outcomes = [
            ("ksc", vec![
                "late 2026-04-01/0 RENEWED",
                "missed 2026-03-20/0 MISSED RENEWAL_WINDOW_CLOSED",
                "outage 2026-03-31/0 RENEWED",
            ]),
            ("poor", vec![
                "poor-late 2026-04-01/0 FAILED INSUFFICIENT_FUNDS",
                "poor-outage 2026-03-31/0 FAILED INSUFFICIENT_FUNDS",
            ]),
            // Of the days before there is no trace.
            ("hwc", vec![
                "pool 2026-04-01/0 RENEWED",
                "pool-missed 2026-03-19/0 MISSED RENEWAL_WINDOW_CLOSED",
            ]),
        ];
        for (account, attempts) in outcomes {
            decided(suite, account, &attempts).await;
        }
        // Our outage costs the customer nothing: the term begins where the last one ended.
        for (account, id, shown) in [
            ("ksc", "outage", "2026-04-30 23:59:59"),
            ("ksc", "late", "2026-05-01 23:59:59"),
            ("hwc", "pool", "2026-05-04 23:59:59"),
        ] {
            assert_eq!(suite.instance(account, id).await.expiry_shown, shown, "{id}");
        }
        events(suite, "", "instance.auto_renewal_missed", 2).await;
        assert_eq!(since(suite, "instance.expired", 4).await, [
            "missed 2026-03-21 00:00:00",
            "pool-missed 2026-03-20 00:00:00",
            "poor-outage 2026-04-01 00:00:00",
            "vm-1 2026-03-11 00:00:00",
        ]);
        assert_eq!(since(suite, "instance.released", 2).await, [
            "missed 2026-03-28 00:00:00",
            "vm-1 2026-03-18 00:00:00",
        ]);
        // What was to be told in between is told no more.
        let reminders = reminded_of(suite).await;
        assert!(reminders.values().all(|count| *count == 1), "{reminders:?}");
        for order in [unpaid, asked] {
            let order = suite.order("acme", &order.order_id).await;
            assert_eq!(order.state(), State::Expired);
        }
        suite.audit().await;
    }

    /// T-8, A-1, L-3: where clocks leap over midnight, what is due then is due at the first instant after it,
    /// and not before; the days before and after are what they always are.
    async fn what_is_due_at_a_midnight_that_there_is_not_is_done_after_it(suite) {
        suite.set_clock(at("2018-09-01 00:00"));
        suite.apply_catalogs().await;
        for (zone, day) in [
            ("America/Sao_Paulo", "2018-11-04"),
            ("America/Asuncion", "2023-10-01"),
            ("Asia/Beirut", "2026-03-29"),
            ("Africa/Cairo", "2026-04-24"),
            ("America/Santiago", "2026-09-06"),
        ] {
            skip(suite, zone.parse().expect("a zone"), day.parse().expect("a date")).await;
        }
        suite.audit().await;
    }
}

/// The first instant of `date` in `zone`.
fn midnight(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    at_local(zone, date, NaiveTime::MIN).expect("a date in range")
}

/// Opens an account in `zone` three weeks before `day`, with what is due then: one whose last day begins
/// with it, one that ends with it, and one that nobody renews. The first two renew themselves.
async fn before_gap(suite: &Suite, account: &str, zone: Tz, day: NaiveDate) -> [String; 3] {
    suite.set_clock(midnight(zone, day) - TimeDelta::days(20));
    suite.open_account(account, "kingsoft", 0).await;
    let row = Account {
        account_id: account.to_owned(),
        profile: "kingsoft".to_owned(),
        currency_code: "CNY".to_owned(),
        time_zone: zone.name().to_owned(),
        ..Account::default()
    };
    let request = UpsertAccountsRequest { accounts: vec![row] };
    suite.accounts().upsert_accounts(request).await.expect("the account is good");
    let ids = ["tried", "ended", "stopped"].map(|id| format!("{id}-{day}"));
    let ends = [day + Days::new(1), day, day];
    let due = |(id, end): (&String, NaiveDate)| {
        let mut row = eip(account, id, "2026-01-01 00:00");
        if let Some(Billing::Prepaid(term)) = &mut row.billing {
            term.start_time = Some(timestamp(midnight(zone, end - Months::new(1))));
            term.end_time = Some(timestamp(midnight(zone, end)));
        }
        row
    };
    suite.register(ids.iter().zip(ends).map(due).collect()).await;
    suite.set_auto(account, &[&ids[0], &ids[1]]).await;
    suite.deposit(account, 2 * suite.price(account, &ids[0]).await).await;
    ids
}

/// The night to `day`, on which clocks in `zone` go from midnight to one.
async fn skip(suite: &Suite, zone: Tz, day: NaiveDate) {
    let one = NaiveTime::from_hms_opt(1, 0, 0).expect("a time of day");
    let gap = midnight(zone, day);
    assert_eq!(gap.with_timezone(&zone).time(), one, "{zone} has a midnight on {day}");
    let name = zone.name().rsplit('/').next().expect("a name").to_lowercase();
    let [tried, ended, stopped] = before_gap(suite, &name, zone, day).await;
    let (yesterday, tomorrow) = (day - Days::new(1), day + Days::new(1));
    let second = TimeDelta::seconds(1);
    let attempts = [format!("{ended} {yesterday}/0 RENEWED"), format!("{tried} {day}/0 RENEWED")];

    suite.set_clock(midnight(zone, yesterday) - second);
    sweep_all(suite).await;
    assert_eq!(suite.attempts(&name).await, [""; 0], "{zone}");
    suite.set_clock(midnight(zone, yesterday));
    sweep_all(suite).await;
    assert_eq!(suite.attempts(&name).await, attempts[..1]);

    // The last second of the day before the gap, and the first after it.
    suite.set_clock(gap - second);
    assert!(!sweep_all(suite).await.iter().any(|done| done.starts_with("expire ")));
    assert_eq!(suite.attempts(&name).await, attempts[..1], "{zone}");
    suite.set_clock(gap);
    let done = sweep_all(suite).await;
    assert!(
        ["renew 1", "expire 1"].map(str::to_owned).iter().all(|it| done.contains(it)),
        "{done:?}"
    );
    assert_eq!(suite.attempts(&name).await, attempts);
    let told = events(suite, &name, "instance.expired", 1).await.remove(0);
    assert_eq!(told.instance_id, stopped);
    assert_eq!(told.attributes["since"].parse::<DateTime<Utc>>().expect("an instant"), gap);

    // A day later, and a month later, midnight is midnight.
    suite.set_clock(midnight(zone, tomorrow));
    sweep_all(suite).await;
    assert_eq!(suite.attempts(&name).await, attempts);
    for (id, last_day) in [(&ended, yesterday), (&tried, day)] {
        let shown = format!("{} 23:59:59", last_day + Months::new(1));
        assert_eq!(suite.instance(&name, id).await.expiry_shown, shown, "{zone}");
    }
    assert_eq!(suite.cash(&name).await, 0);
}
