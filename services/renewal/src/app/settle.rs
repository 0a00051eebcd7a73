//! Taking the money, and appending what was paid for (steps 3 and 4).

pub mod complete;
pub mod payer;

use platform::{
    database::retry,
    fault::{self, Fault},
    status::reason,
};
use proto::{
    convert::timestamp,
    wallet::v1::{Charge, ChargeRequest, Payment, PaymentRefusal, payment},
};
use rule_engine::reason::Reason;

use self::complete::Paid;
use super::{Orders, RemoteError, bill, failure::OrderError, pay};
use crate::{
    domain::{attempt::Outcome, order::State},
    store::{
        StoreError,
        events::{self, Event},
        orders::{self, Order},
        requests,
    },
};

/// How often a settlement is begun anew because somebody else touched the order meanwhile.
const ROUNDS: usize = 5;

impl Orders {
    /// Steps 3 and 4 of an order that is `PAYING`, whoever began them: the wallet takes the money
    /// or tells what came of it before, and the order follows. The order comes back paid, or
    /// awaiting its payment again; an error leaves it `PAYING`, for whoever repeats this.
    pub async fn charge_and_settle(&self, order: Order) -> Result<Order, OrderError> {
        // A channel has paid: there is nothing to charge.
        if let Some(payment) = order.payment.clone()
            && payment.state() == payment::State::Succeeded
        {
            return Box::pin(self.settle(order, payment)).await;
        }
        if costs_nothing(&order) {
            return Box::pin(self.settle(order, Payment::default())).await;
        }
        let payment = match self.charge(charge(&order)?).await {
            Ok(payment) => payment,
            Err(error) if error.is_open() => return Err(error.into()),
            Err(error) => {
                // The wallet will not take this payment, and says nothing of it: too old, perhaps
                // (CLOCK_SKEW). Its end is made certain, so that it can be begun anew.
                tracing::warn!(order.id = %order.id, %error, "a payment is called off");
                let id = order.payment_id.ok_or_else(|| unreadable(&order, "payment id"))?;
                let mut payment = self.funds.void(&order.account, id).await?;
                if payment.state() == payment::State::Voided {
                    payment.refusal = Some(called_off(&error));
                }
                payment
            }
        };
        fault::point(Fault::AfterChargeAnswer);
        // On the heap: it is large, and part of many other futures.
        Box::pin(self.settle(order, payment)).await
    }

    /// Step 3, together with others unless the payment is a large one.
    async fn charge(&self, request: ChargeRequest) -> Result<Payment, RemoteError> {
        let items = request.charge.as_ref().map_or(0, |charge| charge.items.len());
        if items > payer::FEW {
            return self.funds.charge(request).await;
        }
        self.payer.ask(request).await
    }

    /// Step 4: the order follows what came of its payment.
    pub async fn settle(&self, order: Order, payment: Payment) -> Result<Order, OrderError> {
        let succeeded = match payment.state() {
            _ if costs_nothing(&order) => true,
            payment::State::Succeeded => {
                check_own(&order, &payment)?;
                true
            }
            payment::State::Refused | payment::State::Voided => false,
            // Not ended: as good as no answer.
            payment::State::Pending | payment::State::Unspecified => return Err(OrderError::Busy),
        };
        let mut order = order;
        for _ in 0..ROUNDS {
            let settled = if succeeded {
                let paid = Paid { order: order.clone(), payment: payment.clone() };
                self.completer.ask(paid).await?
            } else if order.attempt.is_some() {
                self.fail_attempt(&order, &payment).await?
            } else {
                retry(|| self.give_back(order.clone(), payment.clone())).await?
            };
            if let Some(settled) = settled {
                self.count(&order, &payment, succeeded);
                fault::point(Fault::AfterSettle);
                return Ok(settled);
            }
            // Somebody else was first: with the same outcome, for there is only one.
            let found = orders::find(self.store.reader(), &order.account, order.id).await?;
            let found = found.ok_or(OrderError::OrderNotFound(order.id))?;
            if found.state != State::Paying || found.payment_id != order.payment_id {
                return Ok(found);
            }
            order = found;
        }
        Err(OrderError::Busy)
    }

