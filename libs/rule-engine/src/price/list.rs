//! The price list of a catalog, as it is written.

use chrono::{DateTime, Utc};
use kernel::{
    Currency,
    ids::{ProductId, Region},
};
use rust_decimal::Decimal;

use super::{Component, Discount, Tier};
use crate::profile::MoneyPolicy;

/// Everything that prices are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceList {
    /// What is sold.
    pub products: Vec<PricedProduct>,
    /// Unit prices, with the instants that they are in force from.
    pub prices: Vec<PriceEntry>,
    /// What may be taken off.
    pub discounts: Vec<Discount>,
}

/// How a product is priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedProduct {
    /// The product.
    pub product: ProductId,
    /// How its amounts come about (M-9).
    pub money_policy: MoneyPolicy,
    /// What of its configuration is priced (M-1).
    pub components: Vec<Component>,
    /// What longer durations cost (M-2).
    pub tiers: Vec<Tier>,
}

/// The price of one unit of a component for one month, from an instant on. Immutable: a new price
/// is a new entry, and the newest in force wins (M-8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceEntry {
    /// The product.
    pub product: ProductId,
    /// The component.
    pub component: String,
    /// The value that selects it; none for a component without `sku_from`.
    pub sku: Option<String>,
    /// The region; none: every region that has no price of its own.
    pub region: Option<Region>,
    /// The currency; prices are never converted (W-6).
    pub currency: Currency,
    /// The first instant at which it is in force.
    pub effective_from: DateTime<Utc>,
    /// The price, major units of the currency for one unit and month.
    pub rate: MonthlyRate,
}

/// The price of so many units for one month (M-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonthlyRate {
    /// The same for each unit.
    Monthly(Decimal),
    /// Graduated: each bracket's price holds for the units within it only.
    Brackets(Vec<Bracket>),
}

/// A range of a graduated quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bracket {
    /// The quantity that it reaches up to, included; none: without end (only the last one).
    pub up_to: Option<Decimal>,
    /// The price of each unit within it.
    pub monthly: Decimal,
}
