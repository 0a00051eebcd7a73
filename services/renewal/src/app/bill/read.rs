//! Selections and items, from messages to what the rules know.

use chrono::NaiveDate;
use kernel::ids::InstanceId;
use platform::status::BadRequest;
use proto::{
    convert::{instant, known},
    renewal::{internal::v1::SnapshotItem, v1 as pb},
    r#type::v1 as types,
};
use rule_engine::{
    calendar::DayOfMonth,
    instance::{Billing, PendingChange},
    kind::OrderKind,
    plan::{Extent, Inclusion, Item, Mode, Selection, Ticked},
    refund::{Standing, extended},
    term::{Lease, PricedSpan, Term},
};

use crate::{
    store::StoreError,
    wire::{configuration, duration, id, standard_day},
};

/// The most ids that a selection is read of: more are refused whatever a profile says.
const MOST_IDS: usize = 10_000;

/// The selection in the field `selection`; every bad field is noted.
pub fn selection(bad: &mut BadRequest, wire: &pb::Selection) -> Option<Selection> {
    let named = instances(bad, &wire.instance_ids);
    let ticked = ticked(bad, &wire.ticked);
    let extent = extent(bad, wire);
    let mode = mode(bad, wire.mode);
    let change = match wire.new_configuration.clone() {
        None => Some(None),
        Some(wire) => bad.field("selection.new_configuration", configuration(Some(wire))).map(Some),
    };
    Some(Selection {
        ticked: ticked?,
        mode: mode?,
        change: change?,
        ..Selection::of(named?, extent?)
    })
}

/// The selection that a quote or an order has stored.
pub fn stored_selection(wire: Option<&pb::Selection>) -> Result<Selection, StoreError> {
    let mut bad = BadRequest::default();
    let read = wire.and_then(|wire| selection(&mut bad, wire));
    read.ok_or_else(|| StoreError::Unreadable("the selection of an order".to_owned()))
}

fn instances(bad: &mut BadRequest, ids: &[String]) -> Option<Vec<InstanceId>> {
    let field = "selection.instance_ids";
    if ids.is_empty() || ids.len() > MOST_IDS {
        bad.note(field, "must be 1 to 100");
        return None;
    }
    let read = ids.iter().enumerate();
    let read: Vec<_> = read.map(|(n, text)| id(bad, format!("{field}[{n}]"), text)).collect();
    read.into_iter().collect()
}

