//! The scheduler: when the suite sweeps.
//!
//! ```text
//! grpc ──▶ app          grpc: wire ⇄ commands, errors ⇒ statuses
//!                       app:  which schedules there are, when they run, how the last run went
//! ```
//!
//! Nothing is queued: what is due is derived from the rows of the service that does the work, so a
//! run that is missed, doubled or late does no harm, and several schedulers may run at once.
//!
//! **Invariant:** touches no row of another service.

mod app;
mod grpc;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use kernel::Env;
use platform::client::{Deadlines, Peer};
use proto::scheduler::v1::scheduler_service_server::SchedulerServiceServer;
use tonic::service::RoutesBuilder;

use self::{
    app::{Intervals, Scheduler, Services},
    grpc::SchedulerGrpc,
};

/// How long one page of a sweep may take.
const SWEEP_DEADLINE: Duration = Duration::from_secs(25);

/// What the scheduler needs to know to start.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "scheduler")]
#[command(next_help_heading = "Scheduler")]
pub struct Args {
    /// Where the renewal service is.
    #[arg(long, env = "PERENNIAL_RENEWAL_ADDRESS", default_value = "http://127.0.0.1:50051")]
    pub renewal_address: Peer,

    /// Seconds between two sweeps over unfinished orders; 0: only when asked to.
    #[arg(long, env = "PERENNIAL_ADVANCE_INTERVAL_SECONDS", default_value_t = 10)]
    pub advance_interval_seconds: u32,

    /// Where the wallet service is: where the renewal service finds it too.
    #[arg(skip)]
    pub wallet_address: Option<Peer>,

    /// Seconds between two sweeps over payments whose channel has not confirmed in time; 0: only
    /// when asked to.
    #[arg(long, env = "PERENNIAL_EXPIRE_HOLDS_INTERVAL_SECONDS", default_value_t = 60)]
    pub expire_holds_interval_seconds: u32,

    /// Seconds between two sweeps over vouchers that have expired; 0: only when asked to.
    #[arg(long, env = "PERENNIAL_EXPIRE_VOUCHERS_INTERVAL_SECONDS", default_value_t = 3_600)]
    pub expire_vouchers_interval_seconds: u32,

    /// Seconds between two times that the chains of hashes of the ledgers are written down; 0: only
    /// when asked to.
    #[arg(long, env = "PERENNIAL_ANCHOR_INTERVAL_SECONDS", default_value_t = 86_400)]
    pub anchor_interval_seconds: u32,
}

/// Adds the service to `routes`, and sweeps from now on for as long as the routes live.
#[expect(clippy::unused_async, reason = "every service is mounted alike")]
pub async fn mount(args: &Args, env: Env, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let deadlines = Deadlines { request: SWEEP_DEADLINE, ..Deadlines::default() };
    let renewal = args.renewal_address.connect_within(deadlines);
    let wallet = args.wallet_address.as_ref().context("nobody says where the wallet is")?;
    let wallet = wallet.connect_within(deadlines);
    let every = Intervals {
        advance: args.advance_interval_seconds,
        anchor: args.anchor_interval_seconds,
        expire_holds: args.expire_holds_interval_seconds,
        expire_vouchers: args.expire_vouchers_interval_seconds,
    };
    let scheduler = Arc::new(Scheduler::new(Services { renewal, wallet }, every, env));
    app::keep_running(&scheduler);
    routes.add_service(SchedulerServiceServer::new(SchedulerGrpc::new(scheduler)));
    Ok(())
}
