//! Which schedules there are, when they run, and how the last run went.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use kernel::Env;
use platform::client::{Connection, safe};
use proto::{
    renewal::internal::v1::{AdvanceRequest, sweep_service_client::SweepServiceClient},
    wallet::internal::v1::{
        ExpireHoldsRequest, sweep_service_client::SweepServiceClient as WalletSweepServiceClient,
    },
};
use tonic::Status;

/// Things that one call takes.
const PAGE: i32 = 100;

/// Pages of one run: what is left then is taken by the next one.
const MAX_PAGES: u32 = 1_000;

/// Each kind of schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Finishes orders which were left halfway (O-4).
    Advance,
    /// Releases what expired intents hold (W-3).
    ExpireHolds,
}

impl Task {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Advance, Self::ExpireHolds];

    /// Its name on the wire.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::ExpireHolds => "expire-holds",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Advance => "finishes orders that a crash or a lost answer left halfway",
            Self::ExpireHolds => {
                "releases what payments hold that no channel has confirmed in time"
            }
        }
    }

    /// Who does the work.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Advance => "renewal",
            Self::ExpireHolds => "wallet",
        }
    }
}

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
    #[error("the {service} service, which does the work, failed: {message}", service = .0, message = .1.message())]
    Remote(&'static str, Status),
}

/// Runs the schedules, each at most once at a time.
#[derive(Debug)]
pub struct Scheduler {
    renewal: Connection,
    wallet: Connection,
    interval: Option<Duration>,
    env: Env,
    jobs: [Job; Task::ALL.len()],
}

/// How a schedule goes.
#[derive(Debug)]
struct Job {
    task: Task,
    last_run: Mutex<Option<Run>>,
    turn: tokio::sync::Mutex<()>,
}

impl Scheduler {
    pub fn new(renewal: Connection, wallet: Connection, interval_seconds: u32, env: Env) -> Self {
        let interval =
            (interval_seconds > 0).then(|| Duration::from_secs(u64::from(interval_seconds)));
        let jobs = Task::ALL.map(|task| Job {
            task,
            last_run: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        });
        Self { renewal, wallet, interval, env, jobs }
    }

    /// The schedules.
    pub fn schedules(&self) -> Vec<Schedule> {
        let schedule = |job: &Job| Schedule {
            kind: job.task.kind(),
            description: job.task.description(),
            interval: self.interval,
            last_run: job.last_run.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        self.jobs.iter().map(schedule).collect()
    }

    /// Runs the schedule `kind` now, or after the run that is under way.
    pub async fn run(&self, kind: &str) -> Result<Run, SchedulerError> {
        let job = self.jobs.iter().find(|job| job.task.kind() == kind);
        let Some(job) = job else { return Err(SchedulerError::NotFound(kind.to_owned())) };
        let _turn = job.turn.lock().await;
        let started = self.env.now();
        let mut done = 0;
        let result = self.sweep(job.task, &mut done).await;
        let error = result.as_ref().err().map(|status| status.message().to_owned());
        let run = Run { started, ended: self.env.now(), done, error };
        *job.last_run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.clone());
        result.map(|()| run).map_err(|status| SchedulerError::Remote(job.task.service(), status))
    }

    /// Takes page after page until no more is due, and counts what was taken.
    async fn sweep(&self, task: Task, done: &mut i64) -> Result<(), Status> {
        for _ in 0..MAX_PAGES {
            let (taken, more) = match task {
                Task::Advance => self.advance().await?,
                Task::ExpireHolds => self.expire_holds().await?,
            };
            *done += i64::from(taken);
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// One page: how many were taken, and whether more are due.
    async fn advance(&self) -> Result<(i32, bool), Status> {
        let page = safe(|| async {
            let mut sweeps = SweepServiceClient::new(self.renewal.clone());
            sweeps.advance(AdvanceRequest { limit: PAGE }).await
        });
        let page = page.await?.into_inner();
        Ok((page.taken, page.more))
    }

    async fn expire_holds(&self) -> Result<(i32, bool), Status> {
        let page = safe(|| async {
            let mut sweeps = WalletSweepServiceClient::new(self.wallet.clone());
            sweeps.expire_holds(ExpireHoldsRequest { limit: PAGE }).await
        });
        let page = page.await?.into_inner();
        Ok((page.voided, page.more))
    }
}

/// Runs every schedule on start and at its interval, until `scheduler` is dropped.
pub fn keep_running(scheduler: &Arc<Scheduler>) {
    let Some(interval) = scheduler.interval else { return };
    for task in Task::ALL {
        let scheduler = Arc::downgrade(scheduler);
        tokio::spawn(async move {
            while let Some(scheduler) = scheduler.upgrade() {
                if let Err(error) = scheduler.run(task.kind()).await {
                    let kind = task.kind();
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
