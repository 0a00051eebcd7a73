use futures::future::join_all;
use rule_engine::{instance::BindingKind, profile::Boundary, registration::register};

use super::*;
use crate::{
    app::accounts::AccountRow,
    store::instances::{Loaded, write},
    tests::{
        cloud::{account, acme, at, bound, clouds, prepaid},
        purse::Trouble,
        renewals::{create, pay, reason},
    },
};

// B-1, O-3, W-1: INSUFFICIENT_FUNDS
#[tokio::test]
async fn a_refused_payment_takes_nothing_and_frees_its_request() {
    let (clouds, _folder) = clouds("pay_refused").await;
    for cloud in clouds {
        cloud.purse.put(99);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();

        let error = cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
        assert_eq!(reason(&error), "INSUFFICIENT_FUNDS");
        let waiting = cloud.reread(&order).await;
        assert_eq!((waiting.state, waiting.payment_id), (State::PendingPayment, None));
        assert_eq!(cloud.off().await, Vec::<String>::new());

        cloud.purse.put(1);
        let choice = pb::payment_choice::Vouchers::None(pb::payment_choice::None {});
        let other = Pay {
            digest: RequestDigest::of(
                "PayOrder",
                &pb::PayOrderRequest {
                    account_id: "another request".to_owned(),
                    ..pb::PayOrderRequest::default()
                },
            ),
            choice: Some(pb::PaymentChoice { vouchers: Some(choice) }),
            ..pay(2, &order)
        };
        let paid = cloud.orders.pay(&other).await.unwrap();
        assert!(matches!(&paid, Replayed::First(order) if order.state == State::Completed));
        assert_eq!(cloud.purse.cash(), 0);
        let ids: Vec<_> =
            cloud.purse.asked().into_iter().map(|asked| asked.charge.unwrap()).collect();
        assert_ne!(ids[0].payment_id, ids[1].payment_id, "each payment has its own id");
    }
}

// O-3, W-2: ORDER_ALREADY_PAID
#[tokio::test]
async fn an_order_is_paid_once_however_many_pay_it() {
    let (clouds, _folder) = clouds("pay_race").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        let payments: Vec<_> = (10..18).map(|number| pay(number, &order)).collect();
        let paid = join_all(payments.iter().map(|payment| cloud.orders.pay(payment))).await;
        assert!(paid.iter().any(Result::is_ok));
        for error in paid.into_iter().filter_map(Result::err) {
            assert!(["ORDER_ALREADY_PAID", "BUSY"].contains(&reason(&error)), "{error}");
        }
        assert_eq!(cloud.purse.cash(), 900);
        assert_eq!(cloud.expiry("vm").await, "2026-04-10 23:59:59");
        let error = cloud.orders.pay(&pay(20, &order)).await.unwrap_err();
        assert_eq!(reason(&error), "ORDER_ALREADY_PAID");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-8, T-3
#[tokio::test]
async fn the_dates_are_those_of_the_payment_instant_and_the_price_is_the_orders() {
    let (clouds, _folder) = clouds("pay_moved").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        cloud.catalog.change();
        cloud.clock.set(at("2026-03-12 08:00"));
        let paid = cloud.orders.pay(&pay(2, &order)).await.unwrap().into_inner();
        assert_eq!(paid.snapshot.moved_instance_ids, ["vm"]);
        assert_eq!((paid.payable.minor(), cloud.purse.cash()), (100, 0));
        assert_eq!(cloud.expiry("vm").await, "2026-04-12 23:59:59");
    }
}

// O-8: the whole way is judged by one instant, whenever it ends.
#[tokio::test]
async fn a_payment_that_ends_later_has_the_dates_of_its_instant() {
    let (clouds, _folder) = clouds("pay_late").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        cloud.clock.set(at("2026-03-10 23:59"));
        cloud.purse.fail([Trouble::AnswerLost]);
        cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
        assert_eq!(cloud.reread(&order).await.state, State::Paying);
        cloud.clock.set(at("2026-03-12 08:00"));
        let paid = cloud.orders.pay(&pay(2, &order)).await.unwrap();
        assert!(matches!(paid, Replayed::Again(_)));
        assert_eq!(cloud.expiry("vm").await, "2026-04-10 23:59:59");
        assert_eq!(cloud.purse.asked()[0], cloud.purse.asked()[1], "the same charge again");
    }
}