fn ticked(bad: &mut BadRequest, wire: &[pb::TickedInstance]) -> Option<Vec<Ticked>> {
    let field = "selection.ticked";
    if wire.len() > MOST_IDS {
        bad.note(field, "must be at most 1,000");
        return None;
    }
    let read = wire.iter().enumerate().map(|(n, one)| {
        let id = id(bad, format!("{field}[{n}].instance_id"), &one.instance_id)?;
        Some(Ticked { id, to_parent_expiry: one.to_parent_expiry })
    });
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn extent(bad: &mut BadRequest, wire: &pb::Selection) -> Option<Extent> {
    let length = match wire.duration {
        None => None,
        Some(wire) => Some(bad.field("selection.duration", duration(wire))?),
    };
    match &wire.target {
        None => {
            if length.is_none() {
                bad.note("selection.duration", "is required without a target date");
            }
            length.map(Extent::Duration)
        }
        Some(pb::selection::Target::StandardDate(date)) => {
            let day = match &date.day {
                None => None,
                Some(day) => Some(bad.field("selection.standard_date.day", standard_day(*day))?),
            };
            Some(Extent::StandardDate { duration: length, day })
        }
        Some(pb::selection::Target::AdHocDate(date)) => {
            if length.is_some() {
                bad.note("selection.duration", "must not be set together with ad_hoc_date");
            }
            let date = NaiveDate::try_from(*date);
            bad.field("selection.ad_hoc_date", date).map(Extent::AdHoc)
        }
    }
}

fn mode(bad: &mut BadRequest, wire: i32) -> Option<Mode> {
    match pb::selection::Mode::try_from(wire) {
        Ok(pb::selection::Mode::Unspecified | pb::selection::Mode::AllOrNothing) => {
            Some(Mode::AllOrNothing)
        }
        Ok(pb::selection::Mode::BestEffort) => Some(Mode::BestEffort),
        Err(_) => {
            bad.note("selection.mode", "must be one of the values of the enumeration");
            None
        }
    }
}

/// An item of a stored order as the rules planned it.
pub fn item(stored: &SnapshotItem) -> Result<Item, StoreError> {
    try_item(stored).ok_or_else(|| {
        let id = stored.item.as_ref().map_or("?", |item| item.instance_id.as_str());
        StoreError::Unreadable(format!("the item {id} of an order"))
    })
}

fn try_item(stored: &SnapshotItem) -> Option<Item> {
    let bill = stored.item.as_ref()?;
    let time = |time: Option<prost_types::Timestamp>| instant(time?).ok();
    let day = |day: i32| DayOfMonth::try_from(u32::try_from(day).ok()?).ok();
    let before = match time(bill.expire_time_before) {
        Some(end) => Billing::Prepaid(Lease { end, anchor: day(stored.anchor_before)? }),
        None => Billing::Postpaid,
    };
    let term = Term {
        start: time(bill.start_time)?,
        end: time(bill.end_time)?,
        anchor: day(bill.anchor_day)?,
    };
    let configuration = configuration(bill.configuration.clone()).ok()?;
    Some(Item {
        instance: bill.instance_id.parse().ok()?,
        root: bill.group_root_id.parse().ok()?,
        inclusion: inclusion(bill.inclusion)?,
        kind: kind(bill.order_kind)?,
        before,
        last_day: NaiveDate::try_from(bill.last_day?).ok()?,
        span: span(bill.span.as_ref()?)?,
        days_passed: u32::try_from(bill.days_already_past).ok()?,
        change: stored
            .changes_configuration
            .then(|| PendingChange { configuration: configuration.clone(), effective: term.start }),
        configuration,
        term,
    })
}

/// What the instance of a paid item was before its term, and what the term made of it (O-6).
pub fn standings(stored: &SnapshotItem) -> Result<(Standing, Standing), StoreError> {
    try_standings(stored).ok_or_else(|| {
        let id = stored.item.as_ref().map_or("?", |item| item.instance_id.as_str());
        StoreError::Unreadable(format!("what {id} was before it was renewed"))
    })
}

fn try_standings(stored: &SnapshotItem) -> Option<(Standing, Standing)> {
    let planned = stored.planned.as_ref()?;
    let before = planned.before.as_ref()?;
    let pending = pending(before.pending_configuration.clone(), before.pending_from);
    let standing = Standing {
        billing: billing(before.expire_time, before.anchor_day)?,
        configuration: configuration(before.configuration.clone()).ok()?,
        pending: pending.ok()?,
    };
    let Billing::Prepaid(lease) = billing(planned.end_time, planned.anchor_day)? else {
        return None;
    };
    let bought = match planned.configuration.clone() {
        None => None,
        Some(wire) => Some(configuration(Some(wire)).ok()?),
    };
    let pending = self::pending(planned.pending_configuration.clone(), planned.pending_from);
    let pending = pending.ok()?;
    let after = extended(&standing, lease, bought, pending, planned.nothing_pending);
    Some((standing, after))
}

fn billing(end: Option<prost_types::Timestamp>, anchor: i32) -> Option<Billing> {
    let Some(end) = end else { return Some(Billing::Postpaid) };
    let anchor = DayOfMonth::try_from(u32::try_from(anchor).ok()?).ok()?;
    Some(Billing::Prepaid(Lease { end: instant(end).ok()?, anchor }))
}

/// The pending change, if there is one.
fn pending(
    wire: Option<types::Configuration>,
    from: Option<prost_types::Timestamp>,
) -> Result<Option<PendingChange>, String> {
    let Some(wire) = wire else { return Ok(None) };
    let from = from.ok_or("it never takes effect")?;
    let effective = instant(from).map_err(|error| error.to_string())?;
    Ok(Some(PendingChange { configuration: configuration(Some(wire))?, effective }))
}

fn span(wire: &proto::catalog::v1::PricedSpan) -> Option<PricedSpan> {
    let duration = match wire.duration {
        None => None,
        Some(wire) => Some(duration(wire).ok()?),
    };
    Some(PricedSpan {
        duration,
        whole_months: u32::try_from(wire.whole_months).ok()?,
        odd_days: u32::try_from(wire.odd_days).ok()?,
        total_days: u32::try_from(wire.total_days).ok()?,
    })
}

fn kind(wire: i32) -> Option<OrderKind> {
    match known(wire).ok()? {
        types::OrderKind::Renewal => Some(OrderKind::Renewal),
        types::OrderKind::Conversion => Some(OrderKind::Conversion),
        types::OrderKind::Change => Some(OrderKind::Change),
        types::OrderKind::Unspecified => None,
    }
}

fn inclusion(wire: i32) -> Option<Inclusion> {
    use pb::bill_item::Inclusion as Wire;
    match known(wire).ok()? {
        Wire::Named => Some(Inclusion::Named),
        Wire::Ticked => Some(Inclusion::Ticked),
        Wire::Forced => Some(Inclusion::Forced),
        Wire::Strong => Some(Inclusion::Strong),
        Wire::Unspecified => None,
    }
}
