//! The double-entry ledger (W-2).

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, OrderId, PaymentId, VoucherId},
};

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
    /// The payment that it belongs to.
    pub payment: Option<PaymentId>,
    /// What the mover said of it, for people.
    pub note: String,
    pub create_time: DateTime<Utc>,
}

/// Where money is, as seen from one account's wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LedgerAccount {
    /// The cash that can be spent.
    Cash,
    /// What remains of a voucher.
    Voucher(VoucherId),
    /// Where deposits come from.
    Deposits,
    /// Where the value of vouchers comes from.
    IssuedVouchers,
    /// What an order was paid with.
    Revenue(OrderId),
    /// What a single-use voucher lost.
    Forfeited(VoucherId),
}

impl fmt::Display for LedgerAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cash => f.write_str("cash"),
            Self::Voucher(id) => write!(f, "voucher:{id}"),
            Self::Deposits => f.write_str("external:deposit"),
            Self::IssuedVouchers => f.write_str("issued:voucher"),
            Self::Revenue(id) => write!(f, "revenue:{id}"),
            Self::Forfeited(id) => write!(f, "forfeited:{id}"),
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
            Some(("external", "deposit")) => Some(Self::Deposits),
            Some(("issued", "voucher")) => Some(Self::IssuedVouchers),
            Some(("revenue", id)) => id.parse().map(Self::Revenue).ok(),
            Some(("forfeited", id)) => id.parse().map(Self::Forfeited).ok(),
            _ => None,
        };
        known.ok_or_else(|| InvalidLedgerAccount(text.to_owned()))
    }
}
