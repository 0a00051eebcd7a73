//! One account's money while a transaction holds its wallet.

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

use super::{Charge, Entry, Grant, LedgerAccount, Outcome, PaymentRefusal, Voucher, Wallet};

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
    /// The faces of the vouchers issued, in minor units.
    pub issued: i64,
    /// What vouchers lost.
    pub spent: BTreeMap<VoucherId, Spent>,
    /// The vouchers issued.
    pub vouchers: Vec<Voucher>,
    /// The movements, in order; their numbers go on from the wallet's.
    pub entries: Vec<Entry>,
}

/// What a voucher lost, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// To payments.
    pub captured: i64,
    /// As what a single-use voucher had left.
    pub forfeited: i64,
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
        self.same_currency(amount)?;
        let cash = self.wallet.cash.checked_add(amount.minor()).ok_or_else(|| {
            let message = format!("{} and {amount} together do not fit.", self.wallet.cash());
            Refusal::new(Reason::AmountTooLarge, message)
        })?;
        self.wallet.cash = cash;
        self.change.cash += amount.minor();
        self.book(LedgerAccount::Deposits, LedgerAccount::Cash, amount.minor(), None, note);
        Ok(self.change.entries.last().expect("the deposit has just been booked"))
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
        self.book(from, LedgerAccount::Voucher(id), face, None, String::new());
        self.change.vouchers.push(Voucher {
            id,
            account: grant.account,
            face: grant.face,
            remaining: face,
            captured: 0,
            forfeited: 0,
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
        let decision = decide(&engine::Payment {
            items: &charge.items,
            vouchers: &self.vouchers,
            cash: self.wallet.cash,
            choice: &charge.choice,
            at: charge.bill.as_of,
            automatic: charge.automatic,
            currency: self.wallet.currency,
        });
        match decision {
            Ok(Decision::Covered(coverage)) => {
                self.take(&coverage, charge);
                Outcome::Succeeded(coverage.items)
            }
            Ok(Decision::Short(short)) => {
                Outcome::Refused(PaymentRefusal::short(&short, charge.bill.amount))
            }
            Err(refused) => Outcome::Refused(refused.refusal().into()),
        }
    }

    /// Books what pays `charge`.
    fn take(&mut self, coverage: &Coverage, charge: &Charge) {
        let taken: i64 = coverage.vouchers.iter().map(|it| it.paid).sum::<i64>() + coverage.cash;
        assert_eq!(taken, charge.bill.amount.minor(), "the parts add up to the payment");

        let (payment, revenue) = (Some(charge.payment), LedgerAccount::Revenue(charge.bill.order));
        for &engine::VoucherPayment { voucher, paid, forfeited } in &coverage.vouchers {
            self.spend(voucher, Spent { captured: paid, forfeited });
            let source = LedgerAccount::Voucher(voucher);
            self.book(source, revenue, paid, payment, String::new());
            let lost = LedgerAccount::Forfeited(voucher);
            self.book(source, lost, forfeited, payment, String::new());
        }
        self.wallet.cash -= coverage.cash;
        assert!(self.wallet.cash >= 0, "cash never falls below zero");
        self.change.cash -= coverage.cash;
        self.book(LedgerAccount::Cash, revenue, coverage.cash, payment, String::new());
    }

    fn spend(&mut self, id: VoucherId, spent: Spent) {
        let voucher = self.vouchers.iter_mut().find(|voucher| voucher.id == id);
        let voucher = voucher.expect("only vouchers of the purse pay");
        voucher.remaining -= spent.captured + spent.forfeited;
        assert!(voucher.remaining >= 0, "no voucher falls below zero");
        let total = self.change.spent.entry(id).or_default();
        total.captured += spent.captured;
        total.forfeited += spent.forfeited;
    }

    /// Writes an entry, unless nothing moves (W-2).
    fn book(
        &mut self,
        debit: LedgerAccount,
        credit: LedgerAccount,
        amount: i64,
        payment: Option<PaymentId>,
        note: String,
    ) {
        if amount == 0 {
            return;
        }
        self.wallet.entries += 1;
        self.change.entries.push(Entry {
            account: self.wallet.account.clone(),
            number: self.wallet.entries,
            debit,
            credit,
            amount: Money::new(amount, self.wallet.currency),
            payment,
            note,
            create_time: self.now,
        });
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
