//! Vouchers as this service keeps them (V-1).

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, VoucherId},
};
use rule_engine::voucher::{self as engine, VoucherTerms};

/// Stored value of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    pub id: VoucherId,
    pub account: AccountId,
    /// What it was issued with: all that follow add up to it.
    pub face: Money,
    /// In minor units, as those that follow. Never negative.
    pub remaining: i64,
    /// What payments took of it.
    pub captured: i64,
    /// What is set aside for payments that await their channel (W-3).
    pub held: i64,
    /// What it lost as a single-use voucher.
    pub forfeited: i64,
    /// What was left when it was revoked, or came back after it had ended (V-5).
    pub voided: i64,
    /// What was left when it expired, once that is booked (V-5).
    pub expired: i64,
    pub revoked: bool,
    pub terms: VoucherTerms,
    pub create_time: DateTime<Utc>,
}

/// Whether a voucher can pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoucherState {
    NotYetValid,
    Usable,
    UsedUp,
    Expired,
    Revoked,
}

impl Voucher {
    /// What the rule engine needs to know of it. One that was revoked has nothing left.
    pub fn usable(&self) -> engine::Voucher {
        let remaining = if self.revoked { 0 } else { self.remaining };
        engine::Voucher { id: self.id, remaining, terms: self.terms.clone() }
    }

    /// Whether it can pay no more at `now`, however much it had left: what goes back to it is void
    /// (V-5).
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.revoked || now >= self.terms.expires
    }

    /// Whether it can pay at `now`: from the first instant of its validity up to, but not at, its
    /// end (V-1, V-5).
    pub fn state(&self, now: DateTime<Utc>) -> VoucherState {
        if self.revoked {
            VoucherState::Revoked
        } else if self.expired > 0 {
            VoucherState::Expired
        } else if self.remaining == 0 {
            VoucherState::UsedUp
        } else if self.is_over(now) {
            VoucherState::Expired
        } else if now < self.terms.valid_from {
            VoucherState::NotYetValid
        } else {
            VoucherState::Usable
        }
    }
}

/// A voucher to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub account: AccountId,
    /// Always positive.
    pub face: Money,
    pub terms: VoucherTerms,
}
