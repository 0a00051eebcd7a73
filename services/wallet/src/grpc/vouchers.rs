//! `VoucherService`.

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{
    Money,
    ids::{AccountId, RequestId, VoucherId},
};
use platform::{page::PageTokens, request::RequestDigest, status::BadRequest};
use proto::{
    convert::{instant, required},
    wallet::v1::{self as pb, voucher_service_server::VoucherService},
};
use rule_engine::voucher::{Explanation, WhyNot};
use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{WalletGrpc, next_page, parse, part, show};
use crate::{
    app::{
        Basket, Issue, IssueCodes, ListedVouchers, Once, Preview, Previewed, VoucherList,
        why_not as why_not_text,
    },
    domain::Code,
    store::Part,
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
        let list = voucher_list(&mut bad, request);
        let part = part(&mut bad, page, &tokens, position)?;
        let Some((list, part)) = list.zip(part).filter(|_| bad.is_empty()) else {
            return Err(bad.into_status());
        };
        let list = VoucherList { part, ..list };
        let ListedVouchers { rows, uses, now } = self.wallets.vouchers(&list).await?;
        let page = next_page(&rows, &tokens, |voucher| {
            format!("{}:{}", voucher.terms.expires.timestamp_micros(), voucher.id)
        });
        let uses = rows.items.iter().zip(uses).map(|(voucher, amount)| {
            let zero = || Money::new(0, voucher.face.currency());
            let (amount, why_not) = match amount {
                Ok(minor) => (Money::new(minor, voucher.face.currency()), String::new()),
                Err(why_not) => (zero(), why_not),
            };
            let voucher = Some(show::voucher(voucher.clone(), now));
            pb::VoucherUse { voucher, amount: Some(amount.into()), why_not }
        });
        let uses = uses.collect();
        let vouchers = rows.items.into_iter().map(|voucher| show::voucher(voucher, now)).collect();
        Ok(Response::new(pb::ListVouchersResponse { vouchers, uses, page: Some(page) }))
    }

    #[instrument(skip_all, fields(codes = request.get_ref().count), err(level = "debug"))]
    async fn issue_voucher_codes(
        &self,
        request: Request<pb::IssueVoucherCodesRequest>,
    ) -> Result<Response<pb::IssueVoucherCodesResponse>, Status> {
        let issue = issue_codes(request.into_inner())?;
        let codes = self.wallets.issue_codes(&issue).await?;
        let response = codes.map(|codes| pb::IssueVoucherCodesResponse {
            codes: codes.iter().map(ToString::to_string).collect(),
        });
        Ok(response.into_response())
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn redeem_voucher(
        &self,
        request: Request<pb::RedeemVoucherRequest>,
    ) -> Result<Response<pb::RedeemVoucherResponse>, Status> {
        let mut request = request.into_inner();
        let mut bad = BadRequest::default();
        let id = parse::id(&mut bad, "request_id", &request.request_id, RequestId);
        let account = parse::text::<AccountId>(&mut bad, "account_id", &request.account_id);
        let code = parse::text::<Code>(&mut bad, "code", &request.code);
        let (Some(id), Some(account), Some(code)) = (id, account, code) else {
            return Err(bad.into_status());
        };
        request.request_id.clear();
        // However it is typed, it is the same code.
        request.code = code.to_string();
        let once = Once { request: id, digest: RequestDigest::of("RedeemVoucher", &request) };
        let voucher = self.wallets.redeem(once, &account, &code).await?;
        let now = self.wallets.now();
        let response =
            voucher.map(|it| pb::RedeemVoucherResponse { voucher: Some(show::voucher(it, now)) });
        Ok(response.into_response())
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn revoke_voucher(
        &self,
        request: Request<pb::RevokeVoucherRequest>,
    ) -> Result<Response<pb::RevokeVoucherResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let account = parse::text::<AccountId>(&mut bad, "account_id", &request.account_id);
        let id = parse::id(&mut bad, "voucher_id", &request.voucher_id, VoucherId);
        let note = parse::note(&mut bad, request.note);
        let (Some(account), Some(id), Some(note)) = (account, id, note) else {
            return Err(bad.into_status());
        };
        let voucher = self.wallets.revoke(&account, id, &note).await?;
        let voucher = Some(show::voucher(voucher, self.wallets.now()));
        Ok(Response::new(pb::RevokeVoucherResponse { voucher }))
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

fn issue_codes(mut request: pb::IssueVoucherCodesRequest) -> Result<IssueCodes, Status> {
    let mut bad = BadRequest::default();
    let id = parse::id(&mut bad, "request_id", &request.request_id, RequestId);
    request.request_id.clear();
    let digest = RequestDigest::of("IssueVoucherCodes", &request);
    let count =
        usize::try_from(request.count).ok().filter(|count| (1..=parse::MOST).contains(count));
    let count = bad.field("count", count.ok_or_else(|| format!("must be 1 to {}", parse::MOST)));
    let face = parse::money(&mut bad, "face", request.face, 1);
    let terms = bad.field("terms", required(request.terms));
    let currency = face.map(Money::currency);
    let terms = terms.and_then(|terms| parse::voucher_terms(&mut bad, "terms", terms, currency));
    match (id, count, face, terms) {
        (Some(request), Some(count), Some(face), Some(terms)) if bad.is_empty() => {
            Ok(IssueCodes { once: Once { request, digest }, count, face, terms })
        }
        _ => Err(bad.into_status()),
    }
}

/// The most days that a list looks ahead.
const MOST_DAYS: i32 = 3_650;

/// Which vouchers are asked for; of every part.
fn voucher_list(bad: &mut BadRequest, request: pb::ListVouchersRequest) -> Option<VoucherList> {
    let account = parse::text(bad, "account_id", &request.account_id);
    let days = match request.expiring_within_days {
        Some(days) if !(0..=MOST_DAYS).contains(&days) => Err(format!("must be 0 to {MOST_DAYS}")),
        days => Ok(days.map(|days| TimeDelta::days(days.into()))),
    };
    let expiring_within = bad.field("expiring_within_days", days);
    let basket = if request.basket.is_empty() {
        None
    } else {
        let (items, amount) = parse::items(bad, "basket", request.basket)?;
        let currency = amount.currency();
        Some(Basket { items, currency, automatic: request.automatic })
    };
    let part = Part { after: None, skip: 0, size: 0, with_total: false };
    let (account, usable_only) = (account?, request.usable_only);
    Some(VoucherList { account, usable_only, expiring_within: expiring_within?, basket, part })
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
        let why_not = if why_not.is_empty() { String::new() } else { why_not_text(why_not) };
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
