//! A model test of the wallet: random operations are done to a small model and to the real service, alone,
//! again, and at the same time; after each step both must have the same balances, vouchers, payments and
//! entries, and give the same answers. What is refused leaves every row as it was.
//!
//! A seed tells one story. Where the two differ, the test shortens the story and says how to tell it again:
//!
//! ```sh
//! PERENNIAL_MODEL_SEED=17 PERENNIAL_MODEL_STEPS=150 cargo nextest run -p tests model::sqlite::by_seed
//! ```

mod book;
mod cover;
mod dice;
mod look;
mod names;
mod news;
mod op;
mod pay;
mod story;
mod tell;
mod wire;
mod world;

use std::{fmt::Write as _, ops::Range};

use tests::{Backend, Layout, Suite};

use self::{
    op::Op,
    story::story,
    tell::{Difference, Tally, tell},
};

/// The channels of the suite: their names, what they take, and how many minutes they have.
const CHANNELS: [(&str, &str, i64); 2] = [("sandbox", "CNY", 30), ("dollars", "USD", 10)];

/// How often a story that fails is told again, shortened.
const ATTEMPTS: usize = 60;

/// What must have been done.
const KINDS: [&str; 17] = [
    "open wallet",
    "deposit",
    "issue vouchers",
    "issue codes",
    "redeem code",
    "revoke voucher",
    "charge",
    "charge many",
    "ask a channel",
    "callback of a payment",
    "callback of a refund",
    "refund",
    "void payment",
    "expire holds",
    "expire vouchers",
    "anchor chains",
    "move the clock",
];

/// How many of the rarer outcomes the stories of one test may miss: those of another one have them.
const MOST_MISSED: usize = 3;

/// What must have come of it.
const OUTCOMES: [&str; 46] = [
    "2 at the same time",
    "3 at the same time",
    "4 at the same time",
    "ALREADY_REFUNDED",
    "AMOUNT_TOO_LARGE",
    "CHANNEL_NOT_FOUND",
    "CHANNEL_NOT_NEEDED",
    "CLOCK_SKEW",
    "CURRENCY_MISMATCH",
    "INTENT_NOT_FOUND",
    "INVALID_REQUEST",
    "ORDER_NOT_PAYABLE",
    "PAYMENT_AMOUNT_MISMATCH",
    "PAYMENT_NOT_FOUND",
    "PAYMENT_NOT_REFUNDABLE",
    "REQUEST_ID_REUSED",
    "SIGNATURE_INVALID",
    "VOUCHER_CODE_EXPIRED",
    "VOUCHER_CODE_NOT_FOUND",
    "VOUCHER_CODE_USED",
    "VOUCHER_NOT_FOUND",
    "WALLET_NOT_FOUND",
    "accepted",
    "callback OUTCOME_NOTHING",
    "callback OUTCOME_PAID",
    "callback OUTCOME_REFUNDED",
    "callback OUTCOME_VOIDED",
    "callback to cash: PAID_TOO_LATE",
    "callback to cash: PAID_TWICE",
    "callback to cash: PAYMENT_AMOUNT_MISMATCH",
    "callback to cash: REFUND_REFUSED",
    "nothing swept",
    "payment STATE_PENDING",
    "payment STATE_SUCCEEDED",
    "payment STATE_VOIDED",
    "payment refused: CURRENCY_MISMATCH",
    "payment refused: INSUFFICIENT_FUNDS",
    "payment refused: VOUCHER_NOT_APPLICABLE",
    "payment refused: WALLET_NOT_FOUND",
    "refund",
    "refund pending at a channel",
    "refund to a voucher that is over",
    "refund with the forfeit of a voucher",
    "revoked",
    "swept",
    "vouchers made",
];

