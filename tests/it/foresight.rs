//! Forecasts against what happens: random customers who live side by side in one suite, each foretold,
//! and then lived night by night; all that happens, its day, each amount and what pays it must be the
//! same. On the way something comes from outside, or the suite is down for a while, after which the rest
//! is foretold anew.
//!
//! A seed tells one street of customers. Where the two differ, the test looks for a smaller street and
//! says how to tell it again:
//!
//! ```sh
//! PERENNIAL_FORESIGHT_SEED=17 cargo nextest run -p tests foresight::sqlite::by_seed
//! ```

mod customer;
mod life;
mod street;

use std::{collections::BTreeMap, ops::Range, sync::Mutex};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tests::{Backend, Layout, Suite};

use self::street::{Street, street};

/// How often a smaller street is looked for that shows a difference.
const ATTEMPTS: u32 = 12;

/// What must have happened in the streets of a test, and how often: it takes little to foretell each of
/// them wrongly.
const KINDS: [(&str, usize); 22] = [
    ("BECAME_POSTPAID", 2),
    ("EXPIRED", 20),
    ("FAILED INSUFFICIENT_FUNDS", 20),
    ("MISSED RENEWAL_WINDOW_CLOSED", 4),
    ("PARKED", 10),
    ("RELEASED", 20),
    ("RENEWED", 20),
    ("RETAINED", 10),
    ("SKIPPED OPEN_ORDER_EXISTS", 10),
    ("VOUCHER_EXPIRED", 10),
    // What is missing came a minute before, or a fen less.
    ("rescued", 1),
    ("not quite rescued", 1),
    // The rest of a single-use voucher is lost, with or without a second one.
    ("forfeited", 1),
    ("several vouchers", 1),
    // What was renewed before on that day counts.
    ("parked after a renewal", 1),
    // There is enough for some of what is due.
    ("short after a renewal", 1),
    // It was renewed once, and cannot be again.
    ("short at a second renewal", 2),
    // One ends at the instant at which another is renewed.
    ("renewed as another ended", 2),
    // The suite was down when it expired.
    ("renewed after its end", 1),
    // An order for several of them.
    ("ordered together", 2),
    // Such an order was called off by the last attempt of one of them, also while others were due.
    ("called off together", 1),
    ("called off while due", 1),
];

/// How often each of [`KINDS`] has happened so far.
type Seen = Mutex<BTreeMap<&'static str, usize>>;

/// Foretells and lives the street of `seed`.
fn is_true_of(backend: Backend, number: u64, seen: &Seen) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    let config = Config {
        cases: 1,
        max_shrink_iters: ATTEMPTS,
        failure_persistence: None,
        ..Config::default()
    };
    let run = |street: Street| {
        runtime.block_on(async {
            let suite = Suite::start_with(backend, Layout::OneProcess, &street.words()).await;
            street.lives(&suite, seen).await.map_err(TestCaseError::fail)
        })
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    if let Err(error) = TestRunner::new_with_rng(config, dice).run(&street(), run) {
        let name = if backend == Backend::Sqlite { "sqlite" } else { "postgres" };
        panic!(
            "again: PERENNIAL_FORESIGHT_SEED={number} cargo nextest run -p tests \
             foresight::{name}::by_seed\nseed {number}: {error}"
        );
    }
}

/// Demands of each of [`KINDS`] that it happened often enough in the streets of `seeds`: of fewer streets
/// only a `part` of that.
fn come_true(backend: Backend, seeds: Range<u64>, part: usize) {
    let seen = Seen::default();
    for seed in seeds {
        is_true_of(backend, seed, &seen);
    }
    let seen = seen.into_inner().expect("nobody has panicked");
    let count = |kind: &str| seen.get(kind).copied().unwrap_or_default();
    let rare = KINDS.into_iter().filter(|(kind, least)| count(kind) < least / part);
    let rare: Vec<_> = rare.collect();
    assert!(rare.is_empty(), "too seldom: {rare:?}\nof {seen:?}");
}

/// Defines tests: each foretells the streets of its seeds on one database.
macro_rules! streets {
    ($module:ident, $backend:ident, $($name:ident: $seeds:expr, $part:expr;)*) => {
        mod $module {
            use tests::Backend;

            #[test]
            fn by_seed() {
                let seed = crate::model::given("PERENNIAL_FORESIGHT_SEED").unwrap_or_default();
                super::is_true_of(Backend::$backend, seed, &super::Seen::default());
            }

            $(#[test]
            fn $name() {
                super::come_true(Backend::$backend, $seeds, $part);
            })*
        }
    };
}

// A-1 … A-8, P-3, P-4, L-1, L-3, L-4, U-4, B-4, B-5, M-8, V-1 … V-5: what is foretold happens.
streets! { sqlite, Sqlite,
    forecasts_come_true: 100..106, 2;
    other_forecasts_come_true: 200..206, 1;
}

streets! { postgres, Postgres,
    forecasts_come_true: 300..304, 4;
}
