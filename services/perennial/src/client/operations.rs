//! `perennial events`.

use platform::client::safe;
use proto::renewal::v1::{
    Event, ListEventsRequest, ListEventsResponse, event_service_client::EventServiceClient,
};

use super::{
    Client,
    failure::{Done, Failure},
};
use crate::text::{
    show,
    table::{Look, Table, look},
};

/// What `events --help` shows.
pub const EVENTS_EXAMPLES: &str = "\
Examples:
  perennial events --account acme --type instance.renewed
  perennial events --cursor CURSOR --limit 1000 --output json";

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
