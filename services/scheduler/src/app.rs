//! Which schedules there are, what is asked of them, and how their runs go.

mod error;
mod kinds;
mod lags;
mod play;
mod sandbox;
mod watch;
mod work;

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use kernel::Env;
use platform::telemetry::meter;
use tokio::sync::{Notify, Semaphore, watch as changes};

use self::lags::Lags;
pub use self::{
    error::SchedulerError,
    kinds::{Ask, Interval, KINDS, Kind, Own, Page, Services},
    play::Stop,
    sandbox::{Agenda, Sandbox, SandboxClock},
    work::keep_running,
};
use crate::{
    domain::{self, Run, RunId},
    store::{Store, Wanted},
};

/// What the scheduler is told by its settings.
#[derive(Debug, Clone)]
pub struct Settings {
    pub intervals: Vec<Interval>,
    /// How many parts the accounts are split into.
    pub parts: u8,
    /// How many pages of one kind are under way at a time.
    pub pages: u8,
}

/// A schedule, and where it stands.
#[derive(Debug)]
pub struct Schedule {
    pub kind: &'static Kind,
    /// None: only when asked to.
    pub interval: Option<Duration>,
    pub paused: Option<DateTime<Utc>>,
    /// When its next run is planned.
    pub next: Option<DateTime<Utc>>,
    /// The latest that has begun.
    pub last_run: Option<Run>,
}

/// A kind with what is set for it.
#[derive(Debug)]
struct Plan {
    kind: &'static Kind,
    interval: Option<Duration>,
    /// What a run is split into.
    parts: Vec<Range<i32>>,
    /// A page of it may be under way for each.
    pages: Semaphore,
    /// How many permits there are.
    width: usize,
}

/// Kinds that are taken one after the other over the same shards: one of this process at a time.
#[derive(Debug)]
struct Desk {
    /// Where they stand among the plans.
    plans: Vec<usize>,
    shards: Range<i32>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Runs the schedules. All that it knows is in its database, where other schedulers read it too.
#[derive(Debug)]
pub struct Scheduler {
    store: Store,
    env: Env,
    services: Services,
    /// The clock that callers may move, if it is one.
    sandbox: Option<Sandbox>,
    /// What this one is called in leases.
    holder: String,
    plans: Vec<Plan>,
    desks: Vec<Desk>,
    lags: Lags,
    /// Somebody should look at what is due.
    wake: Arc<Notify>,
    /// A run has got further.
    moved: changes::Sender<()>,
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl Scheduler {
    pub fn new(kinds: &'static [Kind], services: Services, settings: &Settings) -> Self {
        let Own { store, env, .. } = services.own.clone();
        let plans: Vec<_> = kinds.iter().map(|kind| Plan::new(kind, settings)).collect();
        Self {
            holder: env.next_id().to_string(),
            sandbox: None,
            desks: desks(&plans),
            plans,
            lags: Lags::of(&meter()),
            store,
            env,
            services,
            wake: Arc::default(),
            moved: changes::Sender::new(()),
        }
    }

    /// The same, with the clock of a sandbox, which callers may move.
    pub fn in_sandbox(mut self, sandbox: Option<Sandbox>) -> Self {
        self.sandbox = sandbox;
        self
    }

    fn plan(&self, kind: &str) -> Result<&Plan, SchedulerError> {
        let plan = self.plans.iter().find(|plan| plan.kind.name == kind);
        plan.ok_or_else(|| SchedulerError::UnknownKind(kind.to_owned()))
    }

    /// The schedules, in the order in which one pass takes them.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, SchedulerError> {
        let now = self.env.now();
        let paused = self.store.board().await?.paused;
        let latest = Run::all(self.store.latest(now).await?);
        let mut latest: BTreeMap<_, _> =
            latest.into_iter().map(|run| (run.id.kind.clone(), run)).collect();
        let schedule = |plan: &Plan| {
            let Plan { kind, interval, .. } = plan;
            let paused = paused.get(kind.name).copied();
            // In a sandbox nothing runs by itself.
            let next = interval.filter(|_| paused.is_none() && self.sandbox.is_none());
            Schedule {
                kind,
                interval: *interval,
                paused,
                next: next.map(|interval| domain::planned(now, interval) + interval),
                last_run: latest.remove(kind.name),
            }
        };
        Ok(self.plans.iter().map(schedule).collect())
    }

