//! The rows and events of a page that is begun.

use chrono::{DateTime, TimeDelta, Utc};
use kernel::Money;
use proto::renewal::{internal::v1::OrderSnapshot, v1 as pb};

use super::{
    super::{bill, preview::profile_of, rules::Catalogue},
    caps::Parking,
    decide::{Decided, Priced, Try, Unit},
};
use crate::{
    domain::{
        attempt::{Outcome, order_id},
        order::{State, payment_id},
    },
    store::{
        automatic::Note,
        bulk::InstanceVersion,
        events::{self, Event},
        orders::{Attempt, Order},
    },
    wire::{duration_message, refusal_message},
};

/// After which time [`advance`](Orders::advance) finishes what a page has left behind.
const LEFT_BEHIND: TimeDelta = TimeDelta::minutes(1);

/// The reason of an order that an automatic renewal has called off.
pub const SUPERSEDED: &str = "SUPERSEDED_BY_AUTO_RENEWAL";

/// An attempt that is about to begin.
#[derive(Debug)]
pub struct Starting {
    /// The attempt.
    pub tried: Try,
    /// Its order, `PAYING`.
    pub order: Order,
    /// Its instances, as they were when it was decided.
    pub claims: Vec<InstanceVersion>,
}

/// A decision that is about to be written: its row, and what it changes of the root.
#[derive(Debug)]
pub struct Deciding {
    /// The decision.
    pub decided: Decided,
    /// Its row; none where it is there already.
    pub order: Option<Order>,
    /// What it changes of the root.
    pub note: Note,
}

/// Why an unpaid order is called off.
pub fn superseded() -> pb::Refusal {
    pb::Refusal {
        reason: SUPERSEDED.to_owned(),
        rule_id: "A-8".to_owned(),
        message: "The last automatic renewal before the expiry took its place.".to_owned(),
        ..pb::Refusal::default()
    }
}

/// The order of an attempt, `PAYING` from `now` on.
pub fn starting(priced: Priced, catalogue: &Catalogue, now: DateTime<Utc>) -> Starting {
    let Priced { tried, quotes, payable } = priced;
    let mut order = order_of(&tried.unit, payable, now);
    let world = &tried.unit.world;
    let items = tried.plan.items.iter().zip(quotes).map(|(item, quote)| {
        let mut kept = bill::snapshot_item(item, world, quote);
        kept.planned = Some(bill::planned_term(item, world, now));
        kept
    });
    order.snapshot = OrderSnapshot {
        selection: Some(pb::Selection {
            instance_ids: vec![tried.unit.identity.root.to_string()],
            duration: Some(duration_message(tried.cycle)),
            ..pb::Selection::default()
        }),
        items: items.collect(),
        left_out: bill::all_left_out(&tried.plan),
        ..OrderSnapshot::default()
    };
    order.state = State::Paying;
    order.payment_time = Some(now);
    order.pay_number = 1;
    order.payment_id = Some(payment_id(order.id, 1));
    let profile = profile_of(&tried.unit.account, catalogue);
    order.vouchers = Some(bill::automatic_vouchers(&profile));
    order.next_attempt_at = Some(now + LEFT_BEHIND);
    let on_plan = tried.versions.iter().filter(|(id, _)| tried.plan.item(id).is_some());
    let claims =
        on_plan.map(|(id, version)| InstanceVersion { id: id.to_string(), version: *version });
    let claims = claims.collect();
    Starting { tried, order, claims }
}

/// What is written of a decision that takes no money.
pub fn deciding(decided: Decided, catalogue: &Catalogue, now: DateTime<Utc>) -> Deciding {
    let nothing = Money::new(0, decided.unit.account.settings.currency);
    let mut order = order_of(&decided.unit, nothing, now);
    let (note, retry_time) = note_of(&decided.unit, catalogue, now);
    order.ended_why = Some(refusal_message(decided.why.clone()));
    if let Some(attempt) = &mut order.attempt {
        attempt.outcome = Some(decided.outcome);
        attempt.reason = Some(decided.why.reason.code().to_owned());
        attempt.retry_time = retry_time;
    }
    Deciding { decided, order: Some(order), note }
}

/// What a decision that has nothing to do with money changes of the root, and when it is tried again.
pub fn note_of(
    unit: &Unit,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> (Note, Option<DateTime<Utc>>) {
    let after = unit.after(unit.decision(false, now), catalogue, now);
    let note = Note {
        account_id: unit.account.id.clone(),
        id: unit.root.instance.id.clone(),
        order_id: None,
        version: unit.root.version,
        decides: true,
        decided: after.decided,
        moves: true,
        due_time: after.due_time,
    };
    (note, after.retry_time)
}

/// The row of an attempt, ended.
fn order_of(unit: &Unit, payable: Money, now: DateTime<Utc>) -> Order {
    let identity = unit.identity.clone();
    let id = order_id(&identity);
    let mut order = Order::new(unit.account.id.clone(), id, payable, now, unit.stops_at);
    // Nobody is to pay it; what a page leaves behind is looked after by itself.
    (order.state, order.next_attempt_at) = (State::Failed, None);
    order.attempt = Some(Attempt { identity, outcome: None, reason: None, retry_time: None });
    order
}

/// What is told of an account that is parked.
pub fn told_of_parking(parked: &Parking) -> Event {
    Event::new(events::kinds::AUTO_RENEWAL_PARKED, parked.account.clone())
        .with("until", parked.until.to_rfc3339())
        .with("why", &parked.why)
        .with("first_instance_id", &parked.first.0)
        .with("first_expire_time", parked.first.1.to_rfc3339())
}

/// What is told of a decision.
pub fn told_of(decided: &Decided, order: &Order, version: i64) -> Event {
    let unit = &decided.unit;
    let kind = match decided.outcome {
        Outcome::Skipped => events::kinds::AUTO_RENEWAL_SKIPPED,
        Outcome::Missed => events::kinds::AUTO_RENEWAL_MISSED,
        _ => events::kinds::AUTO_RENEWAL_FAILED,
    };
    let event = Event::new(kind, unit.account.id.clone())
        .of_instance(unit.identity.root.clone(), version)
        .of_order(order.id)
        .with("reason", decided.why.reason)
        .with("expire_time", unit.identity.expiry.to_rfc3339())
        .with("pay_until", unit.stops_at.to_rfc3339());
    let retry = order.attempt.as_ref().and_then(|attempt| attempt.retry_time);
    match retry {
        Some(at) => event.with("next_attempt_time", at.to_rfc3339()),
        None => event,
    }
}
