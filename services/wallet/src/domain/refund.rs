//! Giving back what was paid: each stored part to where it came from (V-4, V-5, O-6).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{
    Currency,
    ids::{AccountId, ChannelName, InstanceId, OrderId, PaymentId, RefundId, VoucherId},
};
use platform::request::RequestDigest;
use rule_engine::voucher::{Coverage, ItemParts};

use super::{About, Outcome, Payment};

/// How long a channel may take to give its part back, or to refuse to, before somebody is reminded of
/// it: bank cards take days.
pub const PATIENCE: TimeDelta = TimeDelta::days(7);

/// How often somebody is reminded from then on.
pub const REMIND_EVERY: TimeDelta = TimeDelta::days(1);

/// What is to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAsk {
    pub refund: RefundId,
    pub account: AccountId,
    pub payment: PaymentId,
    /// Whose parts, each whole.
    pub instances: BTreeSet<InstanceId>,
    /// Whether the channel's part goes back through the channel; if not, to the cash balance.
    pub through_channel: bool,
    /// What a repeat must equal (O-3).
    pub digest: RequestDigest,
}

/// Items of a payment that are given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub id: RefundId,
    pub account: AccountId,
    pub payment: PaymentId,
    pub order: OrderId,
    pub currency: Currency,
    /// Whether the channel has yet to say what becomes of its part.
    pub pending: bool,
    /// What goes through which channel, in minor units; stays when the channel refuses.
    pub asked: Option<(ChannelName, i64)>,
    pub items: Vec<RefundedItem>,
    pub create_time: DateTime<Utc>,
    /// When the channel confirmed or refused its part.
    pub confirm_time: Option<DateTime<Utc>>,
}

/// What is given back for one item, in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundedItem {
    pub instance: InstanceId,
    pub vouchers: Vec<RefundedVoucher>,
    pub cash: i64,
    /// Through the channel that paid it.
    pub channel: i64,
    /// What the channel had paid and goes to the cash balance.
    pub channel_to_cash: i64,
}

/// What goes back to one voucher, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundedVoucher {
    pub voucher: VoucherId,
    /// What it had paid of the item. Always positive.
    pub amount: i64,
    /// Whether it is void, because the voucher cannot pay any more (V-5).
    pub void: bool,
    /// What the voucher had forfeited and gets back (V-5).
    pub forfeit_returned: i64,
}

/// Why nothing is given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefused {
    /// The payment did not succeed.
    #[error("the payment took no money that could be given back")]
    NotSucceeded,
    /// The payment did not pay for these.
    #[error("the payment did not pay for {}", list(.0))]
    NotPaidFor(BTreeSet<InstanceId>),
    /// Another refund has given these back.
    #[error("another refund gave back what was paid for {}", list(.0))]
    AlreadyRefunded(BTreeSet<InstanceId>),
}

fn list(instances: &BTreeSet<InstanceId>) -> String {
    instances.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ")
}

impl Refund {
    /// What it is, in minor units, voided parts of vouchers included. A part of the payment, so it
    /// fits.
    pub fn amount(&self) -> i64 {
        self.items.iter().map(RefundedItem::amount).sum()
    }

    /// What its movements belong to.
    pub const fn about(&self) -> About {
        About { order: Some(self.order), payment: Some(self.payment), refund: Some(self.id) }
    }

    /// Whether the channel has said the opposite of what it says now: that it has given its part
    /// back (`confirmed`), or that it refuses to.
    pub fn is_contradicted(&self, confirmed: bool) -> bool {
        let was_confirmed = self.items.iter().any(|item| item.channel > 0);
        !self.pending && was_confirmed != confirmed
    }

    /// The refund after the channel has confirmed its part, or has refused it: then what was to go
    /// through it goes to the cash balance.
    #[must_use]
    pub fn answered(mut self, confirmed: bool, now: DateTime<Utc>) -> Self {
        self.pending = false;
        self.confirm_time = Some(now);
        if !confirmed {
            for item in &mut self.items {
                item.channel_to_cash += std::mem::take(&mut item.channel);
            }
        }
        self
    }
}

impl RefundedItem {
    fn amount(&self) -> i64 {
        let vouchers: i64 = self.vouchers.iter().map(|it| it.amount).sum();
        vouchers + self.cash + self.channel + self.channel_to_cash
    }
}