// O-8: ORDER_NOT_PAYABLE because of RENEWAL_WINDOW_CLOSED
#[tokio::test]
async fn an_order_that_no_longer_holds_ends_and_costs_nothing() {
    let (clouds, _folder) = clouds("pay_closed").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-05 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        cloud.clock.set(at("2026-03-12 00:00"));
        let error = cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
        assert_eq!(reason(&error), "ORDER_NOT_PAYABLE");
        let ended = cloud.reread(&order).await;
        assert_eq!(ended.state, State::Expired);
        assert_eq!(ended.ended_why.unwrap().reason, "RENEWAL_WINDOW_CLOSED");
        assert_eq!(cloud.purse.asked().len(), 0);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-8, B-4: ORDER_NOT_PAYABLE because of GROUP_MUST_RENEW_TOGETHER
#[tokio::test]
async fn a_group_is_not_paid_for_without_a_strong_member() {
    let (clouds, _folder) = clouds("pay_joined").await;
    for cloud in clouds {
        cloud.purse.put(100);
        let end = "2026-03-11 00:00";
        cloud.register(vec![prepaid("kec", "kec", end)]).await;
        let order = cloud.order(&create(1, &["kec"])).await.unwrap();
        // Registration refuses this while the order is open.
        let row = bound(prepaid("ebs", "ebs", end), "kec", BindingKind::Strong);
        let ebs = register(row, Boundary::EndOfDay, chrono_tz::Asia::Shanghai).unwrap().instance;
        let transaction = cloud.store.begin().await.unwrap();
        write::insert(&transaction, &[Loaded::new(ebs.clone())], cloud.orders.now()).await.unwrap();
        transaction.commit().await.unwrap();

        let error = cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
        assert_eq!(reason(&error), "ORDER_NOT_PAYABLE");
        let ended = cloud.reread(&order).await;
        assert_eq!(ended.state, State::Expired);
        assert_eq!(ended.ended_why.unwrap().reason, "GROUP_MUST_RENEW_TOGETHER");
        assert_eq!(cloud.purse.asked().len(), 0);
    }
}

// Section 5: ACCOUNT_FROZEN passes, so the order lives on.
#[tokio::test]
async fn what_passes_by_itself_refuses_the_payment_and_not_the_order() {
    let (clouds, _folder) = clouds("pay_frozen").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        cloud.accounts.upsert(vec![AccountRow { frozen: true, ..account("acme") }]).await.unwrap();
        let error = cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
        assert_eq!(reason(&error), "ACCOUNT_FROZEN");
        cloud.accounts.upsert(vec![account("acme")]).await.unwrap();
        cloud.orders.pay(&pay(2, &order)).await.unwrap();
        assert_eq!(cloud.purse.cash(), 0);
    }
}

// O-8: the wallet does not take what is too old (CLOCK_SKEW); it is called off, and begun anew.
#[tokio::test]
async fn a_payment_that_the_wallet_will_not_judge_is_called_off() {
    let (clouds, _folder) = clouds("pay_skew").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        cloud.purse.fail([Trouble::ClockSkew]);
        let error = cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
        assert_eq!(reason(&error), "CLOCK_SKEW");
        assert_eq!(cloud.reread(&order).await.state, State::PendingPayment);
        cloud.orders.pay(&pay(2, &order)).await.unwrap();
        assert_eq!(cloud.purse.cash(), 0);
    }
}

// O-1: terms are given for the order's own payment of its own amount, and for no other.
#[tokio::test]
async fn a_payment_that_is_not_the_orders_own_extends_nothing() {
    for trouble in [Trouble::OtherPayment, Trouble::OtherOrder, Trouble::OtherAmount] {
        let (clouds, _folder) = clouds(&format!("pay_{trouble:?}").to_lowercase()).await;
        for cloud in clouds {
            cloud.purse.put(100);
            cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
            let order = cloud.order(&create(1, &["vm"])).await.unwrap();
            cloud.purse.fail([trouble]);
            let error = cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
            assert_eq!(reason(&error), "INTERNAL", "{trouble:?}");
            assert_eq!(cloud.reread(&order).await.state, State::Paying);
            assert_eq!(cloud.expiry("vm").await, "2026-03-10 23:59:59");
            // Its own comes when it is asked for again.
            cloud.orders.pay(&pay(2, &order)).await.unwrap();
            assert_eq!(cloud.expiry("vm").await, "2026-04-10 23:59:59");
            assert_eq!(cloud.off().await, Vec::<String>::new());
        }
    }
}

// O-3: the purse of these tests is as strict as the wallet.
#[tokio::test]
async fn a_charge_that_comes_again_with_other_content_is_refused() {
    use crate::app::Funds as _;
    let (clouds, _folder) = clouds("pay_reused").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        cloud.orders.pay(&pay(2, &order)).await.unwrap();
        let asked = cloud.purse.asked().remove(0);
        assert!(cloud.purse.charge(asked.clone()).await.is_ok());
        let mut other = asked;
        other.charge.as_mut().unwrap().items[0].region = "south".to_owned();
        let error = OrderError::Remote(cloud.purse.charge(other).await.unwrap_err());
        let status = tonic::Status::from(error);
        assert_eq!(platform::status::reason(&status).as_deref(), Some("REQUEST_ID_REUSED"));
        assert_eq!(cloud.purse.cash(), 900);
    }
}

// ORDER_NOT_FOUND: another account's order looks like none.
#[tokio::test]
async fn another_accounts_order_is_not_found() {
    let (clouds, _folder) = clouds("pay_foreign").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        let other = Pay { account: "other".parse().unwrap(), ..pay(2, &order) };
        assert_eq!(reason(&cloud.orders.pay(&other).await.unwrap_err()), "ORDER_NOT_FOUND");
        let cancelled = cloud.orders.cancel(&other.account, order.id).await;
        assert_eq!(reason(&cancelled.unwrap_err()), "ORDER_NOT_FOUND");
        assert_eq!(cloud.orders.get(&acme(), order.id).await.unwrap(), order);
    }
}
