//! Minutes, in each of which schedulers take their turn at what is due.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use proto::{
    convert::instant,
    scheduler::v1::{ListRunsRequest, ResumeScheduleRequest, Run, RunPart, run::State},
    r#type::v1::PageRequest,
};
use tests::{Another, Suite};
use tokio::{task::yield_now, time::timeout};

/// How long schedulers may take for their turn.
const PATIENCE: Duration = Duration::from_mins(1);

/// Has `scheduler` look now whether anything is due, rather than within a second: whoever is told to go on
/// does.
pub async fn wake(scheduler: &Another) {
    let resume = ResumeScheduleRequest { kind: "purge-runs".to_owned() };
    scheduler.schedules.clone().resume_schedule(resume).await.expect("a schedule");
}

/// Waits until each of `kinds` has had its turn in this minute: has run, or has failed.
pub async fn taken(suite: &Suite, kinds: &[&str]) {
    for kind in kinds {
        until_all_are(suite, kind, |part| part.end_time.is_some()).await;
    }
}

/// Waits until somebody is at all of `kind`.
pub async fn begun(suite: &Suite, kind: &str) {
    until_all_are(suite, kind, |part| part.state() == State::Running).await;
}

async fn until_all_are(suite: &Suite, kind: &str, so: fn(&RunPart) -> bool) {
    let now = suite.now();
    let all = async {
        while !all_are(&runs(suite, kind).await, now, so) {
            yield_now().await;
        }
    };
    let in_time = timeout(PATIENCE, all).await.is_ok();
    let runs = runs(suite, kind).await;
    assert!(in_time, "{kind} is not as expected at {now}: {runs:#?}");
}

/// The latest runs of `kind`.
async fn runs(suite: &Suite, kind: &str) -> Vec<Run> {
    let page = PageRequest { page_size: 10, ..PageRequest::default() };
    let request = ListRunsRequest { kind: kind.to_owned(), page: Some(page) };
    suite.schedules().list_runs(request).await.expect("a schedule").into_inner().runs
}

/// Whether all parts of a schedule are so in the minute of `now`, or have failed in it: what fails has its
/// next turn in another minute, also where it was planned for an earlier one.
fn all_are(runs: &[Run], now: DateTime<Utc>, so: fn(&RunPart) -> bool) -> bool {
    let minute = |time: DateTime<Utc>| time.timestamp().div_euclid(60);
    let in_it = |time: Option<prost_types::Timestamp>| {
        time.is_some_and(|time| minute(instant(time).expect("an instant")) == minute(now))
    };
    let mut shards = BTreeMap::new();
    for run in runs {
        let failed = |part: &RunPart| part.state() == State::Failed && in_it(part.end_time);
        let planned = |part: &RunPart| in_it(run.planned_time) && so(part);
        let parts = run.parts.iter().filter(|part| failed(part) || planned(part));
        shards.extend(parts.map(|part| (part.shard_from, part.shard_until - part.shard_from)));
    }
    // What goes by shards is so when all of them are.
    !shards.is_empty() && [0, 64].contains(&shards.values().sum())
}
