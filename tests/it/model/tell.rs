//! Telling a story to the model and to the real wallet, and comparing them after each step.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use chrono::{DurationRound as _, TimeDelta};
use proto::wallet::v1::{self as pb, payment::State};
use tests::Suite;

use super::{
    book::{Book, Payment},
    names::{Names, Told},
    op::*,
    story::ACCOUNTS,
    world::{Seen, World},
};

/// So many steps apart, accounts that no operation has touched are looked at too.
const LOOK_AT_ALL: usize = 20;

/// So many steps apart, the service audits its ledger.
const AUDIT: usize = 20;

/// Where the wallet and the model do not agree.
#[derive(Debug)]
pub struct Difference {
    pub why: String,
    /// Everything up to the operation that brought it out.
    pub story: Vec<Op>,
}

/// How often what was done, and what came of it.
#[derive(Debug, Default)]
pub struct Tally {
    pub kinds: BTreeMap<&'static str, usize>,
    pub outcomes: BTreeMap<String, usize>,
}

impl Tally {
    pub fn operations(&self) -> usize {
        self.kinds.values().sum()
    }

    fn count(&mut self, op: &Op, answers: &[Answer]) {
        if let Op::Together(ops) = op
            && ops.len() > 1
        {
            *self.outcomes.entry(format!("{} at the same time", ops.len())).or_default() += 1;
        }
        for (op, answer) in op.parts().iter().zip(answers) {
            *self.kinds.entry(op.kind()).or_default() += 1;
            for outcome in answer.outcomes() {
                *self.outcomes.entry(outcome).or_default() += 1;
            }
        }
    }
}

/// What was seen of an account when it was looked at for the last time.
#[derive(Debug, Default)]
struct Last {
    seen: Option<Seen>,
    /// How many entries it had.
    entries: usize,
}

/// A story while it is told.
#[derive(Debug)]
struct Telling<'a> {
    world: World<'a>,
    book: Book,
    last: BTreeMap<Account, Last>,
    /// The payments that were seen, as they were told for the last time.
    payments: BTreeMap<Id, pb::Payment>,
    steps: usize,
}

/// Tells the story of `seed`, or a part of it, and then its end: everything that can expire does.
pub async fn tell(
    suite: &Suite,
    seed: u64,
    story: Vec<Op>,
    tally: &mut Tally,
) -> Result<(), Difference> {
    let begin = suite.now().duration_trunc(TimeDelta::seconds(1)).expect("a time of our days");
    let begin = begin + TimeDelta::seconds(1);
    suite.set_clock(begin);
    let names = Names::new(u32::try_from(seed).expect("seeds are small"), begin);
    let world = World { suite, names: RefCell::new(names) };
    let mut telling = Telling {
        world,
        book: Book::default(),
        last: BTreeMap::new(),
        payments: BTreeMap::new(),
        steps: 0,
    };
    let mut told = Vec::new();
    for op in story {
        told.push(op);
        let step = telling.step(&told[told.len() - 1], tally).await;
        step.map_err(|why| Difference { why, story: told.clone() })?;
    }
    let end = telling.end(&mut told, tally).await;
    end.map_err(|why| Difference { why, story: told })
}

