//! Booking once more what an older copy of the wallet does not have.

use kernel::Money;
use rule_engine::{
    reason::{Reason, Refusal},
    voucher::{Coverage, VoucherPayment},
};

use super::Purse;
use crate::domain::{Bill, LedgerAccount, Payment};

impl Purse {
    /// Takes from the same sources what `coverage` says that they paid of `bill`; answers with what
    /// single-use vouchers forfeit by it, which nobody but the wallet knew.
    pub fn take_again(
        &mut self,
        payment: &Payment,
        bill: &Bill,
        coverage: &Coverage,
    ) -> Result<Coverage, Refusal> {
        let again = |it: &VoucherPayment| {
            let voucher = self.vouchers.iter().find(|voucher| voucher.id == it.voucher);
            let rest = voucher.map_or(0, |voucher| voucher.remaining) - it.paid;
            let lost = voucher.filter(|voucher| voucher.terms.single_use).map_or(0, |_| rest);
            let lacks = || self.lacks(&format!("voucher {}", it.voucher), -rest);
            if rest < 0 { Err(lacks()) } else { Ok(VoucherPayment { forfeited: lost, ..*it }) }
        };
        let vouchers = coverage.vouchers.iter().map(again).collect::<Result<_, _>>()?;
        if self.wallet.cash < coverage.cash {
            return Err(self.lacks("the cash balance", coverage.cash - self.wallet.cash));
        }
        let coverage = Coverage { vouchers, ..coverage.clone() };
        self.take(&coverage, payment.id, bill);
        if let Some(intent) = &payment.intent {
            let paid = LedgerAccount::Channel(intent.channel.clone());
            let revenue = LedgerAccount::Revenue(bill.order);
            self.book(paid, revenue, coverage.channel, payment.about(), String::new());
        }
        Ok(coverage)
    }

    fn lacks(&self, source: &str, missing: i64) -> Refusal {
        let missing = Money::new(missing, self.wallet.currency);
        let message = format!("{missing} is missing: {source} does not have what it paid.");
        Refusal::new(Reason::InsufficientFunds, message).with("source", source)
    }
}
