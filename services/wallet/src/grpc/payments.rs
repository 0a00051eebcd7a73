//! `PaymentService`.

use std::collections::BTreeSet;

use kernel::ids::{AccountId, ChannelName, IntentId, PaymentId, RefundId};
use platform::{
    request::RequestDigest,
    status::{BadRequest, Replayed},
};
use proto::wallet::v1::{self as pb, payment_service_server::PaymentService};
use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{WalletGrpc, parse, show};
use crate::{
    app::{Callback, Checkout},
    domain::{Charge, Payment, RefundAsk},
};

#[tonic::async_trait]
impl PaymentService for WalletGrpc {
    #[instrument(skip_all, err(level = "debug"))]
    async fn charge(
        &self,
        request: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let as_of = parse::at(&mut bad, "as_of", request.as_of);
        let charge = bad.field("charge", proto::convert::required(request.charge));
        let charge = charge.and_then(|charge| parse::charge(&mut bad, "charge", charge, as_of));
        let Some(charge) = charge.filter(|_| bad.is_empty()) else {
            return Err(bad.into_status());
        };
        let payment = self.wallets.charge(charge).await?;
        let response = payment.map(|it| pb::ChargeResponse { payment: Some(it.into()) });
        Ok(response.into_response())
    }

    #[instrument(skip_all, fields(charges = request.get_ref().charges.len()), err(level = "debug"))]
    async fn charge_many(
        &self,
        request: Request<pb::ChargeManyRequest>,
    ) -> Result<Response<pb::ChargeManyResponse>, Status> {
        let charges = charges(request.into_inner())?;
        let payments = self.wallets.charge_many(&charges).await?;
        Ok(many(payments).into_response())
    }

    #[instrument(skip_all, fields(channel = named(&request.get_ref().channel)), err(level = "debug"))]
    async fn create_payment_intent(
        &self,
        request: Request<pb::CreatePaymentIntentRequest>,
    ) -> Result<Response<pb::CreatePaymentIntentResponse>, Status> {
        let checkout = checkout(request.into_inner())?;
        let payment = self.wallets.check_out(&checkout).await?;
        let response =
            payment.map(|it| pb::CreatePaymentIntentResponse { payment: Some(it.into()) });
        Ok(response.into_response())
    }

    #[instrument(skip_all, fields(channel = named(&request.get_ref().channel)), err(level = "debug"))]
    async fn confirm_payment(
        &self,
        request: Request<pb::ConfirmPaymentRequest>,
    ) -> Result<Response<pb::ConfirmPaymentResponse>, Status> {
        let request = request.into_inner();
        let callback = Callback {
            channel: request.channel,
            id: request.webhook_id,
            timestamp: request.webhook_timestamp,
            signature: request.webhook_signature,
            body: request.body,
        };
        let confirmed = self.wallets.confirm(&callback).await?;
        Ok(confirmed.map(|it| show::confirmed(&it)).into_response())
    }

    #[instrument(skip_all, fields(refund.id = request.get_ref().refund_id), err(level = "debug"))]
    async fn refund(
        &self,
        request: Request<pb::RefundRequest>,
    ) -> Result<Response<pb::RefundResponse>, Status> {
        let ask = refund(&request.into_inner())?;
        let refund = self.wallets.refund(&ask).await?;
        let response = refund.map(|it| pb::RefundResponse { refund: Some(it.into()) });
        Ok(response.into_response())
    }

