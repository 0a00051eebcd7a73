//! Drawing what is seldom: instants at which something begins or ends, odd news, money without end.

use proto::wallet::v1::payment::State;

use super::{ACCOUNTS, Story, currency_of, late::LATEST};
use crate::model::{
    book::{Book, Code, Payment, Voucher},
    op::*,
};

impl Story {
    /// The clock goes on: a little, a lot, or to where something begins or ends, to the microsecond.
    pub(super) fn move_clock(&mut self, book: &Book) -> Op {
        let mut bounds: Vec<At> = Vec::new();
        for voucher in book.vouchers.values().filter(|voucher| !voucher.revoked) {
            bounds.extend([
                voucher.terms.from,
                voucher.terms.expires,
                voucher.terms.expires + SKEW,
            ]);
        }
        let pending = book.payments.values().filter(|it| it.seen.state == State::Pending);
        bounds.extend(pending.filter_map(|it| it.seen.intent.as_ref().map(|(.., end)| *end)));
        bounds.retain(|&bound| bound > book.now + 1);
        bounds.sort_unstable();
        bounds.truncate(LATEST);
        let next = match self.dice.within(1, 100) {
            1..=55 => self.dice.maybe(&bounds).map(|bound| bound + self.dice.within(-1, 1)),
            56..=85 => None,
            86..=93 => Some(book.now + 6 * MINUTE),
            _ => Some(book.now + 31 * MINUTE),
        };
        Op::Clock(next.unwrap_or_else(|| book.now + self.dice.within(1, 90 * SECOND)))
    }

    /// What must be decided rightly at the very instant at which an intent or a voucher begins or ends, or
    /// by a voucher that only seems to have something left.
    pub(super) fn tempted(&mut self, book: &Book) -> Option<Op> {
        let at = |bound: At| (bound - book.now).abs() <= 1;
        if self.dice.percent(40) {
            return None;
        }
        let ends = |it: &Payment| it.seen.intent.as_ref().is_some_and(|(.., end)| at(*end));
        if let Some(id) = self.payment(book, |it| it.seen.state == State::Pending && ends(it)) {
            return Some(self.paid_as_asked(book, id));
        }
        // What was released after it had been revoked looks as if it could pay.
        let tempts = |label, voucher: &Voucher| {
            let Terms { from, expires, .. } = voucher.terms;
            at(from) || at(expires) || (voucher.revoked && book.voucher(label).remaining > 0)
        };
        let these = book.vouchers.iter().filter(|(label, voucher)| tempts(**label, voucher));
        let these: Vec<_> = these.map(|(&label, voucher)| (label, voucher.account)).collect();
        let (label, account) = self.dice.maybe(&these)?;
        let mut charge = self.charge(book);
        (charge.account, charge.currency) = (account, currency_of(account));
        charge.choice = Choice::Named(vec![label], None);
        charge.items[0].payable = book.cash(account).clamp(1, 9_00);
        Some(Op::Charge(charge, book.now))
    }

    /// What would seldom be drawn otherwise.
    pub(super) fn rare(&mut self, book: &Book) -> Op {
        match self.dice.within(1, 6) {
            1 => {
                let id = self.payment(book, |it| it.seen.intent.is_some());
                let (id, money) = (id.unwrap_or_else(|| self.id()), self.id());
                let body = Body { about: About::Intent(id), says: Says::Nonsense, money };
                self.callback(book, "sandbox", body)
            }
            2 | 3 => self.odd_news_of_a_refund(book),
            4 => {
                let used = book.codes.iter().filter(|(_, code)| code.used);
                let used: Vec<_> = used.map(|(&label, _)| label).collect();
                let (request, label) = (self.id(), self.id());
                if let Some(code) = self.dice.maybe(&used) {
                    let account = self.dice.one(&ACCOUNTS[..3]);
                    return Op::Redeem { request, account, code, label };
                }
                let good = |it: &Code| !it.used && it.terms.expires > book.now;
                let Some((&code, it)) = book.codes.iter().find(|(_, it)| good(it)) else {
                    return self.make_codes(book);
                };
                let account =
                    ACCOUNTS.into_iter().find(|&it_has| currency_of(it_has) == it.currency);
                let account = account.expect("codes are in one of the currencies");
                Op::Redeem { request, account, code, label }
            }
            5 => {
                let lost = |it: &Payment| {
                    let lost =
                        |voucher: &(Label, i64, i64)| voucher.2 > 0 && !book.is_over(voucher.0);
                    let good = it.seen.state == State::Succeeded && it.refunded.is_empty();
                    good && it.coverage.vouchers.iter().any(lost)
                };
                let Some(payment) = self.payment(book, lost) else { return self.issue(book) };
                let seen = &book.payments[&payment].seen;
                let instances = seen.parts.iter().map(|part| part.instance).collect();
                let (id, account) = (self.id(), seen.account);
                Op::Refund(Refund { id, account, payment, instances, through_channel: true })
            }
            _ => {
                let rich = ACCOUNTS.into_iter().find(|&account| book.cash(account) > 0);
                let Some(account) = rich else { return self.deposit(book) };
                let (request, currency) = (self.id(), currency_of(account));
                Op::Deposit { request, account, amount: i64::MAX, currency }
            }
        }
    }

    /// A channel refuses to give back what it was asked to, or says that it gave back something else.
    fn odd_news_of_a_refund(&mut self, book: &Book) -> Op {
        let mut op = self.hear_of_refund(book);
        if let Op::Callback(callback) = &mut op
            && let About::Refund(id) = callback.body.about
        {
            let (channel, asked) = book.refunds[&id].out.expect("it was asked for");
            let currency = if channel == "sandbox" { "CNY" } else { "USD" };
            let other = Says::Succeeded(asked + 1, currency);
            callback.body.says = if self.dice.percent(50) { Says::Failed } else { other };
        }
        op
    }

    /// A channel says that the intent of `id`, which is pending, was paid as asked.
    pub(super) fn paid_as_asked(&mut self, book: &Book, id: Id) -> Op {
        let intent = book.payments[&id].seen.intent.as_ref();
        let (channel, asked, _) = intent.expect("who is pending has one");
        let (channel, currency) =
            if channel == "sandbox" { ("sandbox", "CNY") } else { ("dollars", "USD") };
        let (message, money) = (self.id(), self.id());
        let body =
            Body { about: About::Intent(id), says: Says::Succeeded(*asked, currency), money };
        Op::Callback(Callback { channel, message, sent: book.now, genuine: true, body })
    }
}
