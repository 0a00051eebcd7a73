//! Money that goes back to where it came from (O-6, V-5).

use kernel::Money;
use rule_engine::reason::Refusal;

use super::{Moved, Purse};
use crate::domain::{LedgerAccount, Refund, RefundedVoucher, ToCash};

impl Purse {
    /// Books what `refund` gives back; what goes through a channel waits until that answers.
    pub fn give_back(&mut self, refund: &Refund) -> Result<(), Refusal> {
        for part in refund.items.iter().flat_map(|item| &item.vouchers) {
            self.give_back_to_voucher(refund, *part);
        }
        let cash: i64 = refund.items.iter().map(|item| item.cash).sum();
        let channel: i64 = refund.items.iter().map(|item| item.channel_to_cash).sum();
        let revenue = || LedgerAccount::Revenue(refund.order);
        for (amount, note) in [(cash, ""), (channel, "the channel's part")] {
            self.give_back_to_cash(revenue(), refund, amount, note)?;
        }
        let (out, waits) = (refund.asked.as_ref().map_or(0, |&(_, out)| out), refund.id);
        let waits = LedgerAccount::Refund(waits);
        self.book(revenue(), waits, out, refund.about(), String::new());
        Ok(())
    }

    fn give_back_to_voucher(&mut self, refund: &Refund, part: RefundedVoucher) {
        let RefundedVoucher { voucher, amount, void, forfeit_returned } = part;
        let (about, revenue) = (refund.about(), LedgerAccount::Revenue(refund.order));
        if void {
            let moved = Moved { captured: -amount, voided: amount, ..Moved::default() };
            self.move_voucher(voucher, moved);
            self.book(revenue, LedgerAccount::Void(voucher), amount, about, String::new());
            return;
        }
        let back = || LedgerAccount::Voucher(voucher);
        let moved = Moved {
            remaining: amount + forfeit_returned,
            captured: -amount,
            forfeited: -forfeit_returned,
            ..Moved::default()
        };
        self.move_voucher(voucher, moved);
        self.book(revenue, back(), amount, about, String::new());
        let lost = LedgerAccount::Forfeited(voucher);
        self.book(lost, back(), forfeit_returned, about, String::new());
    }

    fn give_back_to_cash(
        &mut self,
        from: LedgerAccount,
        refund: &Refund,
        amount: i64,
        note: &str,
    ) -> Result<(), Refusal> {
        if amount > 0 {
            let amount = Money::new(amount, refund.currency);
            self.gain(from, amount, refund.about(), note.to_owned())?;
        }
        Ok(())
    }

    /// Books what the channel says of the part of `refund` that waits for it: it is gone through the
    /// channel, or comes to the cash balance.
    pub fn settle_refund(&mut self, refund: &Refund, confirmed: bool) -> Result<(), Refusal> {
        let Some((channel, amount)) = &refund.asked else { return Ok(()) };
        let waits = LedgerAccount::Refund(refund.id);
        if confirmed {
            let out = LedgerAccount::Channel(channel.clone());
            self.book(waits, out, *amount, refund.about(), String::new());
            return Ok(());
        }
        self.give_back_to_cash(waits, refund, *amount, ToCash::RefundRefused.reason())
    }
}
