//! Orders as messages.

use std::collections::HashMap;

use proto::{
    convert::timestamp,
    renewal::{
        internal::v1::{OrderRefund, SnapshotItem},
        v1 as pb,
    },
    wallet::v1::{ItemParts, Payment, PaymentRefusal, payment},
};

use crate::{
    app::automatic::proof::{Unsettled, WaitsFor},
    domain::{attempt::Outcome, order::State},
    store::orders::{Attempt, Order},
    wire::count,
};

/// An order as people and programs are told it: its dates are those of the payment instant once
/// that is known (O-8).
#[must_use]
pub fn order_message(order: Order) -> pb::Order {
    let state = order.state;
    let paid = state.is_paid();
    let payment_id = order.payment_id.map(|id| id.to_string()).unwrap_or_default();
    let checkout = order.payment.as_ref().filter(|_| order.state == State::PendingPayment);
    let checkout = checkout.filter(|payment| payment.state() == payment::State::Pending);
    let checkout = checkout.and_then(|payment| payment.intent.clone());
    let (parts, payment_refusal) = money_of(order.payment);
    let mut parts: HashMap<_, _> =
        parts.into_iter().map(|part| (part.instance_id.clone(), part)).collect();
    let refunds = order.snapshot.refunds;
    let state_of_item = |item: &SnapshotItem| {
        let taken_back = taken_back(item, &refunds);
        let refused = taken_back.and_then(|taken| taken.refused.clone());
        let state = match taken_back {
            _ if !paid => pb::order_item::State::Pending,
            Some(_) if refused.is_some() => pb::order_item::State::Refused,
            Some(taken) if taken.refund.is_some() => pb::order_item::State::Refunded,
            _ => pb::order_item::State::Extended,
        };
        (state, refused)
    };
    let items = order.snapshot.items.into_iter();
    pb::Order {
        order_id: order.id.to_string(),
        account_id: order.account.to_string(),
        state: state_message(state).into(),
        items: items.map(|item| item_message(state_of_item(&item), item, &mut parts)).collect(),
        left_out: order.snapshot.left_out,
        payable: Some(order.payable.into()),
        create_time: Some(timestamp(order.create_time)),
        expire_time: Some(timestamp(order.expire_time)),
        payment_time: order.payment_time.map(timestamp),
        payment_id,
        payment_refusal,
        ended_why: order.ended_why,
        moved_instance_ids: order.snapshot.moved_instance_ids,
        version: order.version,
        checkout,
        refunds: refunds.into_iter().filter_map(|refund| refund.refund).collect(),
    }
}

/// The refund that took the item's term back, if one did.
fn taken_back<'r>(item: &SnapshotItem, refunds: &'r [OrderRefund]) -> Option<&'r OrderRefund> {
    let id = &item.item.as_ref()?.instance_id;
    refunds.iter().find(|refund| refund.instance_ids.contains(id))
}

fn money_of(payment: Option<Payment>) -> (Vec<ItemParts>, Option<PaymentRefusal>) {
    match payment {
        Some(payment) => (payment.parts, payment.refusal),
        None => (Vec::new(), None),
    }
}

fn item_message(
    (state, delivery_refusal): (pb::order_item::State, Option<pb::Refusal>),
    stored: SnapshotItem,
    parts: &mut HashMap<String, ItemParts>,
) -> pb::OrderItem {
    let mut item = stored.item.unwrap_or_default();
    if let Some(planned) = stored.planned {
        item.start_time = planned.start_time;
        item.end_time = planned.end_time;
        item.last_day = planned.last_day;
        item.expiry_shown = planned.expiry_shown;
        item.anchor_day = planned.anchor_day;
        item.days_already_past = planned.days_already_past;
    }
    let parts = parts.remove(&item.instance_id);
    pb::OrderItem { item: Some(item), state: state.into(), parts, delivery_refusal }
}

