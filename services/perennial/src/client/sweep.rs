//! `perennial sweep`: runs that are asked for, and how they go on.

use std::fmt::Write as _;

use indicatif::{ProgressBar, ProgressStyle};
use platform::client::safe;
use proto::scheduler::v1::{
    ListRunsResponse, ListSchedulesRequest, Run, RunNowRequest, WatchRunRequest, run::State,
};

use super::{
    Client, Output,
    failure::{Done, Failure},
    pages,
    schedules::{runs, scheduler},
};
use crate::output;

/// What `sweep --help` shows.
pub const EXAMPLES: &str = "\
Examples:
  perennial sweep
  perennial sweep advance expire-holds

Safe to repeat: a run does only what is due. Exit code 1 says that a run did not end well.";

/// What to run.
#[derive(Debug, clap::Args)]
pub struct SweepArgs {
    /// The schedules, one after the other; all by default, in the order in which one pass takes them.
    /// `perennial schedules` lists them, with what each does.
    kinds: Vec<String>,
}

impl SweepArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let mut kinds = self.kinds;
        if kinds.is_empty() {
            let call = async || scheduler(client).list_schedules(ListSchedulesRequest {}).await;
            let answer = safe(call).await?.into_inner();
            kinds = answer.schedules.into_iter().map(|schedule| schedule.kind).collect();
        }
        let mut ended = Vec::new();
        for kind in kinds {
            let request = RunNowRequest { kind };
            let call = async || scheduler(client).run_now(request.clone()).await;
            let asked = safe(call).await?.into_inner().run.unwrap_or_default();
            ended.push(follow(client, asked.run_id).await?);
        }
        print(client, ended)
    }
}

/// Looks on until `run` has ended, and tells how.
pub async fn watch(client: &Client, run: String) -> Result<Done, Failure> {
    let ended = follow(client, run).await?;
    print(client, vec![ended])
}

fn print(client: &Client, ended: Vec<Run>) -> Result<Done, Failure> {
    let done = Done::all(ended.iter().map(|run| run.state() != State::Done));
    client.print(&ListRunsResponse { runs: ended, page: None }, |all| runs(&all.runs, client))?;
    Ok(done)
}

/// Shows how the run `id` goes on until it has ended: a bar on a terminal, lines elsewhere.
async fn follow(client: &Client, id: String) -> Result<Run, Failure> {
    let request = WatchRunRequest { run_id: id };
    let mut steps =
        safe(async || scheduler(client).watch_run(request.clone()).await).await?.into_inner();
    let bar = pages::progress("sweeping", 0);
    let in_lines = bar.is_hidden() && client.output == Output::Table;
    let mut last = Run::default();
    while let Some(step) = steps.message().await? {
        last = step.run.unwrap_or_default();
        if in_lines {
            output::complain(progress(&last) + "\n");
        } else {
            show(&bar, &last);
        }
    }
    bar.finish_and_clear();
    Ok(last)
}

fn show(bar: &ProgressBar, run: &Run) {
    if let (Ok(all @ 1..), Ok(done)) = (u64::try_from(run.shards), u64::try_from(run.shards_done)) {
        if bar.length() != Some(all)
            && let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} shards  {msg}")
        {
            bar.set_style(style);
            bar.set_length(all);
        }
        bar.set_position(done);
    }
    bar.set_message(progress(run));
}

/// How far a run has got, on one line.
fn progress(run: &Run) -> String {
    let state = run.state().as_str_name().trim_start_matches("STATE_").to_lowercase();
    let mut line = format!("{}: {state}", run.kind);
    // Writing to a text does not fail.
    if run.shards > 0 {
        let _ = write!(line, ", {} of {} shards", run.shards_done, run.shards);
    }
    let failed: i64 = run.failed.values().sum();
    let _ = write!(line, ", {} due, {} done, {failed} failed", run.due, run.done);
    if run.rate_per_second > 0.0 {
        let _ = write!(line, ", {:.0} a second", run.rate_per_second);
    }
    if let Some(left) = &run.time_left {
        let _ = write!(line, ", {} s left", left.seconds.max(1));
    }
    line
}

#[cfg(test)]
mod tests;
