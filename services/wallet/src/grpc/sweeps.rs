//! `SweepService`, for the scheduler.

use platform::status::BadRequest;
use proto::{
    convert::{instant, required, timestamp},
    wallet::internal::v1::{self as pb, sweep_service_server::SweepService},
};
use tonic::{Request, Response, Status};
use tracing::instrument;

use super::WalletGrpc;

/// How many are taken where the caller does not say.
const USUAL: u64 = 100;

/// How many are taken at the most.
const MOST: u64 = 1_000;

#[tonic::async_trait]
impl SweepService for WalletGrpc {
    #[instrument(skip_all, err(level = "debug"))]
    async fn expire_holds(
        &self,
        request: Request<pb::ExpireHoldsRequest>,
    ) -> Result<Response<pb::ExpireHoldsResponse>, Status> {
        let swept = self.wallets.expire_holds(limit(request.get_ref().limit)?).await?;
        let voided = i32::try_from(swept.done).unwrap_or(i32::MAX);
        Ok(Response::new(pb::ExpireHoldsResponse { voided, more: swept.more }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn remind_refunds(
        &self,
        request: Request<pb::RemindRefundsRequest>,
    ) -> Result<Response<pb::RemindRefundsResponse>, Status> {
        let swept = self.wallets.remind_refunds(limit(request.get_ref().limit)?).await?;
        let reminded = i32::try_from(swept.done).unwrap_or(i32::MAX);
        Ok(Response::new(pb::RemindRefundsResponse { reminded, more: swept.more }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn expire_vouchers(
        &self,
        request: Request<pb::ExpireVouchersRequest>,
    ) -> Result<Response<pb::ExpireVouchersResponse>, Status> {
        let swept = self.wallets.expire_vouchers(limit(request.get_ref().limit)?).await?;
        let expired = i32::try_from(swept.done).unwrap_or(i32::MAX);
        Ok(Response::new(pb::ExpireVouchersResponse { expired, more: swept.more }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn anchor_chains(
        &self,
        request: Request<pb::AnchorChainsRequest>,
    ) -> Result<Response<pb::AnchorChainsResponse>, Status> {
        let (swept, now) = self.wallets.anchor_chains(limit(request.get_ref().limit)?).await?;
        let anchored = i32::try_from(swept.done).unwrap_or(i32::MAX);
        let anchor_time = Some(timestamp(now));
        Ok(Response::new(pb::AnchorChainsResponse { anchored, more: swept.more, anchor_time }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn next_due(
        &self,
        request: Request<pb::NextDueRequest>,
    ) -> Result<Response<pb::NextDueResponse>, Status> {
        let mut bad = BadRequest::default();
        let after = required(request.into_inner().after).and_then(instant);
        let Some(after) = bad.field("after", after) else { return Err(bad.into_status()) };
        let next = self.wallets.next_due(after).await?;
        let (time, retry_time) = (next.time.map(timestamp), next.retry_time.map(timestamp));
        Ok(Response::new(pb::NextDueResponse { time, retry_time }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn list_fundings(
        &self,
        request: Request<pb::ListFundingsRequest>,
    ) -> Result<Response<pb::ListFundingsResponse>, Status> {
        let pb::ListFundingsRequest { cursor, limit: most } = request.into_inner();
        let limit = u32::try_from(limit(most)?).unwrap_or(u32::MAX);
        let (events, next_cursor) = self.wallets.fundings(&cursor, limit).await?;
        let fundings = events.into_iter().map(|event| pb::Funding {
            account_id: event.account,
            time: Some(timestamp(event.time)),
        });
        Ok(Response::new(pb::ListFundingsResponse { fundings: fundings.collect(), next_cursor }))
    }
}

pub(super) fn limit(asked: i32) -> Result<u64, Status> {
    let mut bad = BadRequest::default();
    match bad.field("limit", u64::try_from(asked).map_err(|_| "must not be negative")) {
        None => Err(bad.into_status()),
        Some(0) => Ok(USUAL),
        Some(limit) => Ok(limit.min(MOST)),
    }
}
