//! What the movements of a ledger are, and what they change (W-2).

use std::ops::AddAssign;

use super::{Entry, LedgerAccount};

/// What an account has, or what a movement changes of it, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balances {
    /// Cash that can be spent.
    pub cash: i64,
    /// Cash set aside for payments (W-3).
    pub held: i64,
    /// What remains of vouchers, with what is set aside of them.
    pub vouchers: i64,
}

impl AddAssign for Balances {
    fn add_assign(&mut self, more: Self) {
        self.cash += more.cash;
        self.held += more.held;
        self.vouchers += more.vouchers;
    }
}

/// A kind of ledger account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Cash,
    HeldCash,
    Voucher,
    HeldVoucher,
    Deposits,
    Channel,
    Issued,
    Revenue,
    Forfeited,
    Void,
    Expired,
    /// What waits to go out through a channel.
    Refund,
}

impl Side {
    /// What so much entering an account of this kind changes.
    fn gains(self, amount: i64) -> Balances {
        let none = Balances::default();
        match self {
            Self::Cash => Balances { cash: amount, ..none },
            Self::HeldCash => Balances { held: amount, ..none },
            Self::Voucher | Self::HeldVoucher => Balances { vouchers: amount, ..none },
            _ => none,
        }
    }
}

/// What a movement is, for the one whose ledger it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MovementKind {
    Deposit,
    VoucherIssued,
    Payment,
    Hold,
    Release,
    Refund,
    ChannelToCash,
    VoucherForfeited,
    VoucherExpired,
    VoucherRevoked,
}

impl MovementKind {
    /// What a movement from one kind of account to another is.
    pub const fn of(debit: Side, credit: Side) -> Self {
        match (debit, credit) {
            (Side::Deposits, _) => Self::Deposit,
            (Side::Issued, _) => Self::VoucherIssued,
            (Side::Revenue | Side::Refund | Side::Forfeited, _) => Self::Refund,
            (_, Side::Revenue) => Self::Payment,
            (_, Side::HeldCash | Side::HeldVoucher) => Self::Hold,
            (Side::Channel, _) => Self::ChannelToCash,
            (_, Side::Forfeited) => Self::VoucherForfeited,
            (_, Side::Expired) => Self::VoucherExpired,
            (_, Side::Void) => Self::VoucherRevoked,
            _ => Self::Release,
        }
    }
}

/// What moving `amount` from one kind of account to another changes.
pub fn moved(debit: Side, credit: Side, amount: i64) -> Balances {
    let mut change = credit.gains(amount);
    change += debit.gains(-amount);
    change
}

impl Entry {
    /// What it is.
    pub fn kind(&self) -> MovementKind {
        MovementKind::of(self.debit.side(), self.credit.side())
    }

    /// What it changes.
    pub fn change(&self) -> Balances {
        moved(self.debit.side(), self.credit.side(), self.amount.minor())
    }
}

impl LedgerAccount {
    /// Which kind it is.
    pub const fn side(&self) -> Side {
        match self {
            Self::Cash => Side::Cash,
            Self::HeldCash(_) => Side::HeldCash,
            Self::Voucher(_) => Side::Voucher,
            Self::HeldVoucher(..) => Side::HeldVoucher,
            Self::Deposits => Side::Deposits,
            Self::Channel(_) => Side::Channel,
            Self::IssuedVouchers => Side::Issued,
            Self::Revenue(_) => Side::Revenue,
            Self::Forfeited(_) => Side::Forfeited,
            Self::Void(_) => Side::Void,
            Self::Expired(_) => Side::Expired,
            Self::Refund(_) => Side::Refund,
        }
    }
}

#[cfg(test)]
mod tests;
