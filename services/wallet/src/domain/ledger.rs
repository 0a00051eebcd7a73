//! The double-entry ledger (W-2).

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, ChannelName, OrderId, PaymentId, RefundId, VoucherId},
};

use super::Hash;

/// One balanced movement: `amount` leaves `debit` and enters `credit`. Entries are never changed
/// or deleted (W-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose ledger it is in.
    pub account: AccountId,
    /// Counts the entries of the account, from 1 and without a gap.
    pub number: i64,
    pub debit: LedgerAccount,
    pub credit: LedgerAccount,
    /// Always positive.
    pub amount: Money,
    pub about: About,
    /// What the mover said of it, for people.
    pub note: String,
    pub create_time: DateTime<Utc>,
    /// Over the hash of the entry before it and this entry.
    pub hash: Hash,
}

/// What a movement belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct About {
    /// The order that the payment or refund is about.
    pub order: Option<OrderId>,
    pub payment: Option<PaymentId>,
    pub refund: Option<RefundId>,
}

impl About {
    /// The payment of an order.
    pub const fn payment(order: OrderId, payment: PaymentId) -> Self {
        Self { order: Some(order), payment: Some(payment), refund: None }
    }
}

/// Where money is, as seen from one account's wallet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LedgerAccount {
    /// The cash that can be spent.
    Cash,
    /// What remains of a voucher.
    Voucher(VoucherId),
    /// Cash that is set aside for a payment (W-3).
    HeldCash(PaymentId),
    /// What is set aside of a voucher for a payment, with what it would forfeit (W-3).
    HeldVoucher(PaymentId, VoucherId),
    /// Where deposits come from.
    Deposits,
    /// What a payment channel brings (W-4).
    Channel(ChannelName),
    /// Where the value of vouchers comes from.
    IssuedVouchers,
    /// What an order was paid with.
    Revenue(OrderId),
    /// What a single-use voucher lost.
    Forfeited(VoucherId),
    /// What a voucher lost when it was revoked, or what came back to one that had expired (V-5).
    Void(VoucherId),
    /// What remained of a voucher when it expired (V-5).
    Expired(VoucherId),
    /// What waits to go back through a channel (O-6).
    Refund(RefundId),
}

impl fmt::Display for LedgerAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cash => f.write_str("cash"),
            Self::Voucher(id) => write!(f, "voucher:{id}"),
            Self::HeldCash(payment) => write!(f, "hold:{payment}:cash"),
            Self::HeldVoucher(payment, id) => write!(f, "hold:{payment}:voucher:{id}"),
            Self::Deposits => f.write_str("external:deposit"),
            Self::Channel(name) => write!(f, "external:channel:{name}"),
            Self::IssuedVouchers => f.write_str("issued:voucher"),
            Self::Revenue(id) => write!(f, "revenue:{id}"),
            Self::Forfeited(id) => write!(f, "forfeited:{id}"),
            Self::Void(id) => write!(f, "void:{id}"),
            Self::Refund(id) => write!(f, "refund:{id}"),
            Self::Expired(id) => write!(f, "expired:{id}"),
        }
    }
}

/// No ledger account has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a ledger account")]
pub struct InvalidLedgerAccount(String);

impl FromStr for LedgerAccount {
    type Err = InvalidLedgerAccount;

    fn from_str(text: &str) -> Result<Self, InvalidLedgerAccount> {
        let known = match text.split_once(':') {
            None if text == "cash" => Some(Self::Cash),
            Some(("voucher", id)) => id.parse().map(Self::Voucher).ok(),
            Some(("hold", rest)) => held(rest),
            Some(("external", "deposit")) => Some(Self::Deposits),
            Some(("external", rest)) => {
                rest.strip_prefix("channel:").and_then(|name| name.parse().map(Self::Channel).ok())
            }
            Some(("issued", "voucher")) => Some(Self::IssuedVouchers),
            Some(("revenue", id)) => id.parse().map(Self::Revenue).ok(),
            Some(("forfeited", id)) => id.parse().map(Self::Forfeited).ok(),
            Some(("void", id)) => id.parse().map(Self::Void).ok(),
            Some(("refund", id)) => id.parse().map(Self::Refund).ok(),
            Some(("expired", id)) => id.parse().map(Self::Expired).ok(),
            _ => None,
        };
        known.ok_or_else(|| InvalidLedgerAccount(text.to_owned()))
    }
}

/// What is held for a payment, named after `hold:`.
fn held(text: &str) -> Option<LedgerAccount> {
    let (payment, source) = text.split_once(':')?;
    let payment = payment.parse().ok()?;
    match source.split_once(':') {
        None if source == "cash" => Some(LedgerAccount::HeldCash(payment)),
        Some(("voucher", id)) => Some(LedgerAccount::HeldVoucher(payment, id.parse().ok()?)),
        _ => None,
    }
}
