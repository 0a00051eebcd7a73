use futures::future::join_all;
use proto::{renewal::v1 as pb, wallet::v1::refund};
use rule_engine::{instance::BindingKind, policy::PolicyWish, reason::Reason};

use super::*;
use crate::{
    domain::order::State,
    tests::{
        cloud::{Cloud, acme, at, bound, clouds, id, prepaid},
        purse::Trouble,
        renewals::{create, create_paid, pay, reason, take_back},
    },
};

/// The reasons of a refused refund, by instance.
async fn refused(cloud: &Cloud, command: &TakeBack) -> String {
    match cloud.orders.refund(command).await.unwrap_err() {
        OrderError::Refused(refused) if refused.all.is_empty() => refused.first.reason.to_string(),
        OrderError::Refused(refused) => {
            let all = refused.all.iter().map(|(id, one)| format!("{id} {}", one.reason));
            all.collect::<Vec<_>>().join(", ")
        }
        other => reason(&other).to_owned(),
    }
}

async fn refund(cloud: &Cloud, command: &TakeBack) -> Refunded {
    cloud.orders.refund(command).await.unwrap().into_inner()
}

// O-6: ALREADY_REFUNDED
#[tokio::test]
async fn a_refund_gives_the_money_back_and_makes_the_instance_what_it_was() {
    let (clouds, _folder) = clouds("refund_whole").await;
    for cloud in clouds {
        cloud.purse.put(200);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create_paid(1, &["vm"])).await.unwrap();
        assert_eq!(cloud.expiry("vm").await, "2026-04-10 23:59:59");

        let Replayed::First(Refunded { order, made_manual }) =
            cloud.orders.refund(&take_back(2, &order, &[])).await.unwrap()
        else {
            panic!("nobody asked before")
        };

        assert_eq!((order.state, made_manual), (State::Refunded, Vec::new()));
        assert_eq!((order.refund_id, order.next_attempt_at), (None, None));
        assert_eq!(
            (cloud.purse.cash(), cloud.expiry("vm").await.as_str()),
            (200, "2026-03-10 23:59:59")
        );
        let told = crate::grpc::bill::order_message(order.clone());
        assert_eq!(told.items[0].state(), pb::order_item::State::Refunded);
        assert_eq!(told.refunds[0].state(), refund::State::Succeeded);
        let events = cloud.events().await;
        assert_eq!(
            events[events.len() - 3..],
            ["order.refunding", "instance.term_refunded", "order.refunded"]
        );
        assert_eq!(refused(&cloud, &take_back(3, &order, &[])).await, "vm ALREADY_REFUNDED");

        // The same term once more, and back again: the place of the first was freed.
        let again = cloud.order(&create_paid(4, &["vm"])).await.unwrap();
        assert_eq!(again.state, State::Completed);
        assert_eq!(refused(&cloud, &take_back(5, &order, &["vm"])).await, "vm ALREADY_REFUNDED");
        refund(&cloud, &take_back(6, &again, &["vm"])).await;
        assert_eq!(cloud.purse.cash(), 200);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-6: NOT_LAST_TERM, TERM_STARTED, ORDER_NOT_REFUNDABLE
#[tokio::test]
async fn terms_that_have_not_begun_are_refunded_from_the_last_one_backwards() {
    let (clouds, _folder) = clouds("refund_backwards").await;
    for cloud in clouds {
        cloud.purse.put(300);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let first = cloud.order(&create_paid(1, &["vm"])).await.unwrap();
        let second = cloud.order(&create_paid(2, &["vm"])).await.unwrap();
        let third = cloud.order(&create(3, &["vm"])).await.unwrap();
        assert_eq!(refused(&cloud, &take_back(4, &third, &[])).await, "ORDER_NOT_REFUNDABLE");
        assert_eq!(refused(&cloud, &take_back(4, &second, &[])).await, "vm OPEN_ORDER_EXISTS");
        cloud.orders.cancel(&acme(), third.id).await.unwrap();
        assert_eq!(refused(&cloud, &take_back(4, &third, &[])).await, "ORDER_NOT_REFUNDABLE");
        assert_eq!(
            refused(&cloud, &take_back(4, &first, &["vm", "other"])).await,
            "other INSTANCE_NOT_FOUND, vm NOT_LAST_TERM"
        );

        refund(&cloud, &take_back(4, &second, &[])).await;
        assert_eq!(cloud.expiry("vm").await, "2026-04-10 23:59:59");
        cloud.clock.set(at("2026-03-11 00:00"));
        assert_eq!(refused(&cloud, &take_back(5, &first, &[])).await, "vm TERM_STARTED");
        cloud.clock.set(at("2026-03-10 23:59"));
        refund(&cloud, &take_back(5, &first, &[])).await;
        assert_eq!(
            (cloud.purse.cash(), cloud.expiry("vm").await.as_str()),
            (300, "2026-03-10 23:59:59")
        );
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-6, B-4: GROUP_MUST_RENEW_TOGETHER
#[tokio::test]
async fn items_are_refunded_one_by_one_and_groups_as_a_whole() {
    let (clouds, _folder) = clouds("refund_items").await;
    for cloud in clouds {
        cloud.purse.put(300);
        let vm = || prepaid("vm", "vm", "2026-03-11 00:00");
        let disk = bound(prepaid("disk", "vm", "2026-03-11 00:00"), "vm", BindingKind::Strong);
        cloud.register(vec![vm(), disk, prepaid("eip", "vm", "2026-03-21 00:00")]).await;
        let order = cloud.order(&create_paid(1, &["vm", "eip"])).await.unwrap();
        let half = take_back(2, &order, &["vm", "eip"]);
        assert_eq!(refused(&cloud, &half).await, "vm GROUP_MUST_RENEW_TOGETHER");

        let Refunded { order, .. } = refund(&cloud, &take_back(2, &order, &["eip"])).await;
        assert_eq!((order.state, cloud.purse.cash()), (State::PartlyRefunded, 100));
        let told = crate::grpc::bill::order_message(order.clone());
        let states: Vec<_> = told.items.iter().map(pb::OrderItem::state).collect();
        let [extended, back] = [pb::order_item::State::Extended, pb::order_item::State::Refunded];
        assert_eq!(states, [extended, extended, back]);
        assert_eq!(cloud.off().await, Vec::<String>::new());

        // Nothing named: what is left.
        let Refunded { order, .. } = refund(&cloud, &take_back(3, &order, &[])).await;
        assert_eq!((order.state, cloud.purse.cash()), (State::Refunded, 300));
        assert_eq!(order.snapshot.refunds.len(), 2);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-6, P-7: "If the policy is AUTO it becomes MANUAL, said in the answer and as an event."
#[tokio::test]
async fn what_is_refunded_is_not_renewed_automatically_the_next_morning() {
    let (clouds, _folder) = clouds("refund_auto").await;
    for cloud in clouds {
        cloud.purse.put(200);
        // The disk is paid for longer than the machine, so that it is not on the order.
        let disk = bound(prepaid("disk", "vm", "2026-06-11 00:00"), "vm", BindingKind::Forced);
        let rows = vec![prepaid("vm", "vm", "2026-03-11 00:00"), disk];
        cloud.register(rows).await;
        let auto = PolicyWish::Auto { cycle: None, remaining: None };
        cloud.policies.set(&acme(), &[id("vm")], auto).await.unwrap();
        let order = cloud.order(&create_paid(1, &["vm"])).await.unwrap();
        assert_eq!(order.instances().collect::<Vec<_>>(), ["vm"]);

        let command = take_back(2, &order, &[]);
        let first = refund(&cloud, &command).await;
        assert_eq!(first.made_manual, ["disk", "vm"]);
        for name in ["vm", "disk"] {
            let detail = cloud.instances.get(&acme(), &id(name)).await.unwrap();
            assert_eq!(detail.instance.instance.policy, PolicyState::Manual, "{name}");
        }
        let changed = cloud.events().await;
        let changed = changed.iter().filter(|kind| *kind == "instance.policy_changed");
        assert_eq!(changed.count(), 4);

        // O-3: a repeat answers alike; another request under the same id is refused.
        let again = cloud.orders.refund(&command).await.unwrap();
        assert!(matches!(&again, Replayed::Again(again) if *again == first));
        let other = TakeBack { digest: take_back(2, &order, &["vm"]).digest, ..command };
        assert_eq!(refused(&cloud, &other).await, "REQUEST_ID_REUSED");
    }
}

// O-4: "7 after the first tx: Advance refunds, same id; after wallet: Advance marks done."
#[tokio::test]
async fn a_refund_that_was_left_halfway_is_finished() {
    let (clouds, _folder) = clouds("refund_halfway").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        for (number, trouble) in [(10, Trouble::Down), (20, Trouble::AnswerLost)] {
            let order = cloud.order(&create_paid(number, &["vm"])).await.unwrap();
            cloud.purse.fail([trouble]);
            let command = take_back(number + 1, &order, &[]);
            assert_eq!(refused(&cloud, &command).await, "INTERNAL");
            let order = cloud.reread(&order).await;
            assert_eq!(order.state, State::Refunding);
            let told = crate::grpc::bill::order_message(order.clone());
            assert_eq!(told.items[0].state(), pb::order_item::State::Extended);
            assert_eq!(cloud.off().await, Vec::<String>::new());

            // O-2: the refund holds the instance.
            let error = cloud.order(&create(number + 2, &["vm"])).await.unwrap_err();
            assert_eq!(reason(&error), "OPEN_ORDER_EXISTS");
            let other = take_back(number + 3, &order, &[]);
            assert_eq!(refused(&cloud, &other).await, "OPEN_ORDER_EXISTS");
            let error = cloud.orders.pay(&pay(number + 4, &order)).await.unwrap_err();
            assert_eq!(reason(&error), "ORDER_ALREADY_PAID");

            cloud.clock.advance(chrono::TimeDelta::seconds(1));
            let advanced = cloud.orders.advance(10).await.unwrap();
            assert_eq!((advanced.taken, advanced.done), (1, 1));
            assert_eq!(cloud.reread(&order).await.state, State::Refunded);
            let repeated = cloud.orders.refund(&command).await.unwrap();
            assert!(matches!(repeated, Replayed::Again(_)));
            assert_eq!(cloud.purse.cash(), 100);
            assert_eq!(cloud.off().await, Vec::<String>::new());
        }
        // The repeat of the request itself finishes it, too; what is not the refund's is not believed.
        let order = cloud.order(&create_paid(30, &["vm"])).await.unwrap();
        cloud.purse.fail([Trouble::OtherPayment]);
        let command = take_back(31, &order, &[]);
        assert_eq!(refused(&cloud, &command).await, "INTERNAL");
        let repeated = cloud.orders.refund(&command).await.unwrap();
        assert!(
            matches!(repeated, Replayed::Again(Refunded { order, .. }) if order.state == State::Refunded)
        );
        assert_eq!(cloud.purse.cash(), 100);
    }
}

// O-2, O-3: one wins, whoever asks.
#[tokio::test]
async fn of_many_refunds_of_one_order_exactly_one_wins() {
    let (clouds, _folder) = clouds("refund_race").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create_paid(1, &["vm"])).await.unwrap();
        // Every other one is a repeat of the one before it.
        let commands: Vec<_> = (0..16).map(|n| take_back(10 + n / 2, &order, &[])).collect();
        let results = join_all(commands.iter().map(|command| cloud.orders.refund(command))).await;
        let won: Vec<_> = results.iter().flatten().collect();
        let first = won.iter().filter(|won| matches!(won, Replayed::First(_)));
        assert_eq!(first.count(), 1);
        assert!(won.len() <= 2, "only the winner's own repeat gets its answer");
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            let expected = ["ALREADY_REFUNDED", "OPEN_ORDER_EXISTS", "BUSY"];
            assert!(expected.contains(&reason(error)), "{error}");
        }
        assert_eq!(cloud.purse.cash(), 100);
        assert_eq!(cloud.reread(&order).await.snapshot.refunds.len(), 1);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-6, I-2: CONFIGURATION_CHANGED
#[tokio::test]
async fn what_was_changed_since_is_not_refunded() {
    let (clouds, _folder) = clouds("refund_changed").await;
    for cloud in clouds {
        cloud.purse.put(100);
        // The console says the expiry that it was told.
        let row = |version, flavor, note| {
            let end = if version == 1 { "2026-03-11 00:00" } else { "2026-04-11 00:00" };
            let mut row = prepaid("vm", "vm", end);
            row.configuration = [("flavor", flavor), ("note", note)].into_iter().collect();
            row.source_version = version;
            row
        };
        cloud.register(vec![row(1, "small", "x")]).await;
        let order = cloud.order(&create_paid(1, &["vm"])).await.unwrap();
        cloud.register(vec![row(2, "large", "x")]).await;
        assert_eq!(refused(&cloud, &take_back(2, &order, &[])).await, "vm CONFIGURATION_CHANGED");
        cloud.register(vec![row(3, "small", "y")]).await;
        refund(&cloud, &take_back(2, &order, &[])).await;
        let detail = cloud.instances.get(&acme(), &id("vm")).await.unwrap();
        assert_eq!(detail.instance.instance.configuration.get("note"), Some("y"));
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-6, W-5: a term that cost nothing goes back all the same.
#[tokio::test]
async fn an_order_of_nothing_is_refunded_without_the_wallet() {
    let (clouds, _folder) = clouds("refund_nothing").await;
    for cloud in clouds {
        cloud.catalog.give_away();
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        assert_eq!(order.state, State::Completed);
        let Refunded { order, .. } = refund(&cloud, &take_back(2, &order, &[])).await;
        assert_eq!(order.state, State::Refunded);
        let refund = order.snapshot.refunds[0].refund.as_ref().unwrap();
        assert_eq!(refund.amount.as_ref().unwrap().minor_units, 0);
        assert_eq!(cloud.expiry("vm").await, "2026-03-10 23:59:59");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-6, W-4: the instance is free at once; the money is on its way until the channel says so.
#[tokio::test]
async fn a_refund_through_the_channel_is_followed_until_it_has_arrived() {
    let (clouds, _folder) = clouds("refund_channel").await;
    for cloud in clouds {
        cloud.purse.put(200);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create_paid(1, &["vm"])).await.unwrap();
        let destination = RefundDestination::Channel;
        let command = TakeBack { destination, ..take_back(2, &order, &[]) };
        let Refunded { order, .. } = refund(&cloud, &command).await;
        let state = |order: &Order| order.snapshot.refunds[0].refund.as_ref().unwrap().state();
        assert_eq!((order.state, state(&order)), (State::Refunded, refund::State::Pending));
        assert_eq!(cloud.off().await, Vec::<String>::new());
        cloud.order(&create_paid(3, &["vm"])).await.unwrap();

        cloud.clock.advance(chrono::TimeDelta::seconds(1));
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 0);
        cloud.purse.confirm_refunds();
        cloud.clock.advance(chrono::TimeDelta::seconds(1));
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 1);
        let order = cloud.reread(&order).await;
        assert_eq!((state(&order), order.next_attempt_at), (refund::State::Succeeded, None));
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-2: whatever holds an instance of the order stands in the way of its refund, and nothing changes.
#[tokio::test]
async fn a_refused_refund_changes_nothing() {
    let (clouds, _folder) = clouds("refund_refused").await;
    for cloud in clouds {
        cloud.purse.put(200);
        let rows = ["one", "two"].map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        let order = cloud.order(&create_paid(1, &["one", "two"])).await.unwrap();
        cloud.order(&create(2, &["two"])).await.unwrap();
        let before = cloud.reread(&order).await;
        let events = cloud.events().await;
        assert_eq!(refused(&cloud, &take_back(3, &order, &[])).await, "two OPEN_ORDER_EXISTS");
        assert_eq!(cloud.reread(&order).await, before);
        assert_eq!((cloud.events().await, cloud.purse.cash()), (events, 0));
        assert_eq!(cloud.expiry("one").await, "2026-04-10 23:59:59");
        // The request is free, for it did nothing (O-3).
        refund(&cloud, &take_back(3, &order, &["one"])).await;
        let reasons = refused(&cloud, &take_back(4, &order, &["one", "two"])).await;
        assert_eq!(
            reasons,
            format!("one {}, two {}", Reason::AlreadyRefunded, Reason::OpenOrderExists)
        );
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}
