use chrono::TimeDelta;

use super::*;
use crate::domain::order::backoff;
use crate::tests::{
    cloud::{acme, at, clouds, prepaid},
    purse::Trouble,
    renewals::{create, create_paid, pay, reason},
};

// O-4
#[tokio::test]
async fn what_a_crash_has_left_is_finished_with_the_same_ids() {
    let (clouds, _folder) = clouds("advance_paying").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        cloud.purse.fail([Trouble::AnswerLost, Trouble::Down]);
        let error = cloud.order(&create_paid(1, &["vm"])).await.unwrap_err();
        assert!(matches!(error, OrderError::Remote(_)));

        assert_eq!(cloud.orders.advance(10).await.unwrap(), Advanced::default(), "not due yet");
        cloud.clock.advance(TimeDelta::seconds(1));
        let in_vain = Advanced { taken: 1, done: 0, more: false };
        assert_eq!(cloud.orders.advance(10).await.unwrap(), in_vain);
        assert_eq!(cloud.orders.advance(10).await.unwrap(), Advanced::default(), "later again");
        cloud.clock.advance(TimeDelta::seconds(2));
        let done = Advanced { taken: 1, done: 1, more: false };
        assert_eq!(cloud.orders.advance(10).await.unwrap(), done);

        assert_eq!(cloud.expiry("vm").await, "2026-04-10 23:59:59");
        assert_eq!((cloud.purse.cash(), cloud.purse.payments().len()), (0, 1));
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-4, O-8: the wallet takes no new payment that is older than five minutes.
#[tokio::test]
async fn a_payment_of_less_than_five_minutes_is_tried_every_minute_at_least() {
    let (clouds, _folder) = clouds("advance_often").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        cloud.purse.fail([Trouble::Down; 13]);
        cloud.order(&create_paid(1, &["vm"])).await.unwrap_err();
        let (mut waits, mut before) = (Vec::new(), TimeDelta::seconds(1));
        cloud.clock.advance(before);
        for attempts in 0..12 {
            let in_vain = Advanced { taken: 1, done: 0, more: false };
            assert_eq!(cloud.orders.advance(10).await.unwrap(), in_vain, "{attempts}");
            let wait = backoff(attempts);
            cloud.clock.advance(wait - TimeDelta::microseconds(1));
            assert_eq!(cloud.orders.advance(10).await.unwrap(), Advanced::default(), "{attempts}");
            cloud.clock.advance(TimeDelta::microseconds(1));
            waits.push((before, wait));
            before += wait;
        }
        let five = TimeDelta::minutes(5);
        assert!(before > five);
        for (age, wait) in waits {
            assert!(age >= five || wait <= TimeDelta::minutes(1), "{age} {wait}");
        }
        let done = Advanced { taken: 1, done: 1, more: false };
        assert_eq!(cloud.orders.advance(10).await.unwrap(), done);
    }
}

