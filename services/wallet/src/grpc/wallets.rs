//! `WalletService`.

use kernel::{
    Currency,
    ids::{PaymentId, RequestId},
};
use platform::{page::PageTokens, request::RequestDigest, status::BadRequest};
use proto::wallet::v1::{self as pb, wallet_service_server::WalletService};
use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{WalletGrpc, next_page, parse, part};
use crate::app::Once;

#[tonic::async_trait]
impl WalletService for WalletGrpc {
    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn create_wallet(
        &self,
        request: Request<pb::CreateWalletRequest>,
    ) -> Result<Response<pb::CreateWalletResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let account = parse::text(&mut bad, "account_id", &request.account_id);
        let currency = parse::text::<Currency>(&mut bad, "currency_code", &request.currency_code);
        let Some((account, currency)) = account.zip(currency) else {
            return Err(bad.into_status());
        };
        let wallet = self.wallets.open(account, currency).await?;
        Ok(Response::new(pb::CreateWalletResponse { wallet: Some(wallet.into()) }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn get_wallet(
        &self,
        request: Request<pb::GetWalletRequest>,
    ) -> Result<Response<pb::GetWalletResponse>, Status> {
        let mut bad = BadRequest::default();
        let account = parse::text(&mut bad, "account_id", &request.get_ref().account_id);
        let Some(account) = account else { return Err(bad.into_status()) };
        let wallet = self.wallets.wallet(&account).await?;
        Ok(Response::new(pb::GetWalletResponse { wallet: Some(wallet.into()) }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn deposit(
        &self,
        request: Request<pb::DepositRequest>,
    ) -> Result<Response<pb::DepositResponse>, Status> {
        let mut request = request.into_inner();
        let mut bad = BadRequest::default();
        let id = parse::id(&mut bad, "request_id", &request.request_id, RequestId);
        request.request_id.clear();
        let digest = RequestDigest::of("Deposit", &request);
        let account = parse::text(&mut bad, "account_id", &request.account_id);
        let amount = parse::money(&mut bad, "amount", request.amount, 1);
        let note = parse::note(&mut bad, request.note);
        let (Some(id), Some(account), Some(amount), Some(note)) = (id, account, amount, note)
        else {
            return Err(bad.into_status());
        };
        let once = Once { request: id, digest };
        let deposited = self.wallets.deposit(once, &account, amount, &note).await?;
        let response = deposited.map(|it| pb::DepositResponse {
            entry: Some(it.entry.into()),
            wallet: Some(it.wallet.into()),
        });
        Ok(response.into_response())
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn list_entries(
        &self,
        request: Request<pb::ListEntriesRequest>,
    ) -> Result<Response<pb::ListEntriesResponse>, Status> {
        let mut request = request.into_inner();
        let mut bad = BadRequest::default();
        let page = request.page.take();
        let tokens = PageTokens::of("ListEntries", &request);
        let account = parse::text(&mut bad, "account_id", &request.account_id);
        let payment = match request.payment_id.as_str() {
            "" => Some(None),
            text => parse::id(&mut bad, "payment_id", text, PaymentId).map(Some),
        };
        let part = part(&mut bad, page, &tokens, |text| text.parse().ok())?;
        let (Some(account), Some(payment), Some(part)) = (account, payment, part) else {
            return Err(bad.into_status());
        };
        let rows = self.wallets.entries(&account, payment, part).await?;
        let page = next_page(&rows, &tokens, |entry| entry.number.to_string());
        let entries = rows.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListEntriesResponse { entries, page: Some(page) }))
    }
}
