//! How fast the suite is, as ratios of figures measured in one run on one machine.
//!
//! ```sh
//! cargo bench -p tests
//! ```
//!
//! Starts a durable PostgreSQL and the suite in one process (its callers share the cores with it) and
//! measures for some seconds each:
//!
//! - quote calls ÷ empty unary calls on the same server, 16 callers,
//! - paid single renewals ÷ `pgbench` TPC-B on the same cluster, 16 callers,
//! - a batch renewal of 100 instances ÷ a single one, in time.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use proto::{
    catalog::v1::{PriceFacts, PricedSpan, QuoteRenewalsRequest, quote_renewals_request::View},
    convert::timestamp,
    renewal::v1::order::State,
    r#type::v1::OrderKind,
};
use tests::{Backend, Layout, Suite, fixture::*};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// Callers at once.
const CALLERS: usize = 16;
/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(8);
/// Instances that a batch renews.
const BATCH: usize = 100;

#[tokio::main]
async fn main() {
    let cluster = tests::postgres::start_durable();
    let suite = Suite::start_on(&cluster, Backend::Postgres, Layout::OneProcess, &[]).await;
    suite.apply_catalogs().await;
    let progress = ProgressBar::new(5).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a valid template"),
    );

    let empty = step(&progress, "empty unary calls", empty_calls(&suite)).await;
    let quotes = step(&progress, "quote calls", quote_calls(&suite)).await;
    let renewals = step(&progress, "paid single renewals", paid_renewals(&suite)).await;
    let tpc_b = step(&progress, "pgbench TPC-B", async { tpc_b(&cluster) }).await;
    let (single, batch) = step(&progress, "batches", batches(&suite)).await;
    progress.finish_and_clear();

    println!("{:<44} {:>12} {:>8}", "figure", "measured", "ratio");
    row("empty unary calls a second", empty, None);
    row("quote calls a second ÷ empty ones", quotes, Some(quotes / empty));
    row("pgbench TPC-B transactions a second", tpc_b, None);
    row("paid single renewals a second ÷ TPC-B", renewals, Some(renewals / tpc_b));
    row("single renewal, ms", single * 1e3, None);
    row("batch of 100, ms ÷ a single one", batch * 1e3, Some(batch / single));
}

fn row(name: &str, measured: f64, ratio: Option<f64>) {
    let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    println!("{name:<44} {measured:>12.1} {ratio:>8}");
}

async fn step<T>(progress: &ProgressBar, name: &'static str, work: impl Future<Output = T>) -> T {
    progress.set_message(name);
    let result = work.await;
    progress.inc(1);
    result
}

/// How often a second [`CALLERS`] callers finish `call` within [`SPAN`]; `call` gets a number of its own.
async fn rate<F: Future<Output = bool>>(call: impl Fn(usize) -> F) -> f64 {
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
    join_all((0..CALLERS).map(|_| caller())).await;
    let done = u32::try_from(done.into_inner()).expect("a count that fits");
    f64::from(done) / begin.elapsed().as_secs_f64()
}

async fn empty_calls(suite: &Suite) -> f64 {
    let client = HealthClient::new(suite.clients.catalog.clone());
    rate(|_| {
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
    rate(|_| {
        let (mut client, request) = (suite.catalog(), request.clone());
        async move {
            client.quote_renewals(request).await.expect("a quote");
            true
        }
    })
    .await
}

/// Paid single renewals over as many accounts as callers; each instance is renewed once.
async fn paid_renewals(suite: &Suite) -> f64 {
    const PER_ACCOUNT: usize = 2_000;
    for account in 0..CALLERS {
        let name = format!("bench-{account}");
        suite.open_account(&name, "jdcloud", 1_000_000_000_00).await;
        let rows: Vec<_> = (0..PER_ACCOUNT)
            .map(|n| vm(&name, &format!("{name}-{n}"), "2026-03-11 00:00"))
            .collect();
        for page in rows.chunks(1_000) {
            suite.register(page.to_vec()).await;
        }
    }
    rate(|number| async move {
        let (account, instance) = (number % CALLERS, number / CALLERS);
        if instance >= PER_ACCOUNT {
            return false;
        }
        let name = format!("bench-{account}");
        let id = format!("{name}-{instance}");
        let order = suite.create(paid_order_of(&name, selection(&[id.as_str()], "1m"))).await;
        assert_eq!(order.expect("an order").state(), State::Completed);
        true
    })
    .await
}

/// Transactions a second of `pgbench`'s TPC-B on the same cluster.
fn tpc_b(cluster: &str) -> f64 {
    let pgbench = tests::postgres::tool("pgbench");
    let run = |arguments: &[&str]| {
        let output = Command::new(&pgbench).args(arguments).arg(cluster).output();
        String::from_utf8(output.expect("pgbench runs").stdout).expect("text")
    };
    run(&["-i", "-q", "-s", "10"]);
    let callers = CALLERS.to_string();
    let seconds = SPAN.as_secs().to_string();
    let report = run(&["-c", &callers, "-j", "2", "-T", &seconds]);
    let line = report.lines().find(|line| line.starts_with("tps = ")).expect("a figure");
    line.split(' ').nth(2).expect("a figure").parse().expect("a number")
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
