//! Settling many paid orders in one transaction: those whose payments succeeded at the same time.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{Env, ids::OrderId};
use platform::{database::retry, together::Work};
use proto::{
    convert::instant, renewal::internal::v1::SnapshotItem, r#type::v1 as types, wallet::v1::Payment,
};
use sea_orm::DatabaseTransaction;

use super::unreadable;
use crate::{
    store::{
        Store, StoreError,
        bulk::{self, SettledInstance},
        deliveries::{self, Change},
        events::{self, Event},
        orders::{self, Order},
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
        let rows: Vec<_> = paid.iter().map(|paid| (&paid.order, &paid.payment)).collect();
        let completed = orders::bulk::complete(&transaction, &rows).await?;
        let orders = paid.iter().map(|paid| &paid.order);
        let orders: Vec<_> = orders.filter(|order| completed.contains(&order.id)).collect();
        if !orders.is_empty() {
            let paid =
                |order: &&Order| Event::new("order.paid", order.account.clone()).of_order(order.id);
            let mut told: Vec<_> = orders.iter().map(paid).collect();
            told.extend(extend(&transaction, &orders, now).await?);
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

    fn keys(paid: &Paid) -> Vec<OrderId> {
        vec![paid.order.id]
    }

    async fn together(&self, paid: &[Paid]) -> Result<Vec<Option<Order>>, StoreError> {
        retry(|| self.complete(paid)).await
    }
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
    let versions = bulk::extend(transaction, &settled).await?;
    let of: HashMap<_, _> = orders.iter().map(|order| (order.id, *order)).collect();
    let mut terms = Vec::with_capacity(settled.len());
    let mut told = Vec::with_capacity(settled.len());
    for one in &settled {
        let order = of[&one.order_id];
        let key = (one.account_id.to_string(), one.id.clone());
        // The claim is what makes sure that it can be extended: without it, it may not be.
        let version = *versions.get(&key).ok_or_else(|| unreadable(order, "claim"))?;
        terms.push((version, one));
        told.push(renewed(order, one, version)?);
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

fn settled_instance(order: &Order, item: &SnapshotItem) -> Option<SettledInstance> {
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
    })
}

/// A configuration as its column holds it.
fn json(wire: types::Configuration) -> Result<String, String> {
    configuration(Some(wire)).map(|configuration| values::to_json(&configuration))
}
