use chrono::TimeDelta;
use proto::{
    provisioner::v1::apply_entitlement_request::State as Entitled,
    renewal::v1::{self as pb, order_item},
    r#type::v1::BillingMode,
};
use rule_engine::{
    instance::BindingKind,
    policy::{PolicyState, PolicyWish},
};
use tonic::Code;

use super::*;
use crate::{
    app::correction::Wanted,
    domain::order::State,
    store::{
        deliveries::outcome::{self, Told},
        orders::Order,
    },
    tests::{
        cloud::{Cloud, acme, at, bound, clouds, id, prepaid},
        purse::Trouble,
        renewals::{create, create_paid, take_back},
    },
};

const END: &str = "2026-03-11 00:00";

/// What a sweep over deliveries comes to: taken, done.
async fn sweep(cloud: &Cloud) -> (u32, u32) {
    let Delivered { taken, done, more } = cloud.deliveries.deliver(100).await.unwrap();
    assert!(!more);
    (taken, done)
}

/// So many seconds later.
fn wait(cloud: &Cloud, seconds: i64) {
    cloud.clock.advance(TimeDelta::seconds(seconds));
}

fn items(order: &Order) -> Vec<order_item::State> {
    let told = crate::grpc::bill::order_message(order.clone());
    told.items.iter().map(pb::OrderItem::state).collect()
}

async fn count(cloud: &Cloud, kind: &str) -> usize {
    cloud.events().await.iter().filter(|one| *one == kind).count()
}

async fn is_sound(cloud: &Cloud) {
    assert_eq!(cloud.off().await, Vec::<String>::new());
}

/// The expiry of an instance moved by an operator.
async fn correct(cloud: &Cloud, number: u128, name: &str, to: &str) {
    let request = kernel::ids::RequestId(uuid::Uuid::from_u128(number));
    let digest =
        platform::request::RequestDigest::of("CorrectExpiry", &pb::CorrectExpiryRequest::default());
    let (account, id) = (acme(), id(name));
    let why = "a test".to_owned();
    let wanted = Wanted { request, digest, account, id, expiry: at(to), why };
    cloud.corrections.correct(&wanted).await.unwrap();
}

// O-5
#[tokio::test]
async fn a_paid_order_waits_for_its_console() {
    let (clouds, _folder) = clouds("deliver_acked").await;
    for cloud in clouds {
        cloud.purse.put(200);
        cloud.register(vec![prepaid("vm", "vm", END), prepaid("srv", "served", END)]).await;
        assert_eq!(sweep(&cloud).await, (0, 0), "what is registered the console knows");

        let order = cloud.order(&create_paid(1, &["vm", "srv"])).await.unwrap();
        assert_eq!((order.state, cloud.purse.cash()), (State::Paid, 0));
        assert_eq!(cloud.reread(&order).await, order);
        is_sound(&cloud).await;

        assert_eq!(sweep(&cloud).await, (1, 1));
        let completed = cloud.reread(&order).await;
        assert_eq!((completed.state, completed.version), (State::Completed, order.version + 1));
        assert_eq!(items(&completed), [order_item::State::Extended; 2]);
        assert_eq!(count(&cloud, "order.completed").await, 1);
        let kept = cloud.desk.kept("srv").unwrap();
        assert_eq!(kept.paid_until, Some(proto::convert::timestamp(at("2026-04-11 00:00"))));
        assert_eq!((kept.state(), kept.billing_mode()), (Entitled::Active, BillingMode::Prepaid));
        assert_eq!(kept.configuration.unwrap().settings[0].value, "small");
        assert_eq!(cloud.desk.calls().len(), 1);
        assert_eq!((sweep(&cloud).await, cloud.desk.calls().len()), ((0, 0), 0), "once");

        // W-5: what costs nothing is delivered like everything else.
        cloud.catalog.give_away();
        let free = cloud.order(&create_paid(2, &["srv"])).await.unwrap();
        assert_eq!(free.state, State::Paid);
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&free).await.state, State::Completed);
        is_sound(&cloud).await;
    }
}

