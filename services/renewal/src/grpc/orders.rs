//! `OrderService`: messages to commands, results to messages.

mod parse;

use platform::{page::PageTokens, status::BadRequest};
use proto::{
    convert::timestamp,
    renewal::v1::{self as pb, order_service_server::OrderService},
    r#type::v1 as types,
};
use tonic::{Request, Response, Status};
use tracing::instrument;
use uuid::Uuid;

use super::bill::{attempt_message, order_message, unsettled_message};
use crate::{
    app::{
        Orders,
        automatic::proof::Count,
        lookup::{Listed, Part},
        refund::Refunded,
    },
    store::orders::list::AttemptList,
    wire::count,
};

/// Serves orders.
#[derive(Debug)]
pub struct OrderGrpc {
    orders: Orders,
}

impl OrderGrpc {
    /// Serves `orders`.
    #[must_use]
    pub const fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[tonic::async_trait]
impl OrderService for OrderGrpc {
    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn preview_renewal(
        &self,
        request: Request<pb::PreviewRenewalRequest>,
    ) -> Result<Response<pb::PreviewRenewalResponse>, Status> {
        let (wanted, as_of) = parse::preview(request.into_inner(), self.orders.now())?;
        let preview = self.orders.preview(&wanted, as_of).await?;
        Ok(Response::new(pb::PreviewRenewalResponse {
            bill: Some(preview.bill),
            quote_id: preview.quote.map(|(id, _)| id.to_string()).unwrap_or_default(),
            hold_until: preview.quote.map(|(_, until)| timestamp(until)),
        }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn create_renewal_order(
        &self,
        request: Request<pb::CreateRenewalOrderRequest>,
    ) -> Result<Response<pb::CreateRenewalOrderResponse>, Status> {
        let command = parse::create(request.into_inner())?;
        let order = self.orders.create(&command).await?.map(order_message);
        Ok(order.map(|order| pb::CreateRenewalOrderResponse { order: Some(order) }).into_response())
    }

    #[instrument(skip_all, fields(order.id = request.get_ref().order_id))]
    async fn pay_order(
        &self,
        request: Request<pb::PayOrderRequest>,
    ) -> Result<Response<pb::PayOrderResponse>, Status> {
        let command = parse::pay(request.into_inner())?;
        let order = self.orders.pay(&command).await?.map(order_message);
        Ok(order.map(|order| pb::PayOrderResponse { order: Some(order) }).into_response())
    }

    #[instrument(skip_all, fields(order.id = request.get_ref().order_id))]
    async fn checkout_order(
        &self,
        request: Request<pb::CheckoutOrderRequest>,
    ) -> Result<Response<pb::CheckoutOrderResponse>, Status> {
        let command = parse::checkout(request.into_inner())?;
        let order = self.orders.checkout(&command).await?.map(order_message);
        Ok(order.map(|order| pb::CheckoutOrderResponse { order: Some(order) }).into_response())
    }

    #[instrument(skip_all, fields(order.id = request.get_ref().order_id))]
    async fn refund_order(
        &self,
        request: Request<pb::RefundOrderRequest>,
    ) -> Result<Response<pb::RefundOrderResponse>, Status> {
        let command = parse::refund(request.get_ref())?;
        let refunded = self.orders.refund(&command).await?.map(|refunded| {
            let Refunded { order, made_manual } = refunded;
            let order = Some(order_message(order));
            pb::RefundOrderResponse { order, made_manual_ids: made_manual }
        });
        Ok(refunded.into_response())
    }

    #[instrument(skip_all, fields(order.id = request.get_ref().order_id))]
    async fn cancel_order(
        &self,
        request: Request<pb::CancelOrderRequest>,
    ) -> Result<Response<pb::CancelOrderResponse>, Status> {
        let pb::CancelOrderRequest { account_id, order_id } = request.into_inner();
        let (account, id) = parse::named(&account_id, &order_id)?;
        let order = self.orders.cancel(&account, id).await?;
        Ok(Response::new(pb::CancelOrderResponse { order: Some(order_message(order)) }))
    }

    #[instrument(skip_all, fields(order.id = request.get_ref().order_id))]
    async fn get_order(
        &self,
        request: Request<pb::GetOrderRequest>,
    ) -> Result<Response<pb::GetOrderResponse>, Status> {
        let pb::GetOrderRequest { account_id, order_id } = request.into_inner();
        let (account, id) = parse::named(&account_id, &order_id)?;
        let order = self.orders.get(&account, id).await?;
        Ok(Response::new(pb::GetOrderResponse { order: Some(order_message(order)) }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Status> {
        let request = request.into_inner();
        let query = pb::ListOrdersRequest { page: None, ..request.clone() };
        let tokens = PageTokens::of("ListOrders", &query);
        let page = request.page.clone().unwrap_or_default();
        let (wanted, size, skip) = parse::list(&request, &page)?;
        let before = position(&tokens, &page.page_token)?;
        let part = Part { before, skip, size, with_total: page.with_total };
        let Listed { orders, unreadable, next, total } = self.orders.list(&wanted, part).await?;
        let next = next.map(|last| tokens.issue(&last.to_string()));
        Ok(Response::new(pb::ListOrdersResponse {
            orders: orders.into_iter().map(order_message).collect(),
            page: Some(types::PageResponse {
                next_page_token: next.unwrap_or_default(),
                total_size: total.map(|total| i64::try_from(total).unwrap_or(i64::MAX)),
            }),
            unreadable_order_ids: unreadable.iter().map(Uuid::to_string).collect(),
        }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn list_attempts(
        &self,
        request: Request<pb::ListAttemptsRequest>,
    ) -> Result<Response<pb::ListAttemptsResponse>, Status> {
        let request = request.into_inner();
        let query = pb::ListAttemptsRequest { page: None, ..request.clone() };
        let tokens = PageTokens::of("ListAttempts", &query);
        let page = request.page.clone().unwrap_or_default();
        let wanted = parse::attempts(&request, &page)?;
        let before = position(&tokens, &page.page_token)?;
        let listed = self.orders.attempts(&AttemptList { before, ..wanted }).await?;
        let next = listed.next.map(|last| tokens.issue(&last.to_string()));
        Ok(Response::new(pb::ListAttemptsResponse {
            attempts: listed.orders.into_iter().filter_map(attempt_message).collect(),
            page: Some(types::PageResponse {
                next_page_token: next.unwrap_or_default(),
                total_size: None,
            }),
            unreadable_order_ids: listed.unreadable.iter().map(Uuid::to_string).collect(),
        }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn count_attempts(
        &self,
        request: Request<pb::CountAttemptsRequest>,
    ) -> Result<Response<pb::CountAttemptsResponse>, Status> {
        let (account, date) = parse::day(&request.into_inner())?;
        let Count { decided: outcomes, others } =
            self.orders.count_attempts(&account, date).await?;
        let decided = count(outcomes.values().sum());
        let open = count(u32::try_from(others.len()).unwrap_or(u32::MAX));
        let outcomes = outcomes.into_iter().map(|(name, number)| (name, count(number)));
        Ok(Response::new(pb::CountAttemptsResponse {
            due: decided.saturating_add(open),
            decided,
            outcomes: outcomes.collect(),
            others: others.iter().take(MOST_NAMED).map(unsettled_message).collect(),
        }))
    }
}

/// The most attempts that are named as not decided exactly once.
const MOST_NAMED: usize = 1_000;

/// The order that a page begins after.
fn position(tokens: &PageTokens, token: &str) -> Result<Option<Uuid>, Status> {
    let position = tokens.read(token)?;
    let id = position.map(|position| position.parse::<Uuid>()).transpose();
    id.map_err(|_| {
        let mut bad = BadRequest::default();
        bad.note("page.page_token", "was not given by this query");
        bad.into_status()
    })
}
