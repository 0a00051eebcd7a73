//! `perennial schedules …`

use platform::client::{Connection, safe};
use proto::scheduler::v1::{
    GetRunRequest, ListRunsRequest, ListSchedulesRequest, PauseScheduleRequest,
    ResumeScheduleRequest, Run, RunPart, Schedule, run::State,
    scheduler_service_client::SchedulerServiceClient,
};

use super::{
    Client,
    failure::{Done, Failure},
    pages::{self, PageArgs},
    sweep,
};
use crate::text::{
    show,
    table::{Look, Table, facts, look},
};

/// What `schedules --help` shows.
pub const EXAMPLES: &str = "\
Examples:
  perennial schedules
  perennial schedules pause expire-vouchers
  perennial schedules runs --page-size 50";

/// What about schedules.
#[derive(Debug, clap::Args)]
pub struct SchedulesArgs {
    #[command(subcommand)]
    command: Option<Command>,
}

/// Commands on schedules; none of them lists them.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Keep a schedule from running by itself. What is due stays due.
    #[command(after_help = "Example:
  perennial schedules pause advance")]
    Pause {
        /// The schedule.
        kind: String,
    },
    /// Let a schedule run by itself again.
    #[command(after_help = "Example:
  perennial schedules resume advance")]
    Resume {
        /// The schedule.
        kind: String,
    },
    /// List runs, the latest first.
    #[command(after_help = "Examples:
  perennial schedules runs
  perennial schedules runs anchor --page-size 50")]
    Runs {
        /// Only of this schedule; of all by default.
        #[arg(default_value = "", hide_default_value = true)]
        kind: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Look at a run.
    #[command(after_help = "Example:
  perennial schedules run advance-1795399200000000")]
    Run {
        /// The run, as `runs` lists it.
        run: String,
    },
    /// Look on until a run has ended. Exit code 1 says that it did not end well.
    #[command(after_help = "Example:
  perennial schedules watch advance-1795399200000000")]
    Watch {
        /// The run, as `runs` lists it.
        run: String,
    },
}

impl SchedulesArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let Some(command) = self.command else {
            let call = async || scheduler(client).list_schedules(ListSchedulesRequest {}).await;
            let answer = safe(call).await?;
            client.print(answer.get_ref(), |answer| schedules(&answer.schedules, client))?;
            return Ok(Done::Whole);
        };
        command.run(client).await
    }
}

impl Command {
    async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Pause { kind } => {
                let request = PauseScheduleRequest { kind };
                let call = async || scheduler(client).pause_schedule(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| schedules(&answer.schedule, client))?;
            }
            Self::Resume { kind } => {
                let request = ResumeScheduleRequest { kind };
                let call = async || scheduler(client).resume_schedule(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| schedules(&answer.schedule, client))?;
            }
            Self::Runs { kind, page } => {
                let list = async |page| {
                    let request = ListRunsRequest { kind: kind.clone(), page: Some(page) };
                    let call = async || scheduler(client).list_runs(request.clone()).await;
                    safe(call).await.map(tonic::Response::into_inner)
                };
                let answer = pages::fetch(page, list).await?;
                let text = |_: &_| runs(&answer.runs, client) + &pages::footer(&answer);
                client.print(&answer, text)?;
            }
            Self::Run { run } => {
                let request = GetRunRequest { run_id: run };
                let call = async || scheduler(client).get_run(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| {
                    answer.run.as_ref().map_or_else(String::new, |run| one_run(run, client))
                })?;
            }
            Self::Watch { run } => return sweep::watch(client, run).await,
        }
        Ok(Done::Whole)
    }
}