// O-5: "a product whose console is down is paused by itself and does not hold up the others"
#[tokio::test]
async fn a_console_that_is_down_is_paused_and_holds_up_nobody() {
    let (clouds, _folder) = clouds("deliver_down").await;
    for cloud in clouds {
        cloud.purse.put(600);
        let names: Vec<_> = (0..4).map(|number| format!("srv-{number}")).collect();
        let served = names.iter().map(|name| prepaid(name, "served", END));
        cloud.register(served.chain([prepaid("pool", "pooled", END)]).collect()).await;
        cloud.desk.shut("http://served");
        let mut orders = Vec::new();
        for (number, name) in (1..).zip(&names) {
            orders.push(cloud.order(&create_paid(number, &[name.as_str()])).await.unwrap());
        }
        let pool = cloud.order(&create_paid(9, &["pool"])).await.unwrap();

        assert_eq!(sweep(&cloud).await, (5, 1));
        assert_eq!(cloud.reread(&pool).await.state, State::Completed);
        assert_eq!(cloud.desk.calls().len(), 5);
        is_sound(&cloud).await;
        // Paused for a second, then tried with one instance, and paused for two.
        assert_eq!(sweep(&cloud).await, (0, 0));
        for (seconds, tried) in [(1, 1), (1, 0), (1, 1), (3, 0), (1, 1)] {
            wait(&cloud, seconds);
            assert_eq!(sweep(&cloud).await, (tried, 0));
            assert_eq!(cloud.desk.calls().len(), tried as usize);
        }
        // For an hour nobody is alerted; then once for each that is tried.
        wait(&cloud, 3_400);
        sweep(&cloud).await;
        assert_eq!(count(&cloud, "instance.delivery_late").await, 0);
        wait(&cloud, 300);
        sweep(&cloud).await;
        assert_eq!(count(&cloud, "instance.delivery_late").await, 1);
        assert_eq!(cloud.reread(&orders[0]).await.state, State::Paid);

        // It comes back: one goes first, and the others follow at once.
        cloud.desk.open("http://served");
        wait(&cloud, 300);
        cloud.desk.calls();
        assert_eq!(sweep(&cloud).await, (4, 4));
        for order in &orders {
            assert_eq!(cloud.reread(order).await.state, State::Completed);
        }
        is_sound(&cloud).await;
        // It is told as usual from now on.
        let order = cloud.order(&create_paid(10, &["srv-0"])).await.unwrap();
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&order).await.state, State::Completed);
    }
}

// O-5: an answer that is lost leads to the same absolute state again.
#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_changes_nothing() {
    let (clouds, _folder) = clouds("deliver_lost").await;
    for cloud in clouds {
        cloud.purse.put(200);
        cloud.register(vec![prepaid("srv", "served", END)]).await;
        cloud.desk.lose_answers(1);
        let order = cloud.order(&create_paid(1, &["srv"])).await.unwrap();
        assert_eq!(sweep(&cloud).await, (1, 0));
        assert_eq!(cloud.reread(&order).await.state, State::Paid);
        wait(&cloud, 1);
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&order).await.state, State::Completed);
        let calls = cloud.desk.calls();
        assert_eq!((calls.len(), &calls[0]), (2, &calls[1]));

        // Only the newest of several states is told, and all that wait are served by it.
        cloud.desk.lose_answers(1);
        let first = cloud.order(&create_paid(2, &["srv"])).await.unwrap();
        sweep(&cloud).await;
        correct(&cloud, 3, "srv", "2026-05-20 00:00").await;
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&first).await.state, State::Completed);
        let paid_until = cloud.desk.kept("srv").unwrap().paid_until;
        assert_eq!(paid_until, Some(proto::convert::timestamp(at("2026-05-20 00:00"))));
        is_sound(&cloud).await;
    }
}

