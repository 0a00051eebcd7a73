//! The second half of step 7: the wallet gives the money back, and the order follows.

use chrono::{DateTime, Utc};
use kernel::Money;
use platform::{
    database::retry,
    fault::{self, Fault},
};
use proto::{
    convert::timestamp,
    renewal::internal::v1::OrderRefund,
    wallet::v1::{Refund, RefundRequest, refund},
};

use super::Orders;
use crate::{
    app::failure::OrderError,
    domain::order::{State, backoff},
    store::{
        StoreError, bulk,
        events::{self, Event},
        orders::{self, Order},
    },
};

impl Orders {
    /// Has the money of the refund under way given back, whoever began it, and ends it. An error
    /// leaves the order `REFUNDING`, for whoever repeats this.
    pub async fn give_money_back(&self, order: Order) -> Result<Order, OrderError> {
        let under_way = order.snapshot.refunds.last().ok_or_else(|| unreadable(&order))?;
        let refund = self.given_back(&order, under_way).await?;
        fault::point(Fault::AfterRefundAnswer);
        let order = retry(|| self.end_refund(&order, &refund)).await?;
        fault::point(Fault::AfterRefunded);
        Ok(order)
    }

    /// What the wallet gave back for `taken`; nothing was paid for an order of nothing (W-5).
    pub(in crate::app) async fn given_back(
        &self,
        order: &Order,
        taken: &OrderRefund,
    ) -> Result<Refund, OrderError> {
        let Some(payment) = order.payment_id else {
            return Ok(nothing(order, taken, self.env.now()));
        };
        let request = RefundRequest {
            refund_id: taken.refund_id.clone(),
            account_id: order.account.to_string(),
            payment_id: payment.to_string(),
            instance_ids: taken.instance_ids.clone(),
            destination: taken.destination,
        };
        let refund = self.funds.refund(request).await?;
        let own = refund.refund_id == taken.refund_id && refund.payment_id == payment.to_string();
        if own { Ok(refund) } else { Err(unreadable(order).into()) }
    }

    /// The second transaction of step 7: the claim is dropped, and the order tells what was given
    /// back. Somebody else may have been first: with the same refund, for there is only one.
    async fn end_refund(&self, begun: &Order, refund: &Refund) -> Result<Order, OrderError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, &begun.account, begun.id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(begun.id))?;
        if order.refund_id.is_none() || order.refund_id != begun.refund_id {
            return Ok(order);
        }
        let no_refund = unreadable(&order);
        let taken = order.snapshot.refunds.last_mut().ok_or(no_refund)?;
        taken.refund = Some(refund.clone());
        let items = taken.instance_ids.clone();
        let left = order.instances().count().saturating_sub(order.taken_back().count());
        // One that expired, and was paid too late, stays so.
        if order.state == State::Refunding {
            order.state = if left == 0 { State::Refunded } else { State::PartlyRefunded };
        }
        order.refund_id = None;
        await_channel(&mut order, now);
        if !orders::save(&transaction, &mut order).await? {
            return Err(OrderError::Busy);
        }
        let ids: Vec<_> = items.iter().map(String::as_str).collect();
        bulk::release(&transaction, &order.account, order.id, &ids).await?;
        let told = vec![told("order.refunded", &order, refund)];
        events::record(&transaction, &self.env, now, told).await?;
        transaction.commit().await?;
        Ok(order)
    }

    /// Asks what became of refunds through channels; true if one of them has ended.
    pub async fn follow_refunds(&self, order: Order) -> Result<bool, OrderError> {
        let mut ended = Vec::new();
        for taken in order.snapshot.refunds.iter().filter(|taken| is_pending(taken)) {
            let refund = self.given_back(&order, taken).await?;
            if refund.state() == refund::State::Succeeded {
                ended.push(refund);
            }
        }
        if ended.is_empty() {
            return Ok(false);
        }
        retry(|| self.note_ended(&order, &ended)).await?;
        Ok(true)
    }

    async fn note_ended(&self, known: &Order, ended: &[Refund]) -> Result<(), OrderError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, &known.account, known.id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(known.id))?;
        let mut events = Vec::new();
        for refund in ended {
            let mut taken = order.snapshot.refunds.iter_mut();
            let taken =
                taken.find(|taken| taken.refund_id == refund.refund_id && is_pending(taken));
            if let Some(taken) = taken {
                taken.refund = Some(refund.clone());
                events.push(told("order.refund_arrived", &order, refund));
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        // Another refund of the order may be under way, and has a next step of its own.
        if order.state != State::Refunding {
            await_channel(&mut order, now);
        }
        if !orders::save(&transaction, &mut order).await? {
            return Err(OrderError::Busy);
        }
        events::record(&transaction, &self.env, now, events).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Lets the order be looked at again for as long as a channel has not confirmed.
fn await_channel(order: &mut Order, now: DateTime<Utc>) {
    order.attempts = 0;
    let pending = order.snapshot.refunds.iter().any(is_pending);
    order.next_attempt_at = pending.then(|| now + backoff(0));
}

fn is_pending(taken: &OrderRefund) -> bool {
    taken.refund.as_ref().is_some_and(|refund| refund.state() == refund::State::Pending)
}

fn told(kind: &'static str, order: &Order, refund: &Refund) -> Event {
    let amount = refund.amount.as_ref().map(|amount| amount.minor_units).unwrap_or_default();
    Event::new(kind, order.account.clone())
        .of_order(order.id)
        .with("refund_id", &refund.refund_id)
        .with("amount", amount)
}

/// A refund of what cost nothing.
fn nothing(order: &Order, taken: &OrderRefund, now: DateTime<Utc>) -> Refund {
    let mut refund = Refund {
        refund_id: taken.refund_id.clone(),
        account_id: order.account.to_string(),
        amount: Some(Money::zero(order.payable.currency()).into()),
        create_time: Some(timestamp(now)),
        ..Refund::default()
    };
    refund.set_state(refund::State::Succeeded);
    refund
}

fn unreadable(order: &Order) -> StoreError {
    StoreError::Unreadable(format!("the refund of order {}", order.id))
}
