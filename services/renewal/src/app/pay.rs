//! Paying an order (steps 2 and 3).

pub mod payable;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures::FutureExt as _;
use kernel::ids::{AccountId, OrderId, RequestId};
use platform::{
    database::retry,
    fault::{self, Fault},
    request::RequestDigest,
    status::Replayed,
};
use proto::{
    renewal::{internal::v1::PlannedTerm, v1 as pb},
    wallet::v1::VoucherChoice,
};
use rule_engine::{
    calendar::told,
    reason::{Reason, Refusal},
};

use self::payable::Payable;
use super::{
    Orders, bill,
    failure::OrderError,
    once::{Once, once},
    preview::profile_of,
    rules::Catalogue,
};
use crate::{
    domain::order::{NotNow, State, backoff, payment_id},
    store::{
        orders::{self, Order},
        requests::{self, Reserved},
    },
};

/// Name of the call under which its request ids are kept.
pub const METHOD: &str = "PayOrder";

/// An order that is to be paid.
#[derive(Debug, Clone, PartialEq)]
pub struct Pay {
    /// Names the call (O-3).
    pub request: RequestId,
    /// What makes two requests the same.
    pub digest: RequestDigest,
    /// Whose order.
    pub account: AccountId,
    /// The order.
    pub order: OrderId,
    /// How; none: as the account's profile says.
    pub choice: Option<pb::PaymentChoice>,
}

impl Orders {
    /// Pays an order as a whole. A repeat of the request answers with the order, and takes it
    /// further if it was left halfway (O-3, O-4); a payment that is refused leaves no trace of its
    /// request.
    pub async fn pay(&self, command: &Pay) -> Result<Replayed<Order>, OrderError> {
        let before = || self.paid_before(command).boxed();
        match once(before, self.begun(command).boxed()).await? {
            Once::Before(order) => Ok(Replayed::Again(order)),
            Once::Begun(Ok(order)) => {
                fault::point(Fault::AfterPaying);
                paid(self.charge_and_settle(order).await?).map(Replayed::First)
            }
            Once::Begun(Err(because)) => Err(ended(&because)),
        }
    }

    /// The order that this same request has paid, or was paying and now has; none if the request is
    /// new, or nothing came of it.
    async fn paid_before(&self, command: &Pay) -> Result<Option<Order>, OrderError> {
        let Pay { request, digest, account, order: id, .. } = command;
        let reader = self.store.reader();
        match requests::find(reader, account, METHOD, *request, *digest).await? {
            Reserved::New => return Ok(None),
            Reserved::Other => return Err(OrderError::RequestIdReused),
            Reserved::Again(_) => {}
        }
        let order = self.get(account, *id).await?;
        match order.state {
            State::Paying => paid(self.charge_and_settle(order).await?).map(Some),
            state if state.is_paid() => Ok(Some(order)),
            _ => Ok(None),
        }
    }

    /// Step 2, with what it needs to know: the order, `PAYING`; or why it cannot be paid any more, and has
    /// ended.
    async fn begun(&self, command: &Pay) -> Result<Result<Order, Refusal>, OrderError> {
        let order = self.get(&command.account, command.order).await?;
        let order = self.without_checkout(order).await?;
        check_payable(order.state)?;
        let catalogue = self.rules.current().await?;
        retry(|| self.begin(command, &catalogue)).await
    }

