//! Which schedules there are, when they run, and how the last run went.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use kernel::Env;
use platform::client::{Connection, safe};
use proto::renewal::internal::v1::{AdvanceRequest, sweep_service_client::SweepServiceClient};
use tonic::Status;

/// Orders that one call takes.
const PAGE: i32 = 100;

/// Pages of one run: what is left then is taken by the next one.
const MAX_PAGES: u32 = 1_000;

/// The kind of the schedule that finishes orders which were left halfway (O-4).
pub const ADVANCE: &str = "advance";

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
    #[error("the service that does the work failed: {}", .0.message())]
    Remote(Status),
}

/// Runs the schedules, each at most once at a time.
#[derive(Debug)]
pub struct Scheduler {
    renewal: Connection,
    interval: Option<Duration>,
    env: Env,
    last_run: Mutex<Option<Run>>,
    turn: tokio::sync::Mutex<()>,
}

impl Scheduler {
    pub fn new(renewal: Connection, interval_seconds: u32, env: Env) -> Self {
        let interval =
            (interval_seconds > 0).then(|| Duration::from_secs(u64::from(interval_seconds)));
        Self {
            renewal,
            interval,
            env,
            last_run: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The schedules, by kind.
    pub fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule {
            kind: ADVANCE,
            description: "finishes orders that a crash or a lost answer left halfway",
            interval: self.interval,
            last_run: self.last_run.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }]
    }

    /// Runs the schedule `kind` now, or after the run that is under way.
    pub async fn run(&self, kind: &str) -> Result<Run, SchedulerError> {
        if kind != ADVANCE {
            return Err(SchedulerError::NotFound(kind.to_owned()));
        }
        let _turn = self.turn.lock().await;
        let started = self.env.now();
        let mut done = 0;
        let result = self.advance(&mut done).await;
        let error = result.as_ref().err().map(|status| status.message().to_owned());
        let run = Run { started, ended: self.env.now(), done, error };
        *self.last_run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.clone());
        result.map(|()| run).map_err(SchedulerError::Remote)
    }

    /// Takes page after page until no more is due, and counts what was taken.
    async fn advance(&self, done: &mut i64) -> Result<(), Status> {
        for _ in 0..MAX_PAGES {
            let page = safe(|| async {
                let mut sweeps = SweepServiceClient::new(self.renewal.clone());
                sweeps.advance(AdvanceRequest { limit: PAGE }).await
            });
            let page = page.await?.into_inner();
            *done += i64::from(page.taken);
            if !page.more {
                break;
            }
        }
        Ok(())
    }
}

/// Runs every schedule on start and at its interval, until `scheduler` is dropped.
pub fn keep_running(scheduler: &Arc<Scheduler>) {
    let Some(interval) = scheduler.interval else { return };
    let scheduler = Arc::downgrade(scheduler);
    tokio::spawn(async move {
        while let Some(scheduler) = scheduler.upgrade() {
            if let Err(error) = scheduler.run(ADVANCE).await {
                tracing::warn!(schedule.kind = ADVANCE, %error, "a run failed and is repeated");
            }
            drop(scheduler);
            tokio::time::sleep(interval).await;
        }
    });
}

#[cfg(test)]
mod tests;
