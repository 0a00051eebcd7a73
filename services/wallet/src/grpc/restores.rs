//! `RestoreService`, for `perennial reconcile`.

use std::collections::BTreeMap;

use kernel::{
    Money,
    ids::{ChannelName, IntentId, OrderId, PaymentId, RefundId, VoucherId},
};
use platform::status::BadRequest;
use proto::{
    convert::{instant, required},
    wallet::{
        internal::v1::{self as pb, restore_service_server::RestoreService},
        v1 as wallet,
    },
};
use rule_engine::voucher::{Coverage, ItemParts, VoucherPayment};
use tonic::{Request, Response, Status};
use tracing::instrument;
use uuid::Uuid;

use super::{WalletGrpc, parse, sweeps::limit};
use crate::{
    app::Withdrawal,
    domain::{Bill, Intent, Outcome, Payment},
    store::Found,
    wire::read_item_parts,
};

#[tonic::async_trait]
impl RestoreService for WalletGrpc {
    #[instrument(skip_all, err(level = "debug"))]
    async fn find_payments(
        &self,
        request: Request<pb::FindPaymentsRequest>,
    ) -> Result<Response<pb::FindPaymentsResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let found = if request.payment_ids.is_empty() {
            let limit = limit(request.limit)?;
            let since = parse::at(&mut bad, "since", request.since);
            let after = match request.after_payment_id.as_str() {
                "" => Some(PaymentId(Uuid::nil())),
                after => parse::id(&mut bad, "after_payment_id", after, PaymentId),
            };
            let Some((since, after)) = since.zip(after) else { return Err(bad.into_status()) };
            self.wallets.changed(since, after, limit).await?
        } else {
            parse::count(&mut bad, "payment_ids", request.payment_ids.len());
            let ids = parse::ids(&mut bad, "payment_ids", &request.payment_ids, PaymentId);
            bad.finish()?;
            self.wallets.find(&ids).await?
        };
        let payments = found.into_iter().map(shown).collect();
        Ok(Response::new(pb::FindPaymentsResponse { payments }))
    }

    #[instrument(skip_all, fields(payment.id = request.get_ref().payment_id), err(level = "debug"))]
    async fn withdraw_payment(
        &self,
        request: Request<pb::WithdrawPaymentRequest>,
    ) -> Result<Response<pb::WithdrawPaymentResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let payment = parse::id(&mut bad, "payment_id", &request.payment_id, PaymentId);
        let account = parse::text(&mut bad, "account_id", &request.account_id);
        let refund = parse::id(&mut bad, "refund_id", &request.refund_id, RefundId);
        let (Some(payment), Some(account), Some(refund)) = (payment, account, refund) else {
            return Err(bad.into_status());
        };
        let withdrawal = Withdrawal { account: &account, payment, refund };
        let refund = self.wallets.withdraw(&withdrawal).await?.map(Into::into);
        Ok(Response::new(pb::WithdrawPaymentResponse { refund }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn restore_payment(
        &self,
        request: Request<pb::RestorePaymentRequest>,
    ) -> Result<Response<pb::RestorePaymentResponse>, Status> {
        let mut bad = BadRequest::default();
        let payment = bad.field("payment", required(request.into_inner().payment));
        let payment = payment.and_then(|payment| read(&mut bad, payment));
        let Some(payment) = payment else { return Err(bad.into_status()) };
        self.wallets.restore(&payment).await?;
        Ok(Response::new(pb::RestorePaymentResponse {}))
    }
}

fn shown(Found { payment, refunds }: Found) -> pb::FoundPayment {
    let refunds = refunds.into_iter().map(Into::into).collect();
    pb::FoundPayment { payment: Some(payment.into()), refunds }
}

/// A payment that succeeded, as this service showed it once.
fn read(bad: &mut BadRequest, payment: wallet::Payment) -> Option<Payment> {
    if payment.state() != wallet::payment::State::Succeeded {
        bad.note("payment.state", "must be STATE_SUCCEEDED");
    }
    let id = parse::id(bad, "payment.payment_id", &payment.payment_id, PaymentId);
    let account = parse::text(bad, "payment.account_id", &payment.account_id);
    let order = parse::id(bad, "payment.order_id", &payment.order_id, OrderId);
    let amount = parse::money(bad, "payment.amount", payment.amount, 0);
    let as_of = parse::at(bad, "payment.as_of", payment.as_of);
    let parts = payment.parts.into_iter().map(read_item_parts).collect::<Result<Vec<_>, _>>();
    let coverage = bad.field("payment.parts", parts).map(coverage);
    let intent = match payment.intent {
        Some(intent) => Some(read_intent(bad, intent)?),
        None => None,
    };
    let confirm_time = payment.confirm_time.map(instant);
    let confirm_time = bad.field("payment.confirm_time", confirm_time.transpose())?;
    let (coverage, amount) = coverage.zip(amount)?;
    check_parts(bad, &coverage, amount, intent.as_ref());
    let bill = Bill { order: order?, amount, as_of: as_of? };
    let (id, account) = id.zip(account).filter(|_| bad.is_empty())?;
    let (bill, outcome) = (Some(bill), Outcome::Succeeded(coverage));
    Some(Payment { id, account, bill, outcome, intent, confirm_time, withdrawn: false })
}

/// Notes parts that do not add up to the payment, or that nobody paid.
fn check_parts(bad: &mut BadRequest, coverage: &Coverage, amount: Money, intent: Option<&Intent>) {
    let vouchers = coverage.vouchers.iter().map(|it| it.paid);
    let sum = vouchers.chain([coverage.cash, coverage.channel]).try_fold(0, i64::checked_add);
    let positive = |part: &ItemParts| {
        let vouchers = part.vouchers.iter().map(|&(_, paid)| paid);
        vouchers.chain([part.cash, part.channel]).all(|paid| paid >= 0)
    };
    if sum != Some(amount.minor()) || !coverage.items.iter().all(positive) {
        bad.note("payment.parts", "must add up to the amount");
    }
    if coverage.channel != intent.map_or(0, |intent| intent.amount) {
        bad.note("payment.intent", "must be of what the channel paid");
    }
}

/// What paid the items together; what vouchers forfeit by it is not told.
fn coverage(items: Vec<ItemParts>) -> Coverage {
    let mut paid: BTreeMap<VoucherId, i64> = BTreeMap::new();
    for (voucher, part) in items.iter().flat_map(|item| item.vouchers.iter().copied()) {
        let sum = paid.entry(voucher).or_default();
        *sum = sum.saturating_add(part);
    }
    let voucher = |(voucher, paid)| VoucherPayment { voucher, paid, forfeited: 0 };
    let sum = |of: fn(&ItemParts) -> i64| items.iter().map(of).fold(0, i64::saturating_add);
    Coverage {
        vouchers: paid.into_iter().map(voucher).collect(),
        cash: sum(|item| item.cash),
        channel: sum(|item| item.channel),
        items,
    }
}

fn read_intent(bad: &mut BadRequest, intent: wallet::PaymentIntent) -> Option<Intent> {
    let id = parse::id(bad, "payment.intent.intent_id", &intent.intent_id, IntentId);
    let channel: Option<ChannelName> = parse::text(bad, "payment.intent.channel", &intent.channel);
    let amount = parse::money(bad, "payment.intent.amount", intent.amount, 1);
    let expires = parse::at(bad, "payment.intent.expire_time", intent.expire_time);
    Some(Intent { id: id?, channel: channel?, amount: amount?.minor(), expires: expires? })
}
