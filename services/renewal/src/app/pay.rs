//! Paying an order (steps 2 and 3).

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
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
    plan::{Item, Selection, replan},
    reason::{Reason, Refusal},
};
use sea_orm::DatabaseTransaction;

use super::{
    Orders, bill, cancel,
    failure::OrderError,
    preview::{Facts, ids_of, profile_of, reach_of},
    rules::Catalogue,
    world::world,
};
use crate::{
    domain::order::{NotNow, State, backoff, payment_id},
    store::{
        accounts,
        instances::{self, Lock},
        orders::{self, Order},
        requests::{self, Reserved},
    },
    wire::refusal_message,
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

/// How step 2 went.
enum Begun {
    /// The order is `PAYING`: on to step 3.
    Paying(Box<Order>),
    /// The order cannot be paid any more, and has ended.
    Ended(Refusal),
}

impl Orders {
    /// Pays an order as a whole. A repeat of the request answers with the order, and takes it
    /// further if it was left halfway (O-3, O-4); a payment that is refused leaves no trace of its
    /// request.
    pub async fn pay(&self, command: &Pay) -> Result<Replayed<Order>, OrderError> {
        if let Some(order) = self.paid_before(command).await? {
            return Ok(Replayed::Again(order));
        }
        let begun = match self.begun(command).await {
            Ok(begun) => begun,
            // Refused, perhaps, because of what this same request has done meanwhile.
            Err(error) => {
                return match self.paid_before(command).await? {
                    Some(order) => Ok(Replayed::Again(order)),
                    None => Err(error),
                };
            }
        };
        match begun {
            Begun::Paying(order) => {
                fault::point(Fault::AfterPaying);
                paid(self.charge_and_settle(*order).await?).map(Replayed::First)
            }
            Begun::Ended(because) => {
                fault::point(Fault::AfterCancel);
                Err(no_longer(&because))
            }
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

    /// Step 2, with what it needs to know.
    async fn begun(&self, command: &Pay) -> Result<Begun, OrderError> {
        let order = self.get(&command.account, command.order).await?;
        let order = self.without_checkout(order).await?;
        check_payable(order.state)?;
        let catalogue = self.rules.current().await?;
        retry(|| self.begin(command, &catalogue)).await
    }

    /// Step 2: the rules are checked at the payment instant, which is now, and the order turns
    /// `PAYING` with its terms; or it has become impossible, and ends (O-8).
    async fn begin(&self, command: &Pay, catalogue: &Catalogue) -> Result<Begun, OrderError> {
        let Pay { account, order: id, .. } = command;
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, account, *id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(*id))?;
        check_free(&order)?;
        let (facts, at_payment) = judged(&transaction, &order, catalogue, now).await?;
        let terms = match at_payment {
            Ok(terms) => terms,
            Err(refusal) if passes(refusal.reason) => return Err(refusal.into()),
            Err(refusal) => {
                let why = Some(refusal_message(refusal.clone()));
                cancel::end(&transaction, &self.env, &mut order, State::Expired, why, now).await?;
                transaction.commit().await?;
                return Ok(Begun::Ended(refusal));
            }
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
        Ok(Begun::Paying(Box::new(order)))
    }
}

/// What paying the order at `now` would append, or why it can no longer be paid (O-8); with the
/// facts that this was decided on, locked.
pub async fn judged(
    transaction: &DatabaseTransaction,
    order: &Order,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<(Facts, Result<Vec<PlannedTerm>, Refusal>), OrderError> {
    let selection = bill::stored_selection(order.snapshot.selection.as_ref())?;
    let facts = locked_facts(transaction, order, &selection).await?;
    let at_payment = if order.is_overdue(now) {
        Err(overdue(order, facts.account.settings.zone))
    } else {
        terms(order, &selection, &facts, catalogue, now)?
    };
    Ok((facts, at_payment))
}

/// What is decided on at the payment: the order's instances and what is bound to them, locked.
async fn locked_facts(
    transaction: &DatabaseTransaction,
    order: &Order,
    selection: &Selection,
) -> Result<Facts, OrderError> {
    let account = accounts::get(transaction, &order.account).await?;
    let account = account.ok_or_else(|| OrderError::AccountNotFound(order.account.clone()))?;
    let mut ids = ids_of(selection);
    // What has left its group since the order was made is still on the order.
    ids.extend(order.instances().filter_map(|id| id.parse().ok()));
    ids.sort();
    ids.dedup();
    let reach = reach_of(selection);
    let loaded = instances::load(transaction, &order.account, &ids, reach, Lock::ForUpdate);
    Ok(Facts { account, loaded: loaded.await? })
}

/// The terms that paying the order at `now` appends, in the order of its items, or why it can no
/// longer be paid (O-8).
fn terms(
    order: &Order,
    selection: &Selection,
    facts: &Facts,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<Result<Vec<PlannedTerm>, Refusal>, OrderError> {
    let items: Vec<Item> = order.snapshot.items.iter().map(bill::item).collect::<Result<_, _>>()?;
    let mut world = world(&facts.account, &facts.loaded, catalogue, now);
    // Limits held when the order was made.
    (world.limits.named, world.limits.total) = (usize::MAX, usize::MAX);
    Ok(replan(order.id, selection, &items, &world, now).map(|replanned| {
        let items = replanned.items.iter();
        items.map(|item| bill::planned_term(item, &world, now)).collect()
    }))
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
pub fn no_longer(because: &Refusal) -> OrderError {
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
