//! Bills and snapshots as messages: what an order stores is what people are told.

mod read;

use chrono::{DateTime, Utc};
use kernel::Money;
use proto::{
    catalog::v1 as catalog,
    convert::timestamp,
    renewal::{
        internal::v1::{InstanceBefore, OrderSnapshot, PlannedTerm, SnapshotItem},
        v1 as pb,
    },
    r#type::v1 as types,
    wallet::v1 as wallet,
};
use rule_engine::{
    calendar::shown_end,
    instance::{Instance, World},
    kind::OrderKind,
    plan::{Inclusion, Item, Plan},
    profile::{AccountProfile, Boundary, EndShown, VoucherStrategy},
    reason::Refusal,
    refund::Standing,
    term::{PricedSpan, Term},
};

pub use self::read::{item, selection, standings, stored_selection};
use super::due;
use crate::wire::{
    billing_mode_message, configuration_message, count, duration_message, refusal_messages,
};

/// What the catalog is to price of an item (M-1 to M-4).
#[must_use]
pub fn price_facts(item: &Item, world: &World) -> catalog::PriceFacts {
    let instance = world.instance(&item.instance);
    catalog::PriceFacts {
        item_id: item.instance.to_string(),
        product_id: instance.map(|one| one.product.to_string()).unwrap_or_default(),
        region: instance.map(|one| one.region.to_string()).unwrap_or_default(),
        configuration: Some(configuration_message(&item.configuration)),
        order_kind: order_kind_message(item.kind).into(),
        span: Some(span_message(item.span)),
        buyer: 0,
    }
}

/// An item with its price, as a quote or an order keeps it.
#[must_use]
pub fn snapshot_item(item: &Item, world: &World, quote: catalog::ItemQuote) -> SnapshotItem {
    let lease = item.before.lease();
    SnapshotItem {
        item: Some(bill_item(item, world, quote)),
        anchor_before: lease.map(|lease| count(lease.anchor.get())).unwrap_or_default(),
        changes_configuration: item.change.is_some(),
        planned: None,
    }
}

fn bill_item(item: &Item, world: &World, quote: catalog::ItemQuote) -> pb::BillItem {
    let catalog::PriceFacts { product_id, region, configuration, order_kind, span, .. } =
        price_facts(item, world);
    pb::BillItem {
        instance_id: item.instance.to_string(),
        product_id,
        region,
        group_root_id: item.root.to_string(),
        inclusion: inclusion_message(item.inclusion).into(),
        order_kind,
        billing_mode_before: billing_mode_message(item.before.mode()).into(),
        expire_time_before: item.before.expiry().map(timestamp),
        start_time: Some(timestamp(item.term.start)),
        end_time: Some(timestamp(item.term.end)),
        last_day: Some(item.last_day.into()),
        expiry_shown: expiry_shown(item, world),
        anchor_day: count(item.term.anchor.get()),
        days_already_past: count(item.days_passed),
        span,
        configuration,
        quote: Some(quote),
    }
}

/// What paying an item at `paid_at` does: its term, and what the instance is from then on (C-2,
/// O-8).
#[must_use]
pub fn planned_term(item: &Item, world: &World, paid_at: DateTime<Utc>) -> PlannedTerm {
    let Term { start, end, anchor } = item.term;
    let mut planned = PlannedTerm {
        start_time: Some(timestamp(start)),
        end_time: Some(timestamp(end)),
        last_day: Some(item.last_day.into()),
        expiry_shown: expiry_shown(item, world),
        anchor_day: count(anchor.get()),
        days_already_past: count(item.days_passed),
        ..PlannedTerm::default()
    };
    let Some(instance) = world.instance(&item.instance) else { return planned };
    let due = due::once_settled(instance, end, world, paid_at);
    planned.due_if_automatic = Some(timestamp(due.if_automatic));
    planned.due_otherwise = Some(timestamp(due.otherwise));
    planned.before = Some(instance_before(&Standing::of(instance, paid_at)));
    planned.delivered =
        world.profile(instance).is_some_and(|profile| profile.provisioner.is_some());
    // What was pending and is in effect by now becomes the configuration; it is time to say so.
    if instance.pending.as_ref().is_some_and(|pending| pending.effective <= paid_at) {
        planned.configuration = Some(configuration_message(instance.configuration_at(paid_at)));
        planned.nothing_pending = true;
    }
    if let Some(change) = &item.change {
        planned.nothing_pending = true;
        let bought = Some(configuration_message(&change.configuration));
        if change.effective <= paid_at {
            planned.configuration = bought;
        } else {
            planned.pending_configuration = bought;
            planned.pending_from = Some(timestamp(change.effective));
        }
    }
    planned
}

