//! What happened, told to those who ask, and to those who wait.

use chrono::TimeDelta;
use proto::{
    renewal::{
        internal::v1::PurgeEventsRequest,
        v1::{
            Event, ListEventsRequest, ListEventsResponse, RefundOrderRequest, RenewalSetting,
            SetRenewalPoliciesRequest, WatchEventsRequest, WatchEventsResponse,
        },
    },
    r#type::v1::RenewalPolicy,
};
use tests::{Suite, fixture::*, refusal};
use tonic::{Code, Streaming};

async fn watch(suite: &Suite, request: WatchEventsRequest) -> Streaming<WatchEventsResponse> {
    suite.events().watch_events(request).await.expect("a watch").into_inner()
}

/// The next `count` events of a watch, and the cursor after them.
async fn told(watch: &mut Streaming<WatchEventsResponse>, count: usize) -> (Vec<Event>, String) {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    while events.len() < count {
        let message = watch.message().await.expect("no error").expect("no end");
        events.extend(message.events);
        cursor = message.cursor;
    }
    (events, cursor)
}

/// The oldest events, at most `limit`. On PostgreSQL, events wait for whatever transaction of the server
/// began before them.
async fn listed(suite: &Suite, limit: i32) -> ListEventsResponse {
    loop {
        let request = ListEventsRequest { limit, ..ListEventsRequest::default() };
        let page = suite.events().list_events(request).await.unwrap().into_inner();
        if !page.events.is_empty() {
            return page;
        }
    }
}

fn types(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.r#type.as_str()).collect()
}

/// The life of an instance: registered, renewed, automatic, refunded and manual again.
async fn live(suite: &Suite, id: &str) {
    suite.register(vec![vm("acme", id, "2026-03-11 00:00")]).await;
    let order = suite.create(paid_order_of("acme", selection(&[id], "1m"))).await.unwrap();
    let automatic = SetRenewalPoliciesRequest {
        account_id: "acme".to_owned(),
        instance_ids: vec![id.to_owned()],
        renewal: Some(RenewalSetting {
            policy: RenewalPolicy::Auto.into(),
            ..RenewalSetting::default()
        }),
    };
    suite.instances().set_renewal_policies(automatic).await.expect("the policy is offered");
    let refund: RefundOrderRequest = refund_of("acme", &order, &[]);
    suite.orders().refund_order(refund).await.expect("the term has not begun");
}

/// What is told of it.
const LIFE: [&str; 9] = [
    "instance.registered",
    "order.created",
    "instance.renewed",
    "order.paid",
    "instance.policy_changed",
    "order.refunding",
    "instance.term_refunded",
    "instance.policy_changed",
    "order.refunded",
];

crate::journeys! {
    /// O-1: each change is one event and nothing else is, in the order of the instance's versions, to those
    /// who watch as to those who ask.
    async fn a_watch_tells_each_change_once_and_in_order(suite) {
        suite.jd("acme", 100_00).await;
        let only_acme = WatchEventsRequest {
            account_id: "acme".to_owned(),
            ..WatchEventsRequest::default()
        };
        let from_now = WatchEventsRequest { from_now: true, ..only_acme.clone() };
        let mut watched = watch(suite, from_now).await;
        let alive = watched.message().await.unwrap().unwrap();
        assert_eq!(alive.events, [], "a sign of life comes first");

        live(suite, "i-1").await;
        let mut events = Vec::new();
        while events.len() < LIFE.len() {
            events.extend(told(&mut watched, 1).await.0);
            // May still have been under way when the watch began.
            events.retain(|event| event.r#type != "account.updated");
        }

        let found = types(&events);
        let mut sorted = (found.clone(), LIFE.to_vec());
        sorted.0.sort_unstable();
        sorted.1.sort_unstable();
        assert_eq!(sorted.0, sorted.1, "{found:?}");
        let of_instance: Vec<_> =
            events.iter().filter(|event| event.instance_id == "i-1").collect();
        assert!(of_instance.is_sorted_by_key(|event| event.instance_version), "{of_instance:#?}");
        assert!(of_instance.iter().all(|event| event.product_id == "jd-vm"));

        let request = ListEventsRequest {
            account_id: "acme".to_owned(),
            limit: 1_000,
            ..ListEventsRequest::default()
        };
        let listed = suite.events().list_events(request).await.unwrap().into_inner();
        assert!(listed.events.ends_with(&events));
        assert!(!listed.more);
    }

    /// A watch that broke is begun again from the last cursor: nothing is missed, nothing told twice.
    async fn a_watch_goes_on_from_its_cursor(suite) {
        suite.jd("acme", 100_00).await;
        live(suite, "i-1").await;
        live(suite, "i-2").await;
        let wanted = WatchEventsRequest {
            product_id: "jd-vm".to_owned(),
            ..WatchEventsRequest::default()
        };
        let (mut events, cursor) = told(&mut watch(suite, wanted.clone()).await, 10).await;
        assert_eq!(events.len(), 10, "five events of each instance, in one message");
        let half = WatchEventsRequest { cursor, ..wanted.clone() };
        suite.register(vec![vm("acme", "i-3", "2026-03-11 00:00")]).await;
        events.extend(told(&mut watch(suite, half).await, 1).await.0);
        assert_eq!(types(&events).last(), Some(&"instance.registered"));
        let mut ids: Vec<_> = events.iter().map(|event| &event.event_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 11);

        for (request, reason) in [
            (WatchEventsRequest { cursor: "x".to_owned(), ..wanted.clone() }, "CURSOR_EXPIRED"),
            (WatchEventsRequest { product_id: "a b".to_owned(), ..wanted }, "INVALID_REQUEST"),
        ] {
            let refused = suite.events().watch_events(request).await.map(|_| ());
            assert_eq!(refusal(refused), (Code::InvalidArgument, reason.to_owned()));
        }
    }

    /// There are so many watches and no more.
    async fn watches_are_bounded(suite) {
        let mut watches = Vec::new();
        for _ in 0..10 {
            watches.push(watch(suite, WatchEventsRequest::default()).await);
        }
        let refused = suite.events().watch_events(WatchEventsRequest::default()).await.map(|_| ());
        assert_eq!(refusal(refused), (Code::ResourceExhausted, "TOO_MANY_WATCHERS".to_owned()));
    }

    /// What is older than the setting says is forgotten; whoever stood there has to begin anew.
    async fn events_are_forgotten_after_their_time(suite) {
        suite.jd("acme", 100_00).await;
        live(suite, "i-1").await;
        let first = listed(suite, 1).await;
        let behind = first.next_cursor;
        let purge = async || {
            let request = PurgeEventsRequest { limit: 0 };
            suite.sweeps().purge_events(request).await.unwrap().into_inner()
        };
        assert_eq!(purge().await.purged, 0);

        suite.set_clock(suite.now() + TimeDelta::days(30) + TimeDelta::seconds(1));
        let purged = purge().await;
        assert_eq!((purged.purged, purged.more), (9, false), "all but the newest of ten");

        let request = ListEventsRequest { cursor: behind, ..ListEventsRequest::default() };
        let refused = refusal(suite.events().list_events(request).await);
        assert_eq!(refused, (Code::InvalidArgument, "CURSOR_EXPIRED".to_owned()));
        assert_eq!(types(&listed(suite, 9).await.events), ["order.refunded"]);
        let refused = suite.sweeps().purge_events(PurgeEventsRequest { limit: -1 }).await;
        assert_eq!(refusal(refused), (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
    }
}
