//! `VoucherService`.

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{RequestId, VoucherId},
};
use platform::{page::PageTokens, request::RequestDigest, status::BadRequest};
use proto::{
    convert::instant,
    wallet::v1::{self as pb, voucher_service_server::VoucherService},
};
use rule_engine::voucher::{Explanation, WhyNot};
use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{WalletGrpc, next_page, parse, part, show};
use crate::{
    app::{Issue, Once, Preview, Previewed},
    wire::item_parts,
};

#[tonic::async_trait]
impl VoucherService for WalletGrpc {
    #[instrument(skip_all, fields(grants = request.get_ref().grants.len()), err(level = "debug"))]
    async fn issue_vouchers(
        &self,
        request: Request<pb::IssueVouchersRequest>,
    ) -> Result<Response<pb::IssueVouchersResponse>, Status> {
        let issue = issue(request.into_inner())?;
        let issued = self.wallets.issue(&issue).await?;
        let now = self.wallets.now();
        let response = issued.map(|vouchers| pb::IssueVouchersResponse {
            vouchers: vouchers.into_iter().map(|it| show::voucher(it, now)).collect(),
        });
        Ok(response.into_response())
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn list_vouchers(
        &self,
        request: Request<pb::ListVouchersRequest>,
    ) -> Result<Response<pb::ListVouchersResponse>, Status> {
        let mut request = request.into_inner();
        let mut bad = BadRequest::default();
        let page = request.page.take();
        let tokens = PageTokens::of("ListVouchers", &request);
        let account = parse::text(&mut bad, "account_id", &request.account_id);
        let part = part(&mut bad, page, &tokens, position)?;
        let Some((account, part)) = account.zip(part) else { return Err(bad.into_status()) };
        let (rows, now) = self.wallets.vouchers(&account, request.usable_only, part).await?;
        let page = next_page(&rows, &tokens, |voucher| {
            format!("{}:{}", voucher.terms.expires.timestamp_micros(), voucher.id)
        });
        let vouchers = rows.items.into_iter().map(|voucher| show::voucher(voucher, now)).collect();
        Ok(Response::new(pb::ListVouchersResponse { vouchers, page: Some(page) }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn preview_payment(
        &self,
        request: Request<pb::PreviewPaymentRequest>,
    ) -> Result<Response<pb::PreviewPaymentResponse>, Status> {
        let preview = preview(request.into_inner())?;
        let previewed = self.wallets.preview(&preview).await?;
        Ok(Response::new(previewed_response(previewed, &preview)))
    }
}

fn issue(mut request: pb::IssueVouchersRequest) -> Result<Issue, Status> {
    let mut bad = BadRequest::default();
    let id = parse::id(&mut bad, "request_id", &request.request_id, RequestId);
    request.request_id.clear();
    let digest = RequestDigest::of("IssueVouchers", &request);
    parse::count(&mut bad, "grants", request.grants.len());
    let grants: Vec<_> = request
        .grants
        .into_iter()
        .take(parse::MOST)
        .enumerate()
        .filter_map(|(index, grant)| parse::grant(&mut bad, &format!("grants[{index}]"), grant))
        .collect();
    let Some(request) = id.filter(|_| bad.is_empty()) else { return Err(bad.into_status()) };
    Ok(Issue { once: Once { request, digest }, grants })
}

/// What [`VoucherService::list_vouchers`] keeps of the last row: its end and its id.
fn position(text: &str) -> Option<(i64, VoucherId)> {
    let (end, id) = text.split_once(':')?;
    Some((end.parse().ok()?, id.parse().ok()?))
}

fn preview(request: pb::PreviewPaymentRequest) -> Result<Preview, Status> {
    let mut bad = BadRequest::default();
    let account = parse::text(&mut bad, "account_id", &request.account_id);
    let items = parse::items(&mut bad, "items", request.items);
    let choice = parse::choice(&mut bad, "vouchers", request.vouchers);
    let as_of: Option<Option<DateTime<Utc>>> =
        bad.field("as_of", request.as_of.map(instant).transpose());
    match (account, items, choice, as_of) {
        (Some(account), Some((items, amount)), Some(choice), Some(as_of)) if bad.is_empty() => {
            let (currency, automatic) = (amount.currency(), request.automatic);
            Ok(Preview { account, items, currency, choice, automatic, as_of })
        }
        _ => Err(bad.into_status()),
    }
}

fn previewed_response(previewed: Previewed, preview: &Preview) -> pb::PreviewPaymentResponse {
    let Previewed { explanation, mut vouchers, at } = previewed;
    let Explanation { coverage, missing, unused, .. } = explanation;
    let money = |minor| Some(Money::new(minor, preview.currency).into());
    let mut shown = |id, amount, why_not: &[WhyNot]| {
        let voucher = vouchers.remove(&id)?;
        let why_not = if why_not.is_empty() { String::new() } else { show::why_not(why_not) };
        let voucher = Some(show::voucher(voucher, at));
        Some(pb::VoucherUse { voucher, amount: money(amount), why_not })
    };
    let mut uses = Vec::new();
    for used in &coverage.vouchers {
        uses.extend(shown(used.voucher, used.paid, &[]));
    }
    for other in &unused {
        uses.extend(shown(other.voucher, 0, &other.why_not));
    }
    let parts = coverage.items.iter().map(|parts| item_parts(parts, preview.currency)).collect();
    pb::PreviewPaymentResponse { uses, parts, cash: money(coverage.cash), missing: money(missing) }
}
