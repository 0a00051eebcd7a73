//! How fast due instances are renewed by themselves after midnight, as ratios of figures measured
//! in one run on one machine.
//!
//! ```sh
//! cargo bench -p tests --bench sweeps              # some minutes
//! cargo bench -p tests --bench sweeps -- 20000     # another number of instances than 200,000
//! ```
//!
//! Starts a durable PostgreSQL and the suite in a process of its own on the same cores, fills it
//! through its own calls with machines that renew themselves, ten to an account, moves its clock to
//! the midnight on which all are due, and has the schedule `renew` run:
//!
//! - a tenth of them on SQLite, before PostgreSQL is swept, which then tidies up for long,
//! - a tenth of them, then all of them: instances a second ÷ `pgbench` TPC-B at 8 clients,
//! - time of all ÷ time of a tenth,
//! - the most memory that the process of the suite has had.

#[path = "measure.rs"]
mod measure;

use std::{env, time::Instant};

use futures::{StreamExt as _, stream};
use indicatif::ProgressBar;
use proto::{
    renewal::v1::{Account, RenewalSetting, SetRenewalPoliciesRequest, UpsertAccountsRequest},
    scheduler::v1::{RunNowRequest, WatchRunRequest, run::State},
    r#type::v1::RenewalPolicy,
    wallet::v1::CreateWalletRequest,
};
use tests::{Backend, Layout, Suite, fixture::*};

use self::measure::{head, prepare_tpc_b, progress, row, step, tpc_b};

/// Instances that are due in the end.
const DUE: usize = 200_000;
/// Instances of one account.
const PER_ACCOUNT: usize = 10;
/// Callers at once while the suite is filled.
const CALLERS: usize = 32;
/// Clients of `pgbench`.
const CLIENTS: usize = 8;

/// What a sweep came to.
struct Swept {
    seconds: f64,
    instances: f64,
    /// The most memory of the suite's process, in MB.
    memory: f64,
}

#[tokio::main]
async fn main() {
    // Cargo adds words of its own.
    let wanted = env::args().skip(1).find_map(|word| word.parse().ok());
    let due: usize = wanted.unwrap_or(DUE);
    let cluster = tests::postgres::start_durable();
    let bar = progress(8);

    let file = sweep(&bar, &cluster, Backend::Sqlite, due / 10).await;
    let alone = step(&bar, "pgbench TPC-B", async {
        prepare_tpc_b(&cluster, CLIENTS);
        tpc_b(&cluster, CLIENTS)
    });
    let alone = alone.await;
    let few = sweep(&bar, &cluster, Backend::Postgres, due / 10).await;
    let many = sweep(&bar, &cluster, Backend::Postgres, due).await;
    bar.finish_and_clear();

    head();
    row("pgbench TPC-B transactions a second, 8 clients", alone, None, "");
    let told = |swept: &Swept, what: &str| {
        let rate = swept.instances / swept.seconds;
        row(&format!("{} {what} a second ÷ TPC-B", swept.instances), rate, Some(rate / alone), "2");
    };
    told(&few, "instances renewed");
    told(&many, "instances renewed");
    let grown = many.seconds / few.seconds;
    row("seconds for all ÷ for a tenth", many.seconds, Some(grown), "≤ 11");
    row("memory of the suite at the most, MB", many.memory, None, "≤ 200");
    row("instances a second on SQLite", file.instances / file.seconds, None, "5000");
    row("memory of the suite on SQLite, MB", file.memory, None, "≤ 200");
}

/// Fills a suite with `due` instances, and has all of them renewed at once.
async fn sweep(bar: &ProgressBar, cluster: &str, backend: Backend, due: usize) -> Swept {
    let suite = Suite::start_on(cluster, backend, Layout::OneProcessOfItsOwn, &[]).await;
    step(bar, format!("{due} machines are registered, {backend:?}"), fill(&suite, due)).await;
    suite.set_clock(at("2026-03-10 00:00"));
    step(bar, format!("{due} machines are renewed, {backend:?}"), async {
        let begin = Instant::now();
        run(&suite, "renew", due).await;
        let memory = suite.peak_memory_bytes().expect("a process of its own");
        Swept {
            seconds: begin.elapsed().as_secs_f64(),
            instances: f64::from(u32::try_from(due).expect("a number that fits")),
            memory: f64::from(u32::try_from(memory >> 10).expect("less than 4 TB")) / 1024.0,
        }
    })
    .await
}

/// Machines that renew themselves on 2026-03-10, and money for them.
async fn fill(suite: &Suite, due: usize) {
    suite.apply_catalogs().await;
    let names: Vec<_> = (0..due.div_ceil(PER_ACCOUNT)).map(|n| format!("bench-{n}")).collect();
    for page in names.chunks(1_000) {
        let accounts = page.iter().map(|name| account(name)).collect();
        let request = UpsertAccountsRequest { accounts };
        suite.accounts().upsert_accounts(request).await.expect("good accounts");
    }
    let wallets = stream::iter(&names).for_each_concurrent(CALLERS, async |name| {
        let request =
            CreateWalletRequest { account_id: name.clone(), currency_code: "CNY".to_owned() };
        suite.wallets().create_wallet(request).await.expect("a good wallet");
        suite.deposit(name, 1_000_000_00).await;
    });
    wallets.await;
    let rows: Vec<_> = (0..due).map(|n| (n, &names[n / PER_ACCOUNT])).collect();
    for page in rows.chunks(1_000) {
        let page = page.iter().map(|(n, account)| {
            let settings = [("flavor", "n3.2b")];
            prepaid(account, &format!("m-{n}"), "ks-kec", &settings, "2026-03-11 00:00")
        });
        suite.register(page.collect()).await;
    }
    let policies = stream::iter(names.iter().enumerate());
    let policies = policies.for_each_concurrent(CALLERS, async |(place, name)| {
        let own = place * PER_ACCOUNT..((place + 1) * PER_ACCOUNT).min(due);
        let request = SetRenewalPoliciesRequest {
            account_id: name.clone(),
            instance_ids: own.map(|n| format!("m-{n}")).collect(),
            renewal: Some(RenewalSetting {
                policy: RenewalPolicy::Auto.into(),
                ..RenewalSetting::default()
            }),
        };
        suite.instances().set_renewal_policies(request).await.expect("good policies");
    });
    policies.await;
}

fn account(name: &str) -> Account {
    Account {
        account_id: name.to_owned(),
        profile: "kingsoft".to_owned(),
        currency_code: "CNY".to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        ..Account::default()
    }
}

/// Has a schedule run to its end, which deals with `due` things.
async fn run(suite: &Suite, kind: &str, due: usize) {
    let request = RunNowRequest { kind: kind.to_owned() };
    let asked = suite.schedules().run_now(request).await.expect("a run").into_inner();
    let run_id = asked.run.expect("a run").run_id;
    let watched = suite.schedules().watch_run(WatchRunRequest { run_id }).await;
    let mut steps = watched.expect("a run").into_inner();
    let mut last = None;
    while let Some(step) = steps.message().await.expect("a step of the run") {
        last = step.run;
    }
    let run = last.expect("a run");
    assert_eq!((run.state(), usize::try_from(run.done)), (State::Done, Ok(due)), "{run:?}");
}
