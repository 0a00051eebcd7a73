//! Which voucher pays what of which item, and cash the rest (V-1 … V-5, W-1).
//!
//! One payment is decided at once: what is paid for, what could pay, which vouchers may, and the
//! instant go in; what each source pays of each item comes out, or what is missing, or why a
//! voucher that the payer named cannot be used. Nothing here moves money: the wallet books what was
//! decided, and a preview shows it.
//!
//! All amounts of one payment are minor units of one currency, that of the wallet (W-6).

mod decide;
mod outcome;
mod split;
mod strategy;
mod usable;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::{
    Currency,
    ids::{InstanceId, ProductId, Region, VoucherId},
};
use serde::{Deserialize, Serialize};

pub use self::{
    decide::{cover, decide, explain, spendable},
    outcome::{
        Coverage, Decision, Explanation, ItemParts, NotApplicable, PaymentRefused, Shortfall,
        Unused, VoucherPayment,
    },
    split::{Unpaid, split},
    usable::WhyNot,
};
use crate::{
    kind::{BillingMode, OrderKind},
    profile::{VoucherRule, VoucherStrategy},
};

/// Stored value that pays (part of) an order (V-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// Its name, and the last tie-break of every strategy (V-2).
    pub id: VoucherId,
    /// What is left of it, in minor units of the wallet's currency. Never negative.
    pub remaining: i64,
    /// What it may be used for.
    pub terms: VoucherTerms,
}

/// What a voucher may be used for (V-1). An empty list does not restrict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherTerms {
    /// The first instant at which it can pay.
    pub valid_from: DateTime<Utc>,
    /// The first instant at which it no longer can (V-5).
    pub expires: DateTime<Utc>,
    /// The products whose instances it pays for.
    #[serde(default)]
    pub products: ProductScope,
    /// Only instances of these billing modes, judged before the order.
    #[serde(default)]
    pub billing_modes: Vec<BillingMode>,
    /// Only orders of these kinds.
    #[serde(default)]
    pub order_kinds: Vec<OrderKind>,
    /// Only instances of these regions.
    #[serde(default)]
    pub regions: Vec<Region>,
    /// The least sum that the items it may pay must cost together, in minor units.
    #[serde(default)]
    pub minimum_spend: i64,
    /// The longest term that it pays for, in months; see [`PayableItem::term_months`].
    #[serde(default)]
    pub longest_term_months: Option<u32>,
    /// Whether it pays once, and what it then has left is forfeited.
    #[serde(default)]
    pub single_use: bool,
    /// Whether automatic renewals may use it.
    #[serde(default = "yes")]
    pub automatic_use: bool,
    /// The largest share that it pays of the items it may pay, in percent; rounded down to the
    /// minor unit.
    #[serde(default)]
    pub largest_share_percent: Option<u8>,
    /// Whether it refuses items that have a discount.
    #[serde(default)]
    pub not_with_discounts: bool,
}

const fn yes() -> bool {
    true
}

impl VoucherTerms {
    /// Terms that restrict nothing but the time: usable from `valid_from` up to, but not at,
    /// `expires` (V-1, V-5).
    ///
    /// Who says nothing of automatic renewals lets them use it:
    ///
    /// ```
    /// # use chrono::{DateTime, TimeDelta};
    /// use rule_engine::voucher::VoucherTerms;
    /// # let start = DateTime::UNIX_EPOCH;
    /// assert!(VoucherTerms::within(start, start + TimeDelta::days(30)).automatic_use);
    /// ```
    #[must_use]
    pub fn within(valid_from: DateTime<Utc>, expires: DateTime<Utc>) -> Self {
        Self {
            valid_from,
            expires,
            products: ProductScope::All,
            billing_modes: Vec::new(),
            order_kinds: Vec::new(),
            regions: Vec::new(),
            minimum_spend: 0,
            longest_term_months: None,
            single_use: false,
            automatic_use: true,
            largest_share_percent: None,
            not_with_discounts: false,
        }
    }
}

/// The products that a voucher pays for (V-1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProductScope {
    /// Every product.
    #[default]
    All,
    /// These and no others.
    Only(BTreeSet<ProductId>),
    /// All but these.
    Except(BTreeSet<ProductId>),
}

