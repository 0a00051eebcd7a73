//! What vouchers lose at their end (V-5).

use super::{Moved, Purse};
use crate::domain::{About, LedgerAccount, Voucher};

impl Purse {
    /// Books out what remains of `voucher`, as it is now: it has expired, or was revoked and got
    /// something back since.
    pub fn end(&mut self, voucher: &Voucher) {
        if voucher.revoked {
            self.revoke(voucher, String::new());
        } else {
            let lost = voucher.remaining;
            let moved = Moved { remaining: -lost, expired: lost, ..Moved::default() };
            self.book_out(voucher, moved, LedgerAccount::Expired(voucher.id), String::new());
        }
    }

    /// Makes what remains of `voucher`, as it is now, void.
    pub fn revoke(&mut self, voucher: &Voucher, note: String) {
        let lost = voucher.remaining;
        let moved = Moved { remaining: -lost, voided: lost, ..Moved::default() };
        self.book_out(voucher, moved, LedgerAccount::Void(voucher.id), note);
    }

    fn book_out(&mut self, voucher: &Voucher, moved: Moved, to: LedgerAccount, note: String) {
        assert_eq!(voucher.account, self.wallet.account, "a voucher ends in its own wallet");
        // It pays nothing any more, so that no purse need know what remains of it.
        self.vouchers.retain(|known| known.id != voucher.id);
        self.change.moved.entry(voucher.id).or_default().add(moved);
        let about = About::default();
        self.book(LedgerAccount::Voucher(voucher.id), to, voucher.remaining, about, note);
    }
}
