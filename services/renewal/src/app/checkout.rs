//! Having a third-party channel asked for the payment of an order (step C).

mod follow;

use futures::FutureExt as _;
use kernel::ids::{AccountId, OrderId, RequestId};
use platform::{
    database::retry,
    fault::{self, Fault},
    request::RequestDigest,
    status::Replayed,
};
use proto::{
    convert::timestamp,
    renewal::v1 as pb,
    wallet::v1::{CreatePaymentIntentRequest, Payment, payment},
};
use rule_engine::reason::Refusal;

use super::{
    Orders, bill,
    failure::OrderError,
    once::{Once, once},
    pay::{check_payable, ended, number_payment, payable::Payable},
    preview::profile_of,
    rules::Catalogue,
    settle::charged,
};
use crate::{
    domain::order::{FOLLOW, State},
    store::{
        orders::{self, Order},
        requests::{self, Reserved},
    },
};

/// Name of the call under which its request ids are kept.
pub const METHOD: &str = "CheckoutOrder";

/// An order whose payment a channel is to be asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkout {
    /// Names the call (O-3).
    pub request: RequestId,
    /// What makes two requests the same.
    pub digest: RequestDigest,
    /// Whose order.
    pub account: AccountId,
    /// The order.
    pub order: OrderId,
    /// The channel.
    pub channel: String,
    /// Which vouchers pay first; none: as the account's profile says.
    pub choice: Option<pb::PaymentChoice>,
    /// Whether cash pays before the channel does.
    pub use_cash: bool,
}

impl Orders {
    /// Has a channel asked for what vouchers and cash do not cover of an order, or for the whole
    /// (W-4). The order goes on awaiting its payment; a checkout that is still open is called off
    /// first. A repeat of the request answers with the order (O-3).
    pub async fn checkout(&self, command: &Checkout) -> Result<Replayed<Order>, OrderError> {
        let before = || self.checked_out_before(command).boxed();
        match once(before, self.begun_checkout(command).boxed()).await? {
            Once::Before(order) => Ok(Replayed::Again(order)),
            Once::Begun(Ok(order)) => {
                fault::point(Fault::AfterCheckout);
                self.ask_channel(command, order).await.map(Replayed::First)
            }
            Once::Begun(Err(because)) => Err(ended(&because)),
        }
    }

    /// The order that this same request has a channel asked for, or that was paid so; none if the
    /// request is new, or nothing came of it. Whether the wallet has heard of it is known only there:
    /// it is asked under the same id, so that a repeat ends what the first call has begun, or is
    /// still about (O-3).
    async fn checked_out_before(&self, command: &Checkout) -> Result<Option<Order>, OrderError> {
        let Checkout { request, digest, account, order: id, .. } = command;
        let reader = self.store.reader();
        let made = match requests::find(reader, account, METHOD, *request, *digest).await? {
            Reserved::New => return Ok(None),
            Reserved::Other => return Err(OrderError::RequestIdReused),
            Reserved::Again(made) => made,
        };
        let order = self.get(account, *id).await?;
        if order.payment_id.map(|id| id.to_string()) != Some(made) {
            return Ok(None);
        }
        let open = order.state == State::PendingPayment && !order.is_overdue(self.env.now());
        let order = match (order.has_checkout(), &order.payment) {
            (true, None) if open => Box::pin(self.ask_channel(command, order)).await?,
            (true, None) => Box::pin(self.look_after(order)).await?,
            _ => order,
        };
        Ok(Some(order).filter(|order| order.payment_id.is_some()))
    }

    async fn begun_checkout(
        &self,
        command: &Checkout,
    ) -> Result<Result<Order, Refusal>, OrderError> {
        let order = self.get(&command.account, command.order).await?;
        if order.has_checkout() && order.pay_request == Some(command.request) {
            // This same request has begun it meanwhile: it is not called off for its own sake.
            return Err(OrderError::Busy);
        }
        let order = self.without_checkout(order).await?;
        check_payable(order.state)?;
        let catalogue = self.rules.current().await?;
        retry(|| self.begin_checkout(command, &catalogue)).await
    }

