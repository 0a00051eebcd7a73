//! Drawing what comes after: callbacks, refunds, ends; and what is done again, otherwise, or at once.

use proto::wallet::v1::payment::State;

use super::{ACCOUNTS, Story, WEIGHTS, currency_of};
use crate::model::{
    book::{Book, Code, Payment, Voucher},
    op::*,
};

/// How many of the latest there are: what is old is seldom asked for again.
const LATEST: usize = 12;

impl Story {
    /// A payment of which `good` is true; mostly a late one.
    fn payment(&mut self, book: &Book, good: impl Fn(&Payment) -> bool) -> Option<Id> {
        let these = book.payments.iter().filter(|(_, payment)| good(payment));
        let these: Vec<_> = these.map(|(&id, _)| id).collect();
        let late = these.len().saturating_sub(LATEST);
        let these = if self.dice.percent(75) { &these[late..] } else { &these };
        self.dice.maybe(these)
    }

    fn callback(&mut self, book: &Book, channel: &'static str, body: Body) -> Op {
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
    fn paid_as_asked(&mut self, book: &Book, id: Id) -> Op {
        let intent = book.payments[&id].seen.intent.as_ref();
        let (channel, asked, _) = intent.expect("who is pending has one");
        let (channel, currency) =
            if channel == "sandbox" { ("sandbox", "CNY") } else { ("dollars", "USD") };
        let (message, money) = (self.id(), self.id());
        let body =
            Body { about: About::Intent(id), says: Says::Succeeded(*asked, currency), money };
        Op::Callback(Callback { channel, message, sent: book.now, genuine: true, body })
    }

    /// What was done before, once more (O-3).
    pub(super) fn again(&mut self, book: &Book) -> Op {
        let late = self.told.len().saturating_sub(5 * LATEST);
        let mut op = self.dice.one(&self.told[late..]);
        match &mut op {
            Op::Callback(callback) if self.dice.percent(70) => callback.sent = book.now,
            Op::Clock(_) => return self.move_clock(book),
            _ => {}
        }
        op
    }

    /// What was done before, with other content (O-3).
    pub(super) fn altered(&mut self, book: &Book) -> Op {
        let mut op = self.again(book);
        let now = self.dice.percent(60);
        match &mut op {
            Op::Deposit { amount, .. } => *amount = (*amount / 2).max(1) + 1,
            Op::Issue { grants, .. } => grants[0].face += 1,
            Op::MakeCodes { face, .. } => *face += 1,
            Op::Redeem { code, .. } => *code = self.id(),
            Op::Charge(charge, at) => {
                charge.items[0].payable += 1;
                *at = if now { book.now } else { *at };
                if self.dice.percent(30) {
                    // A payment that is charged is not asked of a channel, or the other way round.
                    let (charge, at, by) = (charge.clone(), *at, *at + MINUTE);
                    let how = Checkout { channel: "sandbox", use_cash: true, by };
                    return Op::Ask(charge, at, how);
                }
            }
            Op::ChargeMany(charges, at) => {
                charges.last_mut().expect("there are some").automatic ^= true;
                *at = if now { book.now } else { *at };
            }
            Op::Ask(charge, at, how) => {
                if self.dice.percent(30) {
                    return Op::Charge(charge.clone(), *at);
                }
                how.use_cash ^= true;
                if now && how.by > book.now {
                    *at = book.now;
                }
            }
            Op::Callback(callback) => match &mut callback.body.says {
                Says::Succeeded(amount, _) if self.dice.percent(50) => {
                    *amount = (*amount / 2).max(1) + 1;
                }
                Says::Failed => callback.body.says = Says::Pending,
                says => *says = Says::Failed,
            },
            Op::Refund(refund) => refund.through_channel ^= true,
            Op::Void { account, .. } => *account = self.dice.one(&ACCOUNTS),
            _ => {}
        }
        op
    }

    /// Several operations, for which nobody says which is first.
    pub(super) fn together(&mut self, book: &Book) -> Vec<Op> {
        let many = usize::try_from(self.dice.weighted(&[(5, 2), (4, 3), (2, 4)])).expect("few");
        let mut ops: Vec<Op> = match self.dice.within(1, 100) {
            // The same, with the same id.
            1..=35 => vec![self.alone(book); many],
            // The same, with ids of their own: they may fight for one thing.
            36..=60 => {
                let first = self.alone(book);
                let more: Vec<_> = (1..many).map(|_| self.with_other_id(&first)).collect();
                std::iter::once(first).chain(more).collect()
            }
            // Everything that may end one payment.
            61..=80 => self.ends(book, many),
            _ => (0..many).map(|_| self.alone(book)).collect(),
        };
        // Two sweeps may share what is due; how many each has done is nobody's matter.
        let mut swept = false;
        ops.retain(|op| {
            let sweep = matches!(op, Op::ExpireHolds(_) | Op::ExpireVouchers(_) | Op::Anchor);
            !sweep || !std::mem::replace(&mut swept, true)
        });
        ops
    }

    /// One operation that may be done at the same time as others.
    fn alone(&mut self, book: &Book) -> Op {
        loop {
            let op = self.dice.weighted(&WEIGHTS)(self, book);
            if op != Op::Anchor {
                return op;
            }
        }
    }

    fn with_other_id(&mut self, op: &Op) -> Op {
        let mut op = op.clone();
        match &mut op {
            Op::Deposit { request, .. } => *request = self.id(),
            Op::Redeem { request, label, account, .. } => {
                *request = self.id();
                *label = self.id();
                *account = self.account();
            }
            Op::Charge(charge, _) | Op::Ask(charge, ..) => charge.payment = self.id(),
            Op::ChargeMany(charges, _) => {
                for charge in charges {
                    charge.payment = self.id();
                }
            }
            Op::Callback(callback) => {
                callback.message = self.id();
                if self.dice.percent(60) {
                    callback.body.money = self.id();
                }
            }
            Op::Refund(refund) => refund.id = self.id(),
            _ => {}
        }
        op
    }

    /// What may end one pending payment, or give back one that was paid.
    fn ends(&mut self, book: &Book, many: usize) -> Vec<Op> {
        let pending = self.payment(book, |it| it.seen.state == State::Pending);
        let Some(id) = pending else {
            return (0..many).map(|_| self.refund(book)).collect();
        };
        let account = book.payments[&id].seen.account;
        (0..many)
            .map(|_| match self.dice.within(1, 6) {
                1..=3 => self.paid_as_asked(book, id),
                4 => {
                    let mut op = self.paid_as_asked(book, id);
                    if let Op::Callback(callback) = &mut op {
                        callback.body.says = Says::Failed;
                    }
                    op
                }
                5 => Op::Void { payment: id, account },
                _ => Op::ExpireHolds(0),
            })
            .collect()
    }
}