// Section 11
#[tokio::test]
async fn orders_that_nobody_pays_expire_page_by_page() {
    let (clouds, _folder) = clouds("advance_expire").await;
    for cloud in clouds {
        let names = ["a", "b", "c"];
        let rows = names.map(|name| prepaid(name, "vm", "2026-09-11 00:00"));
        cloud.register(rows.into()).await;
        let mut orders = Vec::new();
        for (number, name) in (1..).zip(names) {
            orders.push(cloud.order(&create(number, &[name])).await.unwrap());
        }
        cloud.clock.set(at("2026-03-16 00:00"));
        let page = |taken, more| Advanced { taken, done: taken, more };
        assert_eq!(cloud.orders.advance(2).await.unwrap(), page(2, true));
        assert_eq!(cloud.orders.advance(2).await.unwrap(), page(1, false));
        for order in &orders {
            let ended = cloud.reread(order).await;
            assert_eq!(ended.state, State::Expired);
            let why = ended.ended_why.unwrap();
            assert_eq!(why.reason, "ORDER_NOT_PAYABLE");
            assert_eq!(why.message, "It was not paid before 2026-03-16 00:00:00 Asia/Shanghai.");
        }
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-4: one bad row is nobody else's trouble.
#[tokio::test]
async fn an_order_that_cannot_be_read_stops_no_other() {
    use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, sea_query::Expr};

    use crate::store::entity::order;
    let (clouds, _folder) = clouds("advance_unreadable").await;
    for cloud in clouds {
        let names: Vec<_> = (0..10).map(|number| format!("vm-{number}")).collect();
        let rows = names.iter().map(|name| prepaid(name, "vm", "2026-09-11 00:00"));
        cloud.register(rows.collect()).await;
        let mut orders = Vec::new();
        for (number, name) in (1..).zip(&names) {
            orders.push(cloud.order(&create(number, &[name])).await.unwrap());
        }
        order::Entity::update_many()
            .col_expr(order::Column::Snapshot, Expr::value(vec![0xff_u8]))
            .filter(order::Column::Id.eq(orders[0].id.0))
            .exec(cloud.store.database().writer())
            .await
            .unwrap();
        cloud.clock.set(at("2026-03-16 00:00"));
        let all_but_one = Advanced { taken: 10, done: 9, more: false };
        assert_eq!(cloud.orders.advance(100).await.unwrap(), all_but_one);
        for order in &orders[1..] {
            assert_eq!(cloud.reread(order).await.state, State::Expired);
        }
    }
}

// Section 11: who ends several orders waits for their instances in one order, holding none.
#[tokio::test]
async fn orders_that_end_together_lock_their_instances_by_id() {
    use platform::database::Backend;
    use sea_orm::{ConnectionTrait as _, Statement};
    let (clouds, _folder) = clouds("advance_locks").await;
    for cloud in clouds {
        let database = cloud.store.database();
        // SQLite has one writer: nobody waits for a row.
        if database.backend() == Backend::Sqlite {
            continue;
        }
        let rows = ["a", "b"].map(|name| prepaid(name, "vm", "2026-09-11 00:00"));
        cloud.register(rows.into()).await;
        let first = cloud.order(&create(1, &["b"])).await.unwrap();
        let second = cloud.order(&create(2, &["a"])).await.unwrap();
        cloud.clock.set(at("2026-03-16 00:00"));
        let query = |text: &str| Statement::from_string(database.backend().dialect(), text);
        let other = cloud.store.begin().await.unwrap();
        other
            .query_all_raw(query("SELECT id FROM instances WHERE id = 'a' FOR UPDATE"))
            .await
            .unwrap();
        let ids = [first.id, second.id];
        let expire = cloud.orders.expire_all(&ids, cloud.orders.now());
        let meanwhile = async {
            let waiting = "SELECT 1 AS one FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while cloud.store.reader().query_one_raw(query(waiting)).await.unwrap().is_none() {}
            let free = "SELECT id FROM instances WHERE id = 'b' FOR UPDATE NOWAIT";
            other.query_all_raw(query(free)).await.unwrap();
            other.commit().await.unwrap();
        };
        let (expired, ()) = futures::join!(expire, meanwhile);
        assert!(expired.unwrap());
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// Section 11: ORDER_NOT_CANCELLABLE, ORDER_NOT_PAYABLE
#[tokio::test]
async fn an_order_is_cancelled_once_and_for_all() {
    let (clouds, _folder) = clouds("advance_cancel").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-09-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        let first = cloud.orders.cancel(&acme(), order.id).await.unwrap();
        let again = cloud.orders.cancel(&acme(), order.id).await.unwrap();
        assert_eq!((first.state, &first), (State::Cancelled, &again));
        let error = cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
        assert_eq!(reason(&error), "ORDER_NOT_PAYABLE");

        let overdue = cloud.order(&create(3, &["vm"])).await.unwrap();
        cloud.clock.advance(TimeDelta::days(15));
        let error = cloud.orders.cancel(&acme(), overdue.id).await.unwrap_err();
        assert_eq!(reason(&error), "ORDER_NOT_CANCELLABLE");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}
