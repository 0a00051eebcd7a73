//! Several instances at once, and what is bound to them.

use proto::renewal::v1::{
    Selection, TickedInstance, bill_item::Inclusion, binding::Kind, order::State, selection::Mode,
};
use tests::{fixture::*, reason, refusal};
use tonic::Code;

/// A JD disk of 100 GB that is paid until `end`.
fn disk(account: &str, id: &str, end: &str) -> proto::renewal::v1::InstanceRegistration {
    prepaid(account, id, "jd-disk", &[("disk_type", "ssd"), ("size_gb", "100")], end)
}

fn ticked(id: &str, to_parent_expiry: bool) -> TickedInstance {
    TickedInstance { instance_id: id.to_owned(), to_parent_expiry }
}

/// The ids on a bill, in its order.
fn ids(items: &[proto::renewal::v1::BillItem]) -> Vec<&str> {
    items.iter().map(|item| item.instance_id.as_str()).collect()
}

crate::journeys! {
    /// B-1: one order, one payment, one duration; each instance costs what it costs alone.
    async fn a_batch_costs_the_sum_of_its_items(suite) {
        suite.jd("acme", 1000_00).await;
        let rows = (1..=5).map(|n| vm("acme", &format!("i-{n}"), &format!("2026-03-1{n} 00:00")));
        suite.register(rows.collect()).await;
        let (alone, _) = suite.preview("acme", selection(&["i-3"], "3m")).await;
        let named = ["i-5", "i-1", "i-3", "i-2", "i-4"];

        let order = suite.create(paid_order_of("acme", selection(&named, "3m"))).await.unwrap();

        assert_eq!(order.state(), State::Completed);
        let items: Vec<_> = order.items.iter().map(|item| item.item.clone().unwrap()).collect();
        assert_eq!(ids(&items), named);
        for item in &items {
            assert_eq!(item.quote.as_ref().unwrap().payable, alone.payable);
        }
        assert_eq!(order.payable, Some(cny(5 * 168_00)));
        suite.audit().await;
    }

    /// B-1: all or nothing by default, with the reasons of all that are refused; best effort leaves out.
    async fn a_batch_with_a_refused_instance_is_refused_or_goes_on_without_it(suite) {
        suite.jd("acme", 1000_00).await;
        let mut trial = vm("acme", "i-trial", "2026-03-11 00:00");
        trial.trial = true;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00"), trial]).await;
        let batch = selection(&["i-1", "i-trial"], "1m");

        let status = suite.create(paid_order_of("acme", batch.clone())).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "TRIAL_INSTANCE"));
        assert_eq!(suite.cash("acme").await, 1000_00);

        let best_effort = Selection { mode: Mode::BestEffort.into(), ..batch };
        let order = suite.create(paid_order_of("acme", best_effort)).await.unwrap();
        assert_eq!(order.state(), State::Completed);
        assert_eq!(order.items.len(), 1);
        assert_eq!(order.left_out[0].instance_id, "i-trial");
        assert_eq!(order.left_out[0].refusals[0].reason, "TRIAL_INSTANCE");

        let only_refused =
            Selection { mode: Mode::BestEffort.into(), ..selection(&["i-trial"], "1m") };
        assert_eq!(
            refusal(suite.create(paid_order_of("acme", only_refused)).await),
            (Code::FailedPrecondition, "TRIAL_INSTANCE".to_owned())
        );
        suite.audit().await;
    }

    /// B-1, M-1: what has no price is refused like anything else: it stops the others only in a batch
    /// that is all or nothing.
    async fn an_instance_without_a_price_is_left_out_of_a_best_effort(suite) {
        suite.jd("acme", 1000_00).await;
        let unsold = prepaid("acme", "i-2", "jd-vm", &[("flavor", "no-such-flavor")], "2026-03-11 00:00");
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00"), unsold]).await;
        let batch = selection(&["i-1", "i-2"], "1m");
        let refused = refusal(suite.create(paid_order_of("acme", batch.clone())).await);
        assert_eq!(refused, (Code::FailedPrecondition, "PRICE_NOT_FOUND".to_owned()));

        let best_effort = Selection { mode: Mode::BestEffort.into(), ..batch };
        let (bill, _) = suite.preview("acme", best_effort.clone()).await;
        let order = suite.create(paid_order_of("acme", best_effort)).await.unwrap();
        assert_eq!((order.state(), order.payable), (State::Completed, bill.payable));
        assert_eq!(ids(&bill.items), ["i-1"]);
        assert_eq!(order.left_out, bill.refused);
        assert_eq!(order.left_out[0].refusals[0].reason, "PRICE_NOT_FOUND");
        assert_eq!(order.left_out[0].refusals[0].rule_id, "M-1");
        suite.audit().await;
    }

    /// B-2: what is bound OPTIONAL goes along when it is ticked, and only then.
    async fn ticked_instances_go_along(suite) {
        suite.jd("acme", 2000_00).await;
        suite.register(vec![
            vm("acme", "i-1", "2026-03-11 00:00"),
            bound(disk("acme", "d-1", "2026-04-11 00:00"), "i-1", Kind::Optional),
        ]).await;

        let (alone, _) = suite.preview("acme", selection(&["i-1"], "1y")).await;
        assert_eq!(ids(&alone.items), ["i-1"]);
        assert_eq!(alone.payable, Some(cny(560_00)));

        // What is ticked must be bound to what is named.
        let stray = Selection { ticked: vec![ticked("i-1", false)], ..selection(&["d-1"], "1y") };
        let status = suite.create(paid_order_of("acme", stray)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));

        let both = Selection { ticked: vec![ticked("d-1", false)], ..selection(&["i-1"], "1y") };
        let order = suite.create(paid_order_of("acme", both)).await.unwrap();
        let items: Vec<_> = order.items.iter().map(|item| item.item.clone().unwrap()).collect();
        assert_eq!(ids(&items), ["i-1", "d-1"]);
        assert_eq!(items[1].inclusion(), Inclusion::Ticked);
        assert_eq!(items[1].expiry_shown, "2027-04-10 23:59:59");
        suite.audit().await;
    }

    /// B-3: a ticked instance may go to its parent's new expiry, whatever durations it offers.
    async fn a_ticked_instance_may_go_to_its_parents_expiry(suite) {
        suite.jd("acme", 6000_00).await;
        suite.register(vec![
            vm("acme", "i-1", "2026-03-11 00:00"),
            bound(disk("acme", "d-1", "2026-04-21 00:00"), "i-1", Kind::Optional),
        ]).await;
        let selection =
            Selection { ticked: vec![ticked("d-1", true)], ..selection(&["i-1"], "3y") };

        let order = suite.create(paid_order_of("acme", selection)).await.unwrap();

        for id in ["i-1", "d-1"] {
            assert_eq!(suite.instance("acme", id).await.expiry_shown, "2029-03-10 23:59:59");
        }
        assert_eq!(order.items.len(), 2);
        suite.audit().await;
    }

    /// T-1, B-1: a duration that the disk does not offer refuses, and the durations of both are named.
    async fn a_duration_that_only_one_of_two_offers_is_refused(suite) {
        suite.jd("acme", 5000_00).await;
        suite.register(vec![
            vm("acme", "i-1", "2026-03-11 00:00"),
            bound(disk("acme", "d-1", "2026-04-11 00:00"), "i-1", Kind::Optional),
        ]).await;
        let both = Selection { ticked: vec![ticked("d-1", false)], ..selection(&["i-1"], "3y") };

        let (bill, quote) = suite.preview("acme", both.clone()).await;

        assert!(!bill.orderable);
        assert_eq!(quote, "");
        assert_eq!(bill.refused[0].instance_id, "d-1");
        assert_eq!(bill.refused[0].refusals[0].reason, "TERM_NOT_OFFERED");
        let offered: Vec<_> = bill.durations.iter().map(|it| it.short().unwrap()).collect();
        let both_offer = ["1m", "2m", "3m", "4m", "5m", "6m", "7m", "8m", "9m", "1y", "2y"];
        assert_eq!(offered, both_offer);
        assert_eq!(
            refusal(suite.create(order_of("acme", both)).await),
            (Code::FailedPrecondition, "TERM_NOT_OFFERED".to_owned())
        );
        suite.audit().await;
    }

    /// B-4, `GROUP_MUST_RENEW_TOGETHER`: a strong group goes as one, whoever of it is named first.
    async fn a_strong_group_is_renewed_as_one(suite) {
        suite.kingsoft("ksc", 100_000_00).await;
        suite.register(kec_group("ksc")).await;

        let order = suite
            .create(paid_order_of("ksc", selection(&["kec-1", "ebs-1", "kes-1"], "1m")))
            .await
            .unwrap();

        assert_eq!(order.items.len(), 3);
        for id in ["kec-1", "ebs-1", "kes-1"] {
            assert_eq!(suite.instance("ksc", id).await.expiry_shown, "2026-04-10 23:59:59");
        }
        let status =
            suite.create(paid_order_of("ksc", selection(&["ebs-1"], "1m"))).await.unwrap_err();
        assert_eq!(reason(&status), "GROUP_MUST_RENEW_TOGETHER");
        suite.audit().await;
    }

    /// `GROUP_NOT_IN_BATCH`: Kingsoft refuses its strong groups together with instances outside of them.
    async fn a_strong_group_is_refused_in_a_batch_where_the_product_says_so(suite) {
        suite.kingsoft("ksc", 100_000_00).await;
        let mut rows = kec_group("ksc");
        rows.push(prepaid("ksc", "eip-1", "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], "2026-03-11 00:00"));
        suite.register(rows).await;
        let all = ["kec-1", "ebs-1", "kes-1", "eip-1"];

        assert_eq!(
            refusal(suite.create(order_of("ksc", selection(&all, "1m"))).await),
            (Code::FailedPrecondition, "GROUP_NOT_IN_BATCH".to_owned())
        );
        suite.audit().await;
    }

    /// `TOO_MANY_INSTANCES`, `DUPLICATE_INSTANCE`: a batch of 100 goes, of 101 it does not.
    async fn a_batch_has_a_limit_and_names_each_instance_once(suite) {
        suite.jd("acme", 10_000_00).await;
        let names: Vec<_> = (1..=101).map(|number| format!("i-{number}")).collect();
        suite.register(names.iter().map(|id| vm("acme", id, "2026-03-11 00:00")).collect()).await;
        let names: Vec<_> = names.iter().map(String::as_str).collect();

        assert_eq!(
            refusal(suite.create(paid_order_of("acme", selection(&names, "1m"))).await),
            (Code::InvalidArgument, "TOO_MANY_INSTANCES".to_owned())
        );
        assert_eq!(
            refusal(suite.create(paid_order_of("acme", selection(&["i-1", "i-1"], "1m"))).await),
            (Code::InvalidArgument, "DUPLICATE_INSTANCE".to_owned())
        );
        let order = suite
            .create(paid_order_of("acme", selection(&names[..100], "1m")))
            .await
            .unwrap();
        assert_eq!(order.payable, Some(cny(100 * 56_00)));
        suite.audit().await;
    }
}

/// A Kingsoft server with its disk and its security service, sold only as one.
fn kec_group(account: &str) -> Vec<proto::renewal::v1::InstanceRegistration> {
    let end = "2026-03-11 00:00";
    vec![
        prepaid(account, "kec-1", "ks-kec", &[("flavor", "n3.2b")], end),
        bound(
            prepaid(
                account,
                "ebs-1",
                "ks-ebs",
                &[("disk_type", "ssd3.0"), ("size_gb", "100")],
                end,
            ),
            "kec-1",
            Kind::Strong,
        ),
        bound(
            prepaid(account, "kes-1", "ks-kes", &[("node_type", "es.4c16g"), ("nodes", "1")], end),
            "kec-1",
            Kind::Strong,
        ),
    ]
}
