//! `perennial events`, `perennial schedules` and `perennial sweep`.

use platform::client::{Connection, safe};
use proto::{
    renewal::v1::{
        Event, ListEventsRequest, ListEventsResponse, event_service_client::EventServiceClient,
    },
    scheduler::v1::{
        ListSchedulesRequest, ListSchedulesResponse, Run, RunNowRequest,
        scheduler_service_client::SchedulerServiceClient,
    },
};

use super::{
    Client,
    failure::{Done, Failure},
    pages,
};
use crate::text::{
    show,
    table::{Look, Table, facts, look},
};

/// What `events --help` shows.
pub const EVENTS_EXAMPLES: &str = "\
Examples:
  perennial events --account acme --type instance.renewed
  perennial events --cursor CURSOR --limit 1000 --output json";

/// What `schedules --help` shows.
pub const SCHEDULES_EXAMPLES: &str = "\
Example:
  perennial schedules";

/// What `sweep --help` shows.
pub const SWEEP_EXAMPLES: &str = "\
Examples:
  perennial sweep
  perennial sweep advance

Safe to repeat: a run does only what is due. Exit code 1 says that the run failed.";

/// Which events.
#[derive(Debug, clap::Args)]
pub struct EventsArgs {
    /// Only this account's; all by default.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    account: String,
    /// Only of this type, such as order.paid; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Where an earlier answer said to go on; from the oldest by default.
    #[arg(long, default_value = "", hide_default_value = true)]
    cursor: String,
    /// How many at the most, 1 to 1,000.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    limit: i32,
}

/// Nothing to say.
#[derive(Debug, clap::Args)]
pub struct SchedulesArgs {}

/// What to run.
#[derive(Debug, clap::Args)]
pub struct SweepArgs {
    /// The schedule: `advance` repeats the next step of orders that were interrupted; `anchor`
    /// writes down where the chains of the ledgers stand; `expire-holds` releases what expired
    /// payments hold; `expire-vouchers` books out what remains of expired vouchers.
    #[arg(default_value = "advance")]
    kind: String,
}

impl EventsArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let Self { account, types, cursor, limit } = self;
        let request = ListEventsRequest { account_id: account, types, cursor, limit };
        let call = async || {
            EventServiceClient::new(client.connection.clone()).list_events(request.clone()).await
        };
        let answer = safe(call).await?;
        client.print(answer.get_ref(), |answer| events(answer, client))?;
        Ok(Done::Whole)
    }
}

fn events(answer: &ListEventsResponse, client: &Client) -> String {
    let mut table = Table::new(&["TIME", "TYPE", "ACCOUNT", "INSTANCE", "ORDER", "MORE"]);
    for event in &answer.events {
        let Event { r#type, account_id, instance_id, order_id, attributes, .. } = event;
        let more = attributes.iter().map(|(name, value)| format!("{name}={value}"));
        table.row([
            show::instant(event.time.as_ref(), client.zone),
            r#type.clone(),
            account_id.clone(),
            show::or_nothing(instance_id),
            show::or_nothing(order_id),
            show::or_nothing(&more.collect::<Vec<_>>().join(" ")),
        ]);
    }
    let next = format!("next: --cursor {}", answer.next_cursor);
    table.text() + &look(&next, Look::Quiet) + "\n"
}

impl SchedulesArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let call = async || scheduler(client).list_schedules(ListSchedulesRequest {}).await;
        let answer = safe(call).await?;
        client.print(answer.get_ref(), |answer| schedules(answer, client))?;
        Ok(Done::Whole)
    }
}

fn schedules(answer: &ListSchedulesResponse, client: &Client) -> String {
    let mut table =
        Table::new(&["SCHEDULE", ">EVERY", "LAST RUN", ">DONE", "ERROR", "WHAT IT DOES"]);
    for schedule in &answer.schedules {
        let last = schedule.last_run.as_ref();
        table.row([
            schedule.kind.clone(),
            format!("{} s", schedule.interval_seconds),
            show::instant(last.and_then(|run| run.end_time.as_ref()), client.zone),
            last.map_or_else(|| show::NOTHING.to_owned(), |run| run.done.to_string()),
            last.map_or_else(|| show::NOTHING.to_owned(), |run| show::or_nothing(&run.error)),
            schedule.description.clone(),
        ]);
    }
    table.text()
}

impl SweepArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let bar = pages::progress("sweeping", 0);
        let request = RunNowRequest { kind: self.kind };
        let answer = safe(async || scheduler(client).run_now(request.clone()).await).await;
        bar.finish_and_clear();
        let answer = answer?;
        let run = answer.get_ref().run.clone().unwrap_or_default();
        client.print(answer.get_ref(), |_| run_text(&run, client))?;
        Ok(Done::unless(!run.error.is_empty()))
    }
}

fn run_text(run: &Run, client: &Client) -> String {
    let error = if run.error.is_empty() { String::new() } else { look(&run.error, Look::Bad) };
    facts([
        ("began", show::instant(run.start_time.as_ref(), client.zone)),
        ("ended", show::instant(run.end_time.as_ref(), client.zone)),
        ("done", run.done.to_string()),
        ("failed", error),
    ])
}

fn scheduler(client: &Client) -> SchedulerServiceClient<Connection> {
    SchedulerServiceClient::new(client.connection.clone())
}
