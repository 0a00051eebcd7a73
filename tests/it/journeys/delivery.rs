//! Consoles that deliver what was paid: that acknowledge, that are down, that refuse.

use chrono::TimeDelta;
use proto::renewal::v1::{
    CorrectExpiryRequest, InstanceRegistration, ListEventsRequest, Order, OrderItem, binding::Kind,
    order::State, order_item,
};
use tests::{Suite, at, console::Desk, fixture::*};
use tonic::Code;

fn redis(id: &str) -> InstanceRegistration {
    prepaid("acme", id, "al-redis", &[("instance_class", "redis.master.small")], END)
}

fn pool(id: &str) -> InstanceRegistration {
    let settings = [("flavor", "modelarts.vm.cpu.8ud"), ("nodes", "2")];
    prepaid("acme", id, "hw-standard-pool", &settings, END)
}

const END: &str = "2026-03-11 00:00";

/// An account, and a console of all that it owns.
async fn with_console(suite: &Suite) -> Desk {
    let desk = Desk::open(suite.folder()).await;
    suite.jd("acme", 10_000_00).await;
    suite.apply_catalogs_told_to(&desk.address()).await;
    desk
}

/// Renews for a month and pays.
async fn renew(suite: &Suite, ids: &[&str]) -> Order {
    suite.create(paid_order_of("acme", selection(ids, "1m"))).await.expect("an order")
}

fn items(order: &Order) -> Vec<order_item::State> {
    order.items.iter().map(OrderItem::state).collect()
}

async fn wait(suite: &Suite, seconds: i64) {
    suite.set_clock(suite.now() + TimeDelta::seconds(seconds));
    suite.deliver().await;
}

/// How many events of this type there are, or `expected`: transactions elsewhere on the server may
/// hold events back for a moment.
async fn events(suite: &Suite, kind: &str, expected: usize) -> usize {
    let request = ListEventsRequest { types: vec![kind.to_owned()], ..Default::default() };
    let mut count = 0;
    for _ in 0..1_000 {
        let events = suite.events().list_events(request.clone()).await.expect("events");
        count = events.into_inner().events.len();
        if count == expected {
            break;
        }
    }
    count
}