// O-5: one that answers wrongly for one instance is told the others all the same.
#[tokio::test]
async fn an_instance_that_cannot_be_delivered_does_not_stop_the_others() {
    let (clouds, _folder) = clouds("deliver_poison").await;
    for cloud in clouds {
        cloud.purse.put(300);
        let rows = ["a", "b", "c"].map(|name| prepaid(name, "served", END));
        cloud.register(rows.into()).await;
        cloud.desk.trouble("a", Code::Internal);
        let order = cloud.order(&create_paid(1, &["a", "b"])).await.unwrap();
        assert_eq!(sweep(&cloud).await, (2, 1));
        for seconds in [1, 2, 4, 8] {
            wait(&cloud, seconds - 1);
            assert_eq!(sweep(&cloud).await, (0, 0), "not before {seconds} s");
            wait(&cloud, 1);
            assert_eq!(sweep(&cloud).await, (1, 0));
        }
        assert_eq!(cloud.reread(&order).await.state, State::Paid);
        // However often it fails, the console is not taken for one that is down.
        let prompt = cloud.order(&create_paid(2, &["c"])).await.unwrap();
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&prompt).await.state, State::Completed);
        cloud.desk.cure("a");
        wait(&cloud, 300);
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&order).await.state, State::Completed);

        // A product that has no console any more is told by the events.
        cloud.desk.shut("http://served");
        cloud.purse.put(100);
        let order = cloud.order(&create_paid(3, &["b"])).await.unwrap();
        assert_eq!(sweep(&cloud).await, (1, 0));
        cloud.catalog.close_desks();
        wait(&cloud, 1);
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&order).await.state, State::Completed);
    }
}

// O-5: "a final refusal refunds that item"
#[tokio::test]
async fn what_a_console_refuses_is_taken_back_and_refunded() {
    let (clouds, _folder) = clouds("deliver_refused").await;
    for cloud in clouds {
        cloud.purse.put(200);
        cloud.register(vec![prepaid("a", "served", END), prepaid("b", "pooled", END)]).await;
        let auto = PolicyWish::Auto { cycle: None, remaining: None };
        cloud.policies.set(&acme(), &[id("a")], auto).await.unwrap();
        // T-3: renewed late, so that the term has begun; only a customer could not have it back.
        cloud.clock.set(at("2026-03-12 10:00"));
        cloud.desk.trouble("a", Code::FailedPrecondition);
        cloud.desk.shut("http://pooled");
        let order = cloud.order(&create_paid(1, &["a", "b"])).await.unwrap();

        assert_eq!(sweep(&cloud).await, (2, 1));
        let half = cloud.reread(&order).await;
        assert_eq!((half.state, cloud.purse.cash()), (State::PartlyRefunded, 100));
        assert_eq!(items(&half), [order_item::State::Refused, order_item::State::Extended]);
        let told = crate::grpc::bill::order_message(half.clone());
        let refusal = told.items[0].delivery_refusal.as_ref().unwrap();
        assert_eq!(
            (refusal.reason.as_str(), refusal.rule_id.as_str()),
            ("DELIVERY_REFUSED", "O-5")
        );
        assert!(refusal.message.ends_with("it has no room"), "{}", refusal.message);
        assert_eq!(cloud.expiry("a").await, "2026-03-10 23:59:59");
        let a = cloud.instances.get(&acme(), &id("a")).await.unwrap().instance.instance;
        assert_eq!((a.policy, a.open_order), (PolicyState::Manual, None));
        is_sound(&cloud).await;

        // The console is told that it has the old term again, and the other one goes on waiting.
        cloud.desk.cure("a");
        cloud.desk.open("http://pooled");
        wait(&cloud, 1);
        assert_eq!(sweep(&cloud).await, (2, 2));
        let paid_until = cloud.desk.kept("a").unwrap().paid_until;
        assert_eq!(paid_until, Some(proto::convert::timestamp(at(END))));
        assert_eq!(cloud.reread(&order).await.state, State::PartlyRefunded);
        is_sound(&cloud).await;
    }
}

