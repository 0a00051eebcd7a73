use sea_orm::ConnectionTrait as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::*;
use crate::{
    domain::order::State,
    tests::{
        cloud::{acme, at, clouds, id, prepaid},
        renewals::{create, create_paid, reason},
    },
};

fn all() -> Wanted {
    Wanted { account: acme(), states: Vec::new(), instance: None, attempts: false }
}

const PAGE: Part = Part { before: None, skip: 0, size: 2, with_total: true };

#[tokio::test]
async fn orders_are_listed_newest_first_by_state_and_instance() {
    let (clouds, _folder) = clouds("lookup").await;
    for cloud in clouds {
        cloud.purse.put(100);
        let rows = ["a", "b", "c"].map(|name| prepaid(name, "vm", "2026-09-11 00:00"));
        cloud.register(rows.into()).await;
        let paid = cloud.order(&create_paid(1, &["a"])).await.unwrap().id;
        let two = cloud.order(&create(2, &["a", "b"])).await.unwrap().id;
        let one = cloud.order(&create(3, &["c"])).await.unwrap().id;
        let listed = async |wanted: &Wanted, part: Part| {
            let listed = cloud.orders.list(wanted, part).await.unwrap();
            let ids: Vec<_> = listed.orders.iter().map(|order| order.id).collect();
            (ids, listed.next.map(OrderId), listed.total)
        };

        assert_eq!(listed(&all(), PAGE).await, (vec![one, two], Some(two), Some(3)));
        let rest = Part { before: Some(two.0), ..PAGE };
        assert_eq!(listed(&all(), rest).await, (vec![paid], None, Some(3)));
        let leapt = Part { skip: 1, with_total: false, ..PAGE };
        assert_eq!(listed(&all(), leapt).await, (vec![two, paid], None, None));

        let of_a = Wanted { instance: Some(id("a")), ..all() };
        assert_eq!(listed(&of_a, PAGE).await, (vec![two, paid], None, Some(2)));
        let completed = Wanted { states: vec![State::Completed], ..all() };
        assert_eq!(listed(&completed, PAGE).await, (vec![paid], None, Some(1)));

        cloud.clock.set(at("2026-03-16 00:00"));
        let expired = Wanted { states: vec![State::PendingPayment], ..all() };
        assert_eq!(listed(&expired, PAGE).await.0, [], "they have expired meanwhile");
        let nobody = Wanted { account: "nobody".parse().unwrap(), ..all() };
        let error = cloud.orders.list(&nobody, PAGE).await.unwrap_err();
        assert_eq!(reason(&error), "ACCOUNT_NOT_FOUND");
    }
}

// A row that cannot be read is named, on its page, and keeps nobody from the others.
#[tokio::test]
async fn an_order_that_cannot_be_read_hides_no_other() {
    let (clouds, _folder) = clouds("lookup_unreadable").await;
    for cloud in clouds {
        let rows = ["a", "b", "c"].map(|name| prepaid(name, "vm", "2026-09-11 00:00"));
        cloud.register(rows.into()).await;
        let mut ids = Vec::new();
        for (number, name) in (1..).zip(["a", "b", "c"]) {
            ids.push(cloud.order(&create(number, &[name])).await.unwrap().id);
        }
        let damage = r#"UPDATE orders SET state = 'LOST' WHERE instance_ids = '["b"]'"#;
        cloud.store.database().writer().execute_unprepared(damage).await.unwrap();

        let first = cloud.orders.list(&all(), PAGE).await.unwrap();
        assert_eq!((first.orders[0].id, &first.unreadable[..]), (ids[2], &[ids[1].0][..]));
        assert_eq!((first.next, first.total), (Some(ids[1].0), Some(3)));
        let rest = Part { before: first.next, ..PAGE };
        let second = cloud.orders.list(&all(), rest).await.unwrap();
        assert_eq!((second.orders[0].id, second.unreadable, second.next), (ids[0], vec![], None));
    }
}

#[tokio::test]
async fn a_database_that_nobody_reaches_is_to_be_asked_again() {
    let (clouds, _folder) = clouds("lookup_unreachable").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("vm", "vm", "2026-09-11 00:00")]).await;
        cloud.store.database().clone().close().await;
        let read = Status::from(cloud.orders.list(&all(), PAGE).await.unwrap_err());
        let written = Status::from(cloud.order(&create(1, &["vm"])).await.unwrap_err());
        for status in [read, written] {
            assert_eq!(status.code(), Code::Unavailable);
            assert_eq!(platform::status::reason(&status).as_deref(), Some("SERVICE_UNAVAILABLE"));
            assert!(status.get_details_retry_info().is_some());
        }
    }
}
