//! What a price depends on, and why there may be none.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{
    Currency,
    ids::{ProductId, Region},
};

use super::{component::BadQuantity, exact::TooLarge};
use crate::{configuration::Configuration, kind::OrderKind, reason::Reason, term::PricedSpan};

/// What one instance is priced with.
#[derive(Debug, Clone, Copy)]
pub struct PriceFacts<'a> {
    /// The product.
    pub product: &'a ProductId,
    /// The region.
    pub region: &'a Region,
    /// What is priced.
    pub configuration: &'a Configuration,
    /// The currency to pay in.
    pub currency: Currency,
    /// The time to pay for.
    pub span: PricedSpan,
    /// What the order does.
    pub order_kind: OrderKind,
    /// The account's labels; none for the price calculator (M-7).
    pub account_labels: &'a BTreeMap<String, String>,
    /// The instant of pricing (M-8).
    pub as_of: DateTime<Utc>,
}

/// Why something has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceRefused {
    /// The price list has no such product.
    #[error("there is no product {0}")]
    UnknownProduct(ProductId),
    /// A component has no price in force that fits, in any currency (M-1).
    #[error("{component} has no price in force for {what}", what = .sku.as_deref().unwrap_or("any unit"))]
    NoPrice {
        /// The component.
        component: String,
        /// What selects its price, if anything does.
        sku: Option<String>,
    },
    /// Nothing in the configuration has a price, although the product sells something (M-1).
    #[error("nothing in the configuration has a price")]
    NothingPriced,
    /// A quantity is not a number that can be priced (M-1).
    #[error(transparent)]
    BadQuantity(#[from] BadQuantity),
    /// There are prices, but not in this currency (W-6).
    #[error("{component} has no price in {currency}")]
    CurrencyMismatch {
        /// The component.
        component: String,
        /// The currency asked for.
        currency: Currency,
    },
    /// The amount is larger, or has more digits, than can be computed exactly (M-5).
    #[error("the amount is too large")]
    AmountTooLarge,
}

impl PriceRefused {
    /// The reason for which a renewal is refused that has no price; none for a product that is not
    /// there, which is refused before anybody asks for its price.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::CurrencyMismatch { .. } => Some(Reason::CurrencyMismatch),
            Self::AmountTooLarge => Some(Reason::AmountTooLarge),
            Self::NoPrice { .. } | Self::NothingPriced | Self::BadQuantity(_) => {
                Some(Reason::PriceNotFound)
            }
            Self::UnknownProduct(_) => None,
        }
    }
}

impl From<TooLarge> for PriceRefused {
    fn from(TooLarge: TooLarge) -> Self {
        Self::AmountTooLarge
    }
}
