//! Discounts: what is taken off a price after its tier, and from whom (M-3).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{
    Currency,
    ids::{ProductId, Region},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::exact::{Exact, TooLarge};
use crate::{duration::TermDuration, kind::OrderKind};

/// Something taken off the total of an item, odd days included. At most one is (M-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discount {
    /// Its id; the last tie-break.
    pub id: String,
    /// Its name on bills.
    pub name: String,
    /// What it rests on; of two that take off the same the contract is taken.
    pub kind: DiscountKind,
    /// The first instant at which it is valid; none: since ever.
    pub valid_from: Option<DateTime<Utc>>,
    /// The first instant at which it no longer is; none: for ever.
    pub valid_until: Option<DateTime<Utc>>,
    /// What it asks of the item and the account.
    pub when: Condition,
    /// What it takes off.
    pub off: Off,
}

/// What a discount rests on. In order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DiscountKind {
    /// An agreement with the customer.
    Contract,
    /// An offer to many.
    Promotion,
}

/// What a discount takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    /// So many percent, 0 to 100.
    PercentOff(Decimal),
    /// So many major units of a currency, for each item and at most its total; prices in other
    /// currencies are left alone.
    AmountOff {
        /// Major units.
        amount: Decimal,
        /// The currency.
        currency: Currency,
    },
}

/// A question with a yes or no answer about [`DiscountFacts`]: yes if each field that is set says
/// yes. A list says yes if it holds the value; an empty one is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// The products.
    pub products: Vec<ProductId>,
    /// The regions.
    pub regions: Vec<Region>,
    /// The durations; 12 months are not 1 year (T-1).
    pub durations: Vec<TermDuration>,
    /// The least number of whole months.
    pub months_at_least: Option<u32>,
    /// The greatest number of whole months.
    pub months_at_most: Option<u32>,
    /// What the order does.
    pub order_kinds: Vec<OrderKind>,
    /// For each label of the account the values that it may have; an account without the label
    /// has none of them.
    pub account_labels: BTreeMap<String, Vec<String>>,
}

/// What conditions ask about.
#[derive(Debug, Clone, Copy)]
pub struct DiscountFacts<'a> {
    /// The product.
    pub product: &'a ProductId,
    /// The region.
    pub region: &'a Region,
    /// The duration chosen, if one was.
    pub duration: Option<TermDuration>,
    /// Whole months of the term, without odd days.
    pub months: u32,
    /// What the order does.
    pub order_kind: OrderKind,
    /// The account's labels; none for the price calculator (M-7).
    pub account_labels: &'a BTreeMap<String, String>,
}

impl Condition {
    /// The answer (M-3).
    ///
    /// A discount on a year says nothing of twelve months (T-1):
    ///
    /// ```
    /// # use std::collections::BTreeMap;
    /// use rule_engine::{kind::OrderKind, price::{Condition, DiscountFacts}};
    /// let yearly = Condition { durations: vec!["1y".parse()?], ..Condition::default() };
    /// let holds = |duration: &str| {
    ///     yearly.holds(&DiscountFacts {
    ///         product: &"vm".parse().unwrap(),
    ///         region: &"cn-north-1".parse().unwrap(),
    ///         duration: duration.parse().ok(),
    ///         months: 12,
    ///         order_kind: OrderKind::Renewal,
    ///         account_labels: &BTreeMap::new(),
    ///     })
    /// };
    /// assert!(holds("1y"));
    /// assert!(!holds("12m"));
    /// # Ok::<(), rule_engine::duration::InvalidDuration>(())
    /// ```
    #[must_use]
    pub fn holds(&self, facts: &DiscountFacts<'_>) -> bool {
        fn among<T: PartialEq>(wanted: &[T], value: &T) -> bool {
            wanted.is_empty() || wanted.contains(value)
        }
        among(&self.products, facts.product)
            && among(&self.regions, facts.region)
            && among(&self.order_kinds, &facts.order_kind)
            && (self.durations.is_empty()
                || facts.duration.is_some_and(|duration| self.durations.contains(&duration)))
            && self.months_at_least.is_none_or(|least| facts.months >= least)
            && self.months_at_most.is_none_or(|most| facts.months <= most)
            && self.account_labels.iter().all(|(label, values)| {
                facts.account_labels.get(label).is_some_and(|value| values.contains(value))
            })
    }
}

impl Discount {
    /// Whether it is valid at `as_of` and its condition holds (M-3).
    #[must_use]
    pub fn applies(&self, facts: &DiscountFacts<'_>, as_of: DateTime<Utc>) -> bool {
        self.valid_from.is_none_or(|from| from <= as_of)
            && self.valid_until.is_none_or(|until| as_of < until)
            && self.when.holds(facts)
    }

    /// What it leaves of `total`.
    pub(super) fn left_of(&self, total: Exact, currency: Currency) -> Result<Exact, TooLarge> {
        match self.off {
            Off::PercentOff(percent) => {
                let left =
                    (Decimal::ONE_HUNDRED - percent).clamp(Decimal::ZERO, Decimal::ONE_HUNDRED);
                total.scaled((left * Decimal::new(1, 2)).normalize())
            }
            Off::AmountOff { amount, currency: of } if of == currency => total.less(amount),
            Off::AmountOff { .. } => Ok(total),
        }
    }
}
