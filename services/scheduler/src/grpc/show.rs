//! Schedules and runs as messages.

use chrono::{DateTime, Utc};
use proto::{
    convert::timestamp,
    scheduler::v1::{self as pb, run::State as PbState},
};

use crate::{
    app::Schedule,
    domain::{Part, Run, State, Tally},
};

/// A schedule, as of `now`.
pub fn schedule(schedule: &Schedule, now: DateTime<Utc>) -> pb::Schedule {
    let Schedule { kind, interval, paused, next, last_run } = schedule;
    let seconds = interval.map_or(0, |interval| interval.as_secs());
    pb::Schedule {
        kind: kind.name.to_owned(),
        description: kind.description.to_owned(),
        interval_seconds: i32::try_from(seconds).unwrap_or(i32::MAX),
        last_run: last_run.as_ref().map(|last| run(last, now)),
        pause_time: paused.map(timestamp),
        next_time: next.map(timestamp),
        after: kind.after.to_owned(),
        service: kind.service.to_owned(),
    }
}

/// A run, as of `now`.
pub fn run(run: &Run, now: DateTime<Utc>) -> pb::Run {
    let Tally { due, done, failed } = run.tally();
    let (rate_per_second, time_left) = run.pace(now);
    let (shards, shards_done) = run.shards();
    let errors: Vec<_> = run.parts.iter().map(|part| part.error.as_str()).collect();
    pb::Run {
        run_id: run.id.to_string(),
        kind: run.id.kind.clone(),
        planned_time: Some(timestamp(run.id.planned)),
        asked: run.parts.iter().any(|part| part.asked),
        state: state(run.state()).into(),
        start_time: run.started().map(timestamp),
        end_time: run.ended().map(timestamp),
        due,
        done,
        failed: failed.into_iter().collect(),
        error: errors.into_iter().find(|error| !error.is_empty()).unwrap_or_default().to_owned(),
        shards,
        shards_done,
        rate_per_second,
        time_left: time_left.and_then(|left| left.try_into().ok()),
        parts: run.parts.iter().map(part).collect(),
    }
}

fn part(part: &Part) -> pb::RunPart {
    pb::RunPart {
        shard_from: part.shards.start,
        shard_until: part.shards.end,
        state: state(part.state).into(),
        holder: part.holder.clone(),
        attempts: part.attempts,
        start_time: part.started.map(timestamp),
        end_time: part.ended.map(timestamp),
        due: part.tally.due,
        done: part.tally.done,
        error: part.error.clone(),
    }
}

fn state(state: State) -> PbState {
    match state {
        State::Done => PbState::Done,
        State::Stopped => PbState::Stopped,
        State::Failed => PbState::Failed,
        State::Abandoned => PbState::Abandoned,
        State::Waiting => PbState::Waiting,
        State::Running => PbState::Running,
    }
}
