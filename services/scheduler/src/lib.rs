//! The scheduler: when the suite sweeps.
//!
//! ```text
//! grpc ──▶ app ──▶ domain          grpc:   wire ⇄ commands, errors ⇒ statuses
//!           │                      app:    which schedules there are; takes leases, has pages done,
//!           │                              keeps how runs go; reads the clock
//!           └────▶ store           domain: when something is due, what a run comes to; no I/O
//!                                  store:  leases, runs, and what is paused
//! ```
//!
//! Nothing is queued: what is due is derived from the rows of the service that does the work, so a
//! run that is missed, doubled or late does no harm, and several schedulers may run at once. Leases
//! only save work.
//!
//! **Invariant:** touches no row of another service.

mod app;
mod domain;
mod grpc;
mod store;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use kernel::Env;
use platform::{
    client::{Deadlines, Peer},
    database::{Database, DatabaseUrl, Durability},
};
use proto::scheduler::v1::{
    clock_service_server::ClockServiceServer, scheduler_service_server::SchedulerServiceServer,
};
use tonic::service::RoutesBuilder;

use self::{
    app::{Agenda, Interval, KINDS, Own, Sandbox, Scheduler, Services, Settings},
    grpc::{SchedulerGrpc, clock::ClockGrpc},
    store::{Migrator, Store},
};

pub use self::app::SandboxClock;

/// How long one page of a sweep may take.
const SWEEP_DEADLINE: Duration = Duration::from_secs(25);

/// What the scheduler needs to know to start.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "scheduler")]
#[command(next_help_heading = "Scheduler")]
pub struct Args {
    /// Database of the scheduler: `sqlite://FILE` or `postgres://USER@HOST/NAME`. All schedulers of a
    /// suite share one.
    #[arg(
        long,
        env = "PERENNIAL_SCHEDULER_DATABASE_URL",
        default_value = "sqlite://data/scheduler.db",
        hide_env_values = true
    )]
    pub scheduler_database_url: DatabaseUrl,

    /// Where the renewal service is.
    #[arg(long, env = "PERENNIAL_RENEWAL_ADDRESS", default_value = "http://127.0.0.1:50051")]
    pub renewal_address: Peer,

    /// Where the wallet service is: where the renewal service finds it too.
    #[arg(skip)]
    pub wallet_address: Option<Peer>,

    /// Seconds between two runs of a schedule, as KIND=SECONDS; `all` is every schedule, 0 means only
    /// when asked to, and of several the last counts. `perennial schedules` lists them.
    #[arg(
        long = "schedule-interval",
        env = "PERENNIAL_SCHEDULE_INTERVALS",
        value_name = "KIND=SECONDS",
        value_delimiter = ','
    )]
    schedule_intervals: Vec<Interval>,

    /// How many parts the accounts are split into; each is swept by one scheduler at a time.
    #[arg(
        long,
        env = "PERENNIAL_SCHEDULE_PARTS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u8).range(1..=64)
    )]
    pub schedule_parts: u8,

    /// How many pages of each schedule this process has under way at a time.
    #[arg(
        long,
        env = "PERENNIAL_SCHEDULE_PAGES",
        default_value_t = 2,
        value_parser = clap::value_parser!(u8).range(1..=64)
    )]
    pub schedule_pages: u8,

    /// The clock that callers may move, where all services go by it.
    #[arg(skip)]
    pub sandbox_clock: Option<Arc<SandboxClock>>,

    /// Days that runs of schedules are kept; those that found nothing to do are kept for one.
    #[arg(
        long,
        env = "PERENNIAL_SCHEDULE_RUNS_DAYS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub schedule_runs_days: u16,
}

/// Connects to the database, sees to its schema, adds the service to `routes`, and sweeps from now on
/// for as long as the routes live. Answers with the database, which is to be closed last.
///
/// On SQLite the schema is brought up to date; on PostgreSQL an older one is refused, because only
/// [`migrate`] changes it.
pub async fn mount(args: &Args, env: Env, routes: &mut RoutesBuilder) -> anyhow::Result<Database> {
    let deadlines = Deadlines { request: SWEEP_DEADLINE, ..Deadlines::default() };
    let renewal = args.renewal_address.connect_within(deadlines);
    let wallet = args.wallet_address.as_ref().context("nobody says where the wallet is")?;
    let wallet = wallet.connect_within(deadlines);
    let database = ready(args).await?;
    let store = Store::new(database.clone());
    if args.sandbox_clock.is_none() {
        SandboxClock::refuse(&store).await?;
    }
    let keep = TimeDelta::days(args.schedule_runs_days.into());
    let own = Own {
        store,
        env,
        keep,
        #[cfg(test)]
        script: Arc::default(),
    };
    let settings = Settings {
        intervals: args.schedule_intervals.clone(),
        parts: args.schedule_parts,
        pages: args.schedule_pages,
    };
    let scheduler = Scheduler::new(&KINDS, Services { renewal, wallet, own }, &settings);
    let agenda = |services, after| Agenda::of(services, after).boxed();
    let sandbox = args.sandbox_clock.clone().map(|clock| Sandbox::new(clock, agenda));
    let scheduler = Arc::new(scheduler.in_sandbox(sandbox));
    app::keep_running(&scheduler);
    routes.add_service(ClockServiceServer::new(ClockGrpc::new(Arc::clone(&scheduler))));
    routes.add_service(SchedulerServiceServer::new(SchedulerGrpc::new(scheduler)));
    Ok(database)
}

/// The clock of a sandbox, which stands still until callers move it: where it has come to, and in a new
/// sandbox at `start`. It is kept in the scheduler's database. That of a suite that goes by the real
/// time is refused, as [`mount`] refuses that of a sandbox unless it is given its clock.
pub async fn sandbox_clock(args: &Args, start: DateTime<Utc>) -> anyhow::Result<SandboxClock> {
    Ok(SandboxClock::open(Store::new(ready(args).await?), start).await?)
}

/// The database of this service, once the schema is seen to.
async fn ready(args: &Args) -> anyhow::Result<Database> {
    let database = connect(args).await?;
    database.prepare::<Migrator>().await.context("the scheduler database is not ready")?;
    Ok(database)
}

/// Brings the schema up to date.
pub async fn migrate(args: &Args) -> anyhow::Result<()> {
    let database = connect(args).await?;
    database.migrate::<Migrator>().await.context("could not migrate the scheduler database")
}

async fn connect(args: &Args) -> anyhow::Result<Database> {
    // Nothing here is worth a disk's promise: what is due is derived.
    Database::connect(&args.scheduler_database_url, Durability::Normal)
        .await
        .context("could not connect to the scheduler database")
}

#[cfg(test)]
mod tests;
