//! How fast the suite is, as ratios of figures measured in one run on one machine.
//!
//! ```sh
//! cargo bench -p tests --bench renewals
//! ```
//!
//! Starts a durable PostgreSQL and the suite in one process (its callers share the cores with it) and
//! measures for some seconds each:
//!
//! - quote calls ÷ empty unary calls on the same server, 16 callers,
//! - paid single renewals ÷ `pgbench` TPC-B on the same cluster, 16 and 64 callers of each,
//! - a batch renewal of 100 instances ÷ a single one, in time.

#[path = "measure.rs"]
mod measure;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use futures::future::join_all;
use proto::{
    catalog::v1::{PriceFacts, PricedSpan, QuoteRenewalsRequest, quote_renewals_request::View},
    convert::timestamp,
    renewal::v1::order::State,
    r#type::v1::OrderKind,
};
use tests::{Backend, Layout, Suite, fixture::*};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use self::measure::{SPAN, head, prepare_tpc_b, progress, row, step, tpc_b};

/// Callers at once.
const CALLERS: usize = 16;
/// Where there is a crowd.
const MANY_CALLERS: usize = 64;
/// Instances that a batch renews.
const BATCH: usize = 100;

#[tokio::main]
async fn main() {
    let cluster = tests::postgres::start_durable();
    let suite = Suite::start_on(&cluster, Backend::Postgres, Layout::OneProcess, &[]).await;
    suite.apply_catalogs().await;
    let bar = progress(8);

    let empty = step(&bar, "empty unary calls", empty_calls(&suite)).await;
    let quotes = step(&bar, "quote calls", quote_calls(&suite)).await;
    let few = step(&bar, "paid single renewals, 16 callers", paid_renewals(&suite, CALLERS)).await;
    let many =
        step(&bar, "paid single renewals, 64 callers", paid_renewals(&suite, MANY_CALLERS)).await;
    let (single, batch) = step(&bar, "batches", batches(&suite)).await;
    step(&bar, "pgbench fills its tables", async { prepare_tpc_b(&cluster, MANY_CALLERS) }).await;
    let few_alone = step(&bar, "pgbench, 16 clients", async { tpc_b(&cluster, CALLERS) }).await;
    let many_alone =
        step(&bar, "pgbench, 64 clients", async { tpc_b(&cluster, MANY_CALLERS) }).await;
    bar.finish_and_clear();

    head();
    row("empty unary calls a second", empty, None, "");
    row("quote calls a second ÷ empty ones", quotes, Some(quotes / empty), "");
    row("pgbench TPC-B transactions a second, 16 clients", few_alone, None, "");
    row("pgbench TPC-B transactions a second, 64 clients", many_alone, None, "");
    row("paid single renewals a second ÷ TPC-B, 16 callers", few, Some(few / few_alone), "0.6");
    row("paid single renewals a second ÷ TPC-B, 64 callers", many, Some(many / many_alone), "1");
    row("single renewal, ms", single * 1e3, None, "");
    row("batch of 100, ms ÷ a single one", batch * 1e3, Some(batch / single), "");
}

/// How often a second `callers` callers finish `call` within [`SPAN`]; `call` gets a number of its
/// own, and says whether there was anything left to do.
async fn rate<F: Future<Output = bool>>(callers: usize, call: impl Fn(usize) -> F) -> f64 {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begin = Instant::now();
    let caller = || async {
        while begin.elapsed() < SPAN {
            if !call(next.fetch_add(1, Ordering::Relaxed)).await {
                break;
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    join_all((0..callers).map(|_| caller())).await;
    let done = u32::try_from(done.into_inner()).expect("a count that fits");
    f64::from(done) / begin.elapsed().as_secs_f64()
}

async fn empty_calls(suite: &Suite) -> f64 {
    let client = HealthClient::new(suite.clients.catalog.clone());
    rate(CALLERS, |_| {
        let mut client = client.clone();
        async move {
            client.check(HealthCheckRequest::default()).await.expect("a healthy server");
            true
        }
    })
    .await
}

async fn quote_calls(suite: &Suite) -> f64 {
    let facts = PriceFacts {
        item_id: "i-1".to_owned(),
        product_id: "jd-vm".to_owned(),
        region: "cn-north-1".to_owned(),
        configuration: Some(configuration(&[("flavor", "g.n2.medium")])),
        order_kind: OrderKind::Renewal.into(),
        span: Some(PricedSpan {
            duration: Some(duration("1y")),
            whole_months: 0,
            odd_days: 0,
            total_days: 365,
        }),
        ..PriceFacts::default()
    };
    let request = QuoteRenewalsRequest {
        items: vec![facts],
        currency_code: "CNY".to_owned(),
        as_of: Some(timestamp(suite.now())),
        view: View::Full.into(),
        ..QuoteRenewalsRequest::default()
    };
    rate(CALLERS, |_| {
        let (mut client, request) = (suite.catalog(), request.clone());
        async move {
            client.quote_renewals(request).await.expect("a quote");
            true
        }
    })
    .await
}

/// Paid single renewals by `callers`, over as many accounts; each instance is renewed once.
async fn paid_renewals(suite: &Suite, callers: usize) -> f64 {
    const PER_ACCOUNT: usize = 1_000;
    for account in 0..callers {
        let name = format!("bench-{callers}-{account}");
        suite.open_account(&name, "jdcloud", 1_000_000_000_00).await;
        let rows = (0..PER_ACCOUNT).map(|n| vm(&name, &format!("{name}-{n}"), "2026-03-11 00:00"));
        suite.register(rows.collect()).await;
    }
    rate(callers, |number| async move {
        let (account, instance) = (number % callers, number / callers);
        if instance >= PER_ACCOUNT {
            return false;
        }
        let name = format!("bench-{callers}-{account}");
        let id = format!("{name}-{instance}");
        let order = suite.create(paid_order_of(&name, selection(&[id.as_str()], "1m"))).await;
        assert_eq!(order.expect("an order").state(), State::Completed);
        true
    })
    .await
}

/// The median time of a paid renewal of one instance, and of [`BATCH`], in seconds.
async fn batches(suite: &Suite) -> (f64, f64) {
    const ROUNDS: usize = 21;
    suite.open_account("batch", "jdcloud", 1_000_000_000_00).await;
    let names: Vec<_> = (0..BATCH).map(|n| format!("batch-{n}")).collect();
    suite.register(names.iter().map(|id| vm("batch", id, "2026-03-11 00:00")).collect()).await;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut singles = Vec::new();
    let mut batches = Vec::new();
    for _ in 0..ROUNDS {
        singles.push(time(suite, &names[..1]).await);
        batches.push(time(suite, &names).await);
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    (median(&mut singles), median(&mut batches))
}

async fn time(suite: &Suite, ids: &[&str]) -> f64 {
    let request = paid_order_of("batch", selection(ids, "1m"));
    let begin = Instant::now();
    let order = suite.create(request).await.expect("an order");
    assert_eq!(order.state(), State::Completed);
    begin.elapsed().as_secs_f64()
}
