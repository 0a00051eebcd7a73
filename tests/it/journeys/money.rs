//! Orders that a channel pays, and orders that are given back.

use chrono::TimeDelta;
use futures::future::join_all;
use proto::{
    renewal::v1::{
        CancelOrderRequest, CheckoutOrderRequest, GetOrderRequest, InstanceRegistration,
        ListEventsRequest, Order, RefundOrderRequest, RefundOrderResponse,
        RegisterInstancesRequest, RenewalSetting, Selection, SetRenewalPoliciesRequest,
        order::State, order_item, registration_result,
    },
    r#type::v1::RenewalPolicy,
    wallet::v1::refund,
};
use tests::{Suite, at, fixture::*, reason, refusal};
use tonic::{Code, Status};

async fn refund(
    suite: &Suite,
    request: &RefundOrderRequest,
) -> Result<RefundOrderResponse, Status> {
    let answer = suite.orders().refund_order(request.clone()).await;
    answer.map(tonic::Response::into_inner)
}

/// The reason of a refund of all of `order` that is refused.
async fn refused(suite: &Suite, order: &Order) -> String {
    let status = refund(suite, &refund_of("acme", order, &[])).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    reason(&status)
}

/// The console says something else of an instance that is known.
async fn registered(suite: &Suite, row: InstanceRegistration) {
    let request = RegisterInstancesRequest { registrations: vec![row] };
    let answer = suite.instances().register_instances(request).await.unwrap().into_inner();
    let result = answer.results[0].result.clone().unwrap();
    assert_eq!(
        result,
        registration_result::Result::Outcome(registration_result::Outcome::Updated.into())
    );
}

async fn expiry(suite: &Suite, id: &str) -> String {
    suite.instance("acme", id).await.expiry_shown
}

async fn checkout(suite: &Suite, request: &CheckoutOrderRequest) -> Result<Order, Status> {
    let answer = suite.orders().checkout_order(request.clone()).await;
    answer.map(|answer| answer.into_inner().order.unwrap())
}

/// The order after the sweep has had its time.
async fn swept(suite: &Suite, order: &Order) -> Order {
    suite.set_clock(suite.now() + TimeDelta::seconds(12));
    suite.advance().await;
    let request =
        GetOrderRequest { account_id: "acme".to_owned(), order_id: order.order_id.clone() };
    suite.orders().get_order(request).await.unwrap().into_inner().order.unwrap()
}

