//! Drawing what is done again, otherwise, or at once.

use proto::wallet::v1::payment::State;

use super::{ACCOUNTS, Story, WEIGHTS, late::LATEST};
use crate::model::{book::Book, op::*};

impl Story {
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
