//! What orders say was given back, against what was paid.

use std::collections::BTreeMap;

use proto::{
    r#type::v1::Money,
    wallet::v1::{Payment, Refund, RefundedParts},
};

use crate::{domain::order::State, store::orders::Order};

/// What an item was paid with, or what of it was given back, by source.
type Parts = BTreeMap<String, i64>;

/// Whether the payment of an order that ended without it is given back in full, or is about to be
/// (O-8).
pub fn is_given_back(order: &Order, payment: &Payment) -> bool {
    let ended = matches!(order.state, State::Expired | State::Cancelled);
    let back = |refund: &Refund| refund.amount == payment.amount;
    let taken = order.snapshot.refunds.first();
    ended
        && taken.is_some_and(|taken| taken.refund.as_ref().map_or(order.refund_id.is_some(), back))
}

/// The first item of which something else was given back than what was paid for it, by source
/// (O-6, V-4); none if all is well.
pub fn beyond(order: &Order, payment: &Payment) -> Option<String> {
    let mut paid: BTreeMap<_, _> = payment
        .parts
        .iter()
        .map(|item| {
            let vouchers = item.vouchers.iter().map(|one| (&one.voucher_id, &one.amount));
            let own = [("cash", &item.cash), ("channel", &item.channel)];
            (item.instance_id.as_str(), parts(vouchers, own))
        })
        .collect();
    let refunds = order.snapshot.refunds.iter().filter_map(|taken| taken.refund.as_ref());
    refunds.flat_map(|refund| &refund.parts).find_map(|back| {
        // Each item once: what was given back is gone.
        let found = paid.remove(back.instance_id.as_str());
        (found != Some(of_refund(back))).then(|| {
            let found = found.map_or_else(|| "nothing".to_owned(), |found| format!("{found:?}"));
            format!("{}: {found} paid, {:?} given back", back.instance_id, of_refund(back))
        })
    })
}

fn of_refund(back: &RefundedParts) -> Parts {
    let vouchers = back.vouchers.iter().map(|one| (&one.voucher_id, &one.amount));
    let own =
        [("cash", &back.cash), ("channel", &back.channel), ("channel", &back.channel_to_cash)];
    parts(vouchers, own)
}

fn parts<'a>(
    vouchers: impl Iterator<Item = (&'a String, &'a Option<Money>)>,
    own: impl IntoIterator<Item = (&'a str, &'a Option<Money>)>,
) -> Parts {
    let mut parts = Parts::new();
    let own = own.into_iter();
    for (source, amount) in vouchers.map(|(id, amount)| (id.as_str(), amount)).chain(own) {
        let amount = amount.as_ref().map(|amount| amount.minor_units).unwrap_or_default();
        if amount != 0 {
            *parts.entry(source.to_owned()).or_default() += amount;
        }
    }
    parts
}
