//! Playing what comes up while the clock of a sandbox is moved, and while it stands.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Days, TimeDelta, Utc};
use platform::client::safe;
use tokio::sync::{OwnedMutexGuard, mpsc};

use super::{
    Ask, Kind, Plan, Scheduler, SchedulerError,
    sandbox::{Agenda, Sandbox, of_service},
};
use crate::domain::{self, SHARDS, Tally};

/// How far ahead a clock may be moved by one call.
const MOST_DAYS: Days = Days::new(3_653);

/// How long to wait before what could not be done is tried again for the first time; each time it is
/// twice as long, for the whole call: what nobody mends must not make a year endless.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(1);

/// The longest that it becomes.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(6);

/// Schedules that run more seldom than that have their turn when they are planned, and not at every
/// stop.
const SELDOM: TimeDelta = TimeDelta::days(1);

/// Pages of one schedule at one stop: what is left then has its turn at the next.
const MOST_PAGES: u32 = 10_000;

/// How often all schedules are gone through at one stop, for what comes of what they do.
const MOST_ROUNDS: u32 = 10;

/// A stop on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    pub time: DateTime<Utc>,
    /// What each schedule has dealt with; those that had nothing to do are not there.
    pub done: BTreeMap<&'static str, i64>,
    /// How many tries failed, by reason.
    pub failed: BTreeMap<String, i64>,
}

/// Somebody who moves the clock: nobody else does meanwhile.
#[derive(Debug)]
pub struct Player {
    scheduler: Arc<Scheduler>,
    sandbox: Sandbox,
    until: DateTime<Utc>,
    /// How long to wait before what could not be done is tried again.
    pause: TimeDelta,
    _only: OwnedMutexGuard<()>,
}

impl Scheduler {
    /// Whether the clock is that of a sandbox.
    pub fn is_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Gets ready to move the clock of the sandbox to `until`.
    pub fn player(self: &Arc<Self>, until: DateTime<Utc>) -> Result<Player, SchedulerError> {
        let sandbox = self.sandbox.clone().ok_or(SchedulerError::NoSandbox)?;
        let now = self.env.now();
        if until < now {
            return Err(SchedulerError::BadInstant("has passed: a clock only moves forward"));
        }
        if now.checked_add_days(MOST_DAYS).is_none_or(|most| until > most) {
            return Err(SchedulerError::BadInstant("must be at most ten years ahead"));
        }
        let only = Arc::clone(&sandbox.player).try_lock_owned();
        let only = only.map_err(|_| SchedulerError::Busy)?;
        Ok(Player { scheduler: Arc::clone(self), sandbox, until, pause: FIRST_PAUSE, _only: only })
    }

    /// In a sandbox, whose clock stands still and makes nothing due: does what callers have made due,
    /// unless somebody is at it.
    pub async fn keep_up(&self) {
        let Some(Sandbox { turn, .. }) = &self.sandbox else { return };
        let Ok(mut last) = turn.try_lock() else { return };
        let now = self.env.now();
        match self.stop(*last, now).await {
            Ok(_) => *last = Some(now),
            Err(error) => tracing::warn!(%error, "what is due was not done"),
        }
    }

    /// Has everything done that is due `now`, in order, until nothing more comes of it. The last stop
    /// was at `last`.
    async fn stop(
        &self,
        last: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Stop, SchedulerError> {
        let mut stop = Stop { time: now, done: BTreeMap::new(), failed: BTreeMap::new() };
        let paused = self.store.board().await?.paused;
        let has_turn = |plan: &&Plan| {
            let seldom = plan.seldom();
            let has_come = seldom.is_none_or(|_| last.is_none_or(|last| plan.planned(now) > last));
            has_come && plan.interval.is_some() && !paused.contains_key(plan.kind.name)
        };
        let plans: Vec<_> = self.plans.iter().filter(has_turn).collect();
        for _ in 0..MOST_ROUNDS {
            let mut done = 0;
            for plan in &plans {
                let tally = self.pages(plan.kind).await?;
                done += tally.done;
                stop.note(plan.kind.name, tally);
            }
            if done == 0 {
                break;
            }
        }
        Ok(stop)
    }

    /// Takes page after page of `kind` until no more is due.
    async fn pages(&self, kind: &'static Kind) -> Result<Tally, SchedulerError> {
        let shards = if kind.sharded { 0..SHARDS } else { 0..0 };
        let mut ask = Ask { shards, cursor: String::new() };
        let mut tally = Tally::default();
        for _ in 0..MOST_PAGES {
            let page = safe(|| (kind.page)(self.services.clone(), ask.clone())).await;
            let page = page.map_err(of_service(kind.service))?;
            tally.add(page.tally);
            if !page.more {
                break;
            }
            ask.cursor = page.cursor;
        }
        Ok(tally)
    }
}

impl Player {
    /// Moves the clock, and tells each stop. Ends early when nobody listens any more.
    pub async fn play(mut self, tell: mpsc::Sender<Result<Stop, SchedulerError>>) {
        let mut next = None;
        loop {
            let stop = self.step(next).await;
            let (time, failed) = (self.scheduler.env.now(), stop.is_err());
            // Nobody who listens is as good a reason to end as a failure.
            if tell.send(stop).await.is_err() || failed || time >= self.until {
                return;
            }
            next = Some(time);
        }
    }

    /// Goes to the next stop `after` the last one, or begins where the clock stands, and has done there
    /// what is due. What is asked for meanwhile is done before or after.
    async fn step(&mut self, after: Option<DateTime<Utc>>) -> Result<Stop, SchedulerError> {
        let turn = Arc::clone(&self.sandbox.turn);
        let mut last = turn.lock().await;
        if let Some(after) = after {
            let next = self.next(after).await?;
            self.sandbox.move_to(next).await?;
        }
        let now = self.scheduler.env.now();
        let stop = self.scheduler.stop(*last, now).await?;
        *last = Some(now);
        Ok(stop)
    }

    /// The next stop after `now`: something comes up, a schedule that runs seldom is planned, or what
    /// could not be done is tried again.
    async fn next(&mut self, now: DateTime<Utc>) -> Result<DateTime<Utc>, SchedulerError> {
        let agenda = (self.sandbox.agenda)(self.scheduler.services.clone(), now).await?;
        let Agenda { time, retry_time } = agenda;
        let planned = self.scheduler.plans.iter();
        let planned = planned.filter_map(|plan| Some(plan.planned(now) + plan.seldom()?));
        let next = planned.chain(time).min().map_or(self.until, |next| next.min(self.until));
        match retry_time.map(|again| again.max(now + self.pause)) {
            Some(again) if again < next => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Ok(again)
            }
            _ => Ok(next),
        }
    }
}

impl Stop {
    fn note(&mut self, kind: &'static str, tally: Tally) {
        if tally.done > 0 {
            *self.done.entry(kind).or_default() += tally.done;
        }
        for (reason, count) in tally.failed {
            *self.failed.entry(reason).or_default() += count;
        }
    }
}

impl Plan {
    /// Its interval, if it runs seldom.
    fn seldom(&self) -> Option<TimeDelta> {
        let interval = TimeDelta::from_std(self.interval?).ok()?;
        Some(interval).filter(|interval| *interval >= SELDOM)
    }

    /// Its latest planned time until `now`.
    fn planned(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.interval.map_or(now, |interval| domain::planned(now, interval))
    }
}

#[cfg(test)]
mod tests;