impl Telling<'_> {
    /// Does one thing, and demands that the wallet is what the model is.
    async fn step(&mut self, op: &Op, tally: &mut Tally) -> Told<()> {
        self.steps += 1;
        let answers = self.world.call(op.parts()).await?;
        let all = self.steps.is_multiple_of(LOOK_AT_ALL);
        let mut seen = BTreeMap::new();
        for account in if all { ACCOUNTS.into() } else { self.accounts(op) } {
            let payments = self.payments(account, op, all);
            let known = self.last.get(&account).map_or(0, |last| last.entries);
            let looked = self.world.look(account, &payments, known, all).await?;
            seen.insert(account, (looked, known, payments));
        }
        let next = explain(&self.book, op, &answers, &seen)?;
        for (account, (looked, ..)) in seen {
            let last = self.last.entry(account).or_default();
            if next == self.book {
                unchanged(last, &self.payments, &looked)?;
            }
            last.entries += looked.entries.len();
            self.payments.extend(looked.raw_payments.clone());
            last.seen = Some(looked);
        }
        self.book = next;
        tally.count(op, &answers);
        if self.steps.is_multiple_of(AUDIT) {
            let turn = self.steps / AUDIT % (ACCOUNTS.len() - 1);
            self.world.audit(Some(ACCOUNTS[turn])).await?;
        }
        Ok(())
    }

    /// Waits until everything that can expire has; then nothing is held, and every refund is as it was.
    async fn end(&mut self, story: &mut Vec<Op>, tally: &mut Tally) -> Told<()> {
        let vouchers = self.book.vouchers.values().map(|voucher| voucher.terms.expires);
        let intents = self.book.payments.values().filter_map(|it| it.seen.intent.as_ref());
        let last = vouchers.chain(intents.map(|(.., end)| *end)).max().unwrap_or_default();
        let end = last.max(self.book.now) + SKEW;
        let sweeps = [Op::Clock(end), Op::ExpireHolds(0), Op::ExpireVouchers(0)];
        let refunds = self.book.refunds.values().map(|it| Op::Refund(it.asked.clone()));
        let ops: Vec<_> = sweeps.into_iter().chain(refunds).chain([Op::Anchor]).collect();
        for op in ops {
            story.push(op.clone());
            self.step(&op, tally).await?;
        }
        for account in ACCOUNTS {
            let held = self.book.held(account);
            let vouchers = self.book.valid_vouchers(account);
            if (held, vouchers) != (0, 0) {
                return Err(format!("{held} are held and {vouchers} remain when all is over"));
            }
        }
        self.world.audit(None).await
    }

    /// The accounts that `op` may touch.
    fn accounts(&self, op: &Op) -> BTreeSet<Account> {
        let mut accounts = BTreeSet::new();
        for op in op.parts() {
            match op {
                Op::Open { account, .. }
                | Op::Deposit { account, .. }
                | Op::Redeem { account, .. }
                | Op::Revoke { account, .. }
                | Op::Refund(Refund { account, .. }) => accounts.extend([*account]),
                Op::Issue { grants, .. } => accounts.extend(grants.iter().map(|it| it.account)),
                Op::Charge(charge, _) | Op::Ask(charge, ..) => accounts.extend([charge.account]),
                Op::ChargeMany(charges, _) => accounts.extend(charges.iter().map(|it| it.account)),
                Op::Void { payment, account } => {
                    let owner = self.book.payments.get(payment).map(|it| it.seen.account);
                    accounts.extend([*account].into_iter().chain(owner));
                }
                Op::Callback(callback) => accounts.extend(match callback.body.about {
                    About::Intent(id) => self.book.payments.get(&id).map(|it| it.seen.account),
                    About::Refund(id) => self.book.refunds.get(&id).map(|it| it.seen.account),
                }),
                Op::ExpireHolds(_) | Op::ExpireVouchers(_) => accounts.extend(ACCOUNTS),
                Op::MakeCodes { .. } | Op::Anchor | Op::Clock(_) | Op::Together(_) => {}
            }
        }
        accounts
    }

    /// The payments that `op` may change, or make: one that is not there must not be there. With `all`, also
    /// all those of `account`.
    fn payments(&self, account: Account, op: &Op, all: bool) -> Vec<Id> {
        let pending = |it: &&Payment| it.seen.state == State::Pending;
        let sweep = op.parts().iter().any(|op| matches!(op, Op::ExpireHolds(_)));
        let own = self.book.payments.values().filter(|it| it.seen.account == account);
        let own = own.filter(|it| all || (sweep && pending(it)));
        let mut ids: BTreeSet<Id> = own.map(|it| it.seen.payment).collect();
        for op in op.parts() {
            match op {
                Op::Charge(charge, _) | Op::Ask(charge, ..) => ids.extend([charge.payment]),
                Op::ChargeMany(charges, _) => ids.extend(charges.iter().map(|it| it.payment)),
                Op::Void { payment, .. } | Op::Refund(Refund { payment, .. }) => {
                    ids.extend([*payment]);
                }
                Op::Callback(Callback { body: Body { about: About::Intent(id), .. }, .. }) => {
                    ids.extend([*id]);
                }
                _ => {}
            }
        }
        ids.into_iter().collect()
    }
}

