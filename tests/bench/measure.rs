//! What the benchmarks share: how often a second, how PostgreSQL alone does, and a table.

use std::{process::Command, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// How long a figure is measured.
pub const SPAN: Duration = Duration::from_secs(8);

/// How far the benchmark has come.
pub fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed_precise} {msg}");
    ProgressBar::new(steps).with_style(style.expect("a valid template"))
}

/// Does `work` under `name`, and counts it as a step.
pub async fn step<T>(
    progress: &ProgressBar,
    name: impl Into<String>,
    work: impl Future<Output = T>,
) -> T {
    progress.set_message(name.into());
    progress.tick();
    let result = work.await;
    progress.inc(1);
    result
}

/// The head of the table of figures.
pub fn head() {
    println!("{:<52} {:>12} {:>8} {:>8}", "figure", "measured", "ratio", "wanted");
}

/// A row of it.
pub fn row(name: &str, measured: f64, ratio: Option<f64>, wanted: &str) {
    let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    println!("{name:<52} {measured:>12.1} {ratio:>8} {wanted:>8}");
}

/// Fills the tables of `pgbench`, for as many as `clients`: its manual wants the scale to be no
/// smaller, or they wait for each other's locks.
pub fn prepare_tpc_b(cluster: &str, clients: usize) {
    pgbench(cluster, &["-i", "-q", "-s", &clients.to_string()]);
}

/// Transactions a second of `pgbench`'s TPC-B.
pub fn tpc_b(cluster: &str, clients: usize) -> f64 {
    let (clients, seconds) = (clients.to_string(), SPAN.as_secs().to_string());
    let report = pgbench(cluster, &["-c", &clients, "-j", "2", "-T", &seconds]);
    let line = report.lines().find(|line| line.starts_with("tps = ")).expect("a figure");
    line.split(' ').nth(2).expect("a figure").parse().expect("a number")
}

fn pgbench(cluster: &str, arguments: &[&str]) -> String {
    let pgbench = tests::postgres::tool("pgbench");
    let output = Command::new(pgbench).args(arguments).arg(cluster).output();
    let output = output.expect("pgbench runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