// O-5, B-4: "a group: all its members"
#[tokio::test]
async fn a_group_is_taken_back_as_a_whole() {
    let (clouds, _folder) = clouds("deliver_group").await;
    for cloud in clouds {
        cloud.purse.put(300);
        let disk = bound(prepaid("disk", "pooled", END), "srv", BindingKind::Forced);
        let rows = vec![prepaid("srv", "served", END), disk, prepaid("vm", "vm", END)];
        cloud.register(rows).await;
        let order = cloud.order(&create_paid(1, &["srv", "vm"])).await.unwrap();
        assert_eq!((order.state, order.instances().count()), (State::Paid, 3));
        cloud.desk.trouble("disk", Code::FailedPrecondition);
        cloud.purse.fail([Trouble::Down]);
        assert_eq!(sweep(&cloud).await.1, 2);
        // The machine was delivered, the disk refused; the money comes with the next sweep.
        let begun = cloud.reread(&order).await;
        assert_eq!((begun.state, cloud.purse.cash()), (State::Refunding, 0));
        is_sound(&cloud).await;
        wait(&cloud, 1);
        cloud.orders.advance(10).await.unwrap();
        let done = cloud.reread(&order).await;
        assert_eq!((done.state, cloud.purse.cash()), (State::PartlyRefunded, 200));
        let [refused, extended] = [order_item::State::Refused, order_item::State::Extended];
        assert_eq!(items(&done), [refused, refused, extended]);
        assert_eq!(cloud.expiry("srv").await, "2026-03-10 23:59:59");

        // The machine's console hears of it too. That the disk's refuses even this is for people.
        assert_eq!(sweep(&cloud).await, (2, 2));
        let paid_until = cloud.desk.kept("srv").unwrap().paid_until;
        assert_eq!(paid_until, Some(proto::convert::timestamp(at(END))));
        assert_eq!(count(&cloud, "instance.delivery_refused").await, 1);
        wait(&cloud, 3_600);
        assert_eq!(sweep(&cloud).await, (0, 0));
        is_sound(&cloud).await;
    }
}

// O-5, I-2: orders and adjustments that build on a refused renewal do not keep its money.
#[tokio::test]
async fn what_builds_on_a_refused_renewal_goes_with_it() {
    let (clouds, _folder) = clouds("deliver_built").await;
    for cloud in clouds {
        cloud.purse.put(200);
        cloud.register(vec![prepaid("srv", "served", END)]).await;
        cloud.desk.shut("http://served");
        let first = cloud.order(&create_paid(1, &["srv"])).await.unwrap();
        let second = cloud.order(&create_paid(2, &["srv"])).await.unwrap();
        correct(&cloud, 3, "srv", "2026-06-01 00:00").await;
        let unpaid = cloud.order(&create(4, &["srv"])).await.unwrap();
        sweep(&cloud).await;
        is_sound(&cloud).await;

        // The newest goes first, and the state without it is told: the older one goes next.
        cloud.desk.open("http://served");
        cloud.desk.trouble("srv", Code::FailedPrecondition);
        wait(&cloud, 1);
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&second).await.state, State::Refunded);
        assert_eq!(cloud.reread(&first).await.state, State::Paid);
        assert_eq!(cloud.expiry("srv").await, "2026-04-10 23:59:59");
        let cancelled = cloud.reread(&unpaid).await;
        assert_eq!(cancelled.state, State::Cancelled);
        assert_eq!(cancelled.ended_why.unwrap().reason, "DELIVERY_REFUSED");
        is_sound(&cloud).await;
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&first).await.state, State::Refunded);
        assert_eq!(cloud.purse.cash(), 200);
        assert_eq!(cloud.expiry("srv").await, "2026-03-10 23:59:59");
        is_sound(&cloud).await;
    }
}

