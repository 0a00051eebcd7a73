use chrono::TimeDelta;
use futures::future::join_all;
use proto::wallet::v1::payment::State as Payment;

use super::*;
use crate::tests::{
    cloud::{Cloud, acme, at, clouds, prepaid},
    purse::Trouble,
    renewals::{check_out, create, pay, reason},
};

/// An order of `vm`, paid until 2026-03-11, that awaits its payment.
async fn open_order(cloud: &Cloud, number: u128) -> Order {
    cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
    cloud.order(&create(number, &["vm"])).await.unwrap()
}

/// What the sweep did after `seconds`: orders taken, and done.
async fn advance(cloud: &Cloud, seconds: i64) -> (u32, u32) {
    cloud.clock.advance(TimeDelta::seconds(seconds));
    let advanced = cloud.orders.advance(10).await.unwrap();
    (advanced.taken, advanced.done)
}

// W-4, O-8: the channel's confirmation is the payment instant.
#[tokio::test]
async fn an_order_completes_as_of_the_channels_confirmation() {
    let (clouds, _folder) = clouds("checkout").await;
    for cloud in clouds {
        let order = open_order(&cloud, 1).await;
        let command = check_out(2, &order);
        let asked = cloud.orders.checkout(&command).await.unwrap().into_inner();
        assert_eq!(asked.state, State::PendingPayment);
        let told = crate::grpc::bill::order_message(asked.clone());
        assert_eq!(told.checkout.unwrap().channel, "bank");
        assert!(
            matches!(cloud.orders.checkout(&command).await.unwrap(), Replayed::Again(again) if again == asked)
        );
        assert_eq!(advance(&cloud, 10).await, (1, 0));
        assert_eq!(cloud.off().await, Vec::<String>::new());

        // Confirmed two days after the expiry: the term runs from there (T-3).
        cloud.purse.confirm_payments(at("2026-03-13 09:00"));
        cloud.clock.set(at("2026-03-13 09:00"));
        assert_eq!(advance(&cloud, 10).await, (1, 1));
        let order = cloud.reread(&order).await;
        assert_eq!(
            (order.state, order.payment_time),
            (State::Completed, Some(at("2026-03-13 09:00")))
        );
        assert_eq!(cloud.expiry("vm").await, "2026-04-13 23:59:59");
        let told = crate::grpc::bill::order_message(order.clone());
        assert_eq!((told.checkout, told.items[0].parts.is_some()), (None, true));
        let error = cloud.orders.pay(&pay(3, &order)).await.unwrap_err();
        assert_eq!(reason(&error), "ORDER_ALREADY_PAID");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-8: "What no longer holds: the order becomes EXPIRED; channel money goes to the cash balance."
#[tokio::test]
async fn what_was_paid_for_in_vain_is_given_back() {
    let (clouds, _folder) = clouds("checkout_late").await;
    for cloud in clouds {
        let order = open_order(&cloud, 1).await;
        cloud.orders.checkout(&check_out(2, &order)).await.unwrap();
        cloud.catalog.withdraw();
        cloud.purse.confirm_payments(at("2026-03-01 00:01"));
        // The first try does not come through to the wallet.
        cloud.purse.fail([Trouble::Down]);
        assert_eq!(advance(&cloud, 10).await, (1, 0));
        let expired = cloud.reread(&order).await;
        assert_eq!(
            (expired.state, expired.ended_why.unwrap().reason.as_str()),
            (State::Expired, "PRODUCT_NOT_RENEWABLE")
        );
        assert_eq!(cloud.off().await, Vec::<String>::new());
        assert_eq!(advance(&cloud, 10).await, (1, 1));
        let order = cloud.reread(&order).await;
        assert_eq!(
            (order.state, order.refund_id, order.next_attempt_at),
            (State::Expired, None, None)
        );
        assert_eq!(
            (cloud.purse.cash(), cloud.expiry("vm").await.as_str()),
            (100, "2026-03-10 23:59:59")
        );
        let told = crate::grpc::bill::order_message(order);
        assert_eq!(told.items[0].state(), pb::order_item::State::Pending);
        assert_eq!(told.refunds.len(), 1);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// W-4: paying otherwise, calling off and asking again call the open checkout off first.
#[tokio::test]
async fn an_open_checkout_is_called_off_first() {
    let (clouds, _folder) = clouds("checkout_off").await;
    for cloud in clouds {
        let order = open_order(&cloud, 1).await;
        let states = || {
            let payments = cloud.purse.payments();
            let states = payments.values().map(proto::wallet::v1::Payment::state);
            let mut states: Vec<_> = states.collect();
            states.sort();
            states
        };
        cloud.orders.checkout(&check_out(2, &order)).await.unwrap();
        cloud.orders.checkout(&check_out(3, &order)).await.unwrap();
        assert_eq!(states(), [Payment::Pending, Payment::Voided]);
        cloud.purse.put(100);
        cloud.orders.pay(&pay(4, &order)).await.unwrap();
        assert_eq!(states(), [Payment::Succeeded, Payment::Voided, Payment::Voided]);

        let next = cloud.order(&create(5, &["vm"])).await.unwrap();
        cloud.orders.checkout(&check_out(6, &next)).await.unwrap();
        let cancelled = cloud.orders.cancel(&acme(), next.id).await.unwrap();
        assert_eq!((cancelled.state, cancelled.payment_id), (State::Cancelled, None));

        // The channel was first: the order is paid, and not cancelled.
        let paid = cloud.order(&create(7, &["vm"])).await.unwrap();
        cloud.orders.checkout(&check_out(8, &paid)).await.unwrap();
        cloud.purse.confirm_payments(at("2026-03-01 00:00"));
        let error = cloud.orders.cancel(&acme(), paid.id).await.unwrap_err();
        assert_eq!(reason(&error), "ORDER_ALREADY_PAID");
        assert_eq!(cloud.reread(&paid).await.state, State::Completed);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// W-4, O-4: what nobody paid in time; what the wallet never heard of; what ended meanwhile.
#[tokio::test]
async fn a_checkout_that_comes_to_nothing_leaves_nothing() {
    let (clouds, _folder) = clouds("checkout_nothing").await;
    for cloud in clouds {
        let order = open_order(&cloud, 1).await;
        for (number, trouble) in [(2, Trouble::Down), (3, Trouble::AnswerLost)] {
            cloud.purse.fail([trouble]);
            cloud.orders.checkout(&check_out(number, &order)).await.unwrap_err();
            assert!(cloud.reread(&order).await.has_checkout());
            assert_eq!(cloud.off().await, Vec::<String>::new());
        }
        // The second one is open: its repeat finds it.
        let found = cloud.orders.checkout(&check_out(3, &order)).await.unwrap();
        assert!(matches!(found, Replayed::Again(order) if order.has_checkout()));
        cloud.purse.fail([Trouble::ClockSkew]);
        let error = cloud.orders.checkout(&check_out(4, &order)).await.unwrap_err();
        assert!(error.to_string().contains("CLOCK_SKEW"), "{error}");
        let waiting = cloud.reread(&order).await;
        assert_eq!(
            (waiting.has_checkout(), waiting.next_attempt_at),
            (false, Some(order.expire_time))
        );

        // What ends it within a transaction leaves the checkout to the sweep (I-2).
        let other = cloud.register(vec![prepaid("other", "vm", "2026-03-11 00:00")]).await;
        assert_eq!(other, ["Created"]);
        let changed = cloud.order(&create(6, &["other"])).await.unwrap();
        cloud.orders.checkout(&check_out(7, &changed)).await.unwrap();
        let mut row = prepaid("other", "vm", "2026-03-11 00:00");
        row.configuration = [("flavor", "large"), ("note", "x")].into_iter().collect();
        row.source_version = 2;
        assert_eq!(cloud.register(vec![row]).await, ["Updated"]);
        let left = cloud.reread(&changed).await;
        assert_eq!((left.state, left.has_checkout()), (State::Cancelled, true));
        assert_eq!(advance(&cloud, 0).await, (1, 1));
        let left = cloud.reread(&changed).await;
        assert_eq!((left.has_checkout(), left.next_attempt_at), (false, None));

        cloud.orders.checkout(&check_out(5, &order)).await.unwrap();
        cloud.clock.set(order.expire_time);
        let expired = cloud.reread(&order).await;
        assert_eq!((expired.state, expired.payment_id), (State::Expired, None));
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-3, O-2: one checkout is open at a time, whoever asks.
#[tokio::test]
async fn of_many_checkouts_at_once_one_stays_open() {
    let (clouds, _folder) = clouds("checkout_race").await;
    for cloud in clouds {
        let order = open_order(&cloud, 1).await;
        let commands: Vec<_> = (0..8).map(|number| check_out(10 + number, &order)).collect();
        let asked = join_all(commands.iter().map(|command| cloud.orders.checkout(command))).await;
        assert!(asked.iter().any(Result::is_ok));
        for error in asked.iter().filter_map(|asked| asked.as_ref().err()) {
            assert_eq!(reason(error), "BUSY");
        }
        let payments = cloud.purse.payments();
        let open = payments.values().filter(|payment| payment.state() == Payment::Pending);
        assert_eq!(open.count(), 1);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}
