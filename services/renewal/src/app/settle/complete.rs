//! Settling many paid orders in one transaction: those whose payments succeeded at the same time.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{Env, ids::OrderId};
use platform::{database::retry, together::Work};
use proto::{
    convert::instant, renewal::internal::v1::SnapshotItem, r#type::v1 as types, wallet::v1::Payment,
};
use rule_engine::profile::Policy;
use sea_orm::DatabaseTransaction;

use super::unreadable;
use crate::{
    store::{
        Store, StoreError,
        bulk::{self, SettledInstance},
        deliveries::{self, Change},
        events::{self, Event, kinds},
        orders::{self, Order, bulk::Failure},
        values,
    },
    wire::configuration,
};

/// An order whose payment succeeded.
#[derive(Debug)]
pub struct Paid {
    /// The order, `PAYING`, as it was loaded.
    pub order: Order,
    /// Its payment.
    pub payment: Payment,
}

/// Completes paid orders: terms, instances, orders and events in one transaction (O-1). Answers
/// with the order, or with none where somebody else has changed it since it was loaded.
#[derive(Debug, Clone)]
pub struct Completer {
    store: Store,
    env: Env,
}

impl Completer {
    /// Completes orders in `store`.
    #[must_use]
    pub const fn new(store: Store, env: Env) -> Self {
        Self { store, env }
    }

    async fn complete(&self, paid: &[Paid]) -> Result<Vec<Option<Order>>, StoreError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let (completed, told) = complete(&transaction, paid, &[], now).await?;
        if !completed.is_empty() {
            events::record(&transaction, &self.env, now, told).await?;
            transaction.commit().await?;
        }
        let outcome = |paid: &Paid| {
            completed.contains(&paid.order.id).then(|| Order {
                version: paid.order.version + 1,
                state: paid.order.state_once_paid(),
                payment: Some(paid.payment.clone()),
                next_attempt_at: None,
                attempts: 0,
                ..paid.order.clone()
            })
        };
        Ok(paid.iter().map(outcome).collect())
    }
}

#[async_trait]
impl Work for Completer {
    type Ask = Paid;
    type Answer = Option<Order>;
    type Error = StoreError;
    type Key = OrderId;

    const NAME: &'static str = "completer";

    fn keys(paid: &Paid) -> Vec<OrderId> {
        vec![paid.order.id]
    }

    async fn together(&self, paid: &[Paid]) -> Result<Vec<Option<Order>>, StoreError> {
        retry(|| self.complete(paid)).await
    }
}