// O-6: a customer who takes back what is not delivered yet; C-1: what was converted is metered again.
#[tokio::test]
async fn what_is_refunded_before_it_is_delivered_is_never_delivered() {
    let (clouds, _folder) = clouds("deliver_withdrawn").await;
    for cloud in clouds {
        cloud.purse.put(200);
        let metered = rule_engine::registration::Registration {
            billing: rule_engine::registration::RegisteredBilling::Postpaid,
            ..prepaid("metered", "served", END)
        };
        cloud.register(vec![prepaid("srv", "served", END), metered]).await;
        let order = cloud.order(&create_paid(1, &["srv"])).await.unwrap();
        let refunded = cloud.orders.refund(&take_back(2, &order, &[])).await.unwrap().into_inner();
        assert_eq!(refunded.order.state, State::Refunded);
        is_sound(&cloud).await;
        assert_eq!(sweep(&cloud).await, (1, 1));
        assert_eq!(cloud.reread(&order).await.state, State::Refunded);
        let paid_until = cloud.desk.kept("srv").unwrap().paid_until;
        assert_eq!(paid_until, Some(proto::convert::timestamp(at(END))));

        let order = cloud.order(&create_paid(3, &["metered"])).await.unwrap();
        cloud.desk.trouble("metered", Code::FailedPrecondition);
        sweep(&cloud).await;
        assert_eq!(cloud.reread(&order).await.state, State::Refunded);
        cloud.desk.cure("metered");
        sweep(&cloud).await;
        let kept = cloud.desk.kept("metered").unwrap();
        assert_eq!((kept.billing_mode(), kept.paid_until), (BillingMode::Postpaid, None));
        assert_eq!(cloud.purse.cash(), 200);
        is_sound(&cloud).await;
    }
}

// O-5, O-4: two sweeps at once tell everything, complete every order once, and refuse once.
#[tokio::test]
async fn two_sweeps_at_once_do_the_work_of_one() {
    let (clouds, _folder) = clouds("deliver_twice").await;
    for cloud in clouds {
        cloud.purse.put(2_000);
        let names: Vec<_> = (0..20).map(|number| format!("srv-{number:02}")).collect();
        cloud.register(names.iter().map(|name| prepaid(name, "served", END)).collect()).await;
        let mut orders = Vec::new();
        for (number, pair) in (1..).zip(names.chunks(2)) {
            let pair: Vec<_> = pair.iter().map(String::as_str).collect();
            orders.push(cloud.order(&create_paid(number, &pair)).await.unwrap());
        }
        cloud.desk.trouble("srv-00", Code::FailedPrecondition);
        let [one, other] =
            futures::future::join_all([(); 2].map(|()| cloud.deliveries.deliver(100)))
                .await
                .try_into()
                .unwrap();
        let (one, other) = (one.unwrap(), other.unwrap());
        // The one that is refused is told once more, without its term, and refused again.
        assert!(one.taken + other.taken >= 20, "{one:?} {other:?}");
        for (number, order) in orders.iter().enumerate() {
            let expected = if number == 0 { State::PartlyRefunded } else { State::Completed };
            assert_eq!(cloud.reread(order).await.state, expected);
        }
        assert_eq!(count(&cloud, "order.completed").await, 9);
        assert_eq!((count(&cloud, "order.refunded").await, cloud.purse.cash()), (1, 100));
        is_sound(&cloud).await;
    }
}

// O-5: the one that comes later waits for the other, and sees that nothing is left to wait for.
#[tokio::test]
async fn of_two_items_acknowledged_at_once_the_later_one_completes_the_order() {
    let (clouds, _folder) = clouds("deliver_race").await;
    for cloud in clouds {
        cloud.purse.put(200);
        cloud.register(vec![prepaid("a", "served", END), prepaid("b", "served", END)]).await;
        let order = cloud.order(&create_paid(1, &["a", "b"])).await.unwrap();
        let now = at("2026-03-01 00:00");
        let told = |name| [Told { account_id: acme(), id: id(name), version: i64::MAX }];
        let first = cloud.store.begin().await.unwrap();
        assert_eq!(outcome::acknowledge(&first, &told("a"), now).await.unwrap(), []);
        let mut second = Box::pin(async {
            let second = cloud.store.begin().await.unwrap();
            let completed = outcome::acknowledge(&second, &told("b"), now).await.unwrap();
            second.commit().await.unwrap();
            completed
        });
        // Long enough for it to end, if it waited for nobody.
        for _ in 0..20_000 {
            assert!(futures::poll!(&mut second).is_pending(), "it does not wait");
            tokio::task::yield_now().await;
        }
        first.commit().await.unwrap();
        assert_eq!(second.await, [(acme(), order.id)]);
        assert_eq!(cloud.reread(&order).await.state, State::Completed);
    }
}
