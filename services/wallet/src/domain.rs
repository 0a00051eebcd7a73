//! What a wallet may do with its money: decisions that guard the rows of this service.
//!
//! No I/O and no clock. Which voucher pays what of which item is the rule engine's decision; what
//! is decided here is that nothing moves twice, that nothing falls below zero, and that every
//! movement leaves an entry.

mod chain;
mod channel;
mod code;
mod ledger;
mod news;
mod payment;
mod purse;
mod refund;
mod statement;
mod voucher;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{Currency, Money, ids::AccountId};

pub use self::{
    chain::{Hash, Link},
    channel::{Channel, Channels},
    code::{Code, CodeRefused},
    ledger::{About, Entry, LedgerAccount},
    news::{Booked, Confirmed, News, ToCash, Verdict, judge},
    payment::{Bill, Charge, Intent, Outcome, Payment, PaymentRefusal, WALLET_NOT_FOUND},
    purse::{ChannelNotNeeded, Purse},
    refund::{
        PATIENCE, REMIND_EVERY, Refund, RefundAsk, RefundRefused, RefundedItem, RefundedVoucher,
        plan,
    },
    statement::{Balances, MovementKind, Side, moved},
    voucher::{Grant, Voucher, VoucherState},
};

/// How far the instant that a caller decided at may be from this service's clock.
pub const MAX_SKEW: TimeDelta = TimeDelta::minutes(5);

/// Whether `as_of` is too far from `now` to be believed: `CLOCK_SKEW` (O-8).
pub fn skewed(as_of: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (as_of - now).abs() > MAX_SKEW
}

/// The money of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    pub account: AccountId,
    pub currency: Currency,
    /// Cash that can be spent, in minor units. Never negative.
    pub cash: i64,
    /// Cash set aside, in minor units. Never negative.
    pub held: i64,
    /// The sum of the faces of all vouchers ever issued, in minor units: what keeps every sum of
    /// balances from overflowing.
    pub issued: i64,
    /// The number of its last entry; 0 before the first.
    pub entries: i64,
    /// The hash of its last entry.
    pub head: Hash,
    pub create_time: DateTime<Utc>,
}

impl Wallet {
    /// A new wallet is empty.
    pub fn open(account: AccountId, currency: Currency, now: DateTime<Utc>) -> Self {
        let (head, create_time) = (Hash::NONE, now);
        Self { account, currency, cash: 0, held: 0, issued: 0, entries: 0, head, create_time }
    }

    /// The cash that can be spent.
    pub fn cash(&self) -> Money {
        Money::new(self.cash, self.currency)
    }
}

/// What an account can spend, whatever for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funds {
    pub account: AccountId,
    pub cash: Money,
    /// The balances of the vouchers that are valid now.
    pub vouchers: Money,
}

#[cfg(test)]
mod tests;
