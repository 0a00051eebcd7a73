//! Which schedules there are, when they run, and how the last run went.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use kernel::Env;
use platform::client::{Connection, safe};
use proto::{renewal::internal::v1 as renewal, wallet::internal::v1 as wallet};
use tonic::Status;

/// Things that one call takes.
const PAGE: i32 = 100;

/// Pages of one run: what is left then is taken by the next one.
const MAX_PAGES: u32 = 1_000;

/// The kind of the schedule that finishes orders which were left halfway (O-4).
pub const ADVANCE: &str = "advance";
/// The kind of the schedule that writes down where the chains of the ledgers stand (W-2).
pub const ANCHOR: &str = "anchor";
/// The kind of the schedule that releases what expired intents hold (W-3).
pub const EXPIRE_HOLDS: &str = "expire-holds";
/// The kind of the schedule that books out what remains of expired vouchers (V-5).
pub const EXPIRE_VOUCHERS: &str = "expire-vouchers";

/// Work that is done again and again.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub kind: &'static str,
    pub description: &'static str,
    /// None: only when asked to.
    pub interval: Option<Duration>,
    pub last_run: Option<Run>,
}

/// One run of a schedule that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub started: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    /// How many things it dealt with.
    pub done: i64,
    /// Why it failed, in words for people.
    pub error: Option<String>,
}

/// Why a schedule was not run.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error("there is no schedule {0:?}")]
    NotFound(String),
    #[error("the {service} service, which does the work, failed: {}", .status.message())]
    Remote { service: &'static str, status: Status },
}

/// The services that do the work.
#[derive(Debug, Clone)]
pub struct Services {
    pub renewal: Connection,
    pub wallet: Connection,
}

/// Seconds between two runs; 0: only when asked to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Intervals {
    pub advance: u32,
    pub anchor: u32,
    pub expire_holds: u32,
    pub expire_vouchers: u32,
}

/// A schedule, and where it stands.
#[derive(Debug)]
struct Plan {
    kind: &'static str,
    description: &'static str,
    /// Which service does the work.
    service: &'static str,
    interval: Option<Duration>,
    last_run: Mutex<Option<Run>>,
    turn: tokio::sync::Mutex<()>,
}

impl Plan {
    fn new(
        (kind, service): (&'static str, &'static str),
        seconds: u32,
        description: &'static str,
    ) -> Self {
        let interval = (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)));
        let (last_run, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { kind, description, service, interval, last_run, turn }
    }

    fn last_run(&self) -> std::sync::MutexGuard<'_, Option<Run>> {
        self.last_run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the schedules, each at most once at a time.
#[derive(Debug)]
pub struct Scheduler {
    services: Services,
    env: Env,
    plans: Vec<Plan>,
}

impl Scheduler {
    pub fn new(services: Services, every: Intervals, env: Env) -> Self {
        let (renewal, wallet) = ("renewal", "wallet");
        let plans = vec![
            Plan::new(
                (ADVANCE, renewal),
                every.advance,
                "finishes orders that a crash or a lost answer left halfway",
            ),
            Plan::new(
                (ANCHOR, wallet),
                every.anchor,
                "writes down where the chains of hashes of the ledgers stand",
            ),
            Plan::new(
                (EXPIRE_HOLDS, wallet),
                every.expire_holds,
                "releases what payments hold whose channel has not confirmed in time",
            ),
            Plan::new(
                (EXPIRE_VOUCHERS, wallet),
                every.expire_vouchers,
                "books out what remains of vouchers that have expired",
            ),
        ];
        Self { services, env, plans }
    }

    /// The schedules, by kind.
    pub fn schedules(&self) -> Vec<Schedule> {
        let schedule = |plan: &Plan| Schedule {
            kind: plan.kind,
            description: plan.description,
            interval: plan.interval,
            last_run: plan.last_run().clone(),
        };
        self.plans.iter().map(schedule).collect()
    }

    /// Runs the schedule `kind` now, or after the run that is under way.
    pub async fn run(&self, kind: &str) -> Result<Run, SchedulerError> {
        let plan = self.plans.iter().find(|plan| plan.kind == kind);
        let plan = plan.ok_or_else(|| SchedulerError::NotFound(kind.to_owned()))?;
        let _turn = plan.turn.lock().await;
        let started = self.env.now();
        let mut done = 0;
        let result = self.sweep(plan.kind, &mut done).await;
        let error = result.as_ref().err().map(|status| status.message().to_owned());
        let run = Run { started, ended: self.env.now(), done, error };
        *plan.last_run() = Some(run.clone());
        result
            .map(|()| run)
            .map_err(|status| SchedulerError::Remote { service: plan.service, status })
    }

    /// Takes page after page until no more is due, and counts what was taken.
    async fn sweep(&self, kind: &str, done: &mut i64) -> Result<(), Status> {
        for _ in 0..MAX_PAGES {
            let (taken, more) = safe(|| self.page(kind)).await?;
            *done += i64::from(taken);
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// Takes a page: how much was taken, and whether more is due.
    async fn page(&self, kind: &str) -> Result<(i32, bool), Status> {
        let wallet =
            || wallet::sweep_service_client::SweepServiceClient::new(self.services.wallet.clone());
        match kind {
            ANCHOR => {
                let request = wallet::AnchorChainsRequest { limit: PAGE };
                let page = wallet().anchor_chains(request).await?.into_inner();
                Ok((page.anchored, page.more))
            }
            EXPIRE_HOLDS => {
                let request = wallet::ExpireHoldsRequest { limit: PAGE };
                let page = wallet().expire_holds(request).await?.into_inner();
                Ok((page.voided, page.more))
            }
            EXPIRE_VOUCHERS => {
                let request = wallet::ExpireVouchersRequest { limit: PAGE };
                let page = wallet().expire_vouchers(request).await?.into_inner();
                Ok((page.expired, page.more))
            }
            _ => {
                let renewal = self.services.renewal.clone();
                let mut sweeps = renewal::sweep_service_client::SweepServiceClient::new(renewal);
                let page = sweeps.advance(renewal::AdvanceRequest { limit: PAGE }).await?;
                Ok((page.get_ref().taken, page.get_ref().more))
            }
        }
    }
}

/// Runs every schedule on start and at its interval, until `scheduler` is dropped.
pub fn keep_running(scheduler: &Arc<Scheduler>) {
    for plan in &scheduler.plans {
        let Some(interval) = plan.interval else { continue };
        let (kind, scheduler) = (plan.kind, Arc::downgrade(scheduler));
        tokio::spawn(async move {
            while let Some(scheduler) = scheduler.upgrade() {
                if let Err(error) = scheduler.run(kind).await {
                    tracing::warn!(schedule.kind = kind, %error, "a run failed and is repeated");
                }
                drop(scheduler);
                tokio::time::sleep(interval).await;
            }
        });
    }
}

#[cfg(test)]
mod tests;