crate::journeys! {
    /// W-4, V-4, O-8: cash and the channel pay together, the channel confirms, the order completes; each
    /// part goes back to where the caller wants it.
    async fn a_channel_pays_what_cash_does_not_and_gets_it_back(suite) {
        suite.jd("acme", 16_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        let request = checkout_of("acme", &order);
        let open = checkout(suite, &request).await.unwrap();
        assert_eq!(open.state(), State::PendingPayment);
        assert_eq!(open.checkout.as_ref().unwrap().amount, Some(cny(40_00)));
        assert_eq!(checkout(suite, &request).await.unwrap(), open);
        let parts = open.items[0].parts.clone().unwrap();
        assert_eq!((parts.cash, parts.channel), (Some(cny(16_00)), Some(cny(40_00))));
        suite.audit().await;

        suite.payments().confirm_payment(confirmation_of(&open, suite.now())).await.unwrap();
        let confirmed_at = suite.now();
        let paid = swept(suite, &order).await;

        assert_eq!((paid.state(), paid.checkout.clone()), (State::Completed, None));
        assert_eq!(paid.payment_time, Some(proto::convert::timestamp(confirmed_at)));
        assert_eq!(expiry(suite, "i-1").await, "2026-04-10 23:59:59");
        assert_eq!(suite.cash("acme").await, 0);
        let back = refund(suite, &refund_of("acme", &paid, &[])).await.unwrap().order.unwrap();
        let parts = back.refunds[0].parts[0].clone();
        assert_eq!((parts.cash, parts.channel_to_cash), (Some(cny(16_00)), Some(cny(40_00))));
        assert_eq!(suite.cash("acme").await, 56_00);
        suite.audit().await;
    }

    /// O-8, W-4: confirmed when the order can no longer be renewed: it expires, and the money is the
    /// customer's. Called off before: a late confirmation goes to the cash balance.
    async fn what_a_channel_pays_in_vain_goes_to_the_cash_balance(suite) {
        suite.jd("acme", 0).await;
        let rows = ["i-1", "i-2"].map(|id| vm("acme", id, "2026-03-11 00:00"));
        suite.register(rows.into()).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        let open = checkout(suite, &checkout_of("acme", &order)).await.unwrap();
        let released = InstanceRegistration { released: true, source_version: 2, ..vm("acme", "i-1", "2026-03-11 00:00") };
        registered(suite, released).await;
        suite.payments().confirm_payment(confirmation_of(&open, suite.now())).await.unwrap();
        let ended = swept(suite, &order).await;
        assert_eq!((ended.state(), ended.ended_why.unwrap().reason.as_str()), (State::Expired, "INSTANCE_RELEASED"));
        assert_eq!(suite.cash("acme").await, 56_00);
        suite.audit().await;

        let order = suite.create(order_of("acme", selection(&["i-2"], "2m"))).await.unwrap();
        let open = checkout(suite, &checkout_of("acme", &order)).await.unwrap();
        let cancel = CancelOrderRequest { account_id: "acme".to_owned(), order_id: order.order_id.clone() };
        suite.orders().cancel_order(cancel).await.unwrap();
        suite.payments().confirm_payment(confirmation_of(&open, suite.now())).await.unwrap();
        let ended = swept(suite, &order).await;
        assert_eq!((ended.state(), suite.cash("acme").await), (State::Cancelled, 56_00 + 56_00));
        suite.audit().await;
    }

    /// W-4: `CHANNEL_NOT_FOUND`, `CHANNEL_NOT_NEEDED`; a refused checkout leaves the order payable.
    async fn a_checkout_that_is_refused_leaves_the_order_payable(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        let unknown = CheckoutOrderRequest { channel: "nobody".to_owned(), ..checkout_of("acme", &order) };
        assert_eq!(refusal(checkout(suite, &unknown).await), (Code::NotFound, "CHANNEL_NOT_FOUND".to_owned()));
        let request = checkout_of("acme", &order);
        assert_eq!(refusal(checkout(suite, &request).await), (Code::FailedPrecondition, "CHANNEL_NOT_NEEDED".to_owned()));
        // The whole by the channel, then after all from cash: the checkout is called off.
        let whole = CheckoutOrderRequest { use_cash: false, ..checkout_of("acme", &order) };
        checkout(suite, &whole).await.unwrap();
        let paid = suite.pay(payment_of("acme", &order)).await.unwrap();
        assert_eq!((paid.state(), suite.cash("acme").await), (State::Completed, 44_00));
        suite.audit().await;
    }

    /// O-6: a term that has not begun goes back, each part to where it came from, and is not renewed again
    /// the next morning.
    async fn a_renewal_is_refunded_to_where_the_money_came_from(suite) {
        suite.kingsoft("acme", 100_00).await;
        let eip = prepaid("acme", "eip-1", "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], "2026-03-11 00:00");
        suite.register(vec![eip]).await;
        let auto = SetRenewalPoliciesRequest {
            account_id: "acme".to_owned(),
            instance_ids: vec!["eip-1".to_owned()],
            renewal: Some(RenewalSetting { policy: RenewalPolicy::Auto.into(), ..RenewalSetting::default() }),
        };
        suite.instances().set_renewal_policies(auto).await.unwrap();
        let order = suite.create(paid_order_of("acme", selection(&["eip-1"], "1m"))).await.unwrap();
        assert_eq!((order.state(), expiry(suite, "eip-1").await.as_str()), (State::Completed, "2026-04-10 23:59:59"));
        let paid = 100_00 - suite.cash("acme").await;

        let request = refund_of("acme", &order, &[]);
        let answer = refund(suite, &request).await.unwrap();

        let order = answer.order.clone().unwrap();
        assert_eq!((order.state(), order.items[0].state()), (State::Refunded, order_item::State::Refunded));
        assert_eq!(order.refunds[0].state(), refund::State::Succeeded);
        assert_eq!(order.refunds[0].parts[0].cash, Some(cny(paid)));
        assert_eq!(answer.made_manual_ids, ["eip-1"]);
        let instance = suite.instance("acme", "eip-1").await;
        assert_eq!((instance.expiry_shown.as_str(), instance.anchor_day), ("2026-03-10 23:59:59", 10));
        assert_eq!(instance.renewal.unwrap().policy(), RenewalPolicy::Manual);
        assert_eq!(suite.cash("acme").await, 100_00);

        // O-3: a repeat answers alike. Once refunded is refunded.
        assert_eq!(refund(suite, &request).await.unwrap(), answer);
        let other = RefundOrderRequest { instance_ids: vec!["eip-1".to_owned()], ..request };
        assert_eq!(refusal(refund(suite, &other).await), (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned()));
        assert_eq!(refused(suite, &order).await, "ALREADY_REFUNDED");

        // Renewing again after a refund works.
        let again = suite.create(paid_order_of("acme", selection(&["eip-1"], "1m"))).await.unwrap();
        assert_eq!((again.state(), expiry(suite, "eip-1").await.as_str()), (State::Completed, "2026-04-10 23:59:59"));
        suite.audit().await;
    }

    /// O-6: `NOT_LAST_TERM`, `TERM_STARTED`, `ORDER_NOT_REFUNDABLE`, `INSTANCE_NOT_FOUND`
    async fn terms_go_back_from_the_last_one_backwards_until_they_begin(suite) {
        suite.jd("acme", 1000_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let first = suite.create(paid_order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        let second = suite.create(paid_order_of("acme", selection(&["i-1"], "3m"))).await.unwrap();
        let open = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        assert_eq!(refused(suite, &open).await, "ORDER_NOT_REFUNDABLE");
        assert_eq!(refused(suite, &second).await, "OPEN_ORDER_EXISTS");
        let cancel = CancelOrderRequest { account_id: "acme".to_owned(), order_id: open.order_id };
        suite.orders().cancel_order(cancel).await.unwrap();
        assert_eq!(refused(suite, &first).await, "NOT_LAST_TERM");
        let other = refund_of("acme", &second, &["i-2"]);
        assert_eq!(refusal(refund(suite, &other).await), (Code::NotFound, "INSTANCE_NOT_FOUND".to_owned()));

        refund(suite, &refund_of("acme", &second, &["i-1"])).await.unwrap();
        assert_eq!(expiry(suite, "i-1").await, "2026-04-10 23:59:59");
        suite.set_clock(at("2026-03-11 00:00"));
        assert_eq!(refused(suite, &first).await, "TERM_STARTED");
        assert_eq!(suite.cash("acme").await, 944_00);
        suite.audit().await;
    }

    /// O-6: by item; C-2: the pending configuration of before holds again, and what was changed since is
    /// not refunded (`CONFIGURATION_CHANGED`).
    async fn a_change_that_was_bought_goes_back_with_its_term(suite) {
        suite.aliyun("acme", 10_000_00).await;
        let redis = |version, class: &str| {
            // The console says the expiry that it was told.
            let end = if version == 1 { "2026-03-11 00:00" } else { "2026-04-11 00:00" };
            let mut redis = prepaid("acme", "r-1", "al-redis", &[("instance_class", class)], end);
            redis.source_version = version;
            redis
        };
        let small = "redis.master.small";
        let large = "redis.master.mid";
        suite.register(vec![redis(1, small)]).await;
        let change = Selection {
            new_configuration: Some(configuration(&[("instance_class", large)])),
            ..selection(&["r-1"], "1m")
        };
        let order = suite.create(paid_order_of("acme", change.clone())).await.unwrap();
        assert!(suite.instance("acme", "r-1").await.pending_configuration.is_some());
        registered(suite, redis(2, large)).await;
        assert_eq!(refused(suite, &order).await, "CONFIGURATION_CHANGED");
        registered(suite, redis(3, small)).await;

        refund(suite, &refund_of("acme", &order, &[])).await.unwrap();

        let instance = suite.instance("acme", "r-1").await;
        assert_eq!(instance.pending_configuration, None);
        assert_eq!(instance.configuration, Some(configuration(&[("instance_class", small)])));
        assert_eq!(suite.cash("acme").await, 10_000_00);
        // No change is pending any more, so that another may be bought.
        let again = suite.create(paid_order_of("acme", change)).await.unwrap();
        assert_eq!(again.state(), State::Completed);
        suite.audit().await;
    }

    /// O-2, O-3: of sixteen refunds of one order exactly one wins.
    async fn of_sixteen_refunds_of_one_order_exactly_one_wins(suite) {
        suite.jd("acme", 1000_00).await;
        let rows = ["i-1", "i-2"].map(|id| vm("acme", id, "2026-03-11 00:00"));
        suite.register(rows.into()).await;
        let order = suite.create(paid_order_of("acme", selection(&["i-1", "i-2"], "1m"))).await.unwrap();

        let calls = (0..16).map(|_| async { refund(suite, &refund_of("acme", &order, &[])).await });
        let results = join_all(calls).await;

        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for status in results.into_iter().filter_map(Result::err) {
            let reason = reason(&status);
            assert!(["OPEN_ORDER_EXISTS", "ALREADY_REFUNDED", "BUSY"].contains(&reason.as_str()), "{status}");
        }
        assert_eq!(suite.cash("acme").await, 1000_00);
        let request = ListEventsRequest {
            account_id: "acme".to_owned(),
            types: vec!["instance.term_refunded".to_owned(), "order.refunded".to_owned()],
            ..ListEventsRequest::default()
        };
        // Transactions elsewhere on the server may hold events back for a moment.
        let mut told = 0;
        for _ in 0..1_000 {
            let events = suite.events().list_events(request.clone()).await.unwrap().into_inner();
            told = events.events.len();
            if told == 3 { break }
        }
        assert_eq!(told, 3);
        suite.audit().await;
    }
}