/// Tells the stories of `seeds`, each so many `steps` long, and demands that everything has happened and at
/// least so many `operations` were done.
async fn live_through(backend: Backend, seeds: Range<u64>, steps: usize, operations: usize) {
    let mut tally = Tally::default();
    let suite = Suite::start(backend, Layout::OneProcess).await;
    for seed in seeds {
        if let Err(difference) = tell(&suite, seed, story(seed, steps), &mut tally).await {
            fail(backend, seed, difference).await;
        }
    }
    println!("{} operations: {:#?} {:#?}", tally.operations(), tally.kinds, tally.outcomes);
    assert!(tally.operations() >= operations, "only {} operations", tally.operations());
    let kinds = KINDS.into_iter().filter(|kind| !tally.kinds.contains_key(kind));
    let kinds: Vec<_> = kinds.collect();
    assert!(kinds.is_empty(), "never done: {kinds:?}");
    let outcomes = OUTCOMES.into_iter().filter(|outcome| !tally.outcomes.contains_key(*outcome));
    let outcomes: Vec<_> = outcomes.collect();
    assert!(outcomes.len() <= MOST_MISSED, "never happened: {outcomes:?}");
}

/// Says what is wrong, with the shortest story that shows it.
async fn fail(backend: Backend, seed: u64, difference: Difference) -> ! {
    let step = difference.story.len();
    let last = difference.story.last().expect("something was done");
    let mut text = format!("seed {seed}, step {step}, {last:#?}\n{}\n\n", difference.why);
    let name = if backend == Backend::Sqlite { "sqlite" } else { "postgres" };
    writeln!(
        text,
        "again: PERENNIAL_MODEL_SEED={seed} PERENNIAL_MODEL_STEPS={step} \
         cargo nextest run -p tests model::{name}::by_seed"
    )
    .expect("writing to a text cannot fail");
    eprintln!("{text}shortening ...");
    let shorter = shorten(backend, seed, difference).await;
    panic!("shortened to {:#?}\n{}", shorter.story, shorter.why);
}

/// Leaves out what is not needed, larger pieces first, as long as something is still wrong.
async fn shorten(backend: Backend, seed: u64, mut found: Difference) -> Difference {
    let mut piece = found.story.len().div_ceil(2);
    let mut attempts = 0;
    while piece > 0 {
        let mut from = 0;
        while from < found.story.len() && attempts < ATTEMPTS {
            attempts += 1;
            let mut story: Vec<Op> = found.story.clone();
            story.drain(from..(from + piece).min(found.story.len()));
            let suite = Suite::start(backend, Layout::OneProcess).await;
            match tell(&suite, seed, story, &mut Tally::default()).await {
                Err(shorter) if shorter.story.len() < found.story.len() => found = shorter,
                _ => from += piece,
            }
        }
        piece /= 2;
    }
    found
}

/// A number that whoever runs the tests may give.
#[expect(clippy::disallowed_methods, reason = "whoever looks for a bug tells which story it is in")]
pub fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Tells the story that was asked for; without one, a short one. It is always the same.
async fn by_seed(backend: Backend) {
    let asked = given("PERENNIAL_MODEL_SEED");
    let steps = given("PERENNIAL_MODEL_STEPS").unwrap_or(if asked.is_some() { 150 } else { 40 });
    let steps = usize::try_from(steps).expect("not too many");
    let seed = asked.unwrap_or_default();
    assert_eq!(story(seed, steps), story(seed, steps));
    let suite = Suite::start(backend, Layout::OneProcess).await;
    if let Err(found) = tell(&suite, seed, story(seed, steps), &mut Tally::default()).await {
        fail(backend, seed, found).await;
    }
}

/// Defines tests: each tells the stories of its seeds on one database.
macro_rules! stories {
    ($module:ident, $backend:ident, $($name:ident: $seeds:expr, $steps:expr, $operations:expr;)*) => {
        mod $module {
            use tests::Backend;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_seed() {
                super::by_seed(Backend::$backend).await;
            }

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::live_through(Backend::$backend, $seeds, $steps, $operations).await;
            })*
        }
    };
}

// W-2, W-3, W-4, V-1, V-2, V-4, V-5, O-3, O-6: the wallet does what the model does. Many short stories,
// because most bugs need few steps; some long ones, because some need a history.
stories! { sqlite, Sqlite,
    short_stories: 1_000..1_017, 120, 2_500;
    other_short_stories: 1_100..1_117, 120, 2_500;
    more_short_stories: 1_200..1_217, 120, 2_500;
    long_stories: 1_300..1_305, 385, 2_500;
}

stories! { postgres, Postgres,
    short_stories: 2_000..2_011, 120, 1_500;
    long_stories: 2_100..2_103, 400, 1_500;
}
