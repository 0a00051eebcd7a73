//! `ForecastService`: messages to commands.

use kernel::ids::AccountId;
use platform::status::BadRequest;
use proto::renewal::v1::{self as pb, forecast_service_server::ForecastService};
use tonic::{Request, Response, Status};
use tracing::instrument;

use crate::{app::Orders, wire};

/// Days of a forecast that does not say how many.
const DEFAULT_DAYS: u32 = 30;

/// The most days of a forecast.
const MOST_DAYS: u32 = 366;

/// Serves forecasts.
#[derive(Debug)]
pub struct ForecastGrpc {
    orders: Orders,
}

impl ForecastGrpc {
    /// Forecasts what becomes of `orders`.
    #[must_use]
    pub const fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[tonic::async_trait]
impl ForecastService for ForecastGrpc {
    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn forecast_renewals(
        &self,
        request: Request<pb::ForecastRenewalsRequest>,
    ) -> Result<Response<pb::ForecastRenewalsResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
        let days = bad.field("days", days(request.days));
        let (Some(account), Some(days)) = (account, days) else { return Err(bad.into_status()) };
        Ok(Response::new(self.orders.forecast(&account, days).await?))
    }
}

fn days(given: i32) -> Result<u32, String> {
    match u32::try_from(given) {
        Ok(0) => Ok(DEFAULT_DAYS),
        Ok(days) if days <= MOST_DAYS => Ok(days),
        _ => Err(format!("must be 1 to {MOST_DAYS}")),
    }
}