/// Completes paid orders within a transaction: answers which, for others have completed the rest, and
/// what of them is to be told. An order that renews by itself is not told of: its instances are.
/// Orders that failed at the same time are written with the same statement. No orders are no
/// statement.
pub async fn complete(
    transaction: &DatabaseTransaction,
    paid: &[Paid],
    failures: &[Failure<'_>],
    now: DateTime<Utc>,
) -> Result<(HashSet<OrderId>, Vec<Event>), StoreError> {
    if paid.is_empty() && failures.is_empty() {
        return Ok((HashSet::new(), Vec::new()));
    }
    let rows: Vec<_> = paid.iter().map(|paid| (&paid.order, &paid.payment)).collect();
    let completed = orders::bulk::complete(transaction, &rows, failures).await?;
    let orders = paid.iter().map(|paid| &paid.order);
    let orders: Vec<_> = orders.filter(|order| completed.contains(&order.id)).collect();
    let ordered = orders.iter().filter(|order| order.attempt.is_none());
    let paid = |order: &&Order| Event::new("order.paid", order.account.clone()).of_order(order.id);
    let mut told: Vec<_> = ordered.map(paid).collect();
    told.extend(extend(transaction, &orders, now).await?);
    Ok((completed, told))
}

/// Appends the terms of paid orders, makes their instances what they are from now on and drops the
/// claims; answers what is to be told. Their consoles are told too, of products that have one (O-5).
/// No orders are no statement.
pub async fn extend(
    transaction: &DatabaseTransaction,
    orders: &[&Order],
    now: DateTime<Utc>,
) -> Result<Vec<Event>, StoreError> {
    let mut settled = Vec::new();
    for order in orders {
        let items = order.snapshot.items.iter();
        let items = items.map(|item| settled_instance(order, item)).collect::<Option<Vec<_>>>();
        settled.extend(items.ok_or_else(|| unreadable(order, "plan"))?);
    }
    if settled.is_empty() {
        return Ok(Vec::new());
    }
    let all = bulk::extend(transaction, &settled).await?;
    let of: HashMap<_, _> = orders.iter().map(|order| (order.id, *order)).collect();
    let mut terms = Vec::with_capacity(settled.len());
    let mut told = Vec::with_capacity(settled.len());
    for one in &settled {
        let order = of[&one.order_id];
        let key = (one.account_id.to_string(), one.id.clone());
        // The claim is what makes sure that it can be extended: without it, it may not be.
        let since = all.get(&key).ok_or_else(|| unreadable(order, "claim"))?;
        terms.push((since.version, one));
        let renewed = renewed(order, one, since.version)?;
        let over = one.automatic && since.manual;
        let policy = over.then(|| renewed.clone().now(kinds::INSTANCE_POLICY_CHANGED));
        told.push(renewed);
        told.extend(policy.map(|event| event.with("policy", Policy::Manual)));
    }
    bulk::append_terms(transaction, &terms, now).await?;
    let delivered = terms.iter().filter(|(_, one)| one.delivered);
    let delivered = delivered.map(|&(version, one)| Change {
        account_id: one.account_id.clone(),
        id: one.id.clone(),
        product_id: one.product_id.clone(),
        version,
        order_id: Some(one.order_id),
    });
    deliveries::note(transaction, &delivered.collect::<Vec<_>>(), now).await?;
    Ok(told)
}

fn renewed(order: &Order, one: &SettledInstance, version: i64) -> Result<Event, StoreError> {
    let instance = one.id.parse().map_err(|_| unreadable(order, "instance"))?;
    let paid_until = values::instant(one.end_time)?;
    Ok(Event::new("instance.renewed", order.account.clone())
        .of_instance(instance, version)
        .of_order(order.id)
        .with("paid_until", paid_until.to_rfc3339()))
}

/// What settling `order` makes of the instance of `item`; none if its plan cannot be read.
pub fn settled_instance(order: &Order, item: &SnapshotItem) -> Option<SettledInstance> {
    let (bill, planned) = (item.item.as_ref()?, item.planned.as_ref()?);
    let time = |time: prost_types::Timestamp| instant(time).ok().map(values::micros);
    let end_time = time(planned.end_time?)?;
    let bought = bill.configuration.clone().filter(|_| item.changes_configuration);
    Some(SettledInstance {
        account_id: order.account.clone(),
        order_id: order.id,
        id: bill.instance_id.clone(),
        start_time: time(planned.start_time?)?,
        end_time,
        anchor: planned.anchor_day,
        amount: bill.quote.as_ref()?.payable.as_ref()?.minor_units,
        converted: bill.order_kind() == types::OrderKind::Conversion,
        bought: bought.map(json).transpose().ok()?,
        configuration: planned.configuration.clone().map(json).transpose().ok()?,
        pending_configuration: planned.pending_configuration.clone().map(json).transpose().ok()?,
        pending_from: planned.pending_from.and_then(time),
        nothing_pending: planned.nothing_pending,
        due_if_automatic: planned.due_if_automatic.and_then(time).unwrap_or(end_time),
        due_otherwise: planned.due_otherwise.and_then(time).unwrap_or(end_time),
        product_id: bill.product_id.clone(),
        delivered: planned.delivered,
        automatic: order.attempt.is_some(),
    })
}

/// A configuration as its column holds it.
fn json(wire: types::Configuration) -> Result<String, String> {
    configuration(Some(wire)).map(|configuration| values::to_json(&configuration))
}