    /// Counts the attempt that has ended, if the order is of one that was found halfway.
    fn count(&self, order: &Order, payment: &Payment, succeeded: bool) {
        let outcome = match payment.state() {
            _ if succeeded => Outcome::Renewed,
            payment::State::Refused => Outcome::Failed,
            _ => return,
        };
        if order.attempt.is_some() {
            self.meters.note(1, 1);
            self.meters.decided(outcome);
        }
    }

    /// Not paid: the order awaits its payment again, with its claim, and the request may come again
    /// (O-3). None if somebody else has changed the order since it was loaded.
    async fn give_back(
        &self,
        mut order: Order,
        payment: Payment,
    ) -> Result<Option<Order>, OrderError> {
        let now = self.env.now();
        let request = order.pay_request.take();
        let reason = payment.refusal.as_ref().map(|refusal| refusal.reason.clone());
        order.state = State::PendingPayment;
        order.payment = Some(payment);
        (order.payment_id, order.payment_time, order.vouchers) = (None, None, None);
        order.next_attempt_at = Some(order.expire_time);
        order.attempts = 0;
        order.snapshot.moved_instance_ids.clear();
        for item in &mut order.snapshot.items {
            item.planned = None;
        }
        let transaction = self.store.begin().await?;
        if !orders::save(&transaction, &mut order).await? {
            return Ok(None);
        }
        if let Some(request) = request {
            requests::free(&transaction, &order.account, pay::METHOD, request).await?;
        }
        let event = Event::new("order.payment_refused", order.account.clone()).of_order(order.id);
        let event = event.with("reason", reason.unwrap_or_else(|| "VOIDED".to_owned()));
        events::record(&transaction, &self.env, now, vec![event]).await?;
        transaction.commit().await?;
        Ok(Some(order))
    }
}

/// Whether an automatic renewal has nothing to pay (W-5).
fn costs_nothing(order: &Order) -> bool {
    order.attempt.is_some() && order.payable.minor() == 0
}

/// Why the wallet would not take a payment, as the order tells it.
fn called_off(error: &RemoteError) -> PaymentRefusal {
    let reason = reason(&error.status).unwrap_or_else(|| Reason::OrderNotPayable.code().to_owned());
    let message = error.status.message().to_owned();
    PaymentRefusal { reason, message, ..PaymentRefusal::default() }
}

/// Fails unless the payment is the one that the order asked for: terms are given for no other.
pub fn check_own(order: &Order, payment: &Payment) -> Result<(), OrderError> {
    let own = Some(&payment.payment_id) == order.payment_id.map(|id| id.to_string()).as_ref()
        && payment.order_id == order.id.to_string()
        && payment.amount == Some(order.payable.into());
    if own { Ok(()) } else { Err(unreadable(order, "payment").into()) }
}

/// The charge of an order that is `PAYING`: the same whenever it is asked for.
fn charge(order: &Order) -> Result<ChargeRequest, OrderError> {
    let as_of = order.payment_time.ok_or_else(|| unreadable(order, "payment instant"))?;
    Ok(ChargeRequest { charge: Some(charged(order)?), as_of: Some(timestamp(as_of)) })
}

/// What the payment of the order is to pay.
pub fn charged(order: &Order) -> Result<Charge, OrderError> {
    let missing = |what: &str| OrderError::from(unreadable(order, what));
    let payment_id = order.payment_id.ok_or_else(|| missing("payment id"))?;
    let items = order.snapshot.items.iter().map(bill::payable_item);
    Ok(Charge {
        payment_id: payment_id.to_string(),
        account_id: order.account.to_string(),
        order_id: order.id.to_string(),
        items: items.collect::<Option<_>>().ok_or_else(|| missing("item"))?,
        vouchers: order.vouchers.clone(),
        automatic: order.attempt.is_some(),
    })
}

pub fn unreadable(order: &Order, what: &str) -> StoreError {
    StoreError::Unreadable(format!("the {what} of order {}", order.id))
}