fn instance_before(standing: &Standing) -> InstanceBefore {
    let lease = standing.billing.lease();
    let pending = standing.pending.as_ref();
    InstanceBefore {
        expire_time: lease.map(|lease| timestamp(lease.end)),
        anchor_day: lease.map(|lease| count(lease.anchor.get())).unwrap_or_default(),
        configuration: Some(configuration_message(&standing.configuration)),
        pending_configuration: pending.map(|one| configuration_message(&one.configuration)),
        pending_from: pending.map(|one| timestamp(one.effective)),
    }
}

/// The bill of a plan whose items were priced, in their order.
#[must_use]
pub fn bill(plan: &Plan, snapshot: &OrderSnapshot, payable: Money) -> pb::Bill {
    pb::Bill {
        items: snapshot.items.iter().filter_map(|item| item.item.clone()).collect(),
        refused: refused(plan),
        left_out: left_out(plan),
        payable: Some(payable.into()),
        durations: plan.durations.iter().map(|duration| duration_message(*duration)).collect(),
        orderable: plan.refusal.is_none(),
    }
}

/// What an order of the plan leaves out: what is refused (in best effort), and what has nothing to
/// add.
#[must_use]
pub fn all_left_out(plan: &Plan) -> Vec<pb::RefusedInstance> {
    refused(plan).into_iter().chain(left_out(plan)).collect()
}

fn refused(plan: &Plan) -> Vec<pb::RefusedInstance> {
    let refused = plan.refused.iter();
    refused.map(|one| refused_message(&one.instance, one.refusals.clone())).collect()
}

fn left_out(plan: &Plan) -> Vec<pb::RefusedInstance> {
    let left_out = plan.left_out.iter();
    left_out.map(|one| refused_message(&one.instance, vec![one.why.clone()])).collect()
}

fn refused_message(
    instance: &kernel::ids::InstanceId,
    refusals: Vec<Refusal>,
) -> pb::RefusedInstance {
    let refusals = refusal_messages(refusals);
    pb::RefusedInstance { instance_id: instance.to_string(), refusals }
}

/// Whether two snapshots of one selection are priced with the same: a quote holds for as long as
/// this is so (M-6).
///
/// The dates may differ: they are a forecast until the payment. Of the days only those count that
/// have a price (M-4).
#[must_use]
pub fn priced_alike(left: &OrderSnapshot, right: &OrderSnapshot) -> bool {
    let mut pairs = left.items.iter().zip(&right.items);
    left.items.len() == right.items.len()
        && pairs.all(|(left, right)| priced_with(left) == priced_with(right))
}

/// The item without what may differ.
fn priced_with(item: &SnapshotItem) -> SnapshotItem {
    let SnapshotItem { item, anchor_before, .. } = item.clone();
    let item = item.map(|bill| {
        let mut span = bill.span;
        if let Some(span) = &mut span
            && span.duration.is_some()
            && span.odd_days == 0
        {
            span.total_days = 0;
        }
        pb::BillItem {
            instance_id: bill.instance_id,
            configuration: bill.configuration,
            order_kind: bill.order_kind,
            expire_time_before: bill.expire_time_before,
            span,
            ..pb::BillItem::default()
        }
    });
    SnapshotItem { item, anchor_before, ..SnapshotItem::default() }
}

/// What is to be paid for an item, as the wallet is told it (V-1).
#[must_use]
pub fn payable_item(item: &SnapshotItem) -> Option<wallet::PayableItem> {
    let bill = item.item.as_ref()?;
    let quote = bill.quote.as_ref()?;
    Some(wallet::PayableItem {
        instance_id: bill.instance_id.clone(),
        product_id: bill.product_id.clone(),
        region: bill.region.clone(),
        billing_mode: bill.billing_mode_before,
        order_kind: bill.order_kind,
        term_months: term_months(bill.span.as_ref()?),
        payable: quote.payable.clone(),
        discounted: !quote.discount_name.is_empty(),
    })
}

