//! The model: a list of movements, and what the contract says that each operation moves. Every balance is
//! the sum of its movements; nothing is kept twice.

use std::collections::{BTreeMap, BTreeSet};

use super::{cover::Coverage, op::*};

/// Where money is, as seen from an account's wallet: the accounts of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Cash,
    Voucher(Label),
    HeldCash(Id),
    HeldVoucher(Label, Id),
    Deposits,
    Channel(&'static str),
    Issued,
    Revenue(Id),
    Forfeited(Label),
    Void(Label),
    Expired(Label),
    Refund(Id),
}

/// A movement: an entry of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    pub from: Place,
    pub to: Place,
    pub amount: i64,
    pub order: Option<Id>,
    pub payment: Option<Id>,
    pub refund: Option<Id>,
    pub at: At,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    pub account: Account,
    pub face: i64,
    pub terms: Terms,
    pub revoked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    pub face: i64,
    pub currency: &'static str,
    pub terms: Terms,
    pub used: bool,
}

/// A payment that the wallet knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// What a repeat must equal; none for one that was called off before it was known.
    pub asked: Option<(Charge, Option<Checkout>)>,
    pub seen: PaymentSeen,
    pub coverage: Coverage,
    pub refunded: BTreeSet<u8>,
}

/// A refund that the wallet knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    pub asked: Refund,
    pub seen: RefundSeen,
    /// What which channel was asked to give back.
    pub out: Option<(&'static str, i64)>,
}

/// What is refused, and why.
pub type Verdict<T> = Result<T, &'static str>;

