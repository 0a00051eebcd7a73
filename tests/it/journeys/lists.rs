//! Lists of orders.

use platform::page::MAX_PAGE_SIZE;
use proto::{
    renewal::v1::{CancelOrderRequest, ListOrdersRequest, ListOrdersResponse, order::State},
    r#type::v1::PageRequest,
};
use tests::{Suite, fixture::*, refusal};
use tonic::{Code, Status};

async fn list(suite: &Suite, request: ListOrdersRequest) -> Result<ListOrdersResponse, Status> {
    Ok(suite.orders().list_orders(request).await?.into_inner())
}

fn paged(size: i32, token: &str, list: ListOrdersRequest) -> ListOrdersRequest {
    let page = PageRequest { page_size: size, page_token: token.to_owned(), ..Default::default() };
    ListOrdersRequest { page: Some(page), ..list }
}

fn of(account: &str) -> ListOrdersRequest {
    ListOrdersRequest { account_id: account.to_owned(), ..ListOrdersRequest::default() }
}

/// Three orders of `acme` on three instances; their ids, the oldest first.
async fn three_orders(suite: &Suite) -> Vec<String> {
    suite.jd("acme", 0).await;
    let mut orders = Vec::new();
    for id in ["i-1", "i-2", "i-3"] {
        suite.register(vec![vm("acme", id, "2026-03-11 00:00")]).await;
        suite.set_clock(suite.now() + chrono::TimeDelta::seconds(1));
        let order = suite.create(order_of("acme", selection(&[id], "1m"))).await.unwrap();
        orders.push(order.order_id);
    }
    orders
}

crate::journeys! {
    async fn orders_are_listed_page_by_page_the_newest_first(suite) {
        let mut expected = three_orders(suite).await;
        expected.reverse();

        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let request = paged(2, &token, of("acme"));
            let answer = list(suite, request).await.unwrap();
            assert!(answer.orders.len() <= 2);
            found.extend(answer.orders.into_iter().map(|order| order.order_id));
            token = answer.page.unwrap().next_page_token;
            if token.is_empty() {
                break;
            }
        }

        assert_eq!(found, expected);
    }

    async fn orders_are_listed_by_state_and_by_instance(suite) {
        let orders = three_orders(suite).await;
        let cancel = CancelOrderRequest {
            account_id: "acme".to_owned(),
            order_id: orders[0].clone(),
        };
        suite.orders().cancel_order(cancel).await.unwrap();

        let cancelled = ListOrdersRequest { states: vec![State::Cancelled.into()], ..of("acme") };
        let cancelled = list(suite, cancelled).await.unwrap().orders;
        assert_eq!(cancelled.iter().map(|order| &order.order_id).collect::<Vec<_>>(), [&orders[0]]);

        let second = ListOrdersRequest { instance_id: "i-2".to_owned(), ..of("acme") };
        let second = list(suite, second).await.unwrap().orders;
        assert_eq!(second.iter().map(|order| &order.order_id).collect::<Vec<_>>(), [&orders[1]]);
    }

    async fn a_page_token_serves_no_other_list(suite) {
        three_orders(suite).await;
        let first = list(suite, paged(1, "", of("acme"))).await.unwrap();
        let token = first.page.unwrap().next_page_token;
        let elsewhere = paged(1, &token, ListOrdersRequest { instance_id: "i-1".to_owned(), ..of("acme") });
        let forged = paged(1, "forged", of("acme"));
        for request in [elsewhere, forged] {
            assert_eq!(
                refusal(list(suite, request).await),
                (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned())
            );
        }
    }

    async fn pages_have_bounds(suite) {
        three_orders(suite).await;
        let negative = paged(-1, "", of("acme"));
        assert_eq!(
            refusal(list(suite, negative).await),
            (Code::InvalidArgument, "INVALID_REQUEST".to_owned())
        );
        let most = i32::try_from(MAX_PAGE_SIZE).unwrap();
        for size in [0, 3, most, most + 1, i32::MAX] {
            let request = paged(size, "", of("acme"));
            assert_eq!(list(suite, request).await.unwrap().orders.len(), 3);
        }
    }
}
