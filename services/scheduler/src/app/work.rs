//! Doing what is due.

use std::{
    ops::{ControlFlow, Range},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, future::OptionFuture};
use platform::client::safe;
use tokio::{sync::Mutex, time::timeout};
use tonic::Status;
use tracing::Instrument as _;

use super::{Ask, Desk, Page, Plan, Scheduler};
use crate::{
    domain::{self, LEASE, Next, SHARDS, State, Tally},
    store::{Board, Claim, Job, Standing, StoreError},
};

/// How often to look whether anything is due.
const LOOK: Duration = Duration::from_secs(1);

/// Shards that one page goes over: few enough for a page to find its rows at once, and enough for an
/// idle night to need few pages.
const SLICE: usize = 4;

/// Pages in a row, of which a run of sane size needs far fewer: what is left then fails the run.
const MOST_PAGES: u32 = 10_000;

/// Does what is due, on start and from then on, until `scheduler` is dropped.
pub fn keep_running(scheduler: &Arc<Scheduler>) {
    let (wake, scheduler) = (Arc::clone(&scheduler.wake), Arc::downgrade(scheduler));
    tokio::spawn(async move {
        while let Some(scheduler) = scheduler.upgrade() {
            let waiting = scheduler.look().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "could not see what is due");
                true
            });
            scheduler.keep_up().await;
            // Without schedules there is nothing to look for but what is asked for here.
            let looks = waiting || scheduler.plans.iter().any(|plan| plan.interval.is_some());
            drop(scheduler);
            let patience = if looks { LOOK } else { Duration::MAX };
            // Time that runs out is as good a reason to look.
            let _ = timeout(patience, wake.notified()).await;
        }
    });
}

/// What a claim has come to.
#[derive(Debug, Default)]
struct Progress {
    tally: Tally,
    shards_done: i32,
    /// Of how many slices pages are still to be taken.
    slices: usize,
    /// Why a page failed: the first.
    error: String,
    /// Why no more pages are begun.
    halt: Option<Standing>,
}

