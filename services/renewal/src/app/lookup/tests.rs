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