crate::journeys! {
    /// O-5: PAID until the console has acknowledged, COMPLETED from then on; what it is told is the
    /// whole state, whatever changed it.
    async fn a_paid_renewal_is_completed_once_its_console_has_acknowledged_it(suite) {
        let desk = with_console(suite).await;
        let gone = suite.deliver_due(-1).await.unwrap_err();
        assert_eq!(gone.code(), Code::InvalidArgument);
        suite.register(vec![vm("acme", "vm-1", END), redis("redis-1"), pool("pool-1")]).await;

        let order = renew(suite, &["vm-1", "redis-1", "pool-1"]).await;
        assert_eq!((order.state(), items(&order)), (State::Paid, vec![order_item::State::Extended; 3]));
        assert_eq!(desk.made("vm-1"), "");
        suite.audit().await;
        suite.deliver().await;

        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::Completed);
        assert_eq!(desk.made("vm-1"), "runs a machine g.s1.micro");
        assert_eq!(desk.made("redis-1"), "runs a Redis redis.master.small");
        assert_eq!(desk.made("pool-1"), "runs 2 nodes modelarts.vm.cpu.8ud");
        assert_eq!(desk.calls().len(), 3);
        wait(suite, 3_600).await;
        assert_eq!(desk.calls(), [], "nothing is told twice");

        // I-2: a corrected expiry is a new state of the same instance.
        let correct = CorrectExpiryRequest {
            request_id: new_id(),
            account_id: "acme".to_owned(),
            instance_id: "vm-1".to_owned(),
            expire_time: Some(proto::convert::timestamp(at("2026-05-01 00:00"))),
            why: "a gift".to_owned(),
        };
        suite.instances().correct_expiry(correct).await.unwrap();
        suite.deliver().await;
        assert_eq!(desk.calls().len(), 1);
        suite.audit().await;
    }

    /// O-5: the order stays PAID, somebody is alerted after an hour, and the products of other
    /// consoles are delivered meanwhile.
    async fn a_console_that_is_down_is_told_when_it_comes_back(suite) {
        let mut desk = with_console(suite).await;
        let folder = suite.folder().join("other");
        std::fs::create_dir(&folder).unwrap();
        let other = Desk::open(&folder).await;
        suite.apply_catalog_told_to(&other.address(), "al-redis").await;
        suite.register(vec![vm("acme", "vm-1", END), redis("redis-1")]).await;
        desk.stop().await;

        let late = renew(suite, &["vm-1"]).await;
        let prompt = renew(suite, &["redis-1"]).await;
        suite.deliver().await;
        assert_eq!(suite.order("acme", &prompt.order_id).await.state(), State::Completed);
        for seconds in [1, 60, 3_000] {
            wait(suite, seconds).await;
        }
        assert_eq!(suite.order("acme", &late.order_id).await.state(), State::Paid);
        assert_eq!(events(suite, "instance.delivery_late", 0).await, 0);
        wait(suite, 600).await;
        assert_eq!(events(suite, "instance.delivery_late", 1).await, 1);
        suite.audit().await;

        desk.start().await;
        wait(suite, 300).await;
        assert_eq!(suite.order("acme", &late.order_id).await.state(), State::Completed);
        assert_eq!(desk.made("vm-1"), "runs a machine g.s1.micro");
        suite.audit().await;
    }

    /// O-5: an answer that is lost leads to the same state of the same version again.
    async fn a_console_that_acknowledged_in_vain_is_told_the_same_again(suite) {
        let desk = with_console(suite).await;
        suite.register(vec![vm("acme", "vm-1", END)]).await;
        desk.lose_answers(1);
        let order = renew(suite, &["vm-1"]).await;
        suite.deliver().await;
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::Paid);
        wait(suite, 1).await;
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::Completed);
        let calls = desk.calls();
        assert_eq!((calls.len(), &calls[0]), (2, &calls[1]));
        suite.audit().await;
    }

    /// O-5: "a final refusal refunds that item (a group: all its members)".
    async fn what_a_console_refuses_is_refunded_and_the_rest_is_delivered(suite) {
        let desk = with_console(suite).await;
        let eip = prepaid("acme", "eip-1", "jd-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "1")], END);
        let machines = ["vm-1", "vm-2", "vm-3"].map(|id| vm("acme", id, END));
        suite.register(machines.into_iter().chain([bound(eip, "vm-3", Kind::Forced)]).collect()).await;
        let before = suite.cash("acme").await;
        desk.refuse("vm-1");
        desk.refuse("vm-3");

        let order = renew(suite, &["vm-1", "vm-2", "vm-3"]).await;
        suite.deliver().await;
        // One refund at a time.
        wait(suite, 2).await;

        let order = suite.order("acme", &order.order_id).await;
        assert_eq!(order.state(), State::PartlyRefunded);
        let [refused, extended] = [order_item::State::Refused, order_item::State::Extended];
        assert_eq!(items(&order), [refused, extended, refused, refused]);
        let why = order.items[0].delivery_refusal.as_ref().expect("a reason");
        assert_eq!(why.reason, "DELIVERY_REFUSED");
        assert!(why.message.ends_with("it has no room"), "{}", why.message);
        assert_eq!((order.refunds.len(), suite.cash("acme").await), (2, before - 56_00));
        for id in ["vm-1", "vm-3", "eip-1"] {
            let instance = suite.instance("acme", id).await;
            assert_eq!((local(instance.expire_time), instance.open_order_id.as_str()), ("2026-03-11 00:00:00".to_owned(), ""));
        }
        assert_eq!(local(suite.instance("acme", "vm-2").await.expire_time), "2026-04-11 00:00:00");
        suite.audit().await;

        // It can be ordered anew.
        desk.accept("vm-1");
        let again = renew(suite, &["vm-1"]).await;
        wait(suite, 1).await;
        assert_eq!(suite.order("acme", &again.order_id).await.state(), State::Completed);
        suite.audit().await;
    }
    /// L-3: "an instance with an order in PAYING or PAID is left alone by release": what was paid for is
    /// not gone before its console has heard of it, and neither is what stands on the same order.
    async fn what_is_paid_and_not_delivered_is_not_released(suite) {
        let mut desk = with_console(suite).await;
        desk.stop().await;
        let (other, lone) = (vm("acme", "vm-2", END), vm("acme", "vm-3", END));
        suite.register(vec![vm("acme", "vm-1", END), other, lone]).await;
        let order = renew(suite, &["vm-1", "vm-2"]).await;

        // Paid through 04-10, and 7 days more; the other one through 03-10.
        suite.set_clock(at("2026-04-20 00:00"));
        suite.deliver().await;
        let run = suite.sweep("expire").await;
        assert_eq!(run.failed, [("DELIVERY_PENDING".to_owned(), 2)].into(), "{run:?}");
        assert_eq!(events(suite, "instance.released", 1).await, 1);
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::Paid);
        suite.audit().await;

        desk.start().await;
        wait(suite, 300).await;
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::Completed);
        let run = suite.sweep("expire").await;
        assert_eq!(run.failed, [].into(), "{run:?}");
        assert_eq!(events(suite, "instance.released", 3).await, 3);
        suite.deliver().await;
        assert_eq!(desk.made("vm-1"), "deleted everything");
        suite.audit().await;
    }
}