/// Decides what `ask` gives back of `payment` at `now`. `refunded` are the items that were given
/// back before, and `over` the vouchers that can pay no more (V-5).
///
/// The rest that a single-use voucher forfeited comes back with the last item that it had paid for.
pub fn plan(
    ask: &RefundAsk,
    payment: &Payment,
    refunded: &BTreeSet<InstanceId>,
    over: &BTreeSet<VoucherId>,
    now: DateTime<Utc>,
) -> Result<Refund, RefundRefused> {
    let (Outcome::Succeeded(coverage), Some(bill)) = (&payment.outcome, &payment.bill) else {
        return Err(RefundRefused::NotSucceeded);
    };
    check(ask, coverage, refunded)?;
    let mut forfeits = forfeits_due(ask, coverage, refunded, over);
    let channel = payment.intent.as_ref().map(|intent| &intent.channel);
    let channel = channel.filter(|_| ask.through_channel);
    let chosen: Vec<_> =
        coverage.items.iter().filter(|item| ask.instances.contains(&item.instance)).collect();
    // From the last item backwards, so that each forfeit meets the last of its items.
    let mut items: Vec<_> = chosen
        .into_iter()
        .rev()
        .map(|item| give_back(item, channel.is_some(), over, &mut forfeits))
        .collect();
    items.reverse();
    let out: i64 = items.iter().map(|item| item.channel).sum();
    let asked = channel.filter(|_| out > 0).map(|name| (name.clone(), out));
    Ok(Refund {
        id: ask.refund,
        account: ask.account.clone(),
        payment: payment.id,
        order: bill.order,
        currency: bill.amount.currency(),
        pending: asked.is_some(),
        asked,
        items,
        create_time: now,
        confirm_time: None,
    })
}

fn check(
    ask: &RefundAsk,
    coverage: &Coverage,
    refunded: &BTreeSet<InstanceId>,
) -> Result<(), RefundRefused> {
    let paid: BTreeSet<_> = coverage.items.iter().map(|item| item.instance.clone()).collect();
    let unknown: BTreeSet<_> = ask.instances.difference(&paid).cloned().collect();
    if !unknown.is_empty() {
        return Err(RefundRefused::NotPaidFor(unknown));
    }
    let again: BTreeSet<_> = ask.instances.intersection(refunded).cloned().collect();
    if again.is_empty() { Ok(()) } else { Err(RefundRefused::AlreadyRefunded(again)) }
}

/// The forfeits that come back: of vouchers that can still pay, everything of which is then given
/// back (V-5).
fn forfeits_due(
    ask: &RefundAsk,
    coverage: &Coverage,
    refunded: &BTreeSet<InstanceId>,
    over: &BTreeSet<VoucherId>,
) -> BTreeMap<VoucherId, i64> {
    let stays_paid = |item: &&ItemParts| {
        !ask.instances.contains(&item.instance) && !refunded.contains(&item.instance)
    };
    let still_used: BTreeSet<VoucherId> = coverage
        .items
        .iter()
        .filter(stays_paid)
        .flat_map(|item| item.vouchers.iter().map(|&(id, _)| id))
        .collect();
    let due = coverage.vouchers.iter();
    due.filter(|it| !still_used.contains(&it.voucher) && !over.contains(&it.voucher))
        .map(|it| (it.voucher, it.forfeited))
        .collect()
}

fn give_back(
    item: &ItemParts,
    through_channel: bool,
    over: &BTreeSet<VoucherId>,
    forfeits: &mut BTreeMap<VoucherId, i64>,
) -> RefundedItem {
    let voucher = |&(voucher, amount): &(VoucherId, i64)| RefundedVoucher {
        voucher,
        amount,
        void: over.contains(&voucher),
        forfeit_returned: forfeits.remove(&voucher).unwrap_or_default(),
    };
    let (channel, channel_to_cash) =
        if through_channel { (item.channel, 0) } else { (0, item.channel) };
    RefundedItem {
        instance: item.instance.clone(),
        vouchers: item.vouchers.iter().map(voucher).collect(),
        cash: item.cash,
        channel,
        channel_to_cash,
    }
}

#[cfg(test)]
mod tests;
