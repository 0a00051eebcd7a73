//! One account's money while a transaction holds its wallet.

mod book;
mod hold;
mod refund;
mod restore;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{PaymentId, VoucherId},
};
use rule_engine::{
    reason::{Reason, Refusal},
    voucher::{self as engine, Coverage, Decision, decide},
};

pub use self::hold::ChannelNotNeeded;
use super::{
    About, Bill, Charge, Entry, Grant, Hash, LedgerAccount, Outcome, PaymentRefusal, Voucher,
    Wallet,
};

/// A wallet, the vouchers that may pay, and what has changed since they were loaded. The changes
/// and their entries are saved together or not at all.
#[derive(Debug, Clone)]
pub struct Purse {
    wallet: Wallet,
    vouchers: Vec<engine::Voucher>,
    change: Change,
    /// The time of its entries.
    now: DateTime<Utc>,
}

/// What is to be saved of a purse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What cash gained, in minor units; negative where it paid.
    pub cash: i64,
    /// What the cash set aside gained, in minor units.
    pub held: i64,
    /// The faces of the vouchers issued, in minor units.
    pub issued: i64,
    /// What moved in vouchers.
    pub moved: BTreeMap<VoucherId, Moved>,
    /// The vouchers issued.
    pub vouchers: Vec<Voucher>,
    /// The movements, in order; their numbers go on from the wallet's.
    pub entries: Vec<Entry>,
}

/// What the parts of a voucher's face gained or lost, in minor units: together nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    pub remaining: i64,
    pub captured: i64,
    pub held: i64,
    pub forfeited: i64,
    pub voided: i64,
    pub expired: i64,
}

impl Moved {
    /// From what remains to a payment that takes it, with what a single-use voucher then loses.
    fn taken(&engine::VoucherPayment { paid, forfeited, .. }: &engine::VoucherPayment) -> Self {
        let remaining = -paid - forfeited;
        Self { remaining, captured: paid, forfeited, ..Self::default() }
    }

    fn add(&mut self, more: Self) {
        self.remaining += more.remaining;
        self.captured += more.captured;
        self.held += more.held;
        self.forfeited += more.forfeited;
        self.voided += more.voided;
        self.expired += more.expired;
    }
}

impl Purse {
    /// The money of `wallet`, of whose vouchers `vouchers` may pay.
    pub fn new(wallet: Wallet, vouchers: Vec<engine::Voucher>, now: DateTime<Utc>) -> Self {
        Self { wallet, vouchers, change: Change::default(), now }
    }

    /// The wallet with all that has changed.
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// What is to be saved.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Adds cash (W-2). Another currency than the wallet's is refused (W-6), and so is what would
    /// not fit.
    pub fn deposit(&mut self, amount: Money, note: String) -> Result<&Entry, Refusal> {
        self.gain(LedgerAccount::Deposits, amount, About::default(), note)
    }

    /// Adds cash that comes from outside. What is held counts as if it were there: it can always be
    /// released.
    fn gain(
        &mut self,
        from: LedgerAccount,
        amount: Money,
        about: About,
        note: String,
    ) -> Result<&Entry, Refusal> {
        self.same_currency(amount)?;
        let Wallet { cash, held, .. } = self.wallet;
        cash.checked_add(held).and_then(|all| all.checked_add(amount.minor())).ok_or_else(
            || {
                let message = format!("{} and {amount} together do not fit.", self.wallet.cash());
                Refusal::new(Reason::AmountTooLarge, message)
            },
        )?;
        self.move_cash(amount.minor(), 0);
        self.book(from, LedgerAccount::Cash, amount.minor(), about, note);
        Ok(self.change.entries.last().expect("more than nothing has just been booked"))
    }

    /// Issues a voucher named `id` (V-1, W-2). Refused as a deposit is.
    pub fn issue(&mut self, id: VoucherId, grant: Grant) -> Result<(), Refusal> {
        self.same_currency(grant.face)?;
        let face = grant.face.minor();
        self.wallet.issued = self.wallet.issued.checked_add(face).ok_or_else(|| {
            let message = "The vouchers of the account together do not fit.";
            Refusal::new(Reason::AmountTooLarge, message)
        })?;
        self.change.issued += face;
        let from = LedgerAccount::IssuedVouchers;
        let about = About::default();
        self.book(from, LedgerAccount::Voucher(id), face, about, String::new());
        self.change.vouchers.push(Voucher {
            id,
            account: grant.account,
            face: grant.face,
            remaining: face,
            captured: 0,
            held: 0,
            forfeited: 0,
            voided: 0,
            expired: 0,
            revoked: false,
            terms: grant.terms,
            create_time: self.now,
        });
        Ok(())
    }

