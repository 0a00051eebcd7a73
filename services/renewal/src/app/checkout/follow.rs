//! An order follows what became of its checkout.

use chrono::{DateTime, Utc};
use platform::{
    database::retry,
    fault::{self, Fault},
};
use proto::{
    convert::instant,
    renewal::internal::v1::OrderRefund,
    wallet::v1::{Payment, RefundDestination, payment},
};
use rule_engine::reason::Refusal;
use sea_orm::DatabaseTransaction;

use super::{METHOD, Orders};
use crate::{
    app::{
        cancel,
        failure::OrderError,
        pay::{payable::judged, turn_paying},
        rules::Catalogue,
        settle::{check_own, unreadable},
    },
    domain::order::{State, backoff},
    store::{
        events::{self, Event},
        orders::{self, Order},
        requests,
    },
    wire::refusal_message,
};

impl Orders {
    /// The order without a checkout that is open: the payment is called off, or has succeeded, and
    /// the order follows.
    pub async fn without_checkout(&self, order: Order) -> Result<Order, OrderError> {
        let Some(payment) = order.payment_id.filter(|_| order.has_checkout()) else {
            return Ok(order);
        };
        let payment = self.funds.void(&order.account, payment).await?;
        // On the heap, here and below: these are large, and part of many other futures.
        Box::pin(self.follow(order, payment)).await
    }

    /// Asks the wallet what became of the order's checkout. One that it has not heard of is called
    /// off.
    pub async fn look_after(&self, order: Order) -> Result<Order, OrderError> {
        let ids = order.payment_id.iter().map(ToString::to_string).collect();
        let found = self.funds.payments(ids).await?.pop();
        self.look_at(order, found).await
    }

    /// The same with what the wallet says of the payment.
    pub async fn look_at(&self, order: Order, found: Option<Payment>) -> Result<Order, OrderError> {
        let over = order.state != State::PendingPayment || order.is_overdue(self.env.now());
        match found {
            Some(payment) if payment.state() != payment::State::Pending => {
                Box::pin(self.follow(order, payment)).await
            }
            Some(payment) if !over && order.payment.is_none() => {
                Box::pin(retry(|| self.note_intent(&order, &payment))).await
            }
            Some(_) if !over => Ok(order),
            _ => self.without_checkout(order).await,
        }
    }

    /// The order follows a payment that has ended.
    pub(in crate::app) async fn follow(
        &self,
        order: Order,
        payment: Payment,
    ) -> Result<Order, OrderError> {
        match payment.state() {
            payment::State::Succeeded => Box::pin(self.confirmed(order, payment)).await,
            payment::State::Refused | payment::State::Voided => {
                retry(|| self.end_checkout(&order, Some(&payment))).await
            }
            payment::State::Pending | payment::State::Unspecified => Ok(order),
        }
    }

    /// The channel has confirmed: the order is completed as of that instant, or, where it can no
    /// longer be, ended and its money given back (O-8).
    async fn confirmed(&self, order: Order, payment: Payment) -> Result<Order, OrderError> {
        check_own(&order, &payment)?;
        let catalogue = self.rules.current().await?;
        let order = retry(|| self.turn(&order, &payment, &catalogue)).await?;
        fault::point(Fault::AfterConfirmed);
        match order.state {
            State::Paying => self.settle(order, payment).await,
            State::Expired | State::Cancelled if order.refund_id.is_some() => {
                self.give_money_back(order).await
            }
            _ => Ok(order),
        }
    }

    /// Turns the order `PAYING`, or ends it. Somebody else may have been first.
    async fn turn(
        &self,
        known: &Order,
        payment: &Payment,
        catalogue: &Catalogue,
    ) -> Result<Order, OrderError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, &known.account, known.id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(known.id))?;
        if !order.has_checkout() || order.payment_id != known.payment_id {
            return Ok(order);
        }
        // Where no channel was asked, the wallet took it at once.
        let taken = payment.as_of.filter(|_| payment.intent.is_none());
        let paid_at = payment.confirm_time.or(taken).and_then(|time| instant(time).ok());
        let paid_at = paid_at.ok_or_else(|| unreadable(&order, "payment instant"))?;
        order.payment = Some(payment.clone());
        order.payment_time = Some(paid_at);
        if order.state == State::PendingPayment {
            match judged(&transaction, &order, catalogue, paid_at).await?.1 {
                Ok(terms) => {
                    order.attempts = 0;
                    order.next_attempt_at = Some(now + backoff(0));
                    turn_paying(&mut order, terms, paid_at);
                    save(&transaction, &mut order).await?;
                }
                Err(refusal) => self.too_late(&transaction, &mut order, refusal, now).await?,
            }
        } else {
            // It ended while the channel was asked.
            begin_refund(&mut order, now);
            save(&transaction, &mut order).await?;
        }
        transaction.commit().await?;
        Ok(order)
    }

    /// Ends the order, and begins to give back what was paid for it.
    async fn too_late(
        &self,
        transaction: &DatabaseTransaction,
        order: &mut Order,
        refusal: Refusal,
        now: DateTime<Utc>,
    ) -> Result<(), OrderError> {
        begin_refund(order, now);
        let why = Some(refusal_message(refusal));
        if cancel::end(transaction, &self.env, order, State::Expired, why, now).await? {
            Ok(())
        } else {
            Err(OrderError::Busy)
        }
    }

    /// The checkout came to nothing: an order that awaits its payment can be paid again, and the
    /// request may come again (O-3).
    pub(super) async fn end_checkout(
        &self,
        known: &Order,
        payment: Option<&Payment>,
    ) -> Result<Order, OrderError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, &known.account, known.id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(known.id))?;
        if !order.has_checkout() || order.payment_id != known.payment_id {
            return Ok(order);
        }
        order.payment = payment.cloned();
        (order.payment_id, order.vouchers) = (None, None);
        order.attempts = 0;
        let waits = order.state == State::PendingPayment;
        order.next_attempt_at = waits.then_some(order.expire_time);
        if let Some(request) = order.pay_request.take() {
            requests::free(&transaction, &order.account, METHOD, request).await?;
        }
        save(&transaction, &mut order).await?;
        let ended = Event::new("order.checkout_ended", order.account.clone()).of_order(order.id);
        events::record(&transaction, &self.env, now, vec![ended]).await?;
        transaction.commit().await?;
        Ok(order)
    }
}

/// All that was paid is to be given back: vouchers to where they were, the rest to the cash balance.
fn begin_refund(order: &mut Order, now: DateTime<Utc>) {
    let refund = order.next_refund();
    let instance_ids = order.instances().map(str::to_owned).collect();
    order.refund_id = Some(refund);
    order.snapshot.refunds = vec![OrderRefund {
        refund_id: refund.to_string(),
        instance_ids,
        destination: RefundDestination::CashBalance.into(),
        ..OrderRefund::default()
    }];
    order.attempts = 0;
    order.next_attempt_at = Some(now + backoff(0));
}

async fn save(transaction: &DatabaseTransaction, order: &mut Order) -> Result<(), OrderError> {
    if orders::save(transaction, order).await? { Ok(()) } else { Err(OrderError::Busy) }
}
