//! Words that prices, vouchers and orders share.

use serde::{Deserialize, Serialize};

/// How an instance is paid for (rules, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BillingMode {
    /// In advance, for a term.
    Prepaid,
    /// Metered; such an instance has no expiry.
    Postpaid,
}

/// What an order does to an instance; discounts (M-3) and vouchers (V-1) may ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderKind {
    /// Appends a term.
    Renewal,
    /// Makes a postpaid instance prepaid (C-1).
    Conversion,
    /// Appends a term with another configuration (C-2).
    Change,
}