    /// Takes a payment, the whole of it or nothing (V-3, A-3).
    pub fn charge(&mut self, charge: &Charge) -> Outcome {
        if let Err(refusal) = self.same_currency(charge.bill.amount) {
            return Outcome::Refused(refusal.into());
        }
        let decision = decide(&self.payment(charge, self.wallet.cash));
        match decision {
            Ok(Decision::Covered(coverage)) => {
                self.take(&coverage, charge.payment, &charge.bill);
                Outcome::Succeeded(coverage)
            }
            Ok(Decision::Short(short)) => {
                Outcome::Refused(PaymentRefusal::short(&short, charge.bill.amount))
            }
            Err(refused) => Outcome::Refused(refused.refusal().into()),
        }
    }

    /// What the rule engine is asked, with so much cash.
    fn payment<'a>(&'a self, charge: &'a Charge, cash: i64) -> engine::Payment<'a> {
        engine::Payment {
            items: &charge.items,
            vouchers: &self.vouchers,
            cash,
            choice: &charge.choice,
            at: charge.bill.as_of,
            automatic: charge.automatic,
            currency: self.wallet.currency,
        }
    }

    /// Books what pays `bill`, but for what a channel pays of it.
    fn take(&mut self, coverage: &Coverage, payment: PaymentId, bill: &Bill) {
        self.check_whole(coverage, bill);
        let about = About::payment(bill.order, payment);
        let revenue = || LedgerAccount::Revenue(bill.order);
        for it in &coverage.vouchers {
            self.move_voucher(it.voucher, Moved::taken(it));
            let source = || LedgerAccount::Voucher(it.voucher);
            self.book(source(), revenue(), it.paid, about, String::new());
            let lost = LedgerAccount::Forfeited(it.voucher);
            self.book(source(), lost, it.forfeited, about, String::new());
        }
        self.move_cash(-coverage.cash, 0);
        self.book(LedgerAccount::Cash, revenue(), coverage.cash, about, String::new());
    }

    fn check_whole(&self, coverage: &Coverage, bill: &Bill) {
        let vouchers: i64 = coverage.vouchers.iter().map(|it| it.paid).sum();
        let whole = vouchers + coverage.cash + coverage.channel;
        assert_eq!(whole, bill.amount.minor(), "the parts add up to the payment");
        assert_eq!(bill.amount.currency(), self.wallet.currency, "one currency (W-6)");
    }

    fn move_cash(&mut self, cash: i64, held: i64) {
        self.wallet.cash += cash;
        self.wallet.held += held;
        assert!(self.wallet.cash >= 0 && self.wallet.held >= 0, "cash never falls below zero");
        self.change.cash += cash;
        self.change.held += held;
    }

    fn move_voucher(&mut self, id: VoucherId, moved: Moved) {
        let Moved { remaining, captured, held, forfeited, voided, expired } = moved;
        let sum = remaining + captured + held + forfeited + voided + expired;
        assert_eq!(sum, 0, "a voucher keeps its face");
        // What is held or captured of a voucher can move without what remains of it being known.
        if let Some(voucher) = self.vouchers.iter_mut().find(|voucher| voucher.id == id) {
            voucher.remaining += remaining;
            assert!(voucher.remaining >= 0, "no voucher falls below zero");
        } else {
            assert!(remaining >= 0, "only vouchers of the purse pay");
        }
        self.change.moved.entry(id).or_default().add(moved);
    }

    /// Writes an entry, unless nothing moves (W-2).
    fn book(
        &mut self,
        debit: LedgerAccount,
        credit: LedgerAccount,
        amount: i64,
        about: About,
        note: String,
    ) {
        if amount == 0 {
            return;
        }
        self.wallet.entries += 1;
        let mut entry = Entry {
            account: self.wallet.account.clone(),
            number: self.wallet.entries,
            debit,
            credit,
            amount: Money::new(amount, self.wallet.currency),
            about,
            note,
            create_time: self.now,
            hash: Hash::NONE,
        };
        entry.hash = entry.hash_after(self.wallet.head);
        self.wallet.head = entry.hash;
        self.change.entries.push(entry);
    }

    fn same_currency(&self, amount: Money) -> Result<(), Refusal> {
        if amount.currency() == self.wallet.currency {
            return Ok(());
        }
        let message = format!(
            "{amount} is in another currency than the wallet of account {}, which is in {}.",
            self.wallet.account, self.wallet.currency
        );
        Err(Refusal::new(Reason::CurrencyMismatch, message)
            .with("account_id", &self.wallet.account)
            .with("wallet_currency", self.wallet.currency))
    }
}

#[cfg(test)]
mod tests;