/// Everything that the wallet should know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    pub now: At,
    pub wallets: BTreeMap<Account, &'static str>,
    pub moves: BTreeMap<Account, Vec<Move>>,
    pub vouchers: BTreeMap<Label, Voucher>,
    pub codes: BTreeMap<Label, Code>,
    pub payments: BTreeMap<Id, Payment>,
    pub refunds: BTreeMap<Id, Refunded>,
    pub(super) messages: BTreeMap<(&'static str, Id), (Body, Confirmed)>,
    pub(super) money: BTreeMap<(&'static str, Id), Confirmed>,
    balances: BTreeMap<(Account, Place), i64>,
    answered: BTreeMap<(&'static str, Id), (Op, Answer)>,
    anchored: BTreeMap<Account, usize>,
}

impl Book {
    /// What is at `place` of `account`.
    pub fn at(&self, account: Account, place: Place) -> i64 {
        self.balances.get(&(account, place)).copied().unwrap_or_default()
    }

    /// What is at all places of `account` from `first` to `last`.
    fn between(&self, account: Account, first: Place, last: Place) -> i64 {
        self.balances.range((account, first)..=(account, last)).map(|(_, amount)| amount).sum()
    }

    pub fn cash(&self, account: Account) -> i64 {
        self.at(account, Place::Cash)
    }

    pub fn held(&self, account: Account) -> i64 {
        self.between(account, Place::HeldCash(Id::MIN), Place::HeldCash(Id::MAX))
    }

    /// Whether `amount` more of cash fits (W-2).
    pub fn fits(&self, account: Account, amount: i64) -> Verdict<()> {
        let all = self.cash(account) + self.held(account);
        all.checked_add(amount).map(|_| ()).ok_or("AMOUNT_TOO_LARGE")
    }

    pub(super) fn shift(&mut self, account: Account, moved: Move) {
        if moved.amount > 0 {
            // What is outside the wallet is nobody's balance, and may be more than fits.
            let from = self.balances.entry((account, moved.from)).or_default();
            *from = from.wrapping_sub(moved.amount);
            let to = self.balances.entry((account, moved.to)).or_default();
            *to = to.wrapping_add(moved.amount);
            self.moves.entry(account).or_default().push(moved);
        }
    }

    /// A movement that belongs to nothing.
    fn plain(&mut self, account: Account, from: Place, to: Place, amount: i64) {
        let at = self.now;
        self.shift(
            account,
            Move { from, to, amount, order: None, payment: None, refund: None, at },
        );
    }

    /// A movement of a payment.
    pub(super) fn paid(&mut self, of: &PaymentSeen, from: Place, to: Place, amount: i64) {
        let (order, payment, at) = (of.order, Some(of.payment), self.now);
        self.shift(of.account, Move { from, to, amount, order, payment, refund: None, at });
    }

    /// Does one thing, and tells what it is answered with.
    pub fn apply(&mut self, op: &Op) -> Answer {
        self.judge(op).unwrap_or_else(|reason| Answer::Refused(reason.to_owned()))
    }

    fn judge(&mut self, op: &Op) -> Verdict<Answer> {
        match op {
            Op::Open { account, currency } => self.open(*account, currency),
            Op::Deposit { request, .. } => self.once(*request, op, |book| book.deposit(op)),
            Op::Issue { request, grants } => self.once(*request, op, |book| book.issue(grants)),
            Op::MakeCodes { request, .. } => {
                self.once(*request, op, |book| Ok(book.make_codes(op)))
            }
            Op::Redeem { request, account, .. } => {
                self.currency(*account)?;
                self.once(*request, op, |book| book.redeem(op))
            }
            Op::Revoke { account, voucher } => self.revoke(*account, *voucher),
            Op::Charge(charge, at) => self.charge(std::slice::from_ref(charge), *at),
            Op::ChargeMany(charges, at) => self.charge(charges, *at),
            Op::Ask(charge, at, checkout) => self.ask(charge, *at, checkout),
            Op::Callback(callback) => self.hear(callback).map(Answer::Confirmed),
            Op::Refund(refund) => self.refund(refund).map(Answer::Refund),
            Op::Void { payment, account } => self.void(*payment, *account),
            Op::ExpireHolds(_) => Ok(self.expire_holds()),
            Op::ExpireVouchers(_) => Ok(self.expire_vouchers()),
            Op::Anchor => Ok(self.anchor()),
            Op::Clock(at) => {
                self.now = *at;
                Ok(Answer::ClockMoved)
            }
            Op::Together(_) => unreachable!("its operations are done one by one, in some order"),
        }
    }

    fn currency(&self, account: Account) -> Verdict<&'static str> {
        self.wallets.get(&account).copied().ok_or("WALLET_NOT_FOUND")
    }

    pub(super) fn same_currency(&self, account: Account, currency: &str) -> Verdict<()> {
        if self.currency(account)? == currency { Ok(()) } else { Err("CURRENCY_MISMATCH") }
    }

    /// A request id makes one thing, ever (O-3). What is refused is not kept.
    fn once(
        &mut self,
        request: Id,
        op: &Op,
        make: impl FnOnce(&mut Self) -> Verdict<Answer>,
    ) -> Verdict<Answer> {
        if let Some((first, answer)) = self.answered.get(&(op.kind(), request)) {
            return if first == op { Ok(answer.clone()) } else { Err("REQUEST_ID_REUSED") };
        }
        let answer = make(self)?;
        self.answered.insert((op.kind(), request), (op.clone(), answer.clone()));
        Ok(answer)
    }

    fn open(&mut self, account: Account, currency: &'static str) -> Verdict<Answer> {
        self.wallets.entry(account).or_insert(currency);
        self.same_currency(account, currency)?;
        Ok(Answer::Wallet(currency.to_owned(), self.cash(account), self.held(account)))
    }

    fn deposit(&mut self, op: &Op) -> Verdict<Answer> {
        let &Op::Deposit { account, amount, currency, .. } = op else { unreachable!() };
        self.same_currency(account, currency)?;
        self.fits(account, amount)?;
        self.plain(account, Place::Deposits, Place::Cash, amount);
        Ok(Answer::Deposited(amount, self.cash(account), self.held(account)))
    }

    fn issue(&mut self, grants: &[Grant]) -> Verdict<Answer> {
        for grant in grants {
            self.currency(grant.account)?;
        }
        for grant in grants {
            self.same_currency(grant.account, grant.currency)?;
        }
        for grant in grants {
            self.give(grant.account, grant.label, grant.face, &grant.terms);
        }
        Ok(Answer::Vouchers(grants.iter().map(|grant| grant.label).collect()))
    }

    fn give(&mut self, account: Account, label: Label, face: i64, terms: &Terms) {
        let voucher = Voucher { account, face, terms: terms.clone(), revoked: false };
        self.vouchers.insert(label, voucher);
        self.plain(account, Place::Issued, Place::Voucher(label), face);
    }

    fn make_codes(&mut self, op: &Op) -> Answer {
        let Op::MakeCodes { codes, face, currency, terms, .. } = op else { unreachable!() };
        for &code in codes {
            let made = Code { face: *face, currency, terms: terms.clone(), used: false };
            self.codes.insert(code, made);
        }
        Answer::Codes(codes.clone())
    }

    fn redeem(&mut self, op: &Op) -> Verdict<Answer> {
        let &Op::Redeem { account, code, label, .. } = op else { unreachable!() };
        let found = self.codes.get(&code).ok_or("VOUCHER_CODE_NOT_FOUND")?.clone();
        if found.used {
            return Err("VOUCHER_CODE_USED");
        }
        if self.now >= found.terms.expires {
            return Err("VOUCHER_CODE_EXPIRED");
        }
        self.same_currency(account, found.currency)?;
        self.codes.get_mut(&code).expect("it was found").used = true;
        self.give(account, label, found.face, &found.terms);
        Ok(Answer::Vouchers(vec![label]))
    }

    fn revoke(&mut self, account: Account, label: Label) -> Verdict<Answer> {
        let voucher = self.vouchers.get_mut(&label).filter(|voucher| voucher.account == account);
        voucher.ok_or("VOUCHER_NOT_FOUND")?.revoked = true;
        let rest = self.at(account, Place::Voucher(label));
        self.plain(account, Place::Voucher(label), Place::Void(label), rest);
        Ok(Answer::Voucher(self.voucher(label)))
    }

    /// A voucher as it should be told (V-1, V-5).
    pub fn voucher(&self, label: Label) -> VoucherSeen {
        let Voucher { account, face, terms, revoked } = &self.vouchers[&label];
        let at = |place| self.at(*account, place);
        let remaining = at(Place::Voucher(label));
        let held = |payment| Place::HeldVoucher(label, payment);
        let held = self.between(*account, held(Id::MIN), held(Id::MAX));
        let (forfeited, voided, expired) =
            (at(Place::Forfeited(label)), at(Place::Void(label)), at(Place::Expired(label)));
        let state = if *revoked {
            "REVOKED"
        } else if expired > 0 {
            "EXPIRED"
        } else if remaining == 0 {
            "USED_UP"
        } else if self.now >= terms.expires {
            "EXPIRED"
        } else if self.now < terms.from {
            "NOT_YET_VALID"
        } else {
            "USABLE"
        };
        VoucherSeen {
            account: *account,
            face: *face,
            remaining,
            captured: face - remaining - held - forfeited - voided - expired,
            held,
            forfeited,
            voided,
            expired,
            state: format!("STATE_{state}"),
        }
    }

    /// Whether what comes back to a voucher is void (V-5).
    pub(super) fn is_over(&self, label: Label) -> bool {
        let voucher = &self.vouchers[&label];
        voucher.revoked || self.now >= voucher.terms.expires
    }

    /// What the account can spend from vouchers that are valid now.
    pub fn valid_vouchers(&self, account: Account) -> i64 {
        let own = self.vouchers.iter().filter(|(_, voucher)| voucher.account == account);
        own.map(|(&label, _)| self.voucher(label))
            .filter(|seen| seen.state == "STATE_USABLE")
            .map(|seen| seen.remaining)
            .sum()
    }

    fn expire_vouchers(&mut self) -> Answer {
        let over = self.vouchers.iter().filter(|(_, it)| it.terms.expires <= self.now - SKEW);
        let over: Vec<_> = over.map(|(&label, it)| (label, it.account, it.revoked)).collect();
        let mut done = 0;
        for (label, account, revoked) in over {
            let rest = self.at(account, Place::Voucher(label));
            let to = if revoked { Place::Void(label) } else { Place::Expired(label) };
            self.plain(account, Place::Voucher(label), to, rest);
            done += i32::from(rest > 0);
        }
        Answer::Swept(done)
    }

    fn anchor(&mut self) -> Answer {
        let mut grown = 0;
        for (&account, moves) in &self.moves {
            let before = self.anchored.insert(account, moves.len()).unwrap_or_default();
            grown += i32::from(before < moves.len());
        }
        Answer::Swept(grown)
    }
}
