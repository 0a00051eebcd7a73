//! `perennial events`.

use std::time::Duration;

use platform::client::{Connection, safe};
use proto::renewal::v1::{
    Event, ListEventsRequest, ListEventsResponse, WatchEventsRequest, WatchEventsResponse,
    event_service_client::EventServiceClient,
};
use tonic::{Code, Status, Streaming};

use super::{
    Client, Output,
    failure::{Done, Failure},
    message,
};
use crate::{
    output,
    text::{
        show,
        table::{Look, Table, look},
    },
};

/// What `events --help` shows.
pub const EXAMPLES: &str = "\
Examples:
  perennial events --account acme --type instance.renewed
  perennial events --cursor CURSOR --limit 1000 --output json
  perennial events --follow --from-now
  perennial events --follow --product jd-vm --output json > events.jsonl";

/// Events of an answer where nobody says how many.
const LIMIT: i32 = 100;

/// How long to wait before a watch that broke is begun again.
const PAUSE: Duration = Duration::from_secs(1);

/// Which events.
#[derive(Debug, clap::Args)]
pub struct EventsArgs {
    /// Only this account's; all by default.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    account: String,
    /// Only of this type, such as order.paid; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only of instances of this product.
    #[arg(long, default_value = "", hide_default_value = true)]
    product: String,
    /// Where an earlier answer said to go on; from the oldest by default.
    #[arg(long, default_value = "", hide_default_value = true)]
    cursor: String,
    /// How many at the most, 1 to 1,000 [default: 100; no limit with --follow].
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    limit: Option<i32>,
    /// Tell them as they come, one a line, until the limit is reached or the command is stopped.
    #[arg(long, short)]
    follow: bool,
    /// Only what happens from now on.
    #[arg(long, requires = "follow", conflicts_with = "cursor")]
    from_now: bool,
}

impl EventsArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let Self { account, types, product, cursor, limit, follow: watch, from_now } = self;
        if watch {
            let request = WatchEventsRequest {
                account_id: account,
                types,
                product_id: product,
                cursor,
                from_now,
            };
            return follow(client, request, limit).await;
        }
        let limit = limit.unwrap_or(LIMIT);
        let request =
            ListEventsRequest { account_id: account, types, cursor, limit, product_id: product };
        let answer = safe(async || events(client).list_events(request.clone()).await).await?;
        client.print(answer.get_ref(), |answer| listed(answer, client))?;
        Ok(Done::Whole)
    }
}

/// Writes events as they come; where the connection is lost on the way, goes on from the last cursor.
async fn follow(
    client: &Client,
    mut request: WatchEventsRequest,
    limit: Option<i32>,
) -> Result<Done, Failure> {
    let mut left = limit.and_then(|limit| usize::try_from(limit).ok());
    let mut watch = begin(client, &request).await?;
    loop {
        match watch.message().await {
            Ok(Some(message)) => {
                let events = message.events.iter().take(left.unwrap_or(usize::MAX));
                output::print(events.map(|event| line(event, client)).collect::<String>())?;
                left = left.map(|left| left.saturating_sub(message.events.len()));
                if left == Some(0) {
                    return Ok(Done::Whole);
                }
                request.from_now &= message.cursor.is_empty();
                request.cursor = message.cursor;
            }
            Err(status) if !is_lost(&status) => return Err(status.into()),
            Ok(None) | Err(_) => {
                output::complain("the connection was lost: going on from the last event\n");
                watch = again(client, &request).await?;
            }
        }
    }
}

async fn begin(
    client: &Client,
    request: &WatchEventsRequest,
) -> Result<Streaming<WatchEventsResponse>, Status> {
    let watch = safe(async || events(client).watch_events(request.clone()).await).await?;
    Ok(watch.into_inner())
}

/// Begins anew until somebody answers.
async fn again(
    client: &Client,
    request: &WatchEventsRequest,
) -> Result<Streaming<WatchEventsResponse>, Status> {
    loop {
        tokio::time::sleep(PAUSE).await;
        match begin(client, request).await {
            Err(status) if is_lost(&status) => {}
            watch => return watch,
        }
    }
}

/// Whether it is the connection that failed, or the server that is too busy.
fn is_lost(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::ResourceExhausted
            | Code::DeadlineExceeded
    )
}

/// An event as a line of its own.
fn line(event: &Event, client: &Client) -> String {
    match client.output {
        Output::Json => format!("{}\n", message::to_json(event)),
        Output::Table => {
            let cells = cells(event, client);
            let told = cells.iter().filter(|cell| *cell != show::NOTHING);
            told.map(String::as_str).collect::<Vec<_>>().join("  ") + "\n"
        }
    }
}

fn listed(answer: &ListEventsResponse, client: &Client) -> String {
    let mut table = Table::new(&["TIME", "TYPE", "ACCOUNT", "INSTANCE", "ORDER", "MORE"]);
    for event in &answer.events {
        table.row(cells(event, client));
    }
    let more = if answer.more { "there is more: " } else { "" };
    let next = format!("{more}next: --cursor {}", answer.next_cursor);
    table.text() + &look(&next, Look::Quiet) + "\n"
}

fn cells(event: &Event, client: &Client) -> [String; 6] {
    let Event { r#type, account_id, instance_id, order_id, attributes, .. } = event;
    let more = attributes.iter().map(|(name, value)| format!("{name}={value}"));
    [
        show::instant(event.time.as_ref(), client.zone),
        r#type.clone(),
        account_id.clone(),
        show::or_nothing(instance_id),
        show::or_nothing(order_id),
        show::or_nothing(&more.collect::<Vec<_>>().join(" ")),
    ]
}

fn events(client: &Client) -> EventServiceClient<Connection> {
    EventServiceClient::new(client.connection.clone())
}
