//! `SweepService`: what the scheduler asks for.

use platform::status::BadRequest;
use proto::renewal::internal::v1::{
    AdvanceRequest, AdvanceResponse, sweep_service_server::SweepService,
};
use tonic::{Request, Response, Status};
use tracing::instrument;

use crate::app::Orders;
use crate::wire::count;

/// Orders of a sweep that does not say how many.
const DEFAULT_LIMIT: u32 = 100;

/// The most orders of one sweep.
const MAX_LIMIT: u32 = 1_000;

/// Serves sweeps.
#[derive(Debug)]
pub struct SweepGrpc {
    orders: Orders,
}

impl SweepGrpc {
    /// Sweeps over `orders`.
    #[must_use]
    pub const fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[tonic::async_trait]
impl SweepService for SweepGrpc {
    #[instrument(skip_all)]
    async fn advance(
        &self,
        request: Request<AdvanceRequest>,
    ) -> Result<Response<AdvanceResponse>, Status> {
        let limit = match u32::try_from(request.into_inner().limit) {
            Ok(0) => DEFAULT_LIMIT,
            Ok(limit) => limit.min(MAX_LIMIT),
            Err(_) => {
                let mut bad = BadRequest::default();
                bad.note("limit", "must not be negative");
                return Err(bad.into_status());
            }
        };
        let advanced = self.orders.advance(limit).await?;
        Ok(Response::new(AdvanceResponse {
            taken: count(advanced.taken),
            advanced: count(advanced.done),
            more: advanced.more,
        }))
    }
}
