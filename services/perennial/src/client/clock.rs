//! `perennial clock`: what time it is for the suite, and living through time in a sandbox.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Utc};
use platform::client::{Connection, safe};
use proto::{
    convert::{instant, timestamp},
    scheduler::v1::{
        AdvanceClockRequest, AdvanceClockResponse, GetClockRequest, GetClockResponse,
        clock_service_client::ClockServiceClient,
    },
};

use super::{
    Client, Output,
    failure::{Done, Failure},
    message,
};
use crate::{
    output,
    text::{show, table::facts},
};

/// What `clock --help` shows.
pub const EXAMPLES: &str = "\
Only the clock of a sandbox moves: `serve --sandbox-clock INSTANT`.

Examples:
  perennial clock
  perennial clock advance --days 31
  perennial clock advance --until 2026-06-21T00:00";

/// What about the clock.
#[derive(Debug, clap::Args)]
pub struct ClockArgs {
    #[command(subcommand)]
    command: Option<Command>,
}

/// Commands on the clock; none of them tells the time.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Move the clock of a sandbox forward, with everything that becomes due on the way.
    #[command(after_help = EXAMPLES)]
    Advance(Ahead),
}

/// How far.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Ahead {
    /// For so many days.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3_653))]
    days: Option<u16>,
    /// Until this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl ClockArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self.command {
            None => {
                let clock = clock(client).await?;
                client.print(&clock, |clock| {
                    let moved = if clock.sandbox { "by hand: a sandbox" } else { "by itself" };
                    let time = show::instant(clock.time.as_ref(), client.zone);
                    facts([("time", time), ("moves", moved.to_owned())])
                })?;
                Ok(Done::Whole)
            }
            Some(Command::Advance(ahead)) => ahead.run(client).await,
        }
    }
}

impl Ahead {
    async fn run(self, client: &Client) -> Result<Done, Failure> {
        let until = match (&self.until, self.days) {
            (Some(text), _) => client.instant("--until", text)?,
            (None, days) => {
                let now = clock(client).await?.time.and_then(|time| instant(time).ok());
                let days = Days::new(days.unwrap_or_default().into());
                let until = now.and_then(|now: DateTime<Utc>| now.checked_add_days(days));
                let until = until.ok_or_else(|| Failure::Usage("--days leads too far".into()))?;
                timestamp(until)
            }
        };
        let request = AdvanceClockRequest { until: Some(until) };
        let mut stops = clocks(client).advance_clock(request).await?.into_inner();
        let mut time = None;
        while let Some(stop) = stops.message().await? {
            match client.output {
                Output::Json => output::print(format_args!("{}\n", message::to_json(&stop)))?,
                Output::Table => output::print(line(&stop, client))?,
            }
            time = stop.time;
        }
        if matches!(client.output, Output::Table) {
            output::print(format_args!("{}  now\n", show::instant(time.as_ref(), client.zone)))?;
        }
        Ok(Done::Whole)
    }
}

/// A stop, on one line; nothing where nothing happened.
fn line(stop: &AdvanceClockResponse, client: &Client) -> String {
    let counted = |counts: &BTreeMap<String, i64>| {
        let words = counts.iter().map(|(what, count)| format!("{what} {count}"));
        words.collect::<Vec<_>>().join(", ")
    };
    let words = [counted(&stop.done), counted(&stop.failed)];
    let words: Vec<_> = words.into_iter().filter(|words| !words.is_empty()).collect();
    if words.is_empty() {
        return String::new();
    }
    format!("{}  {}\n", show::instant(stop.time.as_ref(), client.zone), words.join("; failed: "))
}

/// What time it is: in a sandbox by its clock, and otherwise by this machine's.
pub async fn now(client: &Client) -> DateTime<Utc> {
    // Who speaks to some of the services only may have no scheduler there.
    let told = clocks(client).get_clock(GetClockRequest {}).await.ok();
    let told = told.map(tonic::Response::into_inner).filter(|clock| clock.sandbox);
    let time = told.and_then(|clock| instant(clock.time?).ok());
    time.unwrap_or_else(|| client.env.now())
}

async fn clock(client: &Client) -> Result<GetClockResponse, Failure> {
    let call = async || clocks(client).get_clock(GetClockRequest {}).await;
    Ok(safe(call).await?.into_inner())
}

fn clocks(client: &Client) -> ClockServiceClient<Connection> {
    ClockServiceClient::new(client.connection.clone())
}
