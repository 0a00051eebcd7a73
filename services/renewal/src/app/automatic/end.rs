//! The money of a page, and its second transaction: paid and extended, or refused and free again.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use kernel::ids::OrderId;
use platform::database::retry;
use proto::{
    convert::timestamp,
    wallet::v1::{ChargeManyRequest, Payment, payment},
};
use rule_engine::{due::Decision, reason::Reason};
use sea_orm::DatabaseTransaction;

use super::{
    super::{
        Orders,
        failure::OrderError,
        settle::{
            charged, check_own,
            complete::{self, Paid},
            unreadable,
        },
    },
    Swept,
    begin::Begun,
    decide::{self, After},
};
use crate::{
    domain::{attempt::Outcome, order::State},
    store::{
        StoreError,
        automatic::{self, Note},
        events::{self, Event, kinds},
        instances::{Named, Reach, many},
        orders::{self, Order, bulk::Failure},
        values,
    },
};

/// An order of an attempt whose payment did not succeed.
#[derive(Debug)]
pub struct Failing {
    /// The order, `PAYING`.
    pub order: Order,
    /// What came of its payment.
    pub payment: Payment,
    /// What the decision changes of the root; none where it is no decision: the attempt is made
    /// again.
    pub after: Option<After>,
}

impl Orders {
    /// Takes the money of what has begun, in one call: the outcomes stand in the order of `begun`,
    /// none of what costs nothing (W-5).
    ///
    /// An error leaves everything `PAYING`, for [`advance`](Orders::advance).
    pub(super) async fn charge_page(
        &self,
        begun: &[Begun],
        now: DateTime<Utc>,
    ) -> Result<Vec<Option<Payment>>, OrderError> {
        let costly = begun.iter().filter(|one| one.order.payable.minor() > 0);
        let charges = costly.map(|one| charged(&one.order)).collect::<Result<Vec<_>, _>>()?;
        let asked = charges.len();
        let mut paid = Vec::new();
        if asked > 0 {
            let request = ChargeManyRequest { charges, as_of: Some(timestamp(now)) };
            paid = self.funds.charge_many(request).await?;
        }
        let mut paid = paid.into_iter();
        let outcomes =
            begun.iter().map(|one| if one.order.payable.minor() == 0 { None } else { paid.next() });
        Ok(outcomes.collect())
    }

    /// Ends what the payments decide. What is neither paid nor refused is left to
    /// [`advance`](Orders::advance).
    pub(super) async fn end_page(
        &self,
        begun: Vec<Begun>,
        payments: Vec<Option<Payment>>,
        swept: &mut Swept,
        now: DateTime<Utc>,
    ) -> Result<(), OrderError> {
        let (mut paid, mut failing) = (Vec::new(), Vec::new());
        for (one, payment) in begun.into_iter().zip(payments) {
            let Some(payment) = payment else {
                let free = one.order.payable.minor() == 0;
                paid.extend(free.then(|| Paid { order: one.order, payment: Payment::default() }));
                continue;
            };
            match payment.state() {
                payment::State::Succeeded => {
                    check_own(&one.order, &payment)?;
                    paid.push(Paid { order: one.order, payment });
                }
                payment::State::Refused => {
                    let for_money = is_for_money(&payment);
                    let decision = one.unit.decision(for_money, now);
                    let after = Some(one.unit.after(decision, &one.catalogue, now));
                    failing.push(Failing { order: one.order, payment, after });
                }
                payment::State::Voided => {
                    failing.push(Failing { order: one.order, payment, after: None });
                }
                payment::State::Pending | payment::State::Unspecified => {}
            }
        }
        let ended = retry(|| self.end(&paid, &failing)).await?;
        for one in paid.iter().filter(|one| ended.contains(&one.order.id)) {
            debug_assert!(one.order.attempt.is_some(), "a page has only attempts");
            self.note(swept, Outcome::Renewed, "");
        }
        for one in failing.iter().filter(|one| ended.contains(&one.order.id)) {
            self.note(swept, one.outcome(), &one.reason());
        }
        Ok(())
    }