    async fn schedule(&self, kind: &'static Kind) -> Result<Schedule, SchedulerError> {
        let found = self.schedules().await?.into_iter().find(|it| it.kind.name == kind.name);
        found.ok_or_else(|| SchedulerError::UnknownKind(kind.name.to_owned()))
    }

    /// Keeps the schedule `kind` from running by itself.
    pub async fn pause(&self, kind: &str) -> Result<Schedule, SchedulerError> {
        let kind = self.plan(kind)?.kind;
        self.store.pause(kind.name, self.env.now()).await?;
        self.schedule(kind).await
    }

    /// Lets the schedule `kind` run by itself again.
    pub async fn resume(&self, kind: &str) -> Result<Schedule, SchedulerError> {
        let kind = self.plan(kind)?.kind;
        self.store.resume(kind.name).await?;
        self.wake.notify_one();
        self.schedule(kind).await
    }

    /// Asks for a run of the schedule `kind`, which begins when it can.
    pub async fn run_now(&self, kind: &str) -> Result<Run, SchedulerError> {
        let plan = self.plan(kind)?;
        let id = self.store.ask(plan.kind.name, &plan.parts, self.env.now()).await?;
        self.wake.notify_one();
        self.run(&id).await
    }

    /// The run `id`.
    pub async fn run(&self, id: &RunId) -> Result<Run, SchedulerError> {
        let parts = self.store.run(id, self.env.now()).await?;
        Run::all(parts).pop().ok_or_else(|| SchedulerError::UnknownRun(id.to_string()))
    }

    /// A part of the list of runs, whether more follow, and how many there are in all where that is
    /// asked.
    pub async fn runs(
        &self,
        kind: &str,
        mut wanted: Wanted,
        with_total: bool,
    ) -> Result<(Vec<Run>, bool, Option<u64>), SchedulerError> {
        wanted.kind = match kind {
            "" => None,
            kind => Some(self.plan(kind)?.kind.name),
        };
        let size = usize::try_from(wanted.size).unwrap_or(usize::MAX);
        wanted.size += 1;
        let mut runs = Run::all(self.store.list(&wanted, self.env.now()).await?);
        let more = runs.len() > size;
        runs.truncate(size);
        let total = if with_total { Some(self.store.count(wanted.kind).await?) } else { None };
        Ok((runs, more, total))
    }

    /// What time it is: the rate of a run is told as of now.
    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }
}

impl Plan {
    fn new(kind: &'static Kind, settings: &Settings) -> Self {
        let seconds = Interval::of(kind, &settings.intervals);
        let interval = (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)));
        let parts = if kind.sharded {
            domain::parts(settings.parts)
        } else {
            std::iter::once(0..0).collect()
        };
        let width = usize::from(settings.pages.max(1));
        Self { kind, interval, parts, pages: Semaphore::new(width), width }
    }
}

/// The kinds that follow each other, and each of their parts.
fn desks(plans: &[Plan]) -> Vec<Desk> {
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for (index, Plan { kind, .. }) in plans.iter().enumerate() {
        let before = |chain: &&mut Vec<usize>| {
            chain.iter().any(|&other| plans[other].kind.name == kind.after)
        };
        match chains.iter_mut().find(before) {
            Some(chain) => chain.push(index),
            None => chains.push(vec![index]),
        }
    }
    let parts = |chain: Vec<usize>| {
        let parts = plans[chain[0]].parts.clone();
        let desk = move |shards| Desk { plans: chain.clone(), shards, turn: Arc::default() };
        parts.into_iter().map(desk)
    };
    chains.into_iter().flat_map(parts).collect()
}

#[cfg(test)]
mod tests;
