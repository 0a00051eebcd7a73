//! Terms against money: what was paid for was paid, and what was not paid for was not.

pub mod attempts;
mod refunds;

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::Money;
use platform::audit::Finding;
use proto::wallet::v1::{Payment, payment};

use super::{Funds as _, RemoteError, failure::OrderError, rules::Catalogue};
use crate::{
    domain::order::{State, payment_id},
    remote::RemoteWallet,
    store::{
        Store, audit,
        orders::{self, Order, list::Unreadable},
    },
};

/// Orders that are compared at once.
const PAGE: u64 = 200;

/// Payments that are asked for at once.
const ASKED_AT_ONCE: usize = 1_000;

/// How long money may be under way.
const LONGEST_PAYMENT: TimeDelta = TimeDelta::hours(1);

/// Everything that is off in the rows of `store`: by themselves, against what `catalogue` has come due, and
/// against the payments of `wallet`. Only reads.
///
/// Orders and payments that change meanwhile may be told of although they are well: audit what
/// stands still, or audit twice.
pub async fn findings(
    store: &Store,
    wallet: &RemoteWallet,
    catalogue: &Arc<Catalogue>,
    now: DateTime<Utc>,
) -> Result<Vec<Finding>, OrderError> {
    let snapshot = store.snapshot().await?;
    let mut findings = audit::audit(&snapshot).await?;
    snapshot.commit().await?;
    findings.extend(attempts::findings(store, catalogue, now).await?);
    let mut after = None;
    loop {
        let page = orders::list::all_after(store.reader(), after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(findings) };
        after = Some(orders::list::id_of(last));
        let payments = payments_of(wallet, page.iter().flatten()).await?;
        findings.extend(page.iter().flat_map(|row| match row {
            Ok(order) => compare(order, &payments, now),
            Err(unreadable) => vec![unread(unreadable)],
        }));
    }
}

/// The numbers of an order's payments: those that it began, and the one after them, which it began
/// too if its rows are older than the wallet's.
fn numbers(order: &Order) -> RangeInclusive<i32> {
    1..=order.pay_number.saturating_add(1)
}

/// The payments that the orders ever began, by id: their ids can be computed.
async fn payments_of(
    wallet: &RemoteWallet,
    orders: impl Iterator<Item = &Order>,
) -> Result<HashMap<String, Payment>, RemoteError> {
    let ids = orders
        .flat_map(|order| numbers(order).map(|number| payment_id(order.id, number).to_string()));
    let ids: Vec<_> = ids.collect();
    let mut payments = HashMap::new();
    for ids in ids.chunks(ASKED_AT_ONCE) {
        let found = wallet.payments(ids.to_vec()).await?;
        payments.extend(found.into_iter().map(|payment| (payment.payment_id.clone(), payment)));
    }
    Ok(payments)
}

/// An order that nobody can compare.
fn unread(order: &Unreadable) -> Finding {
    let Unreadable { account, id, why } = order;
    let subject = format!("{account}/{id}");
    Finding { invariant: "an order can be read (O-7)", subject, found: why.clone() }
}

/// Whether money may be taken for the order: it is paid, or about to be.
const fn may_be_paid(order: &Order) -> bool {
    let followed = order.has_checkout() && order.next_attempt_at.is_some();
    order.state.is_paid() || matches!(order.state, State::Paying) || followed
}

/// What is off between an order and its payments.
fn compare(order: &Order, payments: &HashMap<String, Payment>, now: DateTime<Utc>) -> Vec<Finding> {
    let subject = format!("{}/{}", order.account, order.id);
    let off = |invariant, found| Finding { invariant, subject: subject.clone(), found };
    let mut findings = Vec::new();
    for number in numbers(order) {
        let id = payment_id(order.id, number);
        let Some(payment) = payments.get(&id.to_string()) else { continue };
        if payment.state() != payment::State::Succeeded {
            continue;
        }
        let current = order.payment_id == Some(id);
        if number > order.pay_number {
            let invariant = "what was paid for is extended (O-4)";
            let found = format!("paid and not extended: {}, payment {id} unknown", order.state);
            findings.push(off(invariant, found));
        } else if !current || !(may_be_paid(order) || refunds::is_given_back(order, payment)) {
            let invariant = "money is taken only for an order that is paid (O-4)";
            findings.push(off(invariant, format!("{}, but payment {id} took it", order.state)));
        }
        let amount = payment.amount.clone().and_then(|amount| Money::try_from(amount).ok());
        if amount != Some(order.payable) {
            let invariant = "a payment is of the order's payable (M-5)";
            let paid = amount.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string());
            findings.push(off(invariant, format!("{} payable, {paid} paid", order.payable)));
        }
    }
    if order.state.is_paid() && order.payable.minor() > 0 {
        let paid = order.payment_id.and_then(|id| payments.get(&id.to_string()));
        if let Some(source) = paid.and_then(|payment| refunds::beyond(order, payment)) {
            let invariant = "a refund gives back what each source paid, once (O-6)";
            findings.push(off(invariant, source));
        }
        if paid.map(Payment::state) != Some(payment::State::Succeeded) {
            let invariant = "an order that is paid has a payment that succeeded (O-4)";
            let found = paid.map_or("none", |payment| payment.state().as_str_name());
            findings.push(off(invariant, found.to_owned()));
        }
    }
    let since = order.payment_time.unwrap_or(order.create_time);
    if order.state == State::Paying && now - since > LONGEST_PAYMENT {
        let invariant = "a payment is under way for an hour at the most (O-4)";
        findings.push(off(invariant, format!("PAYING since {since}")));
    }
    findings
}

#[cfg(test)]
mod tests;
