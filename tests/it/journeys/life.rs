//! What happens to instances that nobody renews: reminders, expiry, retention, release.

use chrono::TimeDelta;
use proto::{
    catalog::v1::ApplyCatalogRequest,
    renewal::{
        internal::v1::{ExpireDueRequest, RebuildDueRequest, RemindDueRequest},
        v1::{Event, ListEventsRequest, ListMovedReleasesRequest, MovedRelease, order::State},
    },
};
use tests::{Suite, at, fixture::*, refusal};
use tonic::Code;

/// Takes the steps that are due and sends the reminders, in small pages.
async fn sweep(suite: &Suite) {
    let mut expire = ExpireDueRequest { limit: 2, ..Default::default() };
    loop {
        let page = suite.sweeps().expire_due(expire.clone()).await.expect("a page").into_inner();
        expire.cursor = page.next_cursor;
        if !page.more {
            break;
        }
    }
    let mut remind = RemindDueRequest { limit: 2, ..Default::default() };
    loop {
        let page = suite.sweeps().remind_due(remind.clone()).await.expect("a page").into_inner();
        remind.cursor = page.next_cursor;
        if !page.more {
            break;
        }
    }
}

/// Every event of these types, once there are `count`.
async fn told(suite: &Suite, types: &[&str], count: usize) -> Vec<Event> {
    let types: Vec<_> = types.iter().map(|&kind| kind.to_owned()).collect();
    let request = ListEventsRequest { types, limit: 1_000, ..Default::default() };
    // On PostgreSQL, events wait for whatever transaction of the server began before them.
    for _ in 0..1_000 {
        let page = suite.events().list_events(request.clone()).await.expect("events").into_inner();
        if page.events.len() >= count {
            return page.events;
        }
    }
    panic!("there are not {count} events of {:?}", request.types)
}

crate::journeys! {
    /// L-1, L-3, R-1: JD, expiry on the 10th: reminders from the latest that was missed on, release on
    /// day +8, and the unpaid order ends with it.
    async fn what_nobody_renews_is_reminded_of_and_released(suite) {
        suite.jd("acme", 0).await;
        let instances = ["a", "b", "c"].map(|id| vm("acme", id, "2026-03-11 00:00"));
        suite.register(instances.into()).await;
        let mut ordered = None;
        for day in 0..20 {
            let now = at("2026-03-01 09:00") + TimeDelta::days(day);
            suite.set_clock(now);
            // Whoever asks: twice by itself, and by the scheduler, in parts and pages of its own.
            sweep(suite).await;
            for kind in ["expire", "remind", "rebuild"] {
                let run = suite.sweep(kind).await;
                assert_eq!(run.failed, [].into(), "{run:?}");
            }
            sweep(suite).await;
            if day == 16 {
                let order = suite.create(order_of("acme", selection(&["a", "b"], "1m"))).await;
                ordered = Some(order.expect("an order").order_id);
            }
        }
        let reminders = told(suite, &["account.reminder"], 7).await;
        let days: Vec<_> = reminders.iter().map(|event| local(event.time)[..10].to_owned()).collect();
        assert_eq!(days, [
            "2026-03-01", "2026-03-03", "2026-03-07", "2026-03-09", "2026-03-10", "2026-03-14",
            "2026-03-16",
        ]);
        assert!(reminders.iter().all(|event| event.attributes["instances"] == "a b c"));
        let steps = told(suite, &["instance.expired", "instance.released"], 6).await;
        let of_a = steps.iter().filter(|event| event.instance_id == "a");
        let of_a: Vec<_> =
            of_a.map(|event| (event.r#type.as_str(), local(event.time)[..10].to_owned())).collect();
        assert_eq!(of_a, [
            ("instance.expired", "2026-03-11".to_owned()),
            ("instance.released", "2026-03-18".to_owned()),
        ]);
        let order = suite.order("acme", &ordered.expect("an order")).await;
        assert_eq!(order.state(), State::Expired);
        assert_eq!(order.ended_why.expect("a reason").reason, "RENEWAL_WINDOW_CLOSED");
        let rebuild = RebuildDueRequest { always: true, ..Default::default() };
        let page = suite.sweeps().rebuild_due(rebuild).await.expect("a page").into_inner();
        assert_eq!((page.due, page.done, page.more), (3, 0, false), "{page:?}");
        suite.audit().await;
    }
    /// L-5: "`ApplyCatalog`'s impact lists instances whose release would move": those that expire from now
    /// on. What is expired keeps the days that it expired with.
    async fn a_catalog_says_beforehand_which_releases_it_moves(suite) {
        suite.jd("acme", 0).await;
        let ends = [("a", "2026-03-11 00:00"), ("b", "2026-04-11 00:00"), ("gone", "2026-02-25 00:00")];
        suite.register(ends.map(|(id, end)| vm("acme", id, end)).into()).await;
        let longer = CATALOGS[0].replacen("retention_days: 7", "retention_days: 10", 1);
        let ask = |document: &str, cursor: &str, limit| ListMovedReleasesRequest {
            document: document.to_owned(),
            cursor: cursor.to_owned(),
            limit,
        };
        let mut moved = Vec::new();
        let mut cursor = String::new();
        loop {
            let request = ask(&longer, &cursor, 1);
            let page = suite.instances().list_moved_releases(request).await.expect("a page").into_inner();
            let told = |one: MovedRelease| (one.instance_id, local(one.release_time), local(one.new_release_time));
            moved.extend(page.releases.into_iter().map(told));
            if !page.more {
                break;
            }
            cursor = page.next_cursor;
        }
        let row = |id: &str, from: &str, to: &str| (id.to_owned(), from.to_owned(), to.to_owned());
        assert_eq!(moved, [
            row("a", "2026-03-18 00:00:00", "2026-03-21 00:00:00"),
            row("b", "2026-04-18 00:00:00", "2026-04-21 00:00:00"),
        ]);

        for (request, code, reason) in [
            (ask("", "", 0), Code::InvalidArgument, "INVALID_REQUEST"),
            (ask(&longer, "", -1), Code::InvalidArgument, "INVALID_REQUEST"),
            (ask(&longer, "forged", 0), Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
            (ask(CATALOGS[0], &cursor, 0), Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
            (ask("catalog: jdcloud", "", 0), Code::InvalidArgument, "CATALOG_INVALID"),
        ] {
            let refused = refusal(suite.instances().list_moved_releases(request).await);
            assert_eq!(refused, (code, reason.to_owned()));
        }

        let apply = ApplyCatalogRequest { document: longer.clone(), dry_run: false };
        suite.catalog().apply_catalog(apply).await.expect("a good catalog");
        let page = suite.instances().list_moved_releases(ask(&longer, "", 0)).await.expect("a page");
        assert_eq!(page.into_inner().releases, []);
        suite.set_clock(at("2026-03-21 00:00"));
        let run = suite.sweep("expire").await;
        assert_eq!(run.failed, [].into(), "{run:?}");
        let released = told(suite, &["instance.released"], 2).await;
        let since: Vec<_> = released.iter().map(|event| event.attributes["since"].as_str()).collect();
        assert_eq!(since, ["2026-03-20T16:00:00+00:00", "2026-03-03T16:00:00+00:00"]);
        suite.audit().await;
    }
}
