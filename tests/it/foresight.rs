//! Forecasts against what happens: random customers, foretold, and then lived night by night; all that
//! happens, its day, each amount and what pays it must be the same. On the way something comes from
//! outside, after which the rest is foretold anew.
//!
//! A seed tells one customer. Where the two differ, the test looks for a smaller customer and says how to
//! tell it again:
//!
//! ```sh
//! PERENNIAL_FORESIGHT_SEED=17 cargo nextest run -p tests foresight::sqlite::by_seed
//! ```

mod customer;
mod life;

use std::{collections::BTreeSet, ops::Range, sync::Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use proto::{
    convert::instant,
    renewal::{
        internal::v1::NoticeFundsRequest,
        v1::{ForecastRenewalsRequest, ForecastRenewalsResponse, Shortage},
    },
};
use tests::{Backend, Layout, Suite, fixture::cny};

use self::{
    customer::{ACCOUNT, Customer, Rescue, customer, start},
    life::{foretold, live, lived, minor, shown, vouchers},
};

/// For so many days each customer is foretold.
const DAYS: i32 = 75;

/// How often a smaller customer is looked for that shows a difference.
const ATTEMPTS: u32 = 30;

/// How often events are read that a server may hold back while others write.
const READINGS: usize = 100;

/// What must have happened.
const KINDS: [&str; 12] = [
    "BECAME_POSTPAID",
    "EXPIRED",
    "FAILED INSUFFICIENT_FUNDS",
    "MISSED RENEWAL_WINDOW_CLOSED",
    "PARKED",
    "RELEASED",
    "RENEWED",
    "RETAINED",
    "SKIPPED OPEN_ORDER_EXISTS",
    "VOUCHER_EXPIRED",
    "rescued",
    "not quite rescued",
];

/// What has happened so far, of [`KINDS`].
type Seen = Mutex<BTreeSet<&'static str>>;

async fn forecast(suite: &Suite, days: i64) -> ForecastRenewalsResponse {
    let days = i32::try_from(days).expect("not too many");
    let request = ForecastRenewalsRequest { account_id: ACCOUNT.to_owned(), days };
    suite.forecasts().forecast_renewals(request).await.expect("a forecast").into_inner()
}

fn time(of: Option<prost_types::Timestamp>) -> DateTime<Utc> {
    instant(of.expect("a time")).expect("an instant")
}

/// When money runs short, unless that is at once.
fn shortage(forecast: &ForecastRenewalsResponse) -> Option<(&Shortage, DateTime<Utc>)> {
    let shortage = forecast.first_shortage.as_ref()?;
    let time = time(shortage.time);
    (time > instant(forecast.start_time?).ok()? + TimeDelta::minutes(1)).then_some((shortage, time))
}

/// Lives until `until`, and compares what happened since the forecast with it.
async fn comes_true(
    suite: &Suite,
    customer: &Customer,
    forecast: &ForecastRenewalsResponse,
    until: DateTime<Utc>,
    seen: &Seen,
) -> Result<(), String> {
    live(suite, &customer.hours(), until).await;
    let foretold = foretold(forecast, until);
    let from = time(forecast.start_time);
    let mut lived = lived(suite, from, until).await;
    for _ in 0..READINGS {
        if lived == foretold {
            break;
        }
        lived = life::lived(suite, from, until).await;
    }
    let only = |these: &[String], those: &[String]| {
        let only = these.iter().filter(|line| !those.contains(line)).cloned();
        only.collect::<Vec<_>>().join("\n  ")
    };
    if lived != foretold {
        let (told, happened) = (only(&foretold, &lived), only(&lived, &foretold));
        return Err(format!("foretold only:\n  {told}\nlived only:\n  {happened}"));
    }
    let first = lived.iter().find(|line| line.contains("INSUFFICIENT_FUNDS"));
    let first = first.map(|line| line[..19].to_owned());
    let short = forecast.first_shortage.as_ref().map(|short| time(short.time));
    let short = short.filter(|time| *time < until).map(shown);
    if first != short {
        return Err(format!("money ran short at {first:?}, and not at {short:?}"));
    }
    let mut seen = seen.lock().expect("nobody has panicked");
    let happened = |kind: &&str| lived.iter().any(|line| says(line, kind));
    seen.extend(KINDS.into_iter().filter(|kind| happened(kind)));
    Ok(())
}

/// Whether the line is of that kind, with that reason.
fn says(line: &str, kind: &str) -> bool {
    let words: BTreeSet<_> = line.split(' ').collect();
    kind.split(' ').all(|word| words.contains(word))
}

/// Something comes from outside; then the rest is foretold anew.
async fn comes_between(
    suite: &Suite,
    customer: &Customer,
    forecast: &ForecastRenewalsResponse,
    seen: &Seen,
) -> Result<ForecastRenewalsResponse, String> {
    let mut rescued = None;
    if let (Some(rescue), Some((short, at))) = (customer.later.rescue, shortage(forecast)) {
        comes_true(suite, customer, forecast, at - TimeDelta::minutes(1), seen).await?;
        let missing = minor(short.missing.as_ref());
        let less = i64::from(rescue == Rescue::OneLess);
        if missing > less {
            suite.deposit(ACCOUNT, missing - less).await;
        }
        rescued = Some((at, less));
    } else {
        comes_true(suite, customer, forecast, customer.later.time(), seen).await?;
        customer.later.comes(suite).await;
    }
    let notice = NoticeFundsRequest { limit: 100 };
    suite.sweeps().notice_funds(notice).await.expect("a sweep");
    let days = (start() + TimeDelta::days(DAYS.into()) - suite.now()).num_days() + 1;
    let rest = self::forecast(suite, days).await;
    if rest.end_time != forecast.end_time {
        return Err(format!("it ends at {:?}, and not at {:?}", rest.end_time, forecast.end_time));
    }
    if let Some((at, less)) = rescued {
        let short = rest.first_shortage.as_ref().filter(|short| time(short.time) == at);
        let missing = short.map(|short| minor(short.missing.as_ref()));
        if missing != Some(less).filter(|less| *less > 0) {
            return Err(format!("with {less} too little, {missing:?} are missing"));
        }
        let kind = if less > 0 { "not quite rescued" } else { "rescued" };
        seen.lock().expect("nobody has panicked").insert(kind);
    }
    Ok(rest)
}

/// Foretells what becomes of the customer, lives it, and compares to the cent.
async fn agrees(suite: &Suite, customer: &Customer, seen: &Seen) -> Result<(), String> {
    customer.moves_in(suite).await;
    let first = forecast(suite, DAYS.into()).await;
    let rest = comes_between(suite, customer, &first, seen).await?;
    let before = suite.cash(ACCOUNT).await;
    comes_true(suite, customer, &rest, time(rest.end_time), seen).await?;
    let totals = rest.totals.clone().expect("totals");
    let cash = suite.cash(ACCOUNT).await;
    let left: i64 = vouchers(suite).await.iter().map(|it| minor(it.remaining.as_ref())).sum();
    let foretold = (totals.cash, totals.cash_left, totals.vouchers_left);
    let lived = (Some(cny(before - cash)), Some(cny(cash)), Some(cny(left)));
    if foretold != lived {
        return Err(format!("foretold {foretold:?}\nlived    {lived:?}"));
    }
    suite.audit().await;
    Ok(())
}

/// Foretells and lives the customer of `seed`.
fn is_true_of(backend: Backend, number: u64, seen: &Seen) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    let config = Config {
        cases: 1,
        max_shrink_iters: ATTEMPTS,
        failure_persistence: None,
        ..Config::default()
    };
    let run = |customer: Customer| {
        runtime.block_on(async {
            let words = customer.words();
            let suite = Suite::start_with(backend, Layout::OneProcess, &words).await;
            agrees(&suite, &customer, seen).await.map_err(TestCaseError::fail)
        })
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    if let Err(error) = TestRunner::new_with_rng(config, dice).run(&customer(), run) {
        let name = if backend == Backend::Sqlite { "sqlite" } else { "postgres" };
        panic!(
            "again: PERENNIAL_FORESIGHT_SEED={number} cargo nextest run -p tests \
             foresight::{name}::by_seed\nseed {number}: {error}"
        );
    }
}

/// Demands that all of [`KINDS`] but so many happened to the customers of `seeds`.
fn come_true(backend: Backend, seeds: Range<u64>, missed: usize) {
    let seen = Seen::default();
    for seed in seeds {
        is_true_of(backend, seed, &seen);
    }
    let seen = seen.into_inner().expect("nobody has panicked");
    let never: Vec<_> = KINDS.into_iter().filter(|kind| !seen.contains(kind)).collect();
    assert!(never.len() <= missed, "never happened: {never:?}");
}

/// Defines tests: each foretells the customers of its seeds on one database.
macro_rules! customers {
    ($module:ident, $backend:ident, $($name:ident: $seeds:expr, $missed:expr;)*) => {
        mod $module {
            use tests::Backend;

            #[test]
            fn by_seed() {
                let seed = crate::model::given("PERENNIAL_FORESIGHT_SEED").unwrap_or_default();
                super::is_true_of(Backend::$backend, seed, &super::Seen::default());
            }

            $(#[test]
            fn $name() {
                super::come_true(Backend::$backend, $seeds, $missed);
            })*
        }
    };
}

// A-1 … A-8, P-3, P-4, L-1, L-3, L-4, U-4, B-4, B-5, M-8, V-1 … V-5: what is foretold happens.
customers! { sqlite, Sqlite,
    forecasts_come_true: 100..106, 3;
    other_forecasts_come_true: 200..206, 3;
}

customers! { postgres, Postgres,
    forecasts_come_true: 300..301, 12;
}
