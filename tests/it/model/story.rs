//! Stories: what is done to a wallet, drawn by a seed from what a model says that there would be. Where
//! several things are done at the same time, that model takes the first as the first; a wallet may not. So
//! the story of a seed is always the same, and some of it may come to nothing.

mod again;
mod late;
mod make;
mod rare;

use super::{
    book::Book,
    dice::Dice,
    op::{Account, Id, Op},
};

/// Two accounts in one currency, one in another, and one that has no wallet.
pub const ACCOUNTS: [Account; 4] = [Account(0), Account(1), Account(2), Account(3)];
pub const WITHOUT_WALLET: Account = Account(3);

/// The currency in which an account has its wallet, or would have it.
pub fn currency_of(account: Account) -> &'static str {
    if account == Account(2) { "USD" } else { "CNY" }
}

/// The story of `seed`, so many `steps` long.
pub fn story(seed: u64, steps: usize) -> Vec<Op> {
    let mut story = Story { dice: Dice::new(seed), ids: 0, told: Vec::new() };
    let mut book = Book::default();
    let draw = |_| {
        let op = story.next(&book);
        for op in op.parts() {
            book.apply(op);
        }
        op
    };
    (0..steps).map(draw).collect()
}

/// Draws operations.
#[derive(Debug)]
struct Story {
    dice: Dice,
    ids: u64,
    /// All that was done, one by one.
    told: Vec<Op>,
}

/// Draws one operation.
type Draw = fn(&mut Story, &Book) -> Op;

/// How often what is drawn. What is drawn again, or altered, or done at the same time, is one of these.
const WEIGHTS: [(i64, Draw); 16] = [
    (1, Story::open),
    (8, Story::deposit),
    (10, Story::issue),
    (4, Story::make_codes),
    (7, Story::redeem),
    (4, Story::revoke),
    (12, Story::pay),
    (5, Story::pay_many),
    (14, Story::ask),
    (17, Story::hear_of_payment),
    (9, Story::hear_of_refund),
    (10, Story::refund),
    (3, Story::void),
    (3, Story::expire_holds),
    (3, Story::expire_vouchers),
    (1, |_, _| Op::Anchor),
];

impl Story {
    /// What is done next.
    fn next(&mut self, book: &Book) -> Op {
        let opening = usize::try_from(self.dice.within(8, 14)).expect("not negative");
        let op = match self.told.len() {
            begun @ 0..3 => {
                Op::Open { account: ACCOUNTS[begun], currency: currency_of(ACCOUNTS[begun]) }
            }
            begun if begun < opening => {
                if self.dice.percent(50) {
                    self.deposit(book)
                } else {
                    self.issue(book)
                }
            }
            _ => self.draw(book),
        };
        self.told.extend_from_slice(op.parts());
        op
    }

    fn draw(&mut self, book: &Book) -> Op {
        if let Some(op) = self.tempted(book) {
            return op;
        }
        match self.dice.within(1, 100) {
            1..=9 => self.move_clock(book),
            10..=17 => self.again(book),
            18..=22 => self.altered(book),
            23..=45 => Op::Together(self.together(book)),
            46..=54 => self.rare(book),
            _ => self.dice.weighted(&WEIGHTS)(self, book),
        }
    }

    fn id(&mut self) -> Id {
        self.ids += 1;
        self.ids
    }
}