/// How an attempt was decided, as people and programs are told it; none for what somebody ordered.
#[must_use]
pub fn attempt_message(order: Order) -> Option<pb::Attempt> {
    let Attempt { identity, outcome, reason, retry_time } = order.attempt?;
    let (_, refusal) = money_of(order.payment);
    let message = match (&refusal, order.ended_why) {
        (Some(refusal), _) => refusal.message.clone(),
        (None, why) => why.map(|why| why.message).unwrap_or_default(),
    };
    Some(pb::Attempt {
        instance_id: identity.root.to_string(),
        expire_time: Some(timestamp(identity.expiry)),
        date: Some(identity.date.into()),
        retry: count(identity.kind.number()),
        outcome: outcome_message(outcome).into(),
        reason: reason.unwrap_or_default(),
        message,
        order_id: order.id.to_string(),
        create_time: Some(timestamp(order.create_time)),
        next_attempt_time: retry_time.map(timestamp),
        missing: refusal.and_then(|refusal| refusal.missing),
    })
}

/// An attempt that was not decided exactly once, on the wire.
#[must_use]
pub fn unsettled_message(one: &Unsettled) -> pb::UnsettledAttempt {
    use pb::unsettled_attempt::WaitsFor as Wire;
    let waits_for = match one.waits_for {
        WaitsFor::Sweep => Wire::Sweep,
        WaitsFor::Payment => Wire::Payment,
        WaitsFor::Resumption => Wire::Resumption,
        WaitsFor::Nothing => Wire::Nothing,
    };
    pb::UnsettledAttempt {
        instance_id: one.identity.root.to_string(),
        expire_time: Some(timestamp(one.identity.expiry)),
        retry: count(one.identity.kind.number()),
        due_time: one.since.map(timestamp),
        decisions: count(one.decisions),
        waits_for: waits_for.into(),
    }
}

const fn outcome_message(outcome: Option<Outcome>) -> pb::attempt::Outcome {
    match outcome {
        None => pb::attempt::Outcome::Paying,
        Some(Outcome::Renewed) => pb::attempt::Outcome::Renewed,
        Some(Outcome::Failed) => pb::attempt::Outcome::Failed,
        Some(Outcome::Skipped) => pb::attempt::Outcome::Skipped,
        Some(Outcome::Missed) => pb::attempt::Outcome::Missed,
        Some(Outcome::Void) => pb::attempt::Outcome::Void,
    }
}

/// The state of an order on the wire.
#[must_use]
pub const fn state_message(state: State) -> pb::order::State {
    match state {
        State::PendingPayment => pb::order::State::PendingPayment,
        State::Paying => pb::order::State::Paying,
        State::Paid => pb::order::State::Paid,
        State::Completed => pb::order::State::Completed,
        State::Cancelled => pb::order::State::Cancelled,
        State::Expired => pb::order::State::Expired,
        State::Failed => pb::order::State::Failed,
        State::Refunding => pb::order::State::Refunding,
        State::PartlyRefunded => pb::order::State::PartlyRefunded,
        State::Refunded => pb::order::State::Refunded,
    }
}

/// The state that the wire names; none for the unspecified one.
#[must_use]
pub const fn state_of(wire: pb::order::State) -> Option<State> {
    match wire {
        pb::order::State::Unspecified => None,
        pb::order::State::PendingPayment => Some(State::PendingPayment),
        pb::order::State::Paying => Some(State::Paying),
        pb::order::State::Paid => Some(State::Paid),
        pb::order::State::Completed => Some(State::Completed),
        pb::order::State::Cancelled => Some(State::Cancelled),
        pb::order::State::Expired => Some(State::Expired),
        pb::order::State::Failed => Some(State::Failed),
        pb::order::State::Refunding => Some(State::Refunding),
        pb::order::State::PartlyRefunded => Some(State::PartlyRefunded),
        pb::order::State::Refunded => Some(State::Refunded),
    }
}
