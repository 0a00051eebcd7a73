//! Money that is set aside until a channel has paid its part, or has not (W-3, W-4).

use kernel::{Money, ids::ChannelName};
use rule_engine::{
    reason::Refusal,
    voucher::{Coverage, cover},
};

use super::{Moved, Purse};
use crate::domain::{About, Charge, LedgerAccount, Outcome, Payment, ToCash};

/// Vouchers and cash pay the whole: there is nothing to ask a channel for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("vouchers and cash cover the whole payment, so that no channel is needed")]
pub struct ChannelNotNeeded;

impl Purse {
    /// Sets aside what vouchers, and cash where it is to pay, pay of `charge`; a channel is to pay
    /// the rest. Vouchers are judged now, and not when the channel confirms (V-1, V-5).
    pub fn hold(&mut self, charge: &Charge, use_cash: bool) -> Result<Outcome, ChannelNotNeeded> {
        if let Err(refusal) = self.same_currency(charge.bill.amount) {
            return Ok(Outcome::Refused(refusal.into()));
        }
        let cash = if use_cash { self.wallet.cash } else { 0 };
        let coverage = match cover(&self.payment(charge, cash)) {
            Ok(coverage) => coverage,
            Err(refused) => return Ok(Outcome::Refused(refused.refusal().into())),
        };
        if coverage.channel == 0 {
            return Err(ChannelNotNeeded);
        }
        self.check_whole(&coverage, &charge.bill);
        let about = About::payment(charge.bill.order, charge.payment);
        for it in &coverage.vouchers {
            let held = it.paid + it.forfeited;
            self.move_voucher(it.voucher, Moved { remaining: -held, held, ..Moved::default() });
            let aside = LedgerAccount::HeldVoucher(charge.payment, it.voucher);
            self.book(LedgerAccount::Voucher(it.voucher), aside, held, about, String::new());
        }
        self.move_cash(-coverage.cash, coverage.cash);
        let aside = LedgerAccount::HeldCash(charge.payment);
        self.book(LedgerAccount::Cash, aside, coverage.cash, about, String::new());
        Ok(Outcome::Pending(coverage))
    }

    /// Takes what is held for `payment`, and what `channel` pays of it (W-4).
    pub fn capture(&mut self, payment: &Payment, coverage: &Coverage, channel: &ChannelName) {
        let bill = payment.bill.as_ref().expect("a payment with a channel has a bill");
        let (about, revenue) = (payment.about(), || LedgerAccount::Revenue(bill.order));
        for it in &coverage.vouchers {
            let (paid, forfeited) = (it.paid, it.forfeited);
            let held = -paid - forfeited;
            let moved = Moved { captured: paid, held, forfeited, ..Moved::default() };
            self.move_voucher(it.voucher, moved);
            let aside = || LedgerAccount::HeldVoucher(payment.id, it.voucher);
            self.book(aside(), revenue(), paid, about, String::new());
            let lost = LedgerAccount::Forfeited(it.voucher);
            self.book(aside(), lost, forfeited, about, String::new());
        }
        self.move_cash(0, -coverage.cash);
        let aside = LedgerAccount::HeldCash(payment.id);
        self.book(aside, revenue(), coverage.cash, about, String::new());
        let paid = LedgerAccount::Channel(channel.clone());
        self.book(paid, revenue(), coverage.channel, about, String::new());
    }

    /// Gives back what is held for `payment` (W-3).
    pub fn release(&mut self, payment: &Payment, coverage: &Coverage) {
        let about = payment.about();
        for it in &coverage.vouchers {
            let held = it.paid + it.forfeited;
            let moved = Moved { remaining: held, held: -held, ..Moved::default() };
            self.move_voucher(it.voucher, moved);
            let aside = LedgerAccount::HeldVoucher(payment.id, it.voucher);
            self.book(aside, LedgerAccount::Voucher(it.voucher), held, about, String::new());
        }
        self.move_cash(coverage.cash, -coverage.cash);
        let aside = LedgerAccount::HeldCash(payment.id);
        self.book(aside, LedgerAccount::Cash, coverage.cash, about, String::new());
    }

    /// Takes money of `channel` that pays nothing into the cash balance (W-4).
    pub fn receive(
        &mut self,
        channel: &ChannelName,
        amount: Money,
        about: About,
        why: ToCash,
    ) -> Result<(), Refusal> {
        let from = LedgerAccount::Channel(channel.clone());
        self.gain(from, amount, about, why.reason().to_owned()).map(|_| ())
    }
}
