//! Payments: one row for each payment id, and the first outcome stands.

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, OrderId, PaymentId},
};
use platform::request::RequestDigest;
use rule_engine::{
    reason::Refusal,
    voucher::{ItemParts, PayableItem, Shortfall, VoucherChoice},
};

/// Reason of a payment or call for an account that has no wallet.
pub const WALLET_NOT_FOUND: &str = "WALLET_NOT_FOUND";

/// A payment to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    pub payment: PaymentId,
    pub account: AccountId,
    pub bill: Bill,
    /// What is paid for; the payables add up to the bill's amount.
    pub items: Vec<PayableItem>,
    pub choice: VoucherChoice,
    /// Whether an automatic renewal pays.
    pub automatic: bool,
    /// What a repeat must equal (O-3).
    pub digest: RequestDigest,
}

/// What a payment is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    pub order: OrderId,
    pub amount: Money,
    /// The payment instant: vouchers are judged at it (V-1, O-8).
    pub as_of: DateTime<Utc>,
}

/// The paying of one order, or of one instance or group in an automatic renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub id: PaymentId,
    pub account: AccountId,
    /// None for a payment that was voided before it was known.
    pub bill: Option<Bill>,
    pub outcome: Outcome,
}

/// How a payment ended. Every outcome is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The money was taken; what paid each item (V-4).
    Succeeded(Vec<ItemParts>),
    /// Nothing was taken.
    Refused(PaymentRefusal),
    /// It was called off; nothing was taken, and a late charge takes nothing.
    Voided,
}

/// Why nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRefusal {
    /// A reason code.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// What vouchers and cash could have paid, in minor units, where that is the reason (W-1).
    pub available: Option<i64>,
}

impl PaymentRefusal {
    /// The account has no wallet.
    pub fn wallet_not_found(account: &AccountId) -> Self {
        Self {
            reason: WALLET_NOT_FOUND.to_owned(),
            message: format!("Account {account} has no wallet."),
            available: None,
        }
    }

    /// There is too little money (W-1).
    pub fn short(shortfall: &Shortfall, amount: Money) -> Self {
        let refusal = Self::from(shortfall.refusal(amount.currency()));
        Self { available: Some(shortfall.available), ..refusal }
    }
}

impl From<Refusal> for PaymentRefusal {
    fn from(refusal: Refusal) -> Self {
        Self { reason: refusal.reason.code().to_owned(), message: refusal.message, available: None }
    }
}
