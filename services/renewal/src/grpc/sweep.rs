//! `SweepService`: what the scheduler asks for.

mod page;

use platform::status::BadRequest;
use proto::renewal::internal::v1::{
    AdvanceRequest, AdvanceResponse, DeliverDueRequest, DeliverDueResponse, ExpireDueRequest,
    ExpireDueResponse, RebuildDueRequest, RebuildDueResponse, RemindDueRequest, RemindDueResponse,
    sweep_service_server::SweepService,
};
use tonic::{Request, Response, Status};
use tracing::instrument;

use self::page::{Cursor, Shards, failed, next};
use crate::{
    app::{Orders, deliver::Deliveries, rebuild::Rebuild},
    wire::count,
};

/// What a sweep takes that does not say how much.
const DEFAULT_LIMIT: u32 = 100;

/// The most that one sweep takes.
const MAX_LIMIT: u32 = 1_000;

/// Serves sweeps.
#[derive(Debug)]
pub struct SweepGrpc {
    orders: Orders,
    deliveries: Deliveries,
}

impl SweepGrpc {
    /// Sweeps over `orders` and `deliveries`.
    #[must_use]
    pub const fn new(orders: Orders, deliveries: Deliveries) -> Self {
        Self { orders, deliveries }
    }
}

/// How much a sweep takes at the most.
fn limit(given: i32) -> Result<u32, Status> {
    match u32::try_from(given) {
        Ok(0) => Ok(DEFAULT_LIMIT),
        Ok(limit) => Ok(limit.min(MAX_LIMIT)),
        Err(_) => {
            let mut bad = BadRequest::default();
            bad.note("limit", "must not be negative");
            Err(bad.into_status())
        }
    }
}

#[tonic::async_trait]
impl SweepService for SweepGrpc {
    #[instrument(skip_all)]
    async fn advance(
        &self,
        request: Request<AdvanceRequest>,
    ) -> Result<Response<AdvanceResponse>, Status> {
        let advanced = self.orders.advance(limit(request.into_inner().limit)?).await?;
        Ok(Response::new(AdvanceResponse {
            taken: count(advanced.taken),
            advanced: count(advanced.done),
            more: advanced.more,
        }))
    }

    #[instrument(skip_all)]
    async fn deliver_due(
        &self,
        request: Request<DeliverDueRequest>,
    ) -> Result<Response<DeliverDueResponse>, Status> {
        let delivered = self.deliveries.deliver(limit(request.into_inner().limit)?).await?;
        Ok(Response::new(DeliverDueResponse {
            taken: count(delivered.taken),
            done: count(delivered.done),
            more: delivered.more,
        }))
    }

    #[instrument(skip_all)]
    async fn expire_due(
        &self,
        request: Request<ExpireDueRequest>,
    ) -> Result<Response<ExpireDueResponse>, Status> {
        let ExpireDueRequest { shard_from, shard_until, cursor, limit } = request.into_inner();
        let page = Shards { shard_from, shard_until, limit }.page(&cursor)?;
        let swept = self.orders.expire_due(&page.reach).await?;
        let next_cursor = next(&swept, None);
        Ok(Response::new(ExpireDueResponse {
            due: count(swept.due),
            done: count(swept.done),
            more: swept.next.is_some(),
            failed: failed(swept.failed),
            next_cursor,
        }))
    }

    #[instrument(skip_all)]
    async fn remind_due(
        &self,
        request: Request<RemindDueRequest>,
    ) -> Result<Response<RemindDueResponse>, Status> {
        let RemindDueRequest { shard_from, shard_until, cursor, limit } = request.into_inner();
        let page = Shards { shard_from, shard_until, limit }.page(&cursor)?;
        let swept = self.orders.remind_due(&page.reach).await?;
        let next_cursor = next(&swept, None);
        Ok(Response::new(RemindDueResponse {
            due: count(swept.due),
            done: count(swept.done),
            more: swept.next.is_some(),
            failed: failed(swept.failed),
            next_cursor,
        }))
    }

    #[instrument(skip_all)]
    async fn rebuild_due(
        &self,
        request: Request<RebuildDueRequest>,
    ) -> Result<Response<RebuildDueResponse>, Status> {
        let RebuildDueRequest { shard_from, shard_until, cursor, limit, always } =
            request.into_inner();
        let Cursor { reach, version } = Shards { shard_from, shard_until, limit }.page(&cursor)?;
        let wanted = Rebuild { reach, version, always };
        let (swept, version) = self.orders.rebuild_due(&wanted).await?;
        let next_cursor = next(&swept, Some(version));
        Ok(Response::new(RebuildDueResponse {
            due: count(swept.due),
            done: count(swept.done),
            more: swept.next.is_some(),
            failed: failed(swept.failed),
            next_cursor,
        }))
    }
}