impl Scheduler {
    /// Sees what is due and begins it, and tells whether anything that was asked for waits.
    pub async fn look(self: &Arc<Self>) -> Result<bool, StoreError> {
        let board = self.store.board().await;
        self.lags.note(&self.desks, &self.plans, board.as_ref().ok(), self.env.now());
        let board = board?;
        for (index, desk) in self.desks.iter().enumerate() {
            if self.job(desk, &board).is_none() {
                continue;
            }
            // Somebody who is at it will look further.
            let Ok(turn) = Arc::clone(&desk.turn).try_lock_owned() else { continue };
            let scheduler = Arc::clone(self);
            tokio::spawn(async move {
                let ran = scheduler.turn(index).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "could not keep how a run went");
                    false
                });
                drop(turn);
                // What was asked for here meanwhile has waited for it.
                if ran {
                    scheduler.wake.notify_one();
                }
            });
        }
        Ok(!board.waiting.is_empty())
    }

    /// Does what is due at a desk, one thing after the other, and tells whether it did anything.
    async fn turn(&self, desk: usize) -> Result<bool, StoreError> {
        let desk = &self.desks[desk];
        let mut ran = false;
        let turn = self.sandbox.as_ref().map(|sandbox| sandbox.turn.lock());
        let _stands_still = OptionFuture::from(turn).await;
        while let Some((plan, job)) = self.job(desk, &self.store.board().await?) {
            let claim = self.store.claim(&job, &self.holder, self.env.now()).await?;
            // Somebody else was faster.
            let Some(claim) = claim else { break };
            self.moved.send_replace(());
            ran = true;
            self.carry_out(plan, &claim).await?;
            self.moved.send_replace(());
        }
        Ok(ran)
    }

    /// The first thing that is to be done at `desk`. What is asked for is done at once; what is
    /// planned waits until what comes before it is done.
    fn job(&self, desk: &Desk, board: &Board) -> Option<(&Plan, Job)> {
        let now = self.env.now();
        let mut held = false;
        for plan in desk.plans.iter().map(|&plan| &self.plans[plan]) {
            let (kind, shards) = (plan.kind.name, desk.shards.clone());
            let lease = board.leases.get(&(kind.to_owned(), shards.start));
            let lease = lease.cloned().unwrap_or_default();
            let mut waiting = board.waiting.iter();
            let asked = waiting.find(|(of, shard, _)| of == kind && *shard == shards.start);
            if let Some(&(_, _, planned)) = asked
                && !lease.is_taken(now)
            {
                return Some((plan, Job { kind, planned, shards, asked: true }));
            }
            let by_itself = self.sandbox.is_none() && !board.paused.contains_key(kind);
            let interval = plan.interval.filter(|_| by_itself);
            let Some(interval) = interval else { continue };
            match domain::next(now, interval, &lease) {
                Next::Nothing => {}
                Next::Later => held = true,
                Next::Now(_) if held => {}
                Next::Now(planned) => {
                    return Some((plan, Job { kind, planned, shards, asked: false }));
                }
            }
        }
        None
    }

    /// Carries `claim` out and keeps how it ended.
    async fn carry_out(&self, plan: &Plan, claim: &Claim) -> Result<(), StoreError> {
        let slices = slices(&claim.job.shards);
        let (tally, count) = (claim.tally.clone(), slices.len());
        let progress = Mutex::new(Progress { tally, slices: count, ..Progress::default() });
        let sweeps = slices.into_iter().map(|slice| self.slice(plan, claim, slice, &progress));
        let all = futures::stream::iter(sweeps).buffer_unordered(plan.width).collect::<Vec<()>>();
        tokio::select! {
            _ = all => {}
            () = self.keep(claim) => progress.lock().await.halt = Some(Standing::Lost),
        }
        let Progress { tally, error, halt, slices, .. } = progress.into_inner();
        let kind = plan.kind.name;
        if halt == Some(Standing::Lost) {
            tracing::warn!(schedule.kind = kind, "a run was taken over");
            return Ok(());
        }
        let state = match slices {
            _ if !error.is_empty() => State::Failed,
            0 => State::Done,
            _ => State::Stopped,
        };
        match state {
            State::Failed => {
                tracing::warn!(schedule.kind = kind, error, "a run failed and is repeated");
            }
            _ if tally.due > 0 => {
                tracing::info!(schedule.kind = kind, tally.due, tally.done, %state, "a run ended");
            }
            _ => {}
        }
        self.store.finish(claim, state, &error, self.env.now()).await
    }

    /// Renews the lease of `claim`, and returns only when it is lost.
    async fn keep(&self, claim: &Claim) {
        let third = (LEASE / 3).to_std().unwrap_or(LOOK);
        loop {
            tokio::time::sleep(third).await;
            match self.store.renew(claim, self.env.now()).await {
                Ok(Standing::Lost) => return,
                Ok(_) => {}
                // Should it end meanwhile, two are at it, which does no harm.
                Err(error) => tracing::warn!(%error, "a lease was not renewed"),
            }
        }
    }

    /// Takes the pages of these shards, one after the other.
    async fn slice(
        &self,
        plan: &Plan,
        claim: &Claim,
        shards: Range<i32>,
        progress: &Mutex<Progress>,
    ) {
        let mut ask = Ask { shards, cursor: String::new() };
        for _ in 0..MOST_PAGES {
            let page = self.page(plan, &ask, progress).await;
            let Some(page) = page else { return };
            match self.note(claim, &ask.shards, page, progress).await {
                ControlFlow::Continue(cursor) => ask.cursor = cursor,
                ControlFlow::Break(()) => return,
            }
        }
        let error = Status::out_of_range(format!("more than {MOST_PAGES} pages"));
        progress.lock().await.fail(&ask.shards, &error);
    }

    /// Takes a page when it is its turn; none: no more pages are to be taken.
    async fn page(
        &self,
        plan: &Plan,
        ask: &Ask,
        progress: &Mutex<Progress>,
    ) -> Option<Result<Page, Status>> {
        // Nobody closes it.
        let _permit = plan.pages.acquire().await.ok()?;
        if progress.lock().await.halt.is_some() {
            return None;
        }
        let span =
            tracing::info_span!("page", schedule.kind = plan.kind.name, shards = ?ask.shards);
        let page = safe(|| (plan.kind.page)(self.services.clone(), ask.clone()));
        Some(page.instrument(span).await)
    }

    /// Keeps what came of a page, and tells where the next one begins, if there is one.
    async fn note(
        &self,
        claim: &Claim,
        shards: &Range<i32>,
        page: Result<Page, Status>,
        progress: &Mutex<Progress>,
    ) -> ControlFlow<(), String> {
        let mut progress = progress.lock().await;
        let next = match page {
            Ok(Page { tally, cursor, more }) => {
                progress.tally.add(tally);
                if !more {
                    progress.slices -= 1;
                    progress.shards_done += shards.end - shards.start;
                }
                more.then_some(cursor)
            }
            Err(status) => {
                progress.fail(shards, &status);
                None
            }
        };
        let kept = self.store.progress(claim, &progress.tally, progress.shards_done).await;
        self.moved.send_replace(());
        match kept {
            Ok(Standing::Held) => {}
            Ok(Standing::Paused) if claim.job.asked => {}
            Ok(standing) => progress.halt = Some(standing),
            Err(error) => tracing::warn!(%error, "it was not kept how far a run has got"),
        }
        match next {
            Some(cursor) if progress.halt.is_none() => ControlFlow::Continue(cursor),
            _ => ControlFlow::Break(()),
        }
    }
}

/// What one page after the other goes over.
fn slices(shards: &Range<i32>) -> Vec<Range<i32>> {
    if shards.is_empty() {
        return vec![shards.clone()];
    }
    let starts = shards.clone().step_by(SLICE);
    let length = i32::try_from(SLICE).unwrap_or(SHARDS);
    starts.map(|start| start..(start + length).min(shards.end)).collect()
}

impl Progress {
    fn fail(&mut self, shards: &Range<i32>, status: &Status) {
        let reason = platform::status::reason(status);
        let reason = reason.unwrap_or_else(|| format!("{:?}", status.code()));
        let place = if shards.is_empty() {
            String::new()
        } else {
            format!("shards {} to {}: ", shards.start, shards.end - 1)
        };
        if self.error.is_empty() {
            self.error = format!("{place}{reason}: {}", status.message());
        }
    }
}