/// Months of a term for vouchers: a year is 12, begun months of odd days count (V-1).
fn term_months(span: &catalog::PricedSpan) -> i32 {
    let whole = match &span.duration {
        Some(duration) if duration.unit() == types::term_duration::Unit::Year => {
            duration.count.saturating_mul(12)
        }
        Some(duration) => duration.count,
        None => span.whole_months,
    };
    let begun = u32::try_from(span.odd_days).unwrap_or_default().div_ceil(31);
    whole.saturating_add(count(begun))
}

/// Which vouchers may pay: what the payer chose, else what the account's profile says (V-2).
///
/// Said once, at the payment instant, and stored: a repeat asks the wallet for the same.
#[must_use]
pub fn voucher_choice(
    chosen: Option<&pb::PaymentChoice>,
    profile: &AccountProfile,
) -> wallet::VoucherChoice {
    use pb::payment_choice::Vouchers;
    use wallet::voucher_choice::{Choice, Named, None as NoVoucher};
    let rule = &profile.vouchers.manual;
    let max_per_payment = rule.max_per_payment.map(count);
    let choice = match chosen.and_then(|chosen| chosen.vouchers.as_ref()) {
        Some(Vouchers::Named(named)) => {
            Choice::Named(Named { voucher_ids: named.voucher_ids.clone() })
        }
        Some(Vouchers::None(_)) => Choice::None(NoVoucher {}),
        None if rule.strategy == VoucherStrategy::ChosenByUser => Choice::None(NoVoucher {}),
        None => Choice::Rule(types::VoucherRule {
            strategy: strategy_message(rule.strategy).into(),
            max_per_payment,
        }),
    };
    wallet::VoucherChoice { choice: Some(choice), max_per_payment }
}

/// Which vouchers may pay an automatic renewal: what the account's profile says of those (V-2).
#[must_use]
pub fn automatic_vouchers(profile: &AccountProfile) -> wallet::VoucherChoice {
    use wallet::voucher_choice::{Choice, None as NoVoucher};
    let rule = &profile.vouchers.automatic;
    let max_per_payment = rule.max_per_payment.map(count);
    let choice = match rule.strategy {
        // Nobody is there to choose.
        VoucherStrategy::ChosenByUser => Choice::None(NoVoucher {}),
        strategy => Choice::Rule(types::VoucherRule {
            strategy: strategy_message(strategy).into(),
            max_per_payment,
        }),
    };
    wallet::VoucherChoice { choice: Some(choice), max_per_payment }
}

const fn strategy_message(strategy: VoucherStrategy) -> types::VoucherStrategy {
    match strategy {
        VoucherStrategy::NearestExpiryThenLargest => {
            types::VoucherStrategy::NearestExpiryThenLargest
        }
        VoucherStrategy::SmallestThenNearest => types::VoucherStrategy::SmallestThenNearest,
        VoucherStrategy::LargestFirst => types::VoucherStrategy::LargestFirst,
        VoucherStrategy::CoverWholeFirst => types::VoucherStrategy::CoverWholeFirst,
        VoucherStrategy::ChosenByUser => types::VoucherStrategy::ChosenByUser,
    }
}

fn expiry_shown(item: &Item, world: &World) -> String {
    let profile = world.instance(&item.instance).and_then(|instance: &Instance| {
        world.profile(instance).map(|profile| (profile.boundary, profile.end_shown))
    });
    let (boundary, shown) = profile.unwrap_or((Boundary::Exact, EndShown::LastSecond));
    shown_end(world.account.zone(), item.term.end, boundary, shown).to_string()
}

fn span_message(span: PricedSpan) -> catalog::PricedSpan {
    catalog::PricedSpan {
        duration: span.duration.map(duration_message),
        whole_months: count(span.whole_months),
        odd_days: count(span.odd_days),
        total_days: count(span.total_days),
    }
}

const fn order_kind_message(kind: OrderKind) -> types::OrderKind {
    match kind {
        OrderKind::Renewal => types::OrderKind::Renewal,
        OrderKind::Conversion => types::OrderKind::Conversion,
        OrderKind::Change => types::OrderKind::Change,
    }
}

const fn inclusion_message(inclusion: Inclusion) -> pb::bill_item::Inclusion {
    match inclusion {
        Inclusion::Named => pb::bill_item::Inclusion::Named,
        Inclusion::Ticked => pb::bill_item::Inclusion::Ticked,
        Inclusion::Forced => pb::bill_item::Inclusion::Forced,
        Inclusion::Strong => pb::bill_item::Inclusion::Strong,
    }
}