    /// The rules are checked, so that nobody is asked for money in vain, and the payment gets its
    /// id, which is durable before the wallet hears of it; or the order can no longer be paid, and
    /// has ended.
    async fn begin_checkout(
        &self,
        command: &Checkout,
        catalogue: &Catalogue,
    ) -> Result<Result<Order, Refusal>, OrderError> {
        let Checkout { account, order: id, request, digest, .. } = command;
        let now = self.env.now();
        let payable = self.payable(account, *id, catalogue, now).await?;
        let Payable { transaction, mut order, facts, .. } = match payable {
            Ok(payable) => payable,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let profile = profile_of(&facts.account, catalogue);
        let vouchers = bill::voucher_choice(command.choice.as_ref(), &profile);
        number_payment(&mut order, vouchers, Some(*request), now);
        order.next_attempt_at = Some(now + FOLLOW);
        let made = order.payment_id.map(|id| id.to_string()).unwrap_or_default();
        match requests::reserve(&transaction, account, METHOD, *request, *digest, &made, now)
            .await?
        {
            Reserved::New => {}
            Reserved::Again(_) => return Err(OrderError::Busy),
            Reserved::Other => return Err(OrderError::RequestIdReused),
        }
        if !orders::save(&transaction, &mut order).await? {
            return Err(OrderError::Busy);
        }
        transaction.commit().await?;
        Ok(Ok(order))
    }

    /// The wallet holds what vouchers and cash pay, and names what the channel is to be asked for.
    async fn ask_channel(&self, command: &Checkout, order: Order) -> Result<Order, OrderError> {
        let request = CreatePaymentIntentRequest {
            charge: Some(charged(&order)?),
            as_of: Some(timestamp(self.env.now())),
            channel: command.channel.clone(),
            use_cash: command.use_cash,
            expire_by: Some(timestamp(order.expire_time)),
        };
        let payment = match self.funds.ask(request).await {
            Ok(payment) => payment,
            Err(error) if error.is_open() => return Err(error.into()),
            Err(error) => {
                retry(|| self.end_checkout(&order, None)).await?;
                return Err(error.into());
            }
        };
        fault::point(Fault::AfterIntentAnswer);
        match payment.state() {
            payment::State::Pending => {
                let noted = retry(|| self.note_intent(&order, &payment)).await?;
                if noted.payment_id == order.payment_id {
                    return Ok(noted);
                }
                check_payable(noted.state)?;
                // Another call has called it off since.
                Err(OrderError::Busy)
            }
            payment::State::Refused => {
                let refusal = payment.refusal.clone().unwrap_or_default();
                Box::pin(self.follow(order, payment)).await?;
                Err(OrderError::NotPaid(Box::new(refusal)))
            }
            payment::State::Voided => {
                let order = Box::pin(self.follow(order, payment)).await?;
                check_payable(order.state)?;
                // Another call has called it off, to have the order paid in its own way.
                Err(OrderError::Busy)
            }
            _ => Box::pin(self.follow(order, payment)).await,
        }
    }

    /// Keeps what the channel is asked for, for people to look at.
    pub(super) async fn note_intent(
        &self,
        begun: &Order,
        payment: &Payment,
    ) -> Result<Order, OrderError> {
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, &begun.account, begun.id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(begun.id))?;
        if !order.has_checkout() || order.payment_id != begun.payment_id {
            return Ok(order);
        }
        order.payment = Some(payment.clone());
        if !orders::save(&transaction, &mut order).await? {
            return Err(OrderError::Busy);
        }
        transaction.commit().await?;
        fault::point(Fault::AfterIntentNoted);
        Ok(order)
    }
}

#[cfg(test)]
mod tests;
