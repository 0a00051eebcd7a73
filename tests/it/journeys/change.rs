//! Conversion of metered instances, and renewal with change.

use proto::{
    renewal::v1::{
        InstanceRegistration, Selection, instance_registration as registration, order::State,
    },
    r#type::v1::{BillingMode, OrderKind, RenewalPolicy},
};
use tests::{at, fixture::*, refusal};
use tonic::Code;

/// A JD virtual machine that is billed by configuration.
fn metered(account: &str, id: &str) -> InstanceRegistration {
    let billing = Some(registration::Billing::Postpaid(registration::Postpaid {}));
    InstanceRegistration { billing, ..vm(account, id, "2026-03-11 00:00") }
}

/// An Alibaba Redis of `class`, paid until `end`.
fn redis(account: &str, id: &str, class: &str, end: &str) -> InstanceRegistration {
    prepaid(account, id, "al-redis", &[("instance_class", class)], end)
}

/// `ids` for `duration`, with the Redis class `class` from then on.
fn with_class(ids: &[&str], duration: &str, class: &str) -> Selection {
    let new_configuration = Some(configuration(&[("instance_class", class)]));
    Selection { new_configuration, ..selection(ids, duration) }
}

crate::journeys! {
    /// C-1, T-5: a metered VM becomes prepaid from the payment instant on.
    async fn a_metered_vm_is_converted(suite) {
        suite.jd("acme", 1000_00).await;
        suite.register(vec![metered("acme", "i-1")]).await;
        assert_eq!(suite.instance("acme", "i-1").await.expire_time, None);

        let order = suite.create(paid_order_of("acme", selection(&["i-1"], "3m"))).await.unwrap();

        let item = order.items[0].item.as_ref().unwrap();
        assert_eq!(item.order_kind(), OrderKind::Conversion);
        assert_eq!(local(item.start_time), "2026-03-01 09:00:00");
        let instance = suite.instance("acme", "i-1").await;
        assert_eq!(instance.billing_mode(), BillingMode::Prepaid);
        assert_eq!(instance.expiry_shown, "2026-06-01 23:59:59");
        assert_eq!(instance.renewal.unwrap().policy(), RenewalPolicy::Manual);
        suite.audit().await;
    }

    /// `POSTPAID_NOT_CONVERTIBLE`: a JD EIP by traffic does not convert.
    async fn a_product_that_does_not_convert_says_so(suite) {
        suite.jd("acme", 1000_00).await;
        let eip = InstanceRegistration {
            product_id: "jd-eip-traffic".to_owned(),
            configuration: Some(configuration(&[("line", "bgp")])),
            ..metered("acme", "eip-1")
        };
        suite.register(vec![eip]).await;

        assert_eq!(
            refusal(suite.create(order_of("acme", selection(&["eip-1"], "1m"))).await),
            (Code::FailedPrecondition, "POSTPAID_NOT_CONVERTIBLE".to_owned())
        );
    }

    /// C-2, `CHANGE_PENDING`: before expiry the change takes effect with the next term, and prices it.
    async fn a_smaller_configuration_takes_effect_with_the_next_term(suite) {
        suite.aliyun("ali", 10_000_00).await;
        suite.register(vec![redis("ali", "r-1", "redis.master.mid", "2026-03-11 00:00")]).await;

        let change = with_class(&["r-1"], "1m", "redis.master.small");
        let order = suite.create(paid_order_of("ali", change)).await.unwrap();

        assert_eq!(order.state(), State::Completed);
        let instance = suite.instance("ali", "r-1").await;
        assert_eq!(instance.configuration, Some(configuration(&[("instance_class", "redis.master.mid")])));
        assert_eq!(instance.pending_configuration, Some(configuration(&[("instance_class", "redis.master.small")])));
        let another = with_class(&["r-1"], "1m", "redis.master.stand");
        assert_eq!(
            refusal(suite.create(order_of("ali", another)).await),
            (Code::FailedPrecondition, "CHANGE_PENDING".to_owned())
        );
        let plain = suite.create(paid_order_of("ali", selection(&["r-1"], "1m"))).await.unwrap();
        assert_eq!(plain.payable, order.payable);

        suite.set_clock(at("2026-03-11 00:00"));
        let instance = suite.instance("ali", "r-1").await;
        assert_eq!(instance.configuration, Some(configuration(&[("instance_class", "redis.master.small")])));
        assert_eq!(instance.pending_configuration, None);
        suite.audit().await;
    }

    /// L-1, T-3: Alibaba Redis: renewed on day +7 from its old expiry, refused on day +8.
    async fn a_redis_is_renewed_on_day_seven_from_its_old_expiry(suite) {
        suite.aliyun("ali", 10_000_00).await;
        suite.register(vec![
            redis("ali", "r-1", "redis.master.small", "2026-03-11 00:00"),
            redis("ali", "r-2", "redis.master.small", "2026-03-11 00:00"),
        ]).await;

        suite.set_clock(at("2026-03-17 12:00"));
        let order = suite.create(paid_order_of("ali", selection(&["r-1"], "1m"))).await.unwrap();
        let item = order.items[0].item.as_ref().unwrap();
        assert_eq!(item.expiry_shown, "2026-04-11 00:00:00");
        assert_eq!(item.days_already_past, 6);

        suite.set_clock(at("2026-03-18 00:00"));
        assert_eq!(
            refusal(suite.create(order_of("ali", selection(&["r-2"], "1m"))).await),
            (Code::FailedPrecondition, "RENEWAL_WINDOW_CLOSED".to_owned())
        );
        suite.audit().await;
    }

    /// C-3: a product that forbids changes says so.
    async fn a_product_that_changes_nothing_says_so(suite) {
        suite.jd("acme", 1000_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let change = Selection {
            new_configuration: Some(configuration(&[("flavor", "g.n2.medium")])),
            ..selection(&["i-1"], "1m")
        };

        assert_eq!(
            refusal(suite.create(order_of("acme", change)).await),
            (Code::FailedPrecondition, "CHANGE_NOT_OFFERED".to_owned())
        );
    }
}