    /// One transaction. Answers the orders that it has ended: all but those that somebody else has.
    async fn end(
        &self,
        paid: &[Paid],
        failing: &[Failing],
    ) -> Result<HashSet<OrderId>, StoreError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let failures: Vec<_> = failing.iter().map(Failing::row).collect();
        let (ended, mut told) = complete::complete(&transaction, paid, &failures, now).await?;
        told.extend(free(&transaction, failing, &ended).await?);
        if !ended.is_empty() {
            events::record(&transaction, &self.env, now, told).await?;
            transaction.commit().await?;
        }
        Ok(ended)
    }

    /// Ends the order of an attempt, found halfway, whose payment did not succeed (A-2, P-4). None if
    /// somebody else has changed it since it was loaded.
    pub async fn fail_attempt(
        &self,
        order: &Order,
        payment: &Payment,
    ) -> Result<Option<Order>, OrderError> {
        let refused = payment.state() == payment::State::Refused;
        let after = if refused { self.after_refusal(order, payment).await? } else { None };
        let failing = Failing { order: order.clone(), payment: payment.clone(), after };
        let ended = retry(|| self.end(&[], std::slice::from_ref(&failing))).await?;
        Ok(ended.contains(&order.id).then(|| Order {
            version: order.version + 1,
            state: State::Failed,
            payment: Some(payment.clone()),
            next_attempt_at: None,
            attempts: 0,
            ..order.clone()
        }))
    }

    /// What the refusal of a payment changes of the root of an order that was found halfway.
    async fn after_refusal(
        &self,
        order: &Order,
        payment: &Payment,
    ) -> Result<Option<After>, OrderError> {
        let attempt = order.attempt.as_ref().ok_or_else(|| unreadable(order, "attempt"))?;
        let identity = &attempt.identity;
        let (now, catalogue) = (self.env.now(), self.rules.last_known().await?);
        let named = [Named { account: &order.account, id: &identity.root }];
        let reader = self.store.reader();
        let holdings = many::load_with_accounts(reader, &named, Reach::Groups).await?;
        let decision = Decision {
            expiry: identity.expiry,
            date: identity.date,
            kind: identity.kind,
            at: now,
            refused_for_money: is_for_money(payment),
        };
        let after = holdings.first().and_then(|holding| {
            let account = &holding.account;
            let world = super::super::world::world(account, &holding.loaded, &catalogue, now);
            let root = holding.loaded.iter().find(|one| one.instance.id == identity.root)?;
            Some(decide::after(root, &world, account, &catalogue, decision, now))
        });
        Ok(after)
    }
}

impl Failing {
    fn row(&self) -> Failure<'_> {
        Failure {
            order: &self.order,
            payment: &self.payment,
            outcome: self.outcome(),
            reason: self.reason(),
            retry_time: self.after.as_ref().and_then(|after| after.retry_time),
        }
    }

    const fn outcome(&self) -> Outcome {
        if self.after.is_some() { Outcome::Failed } else { Outcome::Void }
    }

    fn reason(&self) -> String {
        let refusal = self.payment.refusal.as_ref();
        refusal.map_or_else(|| "VOIDED".to_owned(), |refusal| refusal.reason.clone())
    }
}

fn is_for_money(payment: &Payment) -> bool {
    let refusal = payment.refusal.as_ref();
    refusal.is_some_and(|refusal| refusal.reason == Reason::InsufficientFunds.code())
}

/// Frees the instances of those that have failed, and notes the decisions; answers what is to be told.
/// None is no statement.
async fn free(
    transaction: &DatabaseTransaction,
    failing: &[Failing],
    ended: &HashSet<OrderId>,
) -> Result<Vec<Event>, StoreError> {
    let ended: Vec<_> = failing.iter().filter(|one| ended.contains(&one.order.id)).collect();
    let notes = ended.iter().map(|one| notes_of(one)).collect::<Result<Vec<_>, _>>()?;
    let notes: Vec<_> = notes.into_iter().flatten().collect();
    let versions = automatic::note(transaction, &notes).await?;
    let mut told = Vec::new();
    for one in ended.iter().filter(|one| one.after.is_some()) {
        let identity = &attempt_of(&one.order)?.identity;
        let key = (identity.account.to_string(), identity.root.to_string());
        let version = *versions.get(&key).ok_or_else(|| unreadable(&one.order, "claim"))?;
        told.push(told_of(one, version)?);
    }
    Ok(told)
}

/// The instances of an order that failed: free again, and the root with its decision. One whose
/// attempt is made again is due at once.
fn notes_of(one: &Failing) -> Result<Vec<Note>, StoreError> {
    let order = &one.order;
    let root = attempt_of(order)?.identity.root.as_str();
    let mut notes = Vec::new();
    for id in order.instances() {
        let is_root = id == root;
        let after = one.after.as_ref().filter(|_| is_root);
        let at_once = order.payment_time.map(values::micros);
        notes.push(Note {
            account_id: order.account.clone(),
            id: id.parse().map_err(|_| unreadable(order, "instance"))?,
            order_id: Some(order.id),
            version: 0,
            decides: after.is_some(),
            decided: after.and_then(|after| after.decided.clone()),
            moves: is_root,
            due_time: after.map_or(at_once, |after| after.due_time),
        });
    }
    Ok(notes)
}

/// The amount missing, and the last moment to pay.
fn told_of(one: &Failing, version: i64) -> Result<Event, StoreError> {
    let order = &one.order;
    let identity = &attempt_of(order)?.identity;
    let mut event = Event::new(kinds::AUTO_RENEWAL_FAILED, order.account.clone())
        .of_instance(identity.root.clone(), version)
        .of_order(order.id)
        .with("reason", one.reason())
        .with("expire_time", identity.expiry.to_rfc3339())
        .with("pay_until", order.expire_time.to_rfc3339());
    let refusal = one.payment.refusal.as_ref();
    if let Some(missing) = refusal.and_then(|refusal| refusal.missing.as_ref()) {
        event = event.with("missing", missing.minor_units).with("currency", &missing.currency_code);
    }
    if let Some(at) = one.after.as_ref().and_then(|after| after.retry_time) {
        event = event.with("next_attempt_time", at.to_rfc3339());
    }
    Ok(event)
}

fn attempt_of(order: &Order) -> Result<&orders::Attempt, StoreError> {
    order.attempt.as_ref().ok_or_else(|| unreadable(order, "attempt"))
}
