//! A copy of an account's purse, out of which things are paid.

use chrono::{DateTime, Utc};
use kernel::{Currency, ids::VoucherId};
use rule_engine::{
    profile::VoucherRule,
    reason::Reason,
    voucher::{
        self as engine, Coverage, ItemParts, PayableItem, Payment, Voucher, VoucherChoice, decide,
    },
};

use crate::app::{Purse, automatic::rows::Starting, bill};

/// The reason of who has no wallet; the wallet gives the same.
const NO_WALLET: &str = "WALLET_NOT_FOUND";

/// More cash than anything costs.
const ALL_THE_MONEY: i64 = i64::MAX / 2;

/// Cash and vouchers, and what they have paid so far.
#[derive(Debug, Clone)]
pub struct Till {
    /// What the account pays in.
    pub currency: Currency,
    /// What is left of its cash, in minor units.
    pub cash: i64,
    /// What cash has paid.
    pub cash_paid: i64,
    /// What vouchers have paid.
    pub vouchers_paid: i64,
    /// What single-use vouchers have lost.
    pub forfeited: i64,
    vouchers: Vec<Voucher>,
    choice: VoucherChoice,
    /// Why nothing can be paid at all.
    closed: Option<&'static str>,
}

/// What came of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paid {
    /// Paid, each item with this; nothing where nothing was to be paid.
    With(Vec<ItemParts>),
    /// Nothing was paid.
    Refused {
        /// Why.
        reason: &'static str,
        /// How much is missing, where it is money.
        missing: Option<i64>,
    },
}

impl Till {
    /// The purse of an account that pays in `currency` and by `rule`; none has no wallet.
    pub fn new(purse: Option<Purse>, currency: Currency, rule: VoucherRule) -> Self {
        let closed = match &purse {
            None => Some(NO_WALLET),
            Some(purse) if purse.cash.currency() != currency => {
                Some(Reason::CurrencyMismatch.code())
            }
            Some(_) => None,
        };
        let purse = purse.filter(|_| closed.is_none());
        let cash = purse.as_ref().map(|purse| purse.cash.minor()).unwrap_or_default();
        Self {
            currency,
            cash,
            cash_paid: 0,
            vouchers_paid: 0,
            forfeited: 0,
            vouchers: purse.map(|purse| purse.vouchers).unwrap_or_default(),
            choice: VoucherChoice::Rule(rule),
            closed,
        }
    }

    /// Pays for the items of one renewal at `now`, as the wallet does: the whole of it or nothing.
    pub fn pay(&mut self, items: &[PayableItem], now: DateTime<Utc>) -> Paid {
        if items.iter().all(|item| item.payable == 0) {
            return Paid::With(Vec::new());
        }
        if let Some(reason) = self.closed {
            return Paid::Refused { reason, missing: None };
        }
        let decision = decide(&Payment {
            items,
            vouchers: &self.vouchers,
            cash: self.cash,
            choice: &self.choice,
            at: now,
            automatic: true,
            currency: self.currency,
        });
        match decision {
            Ok(engine::Decision::Covered(coverage)) => Paid::With(self.take(coverage)),
            Ok(engine::Decision::Short(short)) => Paid::Refused {
                reason: Reason::InsufficientFunds.code(),
                missing: Some(short.missing),
            },
            Err(refused) => {
                Paid::Refused { reason: refused.refusal().reason.code(), missing: None }
            }
        }
    }

    fn take(&mut self, coverage: Coverage) -> Vec<ItemParts> {
        for used in &coverage.vouchers {
            let voucher = self.vouchers.iter_mut().find(|voucher| voucher.id == used.voucher);
            if let Some(voucher) = voucher {
                voucher.remaining -= used.paid + used.forfeited;
            }
            self.vouchers_paid += used.paid;
            self.forfeited += used.forfeited;
        }
        self.cash -= coverage.cash;
        self.cash_paid += coverage.cash;
        coverage.items
    }

    /// How much cash is missing to pay for all of `renewals` at `now`; nothing where money is not what
    /// is in the way.
    pub fn missing(&self, renewals: &[Vec<PayableItem>], now: DateTime<Utc>) -> i64 {
        let mut rich = Self { cash: ALL_THE_MONEY, ..self.clone() };
        for items in renewals {
            rich.pay(items, now);
        }
        (ALL_THE_MONEY - rich.cash).saturating_sub(self.cash).max(0)
    }

    /// When a voucher expires next of which something remains.
    pub fn next_expiry(&self) -> Option<DateTime<Utc>> {
        let open = self.vouchers.iter().filter(|voucher| voucher.remaining > 0);
        open.map(|voucher| voucher.terms.expires).min()
    }

    /// Takes out what has expired at `now`, and answers what is lost with it (V-5).
    pub fn expire(&mut self, now: DateTime<Utc>) -> Vec<(VoucherId, i64)> {
        let over = |voucher: &&mut Voucher| voucher.remaining > 0 && voucher.terms.expires <= now;
        let over = self.vouchers.iter_mut().filter(over);
        over.map(|voucher| (voucher.id, std::mem::take(&mut voucher.remaining))).collect()
    }

    /// What remains of vouchers.
    pub fn vouchers_left(&self) -> i64 {
        self.vouchers.iter().fold(0, |sum, voucher| sum.saturating_add(voucher.remaining))
    }
}

/// What an attempt is to pay for, as the wallet reads it.
pub fn items(one: &Starting) -> Vec<PayableItem> {
    let Starting { tried, order, .. } = one;
    let world = &tried.unit.world;
    let items = tried.plan.items.iter().zip(&order.snapshot.items).filter_map(|(item, kept)| {
        let instance = world.instance(&item.instance)?;
        let told = bill::payable_item(kept)?;
        Some(PayableItem {
            instance: item.instance.clone(),
            product: instance.product.clone(),
            region: instance.region.clone(),
            billing_mode: item.before.mode(),
            order_kind: item.kind,
            term_months: u32::try_from(told.term_months).unwrap_or_default(),
            discounted: told.discounted,
            payable: told.payable.map(|payable| payable.minor_units).unwrap_or_default(),
        })
    });
    items.collect()
}

#[cfg(test)]
mod tests;