    #[instrument(skip_all, fields(payment.id = request.get_ref().payment_id), err(level = "debug"))]
    async fn void_payment(
        &self,
        request: Request<pb::VoidPaymentRequest>,
    ) -> Result<Response<pb::VoidPaymentResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let id = parse::id(&mut bad, "payment_id", &request.payment_id, PaymentId);
        let account = parse::text::<AccountId>(&mut bad, "account_id", &request.account_id);
        let Some((id, account)) = id.zip(account) else { return Err(bad.into_status()) };
        let payment = self.wallets.void(id, &account).await?;
        let response = payment.map(|it| pb::VoidPaymentResponse { payment: Some(it.into()) });
        Ok(response.into_response())
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn get_payments(
        &self,
        request: Request<pb::GetPaymentsRequest>,
    ) -> Result<Response<pb::GetPaymentsResponse>, Status> {
        let pb::GetPaymentsRequest { payment_ids, intent_ids } = request.into_inner();
        let mut bad = BadRequest::default();
        parse::count(&mut bad, "payment_ids", payment_ids.len() + intent_ids.len());
        let ids = parse::ids(&mut bad, "payment_ids", &payment_ids, PaymentId);
        let intents = parse::ids(&mut bad, "intent_ids", &intent_ids, IntentId);
        bad.finish()?;
        let found = self.wallets.payments(&ids).await?;
        let of_intents = self.wallets.payments_of(&intents).await?;
        let payments = ids.iter().filter_map(|id| found.get(id).cloned());
        let of_intents = intents.iter().filter_map(|id| of_intents.get(id).cloned());
        let payments = payments.chain(of_intents).map(Into::into).collect();
        Ok(Response::new(pb::GetPaymentsResponse { payments }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn get_funds(
        &self,
        request: Request<pb::GetFundsRequest>,
    ) -> Result<Response<pb::GetFundsResponse>, Status> {
        let names = request.into_inner().account_ids;
        let mut bad = BadRequest::default();
        parse::count(&mut bad, "account_ids", names.len());
        let accounts: Vec<AccountId> = names
            .iter()
            .take(parse::MOST)
            .enumerate()
            .filter_map(|(index, name)| {
                parse::text(&mut bad, format!("account_ids[{index}]"), name)
            })
            .collect();
        bad.finish()?;
        let found = self.wallets.funds(&accounts).await?;
        let funds = accounts.iter().filter_map(|account| found.get(account).cloned());
        let funds = funds.map(Into::into).collect();
        Ok(Response::new(pb::GetFundsResponse { funds }))
    }
}

/// `text` if it may stand in a trace as the name of a channel. Anything else is of any length.
pub(super) fn named(text: &str) -> Option<&str> {
    text.parse::<ChannelName>().is_ok().then_some(text)
}

/// Reads what a channel is to be asked for. A repeat may have been decided at another instant.
fn checkout(mut request: pb::CreatePaymentIntentRequest) -> Result<Checkout, Status> {
    let mut bad = BadRequest::default();
    let as_of = parse::at(&mut bad, "as_of", request.as_of.take());
    let digest = RequestDigest::of("CreatePaymentIntent", &request);
    let channel = parse::text(&mut bad, "channel", &request.channel);
    let expire_by = parse::at(&mut bad, "expire_by", request.expire_by);
    if expire_by.zip(as_of).is_some_and(|(expire_by, as_of)| expire_by <= as_of) {
        bad.note("expire_by", "must be later than as_of");
    }
    let charge = bad.field("charge", proto::convert::required(request.charge));
    let charge = charge.and_then(|charge| parse::charge(&mut bad, "charge", charge, as_of));
    match (charge, channel, expire_by) {
        (Some(charge), Some(channel), Some(expire_by)) if bad.is_empty() => {
            let charge = Charge { digest, ..charge };
            Ok(Checkout { charge, channel, use_cash: request.use_cash, expire_by })
        }
        _ => Err(bad.into_status()),
    }
}

/// Reads what is to be given back.
fn refund(request: &pb::RefundRequest) -> Result<RefundAsk, Status> {
    use pb::RefundDestination::{self, CashBalance, Channel, Unspecified};
    let mut bad = BadRequest::default();
    let digest = RequestDigest::of("Refund", request);
    let refund = parse::id(&mut bad, "refund_id", &request.refund_id, RefundId);
    let account = parse::text(&mut bad, "account_id", &request.account_id);
    let payment = parse::id(&mut bad, "payment_id", &request.payment_id, PaymentId);
    let names = &request.instance_ids;
    parse::count(&mut bad, "instance_ids", names.len());
    let mut instances = BTreeSet::new();
    for (index, name) in names.iter().take(parse::MOST).enumerate() {
        let field = format!("instance_ids[{index}]");
        if let Some(instance) = parse::text(&mut bad, field.clone(), name)
            && !instances.insert(instance)
        {
            bad.note(field, "is named twice");
        }
    }
    let destination = RefundDestination::try_from(request.destination);
    let through_channel = bad.field(
        "destination",
        match destination {
            Ok(Unspecified | CashBalance) => Ok(false),
            Ok(Channel) => Ok(true),
            Err(_) => Err("is none that is known"),
        },
    );
    match (refund, account, payment, through_channel) {
        (Some(refund), Some(account), Some(payment), Some(through_channel)) if bad.is_empty() => {
            Ok(RefundAsk { refund, account, payment, instances, through_channel, digest })
        }
        _ => Err(bad.into_status()),
    }
}

/// Reads the charges of a call, each payment named once.
fn charges(request: pb::ChargeManyRequest) -> Result<Vec<Charge>, Status> {
    let mut bad = BadRequest::default();
    let as_of = parse::at(&mut bad, "as_of", request.as_of);
    parse::count(&mut bad, "charges", request.charges.len());
    let mut payments = BTreeSet::new();
    let mut charges = Vec::with_capacity(request.charges.len().min(parse::MOST));
    for (index, charge) in request.charges.into_iter().take(parse::MOST).enumerate() {
        let path = format!("charges[{index}]");
        let Some(charge) = parse::charge(&mut bad, &path, charge, as_of) else { continue };
        if !payments.insert(charge.payment) {
            bad.note(format!("{path}.payment_id"), "is named twice");
        }
        charges.push(charge);
    }
    bad.finish()?;
    Ok(charges)
}

/// The answer to a call with many charges: a repeat, where every charge is one (O-3).
fn many(payments: Vec<Replayed<Payment>>) -> Replayed<pb::ChargeManyResponse> {
    let repeated = payments.iter().all(|payment| matches!(payment, Replayed::Again(_)));
    let payments = payments.into_iter().map(|payment| payment.into_inner().into()).collect();
    let response = pb::ChargeManyResponse { payments };
    if repeated { Replayed::Again(response) } else { Replayed::First(response) }
}
