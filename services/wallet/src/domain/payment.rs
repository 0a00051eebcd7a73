//! Payments: one row for each payment id, and the first outcome stands.

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, ChannelName, IntentId, OrderId, PaymentId},
};
use platform::request::RequestDigest;
use rule_engine::{
    reason::Refusal,
    voucher::{Coverage, PayableItem, Shortfall, VoucherChoice},
};

use super::About;

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
    /// What a channel was asked for.
    pub intent: Option<Intent>,
    /// When the channel's confirmation was booked: the payment instant (O-8).
    pub confirm_time: Option<DateTime<Utc>>,
    /// Whether all of it was given back because no order knew of it after a restore: it is as good as
    /// voided for whoever asks.
    pub withdrawn: bool,
}

impl Payment {
    /// A payment that no channel has a part in.
    pub fn without_channel(charge: &Charge, outcome: Outcome) -> Self {
        Self {
            id: charge.payment,
            account: charge.account.clone(),
            bill: Some(charge.bill.clone()),
            outcome,
            intent: None,
            confirm_time: None,
            withdrawn: false,
        }
    }

    /// A payment that was called off before it was known.
    pub fn voided(id: PaymentId, account: AccountId) -> Self {
        let outcome = Outcome::Voided;
        let withdrawn = false;
        Self { id, account, bill: None, outcome, intent: None, confirm_time: None, withdrawn }
    }

    /// What its movements belong to.
    pub fn about(&self) -> About {
        let order = self.bill.as_ref().map(|bill| bill.order);
        About { order, payment: Some(self.id), refund: None }
    }
}

/// What a third-party channel is asked to pay of a payment (W-4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The checkout reference, which the channel brings back.
    pub id: IntentId,
    pub channel: ChannelName,
    /// In minor units of the bill's currency. Always positive.
    pub amount: i64,
    /// The first instant at which what is held is released and a confirmation comes too late.
    pub expires: DateTime<Utc>,
}

/// How far a payment is. Every outcome but `Pending` is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Vouchers and cash are held, and the channel has not confirmed; what will pay (V-4, W-3).
    Pending(Coverage),
    /// The money was taken; what paid (V-4).
    Succeeded(Coverage),
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
