//! One instance, renewed: ordered, paid, and not paid.

use proto::renewal::v1::{CancelOrderRequest, order::State};
use tests::{at, fixture::*, refusal};
use tonic::Code;

crate::journeys! {
    /// O-1, O-8, T-2, T-5: the term begins where the last one ends, and is paid once.
    async fn a_vm_is_ordered_and_paid_from_cash(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;

        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        assert_eq!(order.state(), State::PendingPayment);
        assert_eq!(order.payable, Some(cny(56_00)));
        assert_eq!(suite.instance("acme", "i-1").await.open_order_id, order.order_id);

        let paid = suite.pay(payment_of("acme", &order)).await.unwrap();

        assert_eq!(paid.state(), State::Completed);
        assert_eq!(paid.items[0].parts.as_ref().unwrap().cash, Some(cny(56_00)));
        assert_eq!(suite.cash("acme").await, 44_00);
        let instance = suite.instance("acme", "i-1").await;
        assert_eq!(local(instance.expire_time), "2026-04-11 00:00:00");
        assert_eq!(instance.expiry_shown, "2026-04-10 23:59:59");
        assert_eq!(instance.open_order_id, "");
        suite.audit().await;
    }

    /// O-3: the call may be repeated for ever.
    async fn a_repeated_request_makes_and_takes_nothing_more(suite) {
        suite.jd("acme", 500_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let request = paid_order_of("acme", selection(&["i-1"], "1m"));

        let first = suite.create(request.clone()).await.unwrap();
        let again = suite.orders().create_renewal_order(request.clone()).await.unwrap();

        assert_eq!(again.metadata().get("idempotent-replayed").unwrap(), "true");
        assert_eq!(again.into_inner().order.unwrap(), first);
        assert_eq!(suite.cash("acme").await, 444_00);
        let mut other = request;
        other.account_id = "acme".to_owned();
        other.what = order_of("acme", selection(&["i-1"], "2m")).what;
        assert_eq!(
            refusal(suite.create(other).await),
            (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned())
        );
        suite.audit().await;
    }

    /// B-1, W-1: too little money takes nothing, and the order can be paid later.
    async fn an_order_that_cannot_be_paid_awaits_its_money(suite) {
        suite.jd("acme", 55_99).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        let payment = payment_of("acme", &order);

        let status = suite.pay(payment.clone()).await.unwrap_err();

        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(tests::reason(&status), "INSUFFICIENT_FUNDS");
        assert_eq!(suite.cash("acme").await, 55_99);
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::PendingPayment);

        suite.deposit("acme", 1).await;
        assert_eq!(suite.pay(payment).await.unwrap().state(), State::Completed);
        assert_eq!(suite.cash("acme").await, 0);
        suite.audit().await;
    }

    /// An order made and paid in one call is made even where the money does not suffice.
    async fn an_order_with_payment_is_made_even_if_it_cannot_be_paid(suite) {
        suite.jd("acme", 0).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;

        let order = suite.create(paid_order_of("acme", selection(&["i-1"], "1y"))).await.unwrap();

        assert_eq!(order.state(), State::PendingPayment);
        let why = order.payment_refusal.unwrap();
        assert_eq!(why.reason, "INSUFFICIENT_FUNDS");
        assert_eq!(why.missing, Some(cny(560_00)));
        suite.audit().await;
    }

    /// O-2, section 11: an unpaid order holds its instance until it ends.
    async fn a_cancelled_order_lets_its_instance_go(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        let status = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap_err();
        assert_eq!(tests::reason(&status), "OPEN_ORDER_EXISTS");
        assert_eq!(tests::metadata(&status, "order_id"), order.order_id);

        let cancel = CancelOrderRequest {
            account_id: "acme".to_owned(),
            order_id: order.order_id.clone(),
        };
        for _ in 0..2 {
            let cancelled = suite.orders().cancel_order(cancel.clone()).await.unwrap().into_inner();
            assert_eq!(cancelled.order.unwrap().state(), State::Cancelled);
        }
        assert_eq!(suite.instance("acme", "i-1").await.open_order_id, "");
        assert_eq!(
            refusal(suite.pay(payment_of("acme", &order)).await),
            (Code::FailedPrecondition, "ORDER_NOT_PAYABLE".to_owned())
        );
        let paid = suite.create(paid_order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        assert_eq!(paid.state(), State::Completed);
        assert_eq!(
            refusal(suite.orders().cancel_order(CancelOrderRequest {
                account_id: "acme".to_owned(),
                order_id: paid.order_id,
            }).await),
            (Code::FailedPrecondition, "ORDER_ALREADY_PAID".to_owned())
        );
        suite.audit().await;
    }

    /// Section 11: an order that is not paid in time ends by itself, and frees its instance.
    async fn an_unpaid_order_expires_after_fifteen_days(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-06-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        suite.set_clock(at("2026-03-16 09:00") - chrono::TimeDelta::seconds(1));
        suite.advance().await;
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::PendingPayment);

        suite.set_clock(at("2026-03-16 09:00"));
        suite.advance().await;
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::Expired);
        assert_eq!(suite.instance("acme", "i-1").await.open_order_id, "");
        assert_eq!(
            refusal(suite.pay(payment_of("acme", &order)).await),
            (Code::FailedPrecondition, "ORDER_NOT_PAYABLE".to_owned())
        );
        suite.audit().await;
    }

    /// T-3, L-1: JD, three days after expiry: the term begins at the payment, anchored anew.
    async fn a_late_renewal_begins_at_the_payment_instant(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        suite.set_clock(at("2026-03-13 15:30"));

        let order = suite.create(paid_order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        let item = order.items[0].item.as_ref().unwrap();
        assert_eq!(local(item.start_time), "2026-03-13 15:30:00");
        assert_eq!(item.expiry_shown, "2026-04-13 23:59:59");
        assert_eq!(suite.instance("acme", "i-1").await.anchor_day, 13);
        suite.audit().await;
    }

    /// L-1: JD, 0 + 7 days: renewable to the end of day +7, released at the first instant of day +8.
    async fn the_window_closes_at_the_first_instant_of_day_eight(suite) {
        suite.jd("acme", 200_00).await;
        let rows = vec![vm("acme", "i-1", "2026-03-11 00:00"), vm("acme", "i-2", "2026-03-11 00:00")];
        suite.register(rows).await;

        suite.set_clock(at("2026-03-18 00:00") - chrono::TimeDelta::microseconds(1));
        suite.create(paid_order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        suite.set_clock(at("2026-03-18 00:00"));
        assert_eq!(
            refusal(suite.create(paid_order_of("acme", selection(&["i-2"], "1m"))).await),
            (Code::FailedPrecondition, "RENEWAL_WINDOW_CLOSED".to_owned())
        );
        suite.audit().await;
    }

    /// O-8: made before the expiry and paid after it, the dates are those of the payment instant.
    async fn an_order_paid_after_the_expiry_says_which_dates_moved(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        assert_eq!(order.items[0].item.as_ref().unwrap().expiry_shown, "2026-04-10 23:59:59");

        suite.set_clock(at("2026-03-12 08:00"));
        let paid = suite.pay(payment_of("acme", &order)).await.unwrap();

        assert_eq!(paid.moved_instance_ids, ["i-1"]);
        assert_eq!(paid.payable, order.payable);
        assert_eq!(paid.items[0].item.as_ref().unwrap().expiry_shown, "2026-04-12 23:59:59");
        suite.audit().await;
    }

    /// O-8: what no longer holds at the payment instant ends the order, and takes nothing.
    async fn an_order_paid_after_the_window_expires_and_costs_nothing(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        suite.set_clock(at("2026-03-10 09:00"));
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        suite.set_clock(at("2026-03-18 00:00"));
        let (code, _) = refusal(suite.pay(payment_of("acme", &order)).await);

        assert_eq!(code, Code::FailedPrecondition);
        let ended = suite.order("acme", &order.order_id).await;
        assert_eq!(ended.state(), State::Expired);
        assert_eq!(ended.ended_why.unwrap().reason, "RENEWAL_WINDOW_CLOSED");
        assert_eq!(suite.cash("acme").await, 100_00);
        suite.audit().await;
    }

    /// M-6: an order from a quote costs exactly what the quote said; a quote does not last.
    async fn a_quote_holds_its_price_for_fifteen_minutes(suite) {
        suite.jd("acme", 200_00).await;
        let rows = vec![vm("acme", "i-1", "2026-05-11 00:00"), vm("acme", "i-2", "2026-05-11 00:00")];
        suite.register(rows).await;
        let (bill, quote) = suite.preview("acme", selection(&["i-1"], "1m")).await;

        let now = suite.now();
        suite.set_clock(now + chrono::TimeDelta::minutes(15) - chrono::TimeDelta::seconds(1));
        let order = suite.create(suite.order_from("acme", &quote)).await.unwrap();
        assert_eq!(order.payable, bill.payable);

        let (_, quote) = suite.preview("acme", selection(&["i-2"], "1m")).await;
        let now = suite.now();
        suite.set_clock(now + chrono::TimeDelta::minutes(15));
        assert_eq!(
            refusal(suite.create(suite.order_from("acme", &quote)).await),
            (Code::FailedPrecondition, "QUOTE_EXPIRED".to_owned())
        );
        let mut request = order_of("acme", selection(&["i-2"], "1m"));
        request.expected_payable = Some(cny(55_99));
        assert_eq!(
            refusal(suite.create(request.clone()).await),
            (Code::FailedPrecondition, "PRICE_CHANGED".to_owned())
        );
        request.expected_payable = Some(cny(56_00));
        suite.create(request).await.unwrap();
        suite.audit().await;
    }
}
