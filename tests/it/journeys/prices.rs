//! Prices that change while orders are open.

use proto::{catalog::v1::ApplyCatalogRequest, renewal::v1::order::State};
use tests::{
    Suite, at,
    fixture::{CATALOGS, *},
};

/// JD's catalog with another price of its smallest machine from 10:00 on.
async fn change_the_price(suite: &Suite, monthly: &str) {
    let line = format!(
        "prices:\n  - {{product: jd-vm, component: flavor, sku: g.s1.micro, currency: CNY, \
         effective_from: \"2026-03-01T10:00:00+08:00\", monthly: {monthly}}}\n"
    );
    let document = CATALOGS[0].replacen("prices:\n", &line, 1);
    let request = ApplyCatalogRequest { document, dry_run: false };
    suite.catalog().apply_catalog(request).await.unwrap();
}

/// Instances of a new customer of JD with 1,000.00.
async fn machines(suite: &Suite) {
    suite.jd("acme", 1_000_00).await;
    let machines = ["i-1", "i-2"].map(|id| vm("acme", id, "2026-03-11 00:00"));
    suite.register(machines.to_vec()).await;
}

crate::journeys! {
    /// O-7, M-6, M-8: an order keeps what it was priced with; the next one has the newest price.
    async fn an_order_keeps_its_price_when_prices_change(suite) {
        machines(suite).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        change_the_price(suite, "66").await;
        suite.set_clock(at("2026-03-01 10:00"));

        let kept = suite.order("acme", &order.order_id).await;
        assert_eq!(kept.items, order.items);
        let (bill, _) = suite.preview("acme", selection(&["i-2"], "1m")).await;
        assert_eq!(bill.payable, Some(cny(66_00)));

        let paid = suite.pay(payment_of("acme", &order)).await.unwrap();
        assert_eq!(paid.payable, Some(cny(56_00)));
        assert_eq!(suite.cash("acme").await, 944_00);
        suite.audit().await;
    }

    /// M-8: a price begins at its instant, not a moment before.
    async fn a_new_price_begins_at_its_instant(suite) {
        machines(suite).await;
        change_the_price(suite, "66").await;
        let moment = chrono::TimeDelta::microseconds(1);
        for (now, payable) in
            [(at("2026-03-01 10:00") - moment, cny(56_00)), (at("2026-03-01 10:00"), cny(66_00))]
        {
            suite.set_clock(now);
            let (bill, _) = suite.preview("acme", selection(&["i-1"], "1m")).await;
            assert_eq!(bill.payable, Some(payable));
        }
    }

    /// W-5: what costs nothing is not paid: the order is done when it is made.
    async fn an_order_of_zero_skips_payment(suite) {
        machines(suite).await;
        change_the_price(suite, "0").await;
        suite.set_clock(at("2026-03-01 10:00"));

        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        assert_eq!(order.state(), State::Completed);
        assert_eq!(order.payable, Some(cny(0)));
        assert_eq!(order.payment_id, "");
        let instance = suite.instance("acme", "i-1").await;
        assert_eq!(local(instance.expire_time), "2026-04-11 00:00:00");
        assert_eq!(suite.cash("acme").await, 1_000_00);
        suite.audit().await;
    }
}
