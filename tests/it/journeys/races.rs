//! Many callers at once: what is taken never exceeds what there is, and nothing is done twice.

use futures::future::join_all;
use proto::renewal::v1::{CreateRenewalOrderRequest, PaymentChoice, order::State, payment_choice};
use tests::{fixture::*, reason};
use tonic::{Code, Status};

/// Repeats a call that lost a race, as the contract tells callers to; at most 200 times.
pub async fn insist<T, F>(mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let mut last = call().await;
    for _ in 0..200 {
        match &last {
            Err(status) if status.code() == Code::Aborted => last = call().await,
            _ => break,
        }
    }
    last
}

crate::journeys! {
    /// O-2: one open order for an instance.
    async fn of_orders_on_one_instance_at_once_one_is_made(suite) {
        suite.jd("acme", 0).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;

        let calls = (0..16).map(|_| async {
            insist(|| suite.create(order_of("acme", selection(&["i-1"], "1m")))).await
        });
        let results = join_all(calls).await;

        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for status in results.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&status), "OPEN_ORDER_EXISTS");
        }
        suite.audit().await;
    }

    /// O-3: the same request, in flight sixteen times, makes one order and takes its price once.
    async fn one_request_in_flight_sixteen_times_is_done_once(suite) {
        suite.jd("acme", 1000_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let request = paid_order_of("acme", selection(&["i-1"], "1m"));

        let calls = (0..16).map(|_| insist(|| suite.create(request.clone())));
        let orders = join_all(calls).await;

        for order in &orders {
            let order = order.as_ref().unwrap();
            assert_eq!(order.order_id, orders[0].as_ref().unwrap().order_id);
            assert_eq!(order.state(), State::Completed);
        }
        assert_eq!(suite.cash("acme").await, 944_00);
        suite.audit().await;
    }

    /// W-2: sixteen clients pay one order: it is paid once, and each hears so.
    async fn an_order_paid_by_sixteen_clients_is_paid_once(suite) {
        suite.jd("acme", 1000_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        let calls = (0..16).map(|_| insist(|| suite.pay(payment_of("acme", &order))));
        for result in join_all(calls).await {
            match result {
                Ok(order) => assert_eq!(order.state(), State::Completed),
                Err(status) => assert_eq!(reason(&status), "ORDER_ALREADY_PAID"),
            }
        }

        assert_eq!(suite.cash("acme").await, 944_00);
        assert_eq!(local(suite.instance("acme", "i-1").await.expire_time), "2026-04-11 00:00:00");
        suite.audit().await;
    }

    /// O-3: one payment, in flight sixteen times, takes the price once, and each caller hears of it.
    async fn one_payment_in_flight_sixteen_times_answers_all_alike(suite) {
        suite.jd("acme", 1000_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        let request = payment_of("acme", &order);

        let calls = (0..16).map(|_| insist(|| suite.pay(request.clone())));
        for paid in join_all(calls).await {
            let paid = paid.unwrap();
            assert_eq!((paid.state(), paid.order_id), (State::Completed, order.order_id.clone()));
        }

        assert_eq!(suite.cash("acme").await, 944_00);
        suite.audit().await;
    }

    /// W-2: sixteen orders on a balance that suffices for five: five are paid, and no coin more is taken.
    async fn of_sixteen_orders_on_money_for_five_five_are_paid(suite) {
        suite.jd("acme", 5 * 56_00 + 55_99).await;
        let ids: Vec<_> = (1..=16).map(|number| format!("i-{number}")).collect();
        suite.register(ids.iter().map(|id| vm("acme", id, "2026-03-11 00:00")).collect()).await;

        let calls = ids.iter().map(|id| {
            insist(|| suite.create(paid_order_of("acme", selection(&[id.as_str()], "1m"))))
        });
        let orders: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();

        let paid = orders.iter().filter(|order| order.state() == State::Completed).count();
        assert_eq!(paid, 5);
        assert_eq!(suite.cash("acme").await, 55_99);
        for order in orders.iter().filter(|order| order.state() != State::Completed) {
            assert_eq!(order.payment_refusal.as_ref().unwrap().reason, "INSUFFICIENT_FUNDS");
        }
        suite.audit().await;
    }

    /// V-2: sixteen orders on one voucher: the sum that it pays never exceeds what it was issued with.
    async fn sixteen_orders_take_no_more_from_a_voucher_than_it_has(suite) {
        suite.jd("acme", 0).await;
        let voucher = suite.issue("acme", 300_00, "2026-01-01 00:00", "2027-01-01 00:00").await;
        let ids: Vec<_> = (1..=16).map(|number| format!("i-{number}")).collect();
        suite.register(ids.iter().map(|id| vm("acme", id, "2026-03-11 00:00")).collect()).await;

        let calls = ids.iter().map(|id| {
            let named = payment_choice::Named { voucher_ids: vec![voucher.voucher_id.clone()] };
            let pay = PaymentChoice { vouchers: Some(payment_choice::Vouchers::Named(named)) };
            let request = CreateRenewalOrderRequest {
                pay: Some(pay),
                ..order_of("acme", selection(&[id.as_str()], "1m"))
            };
            async move { insist(|| suite.create(request.clone())).await }
        });
        let orders: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();

        let paid = orders.iter().filter(|order| order.state() == State::Completed).count();
        assert_eq!(paid, 5);
        assert_eq!(suite.voucher("acme", &voucher.voucher_id).await.remaining, Some(cny(20_00)));
        suite.audit().await;
    }
}