fn schedules<'a>(schedules: impl IntoIterator<Item = &'a Schedule>, client: &Client) -> String {
    let headings =
        ["SCHEDULE", ">EVERY", "NEXT", "LAST RUN", "STATE", ">DONE", "ERROR", "WHAT IT DOES"];
    let mut table = Table::new(&headings);
    for schedule in schedules {
        let last = schedule.last_run.clone().unwrap_or_default();
        let next = match (&schedule.pause_time, schedule.interval_seconds) {
            (Some(since), _) => {
                let since = show::instant(Some(since), client.zone);
                look(&format!("paused since {since}"), Look::Notable)
            }
            (None, 0) => "when asked to".to_owned(),
            (None, _) => show::instant(schedule.next_time.as_ref(), client.zone),
        };
        table.row([
            schedule.kind.clone(),
            every(schedule.interval_seconds),
            next,
            show::instant(last.start_time.as_ref(), client.zone),
            schedule.last_run.as_ref().map_or_else(|| show::NOTHING.to_owned(), state),
            last.done.to_string(),
            show::or_nothing(&last.error),
            schedule.description.clone(),
        ]);
    }
    table.text()
}

fn every(seconds: i32) -> String {
    match seconds {
        0 => show::NOTHING.to_owned(),
        _ if seconds % 86_400 == 0 => format!("{} d", seconds / 86_400),
        _ if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        _ => format!("{seconds} s"),
    }
}

/// Runs as a table.
pub fn runs<'a>(runs: impl IntoIterator<Item = &'a Run>, client: &Client) -> String {
    let mut table =
        Table::new(&["RUN", "PLANNED", "STATE", ">DUE", ">DONE", "FAILED", ">PER SECOND", "ERROR"]);
    for run in runs {
        table.row([
            run.run_id.clone(),
            show::instant(run.planned_time.as_ref(), client.zone),
            state(run),
            run.due.to_string(),
            run.done.to_string(),
            show::or_nothing(&failed(run)),
            format!("{:.0}", run.rate_per_second),
            show::or_nothing(&run.error),
        ]);
    }
    table.text()
}

fn one_run(run: &Run, client: &Client) -> String {
    let all = facts([
        ("schedule", run.kind.clone()),
        ("planned", show::instant(run.planned_time.as_ref(), client.zone)),
        ("asked for", if run.asked { "yes" } else { "no" }.to_owned()),
        ("state", state(run)),
        ("began", show::instant(run.start_time.as_ref(), client.zone)),
        ("ended", show::instant(run.end_time.as_ref(), client.zone)),
        ("due", run.due.to_string()),
        ("done", run.done.to_string()),
        ("failed", failed(run)),
        ("error", run.error.clone()),
        ("per second", format!("{:.0}", run.rate_per_second)),
    ]);
    let mut table = Table::new(&["SHARDS", "STATE", ">ATTEMPTS", ">DUE", ">DONE", "SCHEDULER"]);
    for part in &run.parts {
        let RunPart { shard_from, shard_until, attempts, due, done, holder, .. } = part;
        let shards = match shard_until - shard_from {
            0 => "all".to_owned(),
            _ => format!("{shard_from} to {}", shard_until - 1),
        };
        table.row([
            shards,
            shown(part.state()),
            attempts.to_string(),
            due.to_string(),
            done.to_string(),
            show::or_nothing(holder),
        ]);
    }
    all + &table.text()
}

/// How many things failed, by reason: `OPEN_ORDER_EXISTS 3`.
pub fn failed(run: &Run) -> String {
    let each = run.failed.iter().map(|(reason, count)| format!("{reason} {count}"));
    each.collect::<Vec<_>>().join(", ")
}

/// How a run stands, in its look.
pub fn state(run: &Run) -> String {
    shown(run.state())
}

fn shown(state: State) -> String {
    let name = state.as_str_name().trim_start_matches("STATE_");
    match state {
        State::Done => look(name, Look::Good),
        State::Failed | State::Abandoned => look(name, Look::Bad),
        State::Stopped => look(name, Look::Notable),
        State::Waiting | State::Running | State::Unspecified => name.to_owned(),
    }
}

/// The scheduler.
pub fn scheduler(client: &Client) -> SchedulerServiceClient<Connection> {
    SchedulerServiceClient::new(client.connection.clone())
}