    /// Step 2: the rules are checked at the payment instant, which is now, and the order turns
    /// `PAYING` with its terms; or it has become impossible, and ends (O-8).
    async fn begin(
        &self,
        command: &Pay,
        catalogue: &Catalogue,
    ) -> Result<Result<Order, Refusal>, OrderError> {
        let Pay { account, order: id, .. } = command;
        let now = self.env.now();
        let payable = self.payable(account, *id, catalogue, now).await?;
        let Payable { transaction, mut order, facts, terms } = match payable {
            Ok(payable) => payable,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let profile = profile_of(&facts.account, catalogue);
        let vouchers = bill::voucher_choice(command.choice.as_ref(), &profile);
        begin_payment(&mut order, terms, vouchers, Some(command.request), now);
        let Pay { request, digest, .. } = command;
        let made = id.to_string();
        let reserved =
            requests::reserve(&transaction, account, METHOD, *request, *digest, &made, now).await?;
        match reserved {
            Reserved::Other => return Err(OrderError::RequestIdReused),
            // Left over from a payment that never came to its end: the order was not paid by it.
            Reserved::New | Reserved::Again(_) => {}
        }
        if !orders::save(&transaction, &mut order).await? {
            return Err(OrderError::Busy);
        }
        transaction.commit().await?;
        Ok(Ok(order))
    }
}

/// Turns the order `PAYING`: its next payment begins at `now`, which is the payment instant, and
/// appends `terms` (one for each item, in their order) if it succeeds.
pub fn begin_payment(
    order: &mut Order,
    terms: Vec<PlannedTerm>,
    vouchers: VoucherChoice,
    request: Option<RequestId>,
    now: DateTime<Utc>,
) {
    number_payment(order, vouchers, request, now);
    turn_paying(order, terms, now);
}

/// Gives the order the id of its next payment, which begins at `now`.
pub fn number_payment(
    order: &mut Order,
    vouchers: VoucherChoice,
    request: Option<RequestId>,
    now: DateTime<Utc>,
) {
    order.pay_number += 1;
    order.payment_id = Some(payment_id(order.id, order.pay_number));
    order.pay_request = request;
    order.payment = None;
    order.vouchers = Some(vouchers);
    order.attempts = 0;
    order.next_attempt_at = Some(now + backoff(0));
}

/// Turns the order, whose payment has its id, `PAYING`: its payment instant is `paid_at`, and its
/// payment appends `terms`, one for each item, in their order.
pub fn turn_paying(order: &mut Order, terms: Vec<PlannedTerm>, paid_at: DateTime<Utc>) {
    debug_assert_eq!(terms.len(), order.snapshot.items.len(), "each item has a term");
    order.state = State::Paying;
    order.payment_time = Some(paid_at);
    let mut moved = Vec::new();
    for (item, term) in order.snapshot.items.iter_mut().zip(terms) {
        if let Some(bill) = &item.item
            && (bill.start_time, bill.end_time, bill.anchor_day)
                != (term.start_time, term.end_time, term.anchor_day)
        {
            moved.push(bill.instance_id.clone());
        }
        item.planned = Some(term);
    }
    order.snapshot.moved_instance_ids = moved;
}

/// What a caller is told whose order has ended because it can no longer be paid.
pub fn ended(because: &Refusal) -> OrderError {
    fault::point(Fault::AfterCancel);
    let message = format!("The order can no longer be paid: {}", because.message);
    Refusal::new(Reason::OrderNotPayable, message).with("because", because.reason).into()
}

/// Whether what stands against a payment passes by itself, so that the order lives on.
pub const fn passes(reason: Reason) -> bool {
    matches!(reason, Reason::AccountFrozen | Reason::ChangePending)
}

/// Why an order ends that was not paid in time, by the clock of `zone`.
#[must_use]
pub fn overdue(order: &Order, zone: Tz) -> Refusal {
    let message = format!("It was not paid before {}.", told(zone, order.expire_time));
    Refusal::new(Reason::OrderNotPayable, message)
        .with("expire_time", order.expire_time.to_rfc3339())
}

/// Fails unless a payment of the order may begin: with its checkout called off, if it had one.
pub fn check_free(order: &Order) -> Result<(), OrderError> {
    check_payable(order.state)?;
    if order.has_checkout() { Err(OrderError::Busy) } else { Ok(()) }
}

pub fn check_payable(state: State) -> Result<(), OrderError> {
    state.check_payable().map_err(|why| match why {
        NotNow::Busy => OrderError::Busy,
        NotNow::Never(reason) => {
            OrderError::refused(reason, format!("The order is {state} and cannot be paid."))
        }
    })
}

/// The order, if it is paid; else why not.
fn paid(order: Order) -> Result<Order, OrderError> {
    if order.state.is_paid() {
        return Ok(order);
    }
    match order.payment.and_then(|payment| payment.refusal) {
        Some(refusal) => Err(OrderError::NotPaid(Box::new(refusal))),
        // Voided: nothing was taken, and the payment can be begun again.
        None => Err(OrderError::Busy),
    }
}

#[cfg(test)]
mod tests;