impl ProductScope {
    /// Whether `product` is one of them (V-1).
    ///
    /// ```
    /// use rule_engine::voucher::ProductScope;
    /// let disk = || "disk".parse().unwrap();
    /// // An empty list of exceptions excepts nothing; an empty list of products has none.
    /// assert!(ProductScope::Except([].into()).covers(&disk()));
    /// assert!(!ProductScope::Only([].into()).covers(&disk()));
    /// ```
    #[must_use]
    pub fn covers(&self, product: &ProductId) -> bool {
        match self {
            Self::All => true,
            Self::Only(these) => these.contains(product),
            Self::Except(these) => !these.contains(product),
        }
    }
}

/// One thing that is paid for: an instance in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayableItem {
    /// The instance; named once in a payment.
    pub instance: InstanceId,
    /// Its product.
    pub product: ProductId,
    /// Its region.
    pub region: Region,
    /// How it was paid for before the order.
    pub billing_mode: BillingMode,
    /// What the order does to it.
    pub order_kind: OrderKind,
    /// The months of its term; see [`begun_months`].
    pub term_months: u32,
    /// Whether a discount is in its price.
    pub discounted: bool,
    /// What it costs after discounts and before vouchers, in minor units. Never negative; zero is
    /// fine and needs no money (W-5).
    pub payable: i64,
}

/// The months that a voucher's longest term is compared with: a year is 12, and odd days, always
/// fewer than a month has, are one begun month (V-1).
///
/// A term of one month and a few days is longer than one month:
///
/// ```
/// use rule_engine::voucher::begun_months;
/// assert_eq!(begun_months(1, 22), 2);
/// assert_eq!(begun_months(12, 0), 12);
/// ```
#[must_use]
pub const fn begun_months(whole_months: u32, odd_days: u32) -> u32 {
    if odd_days == 0 { whole_months } else { whole_months.saturating_add(1) }
}

/// Which vouchers may pay (V-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoucherChoice {
    /// Those that a rule selects. [`VoucherStrategy::ChosenByUser`] selects none.
    Rule(VoucherRule),
    /// Those that the payer names; one that cannot be used refuses the payment. They are taken by
    /// [`VoucherStrategy::NearestExpiryThenLargest`], in whatever order they were named.
    Named {
        /// The vouchers.
        ids: BTreeSet<VoucherId>,
        /// How many may be named; `None`: any number.
        max_per_payment: Option<u32>,
    },
    /// None: cash pays all.
    None,
}

impl VoucherChoice {
    /// Whether any voucher may pay at all; if not, cash pays whatever vouchers there are (V-2).
    ///
    /// Where the customer chooses and has chosen none, none pays:
    ///
    /// ```
    /// use rule_engine::{
    ///     profile::{VoucherRule, VoucherStrategy::ChosenByUser},
    ///     voucher::VoucherChoice,
    /// };
    /// let rule = VoucherRule { strategy: ChosenByUser, max_per_payment: Some(1) };
    /// assert!(!VoucherChoice::Rule(rule).allows_vouchers());
    /// ```
    #[must_use]
    pub fn allows_vouchers(&self) -> bool {
        let named_none = matches!(self, Self::Named { ids, .. } if ids.is_empty());
        !named_none && self.strategy().is_some() && self.maximum() != Some(0)
    }

    /// The strategy that orders the vouchers, if any may pay.
    fn strategy(&self) -> Option<VoucherStrategy> {
        match self {
            Self::Rule(VoucherRule { strategy: VoucherStrategy::ChosenByUser, .. })
            | Self::None => None,
            Self::Rule(rule) => Some(rule.strategy),
            Self::Named { .. } => Some(VoucherStrategy::NearestExpiryThenLargest),
        }
    }

    /// How many vouchers may pay; `None`: any number.
    fn maximum(&self) -> Option<u32> {
        match self {
            Self::Rule(rule) => rule.max_per_payment,
            Self::Named { max_per_payment, .. } => *max_per_payment,
            Self::None => Some(0),
        }
    }
}

/// One payment to be decided. In an automatic renewal each instance or group is one (V-1).
#[derive(Debug, Clone, Copy)]
pub struct Payment<'a> {
    /// What is paid for.
    pub items: &'a [PayableItem],
    /// The vouchers of the account, in any order, each once; also those that cannot be used.
    pub vouchers: &'a [Voucher],
    /// The cash that can be spent, in minor units. Never negative.
    pub cash: i64,
    /// Which vouchers may pay.
    pub choice: &'a VoucherChoice,
    /// The instant at which the charge or hold is placed.
    pub at: DateTime<Utc>,
    /// Whether an automatic renewal pays.
    pub automatic: bool,
    /// What the amounts are in: the wallet's currency, and that of the items (W-6).
    pub currency: Currency,
}

#[cfg(test)]
mod tests;
