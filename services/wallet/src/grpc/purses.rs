//! `PurseService`, for the suite's other services.

use platform::status::BadRequest;
use proto::wallet::internal::v1::{self as pb, purse_service_server::PurseService};
use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{WalletGrpc, parse, show};

#[tonic::async_trait]
impl PurseService for WalletGrpc {
    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn get_purse(
        &self,
        request: Request<pb::GetPurseRequest>,
    ) -> Result<Response<pb::GetPurseResponse>, Status> {
        let mut bad = BadRequest::default();
        let account = parse::text(&mut bad, "account_id", &request.get_ref().account_id);
        let Some(account) = account else { return Err(bad.into_status()) };
        let (wallet, vouchers, now) = self.wallets.purse(&account).await?;
        let cash = Some(wallet.cash().into());
        let vouchers = vouchers.into_iter().map(|voucher| show::voucher(voucher, now)).collect();
        Ok(Response::new(pb::GetPurseResponse { cash, vouchers }))
    }
}