/// Demands that every row is as it was.
fn unchanged(last: &Last, payments: &BTreeMap<Id, pb::Payment>, looked: &Seen) -> Told<()> {
    if let Some(before) = &last.seen {
        same("a row, for nothing has changed,", &before.raw, &looked.raw)?;
    }
    for (id, payment) in &looked.raw_payments {
        let before = payments.get(id).unwrap_or(payment);
        same("the row of a payment, for nothing has changed,", before, payment)?;
    }
    Ok(())
}

/// What was seen of each account that was looked at, how many entries it had before, and which of its
/// payments were asked for.
type Looked = BTreeMap<Account, (Seen, usize, Vec<Id>)>;

/// The model after `op`, if its operations in some order are answered with `answers` and leave what was
/// seen.
fn explain(book: &Book, op: &Op, answers: &[Answer], seen: &Looked) -> Told<Book> {
    let mut first = None;
    for order in orders(op.parts().len()) {
        match in_order(book, op.parts(), &order, answers, seen) {
            Ok(book) => return Ok(book),
            Err(why) => _ = first.get_or_insert(why),
        }
    }
    let many = op.parts().len() > 1;
    let begin = if many { "no order explains it; the order given does not because " } else { "" };
    Err(format!("{begin}{}", first.expect("there is one order at least")))
}

fn in_order(
    book: &Book,
    ops: &[Op],
    order: &[usize],
    answers: &[Answer],
    seen: &Looked,
) -> Told<Book> {
    let mut book = book.clone();
    for &place in order {
        let expected = book.apply(&ops[place]);
        same("the answer", &expected, &answers[place])?;
    }
    for (&account, (seen, known, payments)) in seen {
        compare(&book, account, seen, *known, payments)
            .map_err(|why| format!("of account {}: {why}", account.0))?;
    }
    Ok(book)
}

/// Every order of so many things.
fn orders(many: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for next in 0..many {
        let longer = |order: Vec<usize>| {
            (0..=order.len()).rev().map(move |place| {
                let mut order = order.clone();
                order.insert(place, next);
                order
            })
        };
        orders = orders.into_iter().flat_map(longer).collect();
    }
    orders
}

fn same<T: PartialEq + Debug>(what: &str, model: &T, service: &T) -> Told<()> {
    if model == service {
        return Ok(());
    }
    Err(format!("{what} should be {model:#?}, and is {service:#?}"))
}

/// Compares what are not the same of two maps.
fn same_rows<T: PartialEq + Debug>(
    what: &str,
    model: &BTreeMap<u64, T>,
    service: &BTreeMap<u64, T>,
) -> Told<()> {
    let ids: BTreeSet<_> = model.keys().chain(service.keys()).collect();
    for id in ids {
        same(&format!("{what} {id}"), &model.get(id), &service.get(id))?;
    }
    Ok(())
}

/// Demands that what was seen of an account is what the model says.
fn compare(book: &Book, account: Account, seen: &Seen, known: usize, asked: &[Id]) -> Told<()> {
    let wallet = book.wallets.get(&account).map(|_| (book.cash(account), book.held(account)));
    same("cash and held", &wallet, &seen.wallet)?;
    let own = book.vouchers.iter().filter(|(_, voucher)| voucher.account == account);
    let vouchers = own.map(|(&label, _)| (label, book.voucher(label))).collect();
    same_rows("voucher", &vouchers, &seen.vouchers)?;
    let payments = asked.iter().filter_map(|id| Some((*id, book.payments.get(id)?.seen.clone())));
    same_rows("payment", &payments.collect(), &seen.payments)?;
    if let Some(funds) = seen.funds {
        same("what vouchers can pay", &book.valid_vouchers(account), &funds)?;
    }
    let sorted = |moves: &[super::book::Move]| {
        let mut moves = moves.to_vec();
        moves.sort_unstable();
        moves
    };
    let moves = book.moves.get(&account).map_or(&[][..], |moves| &moves[known..]);
    same("the entries since", &sorted(moves), &sorted(&seen.entries))
}
