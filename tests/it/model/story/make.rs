//! Drawing what puts money in and takes it out.

use proto::r#type::v1::VoucherStrategy;

use super::{ACCOUNTS, Story, WITHOUT_WALLET, currency_of};
use crate::model::{book::Book, op::*};

impl Story {
    pub(super) fn account(&mut self) -> Account {
        let [first, second, dollars, _] = ACCOUNTS;
        self.dice.weighted(&[(45, first), (30, second), (20, dollars), (5, WITHOUT_WALLET)])
    }

    /// The currency of `account`, or seldom another one.
    fn currency(&mut self, account: Account) -> &'static str {
        match (currency_of(account), self.dice.percent(4)) {
            ("CNY", false) | ("USD", true) => "CNY",
            _ => "USD",
        }
    }

    /// Cents: mostly few, so that there is too little now and then.
    fn amount(&mut self) -> i64 {
        match self.dice.within(1, 10) {
            1 => self.dice.within(1, 9),
            2..=7 => self.dice.within(1, 30_00),
            _ => self.dice.within(1, 90_00),
        }
    }

    pub(super) fn open(&mut self, _: &Book) -> Op {
        let account = self.dice.one(&ACCOUNTS[..3]);
        let currency = if self.dice.percent(60) { currency_of(account) } else { "EUR" };
        Op::Open { account, currency }
    }

    pub(super) fn deposit(&mut self, book: &Book) -> Op {
        let account = self.account();
        let too_much = self.dice.percent(5) && book.cash(account) > 0;
        let amount = if too_much { i64::MAX } else { self.amount() };
        let currency = if too_much { currency_of(account) } else { self.currency(account) };
        Op::Deposit { request: self.id(), account, amount, currency }
    }

    fn terms(&mut self, book: &Book) -> Terms {
        let from = match self.dice.within(1, 10) {
            1 => book.now + self.dice.within(1, 20) * MINUTE,
            2 => book.now,
            _ => book.now - MINUTE,
        };
        // Every id is another one, so that every end is.
        let odd = i64::try_from(self.id()).expect("few");
        let expires = from + self.dice.within(2, 180) * MINUTE + odd;
        let rarely = |story: &mut Self, percent| story.dice.percent(percent);
        Terms {
            from,
            expires,
            only: if rarely(self, 20) { Some("vm") } else { None },
            minimum: if rarely(self, 25) { self.amount() } else { 0 },
            share: if rarely(self, 25) { Some(self.dice.within(1, 100)) } else { None },
            longest: if rarely(self, 10) { Some(self.dice.one(&[1, 6])) } else { None },
            single_use: rarely(self, 45),
            automatic: !rarely(self, 10),
            not_with_discounts: rarely(self, 15),
        }
    }

    pub(super) fn issue(&mut self, book: &Book) -> Op {
        let grants = (0..self.dice.within(1, 3))
            .map(|_| {
                let account = self.account();
                let currency = self.currency(account);
                let (label, face, terms) = (self.id(), self.amount(), self.terms(book));
                Grant { label, account, face, currency, terms }
            })
            .collect();
        Op::Issue { request: self.id(), grants }
    }

    pub(super) fn make_codes(&mut self, book: &Book) -> Op {
        let currency = self.dice.one(&["CNY", "CNY", "USD"]);
        let mut terms = self.terms(book);
        if self.dice.percent(20) {
            // It is over soon, or never was there.
            terms.from = book.now - 10 * MINUTE;
            terms.expires = book.now - MINUTE + terms.expires % MINUTE;
        }
        Op::MakeCodes {
            request: self.id(),
            codes: vec![self.id()],
            face: self.amount(),
            currency,
            terms,
        }
    }

    pub(super) fn redeem(&mut self, book: &Book) -> Op {
        let account = self.account();
        let all: Vec<_> = book.codes.keys().copied().collect();
        let (used, open): (Vec<Label>, Vec<Label>) =
            all.iter().partition(|label| book.codes[*label].used);
        let code = match self.dice.within(1, 10) {
            1 => None,
            2..=3 => self.dice.maybe(&used),
            _ => self.dice.maybe(&open),
        };
        let code = code.unwrap_or_else(|| self.id());
        // Who redeems a code mostly can.
        let wanted = book.codes.get(&code).map(|code| code.currency);
        let fits = wanted.is_none_or(|wanted| wanted == currency_of(account));
        let account = match wanted {
            Some("USD") if !fits && self.dice.percent(70) => ACCOUNTS[2],
            Some("CNY") if !fits && self.dice.percent(70) => ACCOUNTS[0],
            _ => account,
        };
        Op::Redeem { request: self.id(), account, code, label: self.id() }
    }

    pub(super) fn revoke(&mut self, book: &Book) -> Op {
        let all: Vec<_> = book.vouchers.keys().copied().collect();
        let held: Vec<_> =
            all.iter().copied().filter(|&label| book.voucher(label).held > 0).collect();
        let these = if self.dice.percent(60) && !held.is_empty() { &held } else { &all };
        let voucher = self.dice.maybe(these).filter(|_| self.dice.percent(85));
        let voucher = voucher.unwrap_or_else(|| self.id());
        let owner = book.vouchers.get(&voucher).map(|voucher| voucher.account);
        let account = owner.filter(|_| self.dice.percent(85)).unwrap_or_else(|| self.account());
        Op::Revoke { account, voucher }
    }

    /// The instant at which a payment is decided: mostly now.
    fn instant(&mut self, book: &Book) -> At {
        book.now
            + match self.dice.within(1, 100) {
                1..=78 => 0,
                79..=88 => -self.dice.within(0, SKEW),
                89..=92 => self.dice.within(0, SKEW),
                93..=96 => self.dice.one(&[-SKEW, SKEW]),
                _ => self.dice.one(&[-SKEW - 1, SKEW + 1]),
            }
    }

    pub(super) fn charge(&mut self, book: &Book) -> Charge {
        let account = self.account();
        let first = self.dice.within(1, 5);
        let mut items: Vec<_> = (0..self.dice.weighted(&[(40, 1), (35, 2), (25, 3)]))
            .map(|place| Item {
                instance: u8::try_from((first + place) % 5 + 1).expect("1 to 5"),
                product: self.dice.one(&["vm", "disk"]),
                months: self.dice.one(&[1, 3, 12]),
                payable: if self.dice.percent(4) { 0 } else { self.amount() },
                discounted: self.dice.percent(25),
            })
            .collect();
        if self.dice.percent(3) {
            for item in &mut items {
                item.payable = 0;
            }
        }
        Charge {
            payment: self.id(),
            account,
            order: self.id(),
            items,
            choice: self.choice(book, account),
            automatic: self.dice.percent(20),
            currency: self.currency(account),
        }
    }

    fn choice(&mut self, book: &Book, account: Account) -> Choice {
        use VoucherStrategy::*;
        let maximum = self.dice.percent(30).then(|| self.dice.weighted(&[(1, 0), (5, 1), (4, 2)]));
        let strategies = [
            (6, NearestExpiryThenLargest),
            (4, SmallestThenNearest),
            (4, LargestFirst),
            (4, CoverWholeFirst),
            (1, ChosenByUser),
        ];
        match self.dice.within(1, 100) {
            1..=12 => Choice::None,
            13..=80 => Choice::Rule(self.dice.weighted(&strategies), maximum),
            _ => {
                let all: Vec<_> = book.vouchers.keys().copied().collect();
                let good = all.iter().copied().filter(|&label| {
                    let seen = book.voucher(label);
                    seen.account == account && seen.state == "STATE_USABLE"
                });
                let good: Vec<_> = good.collect();
                let mut labels = Vec::new();
                for _ in 0..self.dice.weighted(&[(1, 0), (12, 1), (6, 2)]) {
                    let these = if self.dice.percent(85) { &good } else { &all };
                    labels.push(self.dice.maybe(these).unwrap_or_else(|| self.id()));
                }
                Choice::Named(labels, maximum)
            }
        }
    }

    pub(super) fn pay(&mut self, book: &Book) -> Op {
        Op::Charge(self.charge(book), self.instant(book))
    }

    pub(super) fn pay_many(&mut self, book: &Book) -> Op {
        let charges = (0..self.dice.within(2, 4)).map(|_| self.charge(book)).collect();
        Op::ChargeMany(charges, self.instant(book))
    }

    pub(super) fn ask(&mut self, book: &Book) -> Op {
        let mut charge = self.charge(book);
        if self.dice.percent(50) {
            charge.items[0].payable += book.cash(charge.account).clamp(0, 90_00);
        }
        let channel = match (charge.currency, self.dice.within(1, 100)) {
            (_, 1..=2) => "nobody",
            ("CNY", 3..=5) | ("USD", 6..) => "dollars",
            _ => "sandbox",
        };
        let (at, by) = if self.dice.percent(7) {
            (book.now - 2 * MINUTE, book.now - self.dice.one(&[0, 1, MINUTE]))
        } else {
            let at = self.instant(book);
            (at, book.now.max(at) + self.dice.within(1, 60) * MINUTE)
        };
        let use_cash = self.dice.percent(65);
        Op::Ask(charge, at, Checkout { channel, use_cash, by })
    }
}
