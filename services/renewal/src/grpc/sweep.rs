//! `SweepService`: what the scheduler asks for.

use platform::status::BadRequest;
use proto::renewal::internal::v1::{
    AdvanceRequest, AdvanceResponse, DeliverDueRequest, DeliverDueResponse,
    sweep_service_server::SweepService,
};
use tonic::{Request, Response, Status};
use tracing::instrument;

use crate::{
    app::{Orders, deliver::Deliveries},
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
}
