//! Drawing what comes after: callbacks, refunds, ends.

use proto::wallet::v1::payment::State;

use super::Story;
use crate::model::{
    book::{Book, Payment},
    op::*,
};

/// How many of the latest there are: what is old is seldom asked for again.
pub(super) const LATEST: usize = 12;

impl Story {
    /// A payment of which `good` is true; mostly a late one.
    pub(super) fn payment(&mut self, book: &Book, good: impl Fn(&Payment) -> bool) -> Option<Id> {
        let these = book.payments.iter().filter(|(_, payment)| good(payment));
        let these: Vec<_> = these.map(|(&id, _)| id).collect();
        let late = these.len().saturating_sub(LATEST);
        let these = if self.dice.percent(75) { &these[late..] } else { &these };
        self.dice.maybe(these)
    }

    pub(super) fn callback(&mut self, book: &Book, channel: &'static str, body: Body) -> Op {
        let (mut sent, mut genuine, mut channel) = (book.now, true, channel);
        match self.dice.within(1, 100) {
            1..=2 => genuine = false,
            3..=4 => sent -= SKEW + SECOND,
            5 => sent += SKEW + SECOND,
            6..=7 => sent -= SKEW - SECOND,
            8 => channel = "nobody",
            9 => channel = if channel == "sandbox" { "dollars" } else { "sandbox" },
            _ => {}
        }
        let message = self.id();
        Op::Callback(Callback { channel, message, sent, genuine, body })
    }

    pub(super) fn hear_of_payment(&mut self, book: &Book) -> Op {
        let pending = self.dice.percent(65);
        let found = self.payment(book, |it| {
            it.seen.intent.is_some() && (!pending || it.seen.state == State::Pending)
        });
        if found.is_none() && self.dice.percent(80) {
            return self.ask(book);
        }
        let found = found.filter(|_| self.dice.percent(97));
        let id = found.unwrap_or_else(|| self.id());
        let intent = book.payments.get(&id).and_then(|payment| payment.seen.intent.clone());
        let (channel, asked, _) = intent.unwrap_or_else(|| ("sandbox".to_owned(), 1_00, 0));
        let (channel, currency, other) = if channel == "sandbox" {
            ("sandbox", "CNY", "USD")
        } else {
            ("dollars", "USD", "CNY")
        };
        let rich = book.payments.get(&id).is_some_and(|it| book.cash(it.seen.account) > 0);
        let says = match self.dice.within(1, 100) {
            1..=58 => Says::Succeeded(asked, currency),
            59..=70 => Says::Succeeded(asked + self.dice.within(1, 5_00), currency),
            71..=74 => Says::Succeeded((asked - self.dice.within(1, 5_00)).max(1), currency),
            75..=76 if rich => Says::Succeeded(i64::MAX, currency),
            75..=79 => Says::Succeeded(asked, other),
            80 => Says::Succeeded(asked, "ZZZ"),
            81..=92 => Says::Failed,
            93..=96 => Says::Pending,
            _ => Says::Nonsense,
        };
        let known: Vec<_> =
            book.money.keys().filter(|key| key.0 == channel).map(|key| key.1).collect();
        let money = if self.dice.percent(10) { self.dice.maybe(&known) } else { None };
        let money = money.unwrap_or_else(|| self.id());
        self.callback(book, channel, Body { about: About::Intent(id), says, money })
    }

    pub(super) fn hear_of_refund(&mut self, book: &Book) -> Op {
        let pending = self.dice.percent(70);
        let good = |id: &&Id| {
            let refund = &book.refunds[*id];
            refund.out.is_some() && (!pending || refund.seen.pending)
        };
        let these: Vec<_> = book.refunds.keys().filter(good).copied().collect();
        let Some(id) = self.dice.maybe(&these) else {
            // There is none to be told of: let there be one.
            let mut op = self.refund(book);
            if let Op::Refund(refund) = &mut op {
                refund.through_channel = true;
            }
            return op;
        };
        let (channel, asked) = book.refunds[&id].out.expect("it was asked for");
        let (currency, other) = if channel == "sandbox" { ("CNY", "USD") } else { ("USD", "CNY") };
        let says = match self.dice.within(1, 100) {
            1..=45 => Says::Succeeded(asked, currency),
            46..=58 => Says::Succeeded(asked + self.dice.one(&[-1, 1]), currency),
            59..=64 => Says::Succeeded(asked, other),
            65..=92 => Says::Failed,
            _ => Says::Pending,
        };
        let says = match says {
            Says::Succeeded(0, currency) => Says::Succeeded(1, currency),
            says => says,
        };
        let money = self.id();
        self.callback(book, channel, Body { about: About::Refund(id), says, money })
    }

    pub(super) fn refund(&mut self, book: &Book) -> Op {
        let paid = self.dice.percent(85);
        let mixed = self.dice.percent(65);
        let found = self.payment(book, |it| {
            let left = it.seen.parts.len() > it.refunded.len();
            let asked = !mixed || it.seen.intent.is_some();
            !paid || (asked && it.seen.state == State::Succeeded && left)
        });
        if found.is_none() && self.dice.percent(80) {
            return if mixed { self.ask(book) } else { self.pay(book) };
        }
        let id = found.filter(|_| self.dice.percent(97)).unwrap_or_else(|| self.id());
        let payment = book.payments.get(&id);
        let all: Vec<_> = payment
            .map(|it| it.seen.parts.iter().map(|part| part.instance).collect())
            .unwrap_or_default();
        let left = |it: &u8| payment.is_none_or(|payment| !payment.refunded.contains(it));
        let left: Vec<_> = all.iter().copied().filter(left).collect();
        let these = if self.dice.percent(85) { left } else { all };
        let whole = self.dice.percent(55);
        let mut instances: Vec<_> =
            these.iter().copied().filter(|_| whole || self.dice.percent(50)).collect();
        if instances.is_empty() {
            instances.push(self.dice.maybe(&these).unwrap_or(1));
        }
        if self.dice.percent(3) && !instances.contains(&9) {
            instances.push(9);
        }
        let account = payment.map(|it| it.seen.account).filter(|_| self.dice.percent(95));
        let account = account.unwrap_or_else(|| self.account());
        let through_channel = self.dice.percent(65);
        let refund = self.id();
        Op::Refund(Refund { id: refund, account, payment: id, instances, through_channel })
    }

    pub(super) fn void(&mut self, book: &Book) -> Op {
        let pending = self.dice.percent(50);
        let found = self.payment(book, |it| !pending || it.seen.state == State::Pending);
        let id = found.filter(|_| self.dice.percent(85)).unwrap_or_else(|| self.id());
        let owner = book.payments.get(&id).map(|payment| payment.seen.account);
        let owner = owner.filter(|_| self.dice.percent(90));
        Op::Void { payment: id, account: owner.unwrap_or_else(|| self.account()) }
    }

    pub(super) fn expire_holds(&mut self, _: &Book) -> Op {
        Op::ExpireHolds(self.dice.one(&[0, 1, 2]))
    }

    pub(super) fn expire_vouchers(&mut self, _: &Book) -> Op {
        Op::ExpireVouchers(self.dice.one(&[0, 1, 2]))
    }
}
