//! `perennial forecast`.

use platform::client::{Connection, safe};
use proto::renewal::v1::{ForecastRenewalsRequest, forecast_service_client::ForecastServiceClient};

use super::{
    AccountArg, Client,
    failure::{Done, Failure},
};
use crate::text::forecast;

/// What `forecast --help` shows.
pub const EXAMPLES: &str = "\
Examples:
  perennial forecast --account acme
  perennial forecast --account acme --days 366 --output json

It is what happens if nobody does anything. Exit code 1 says that money will run short.";

/// The largest answer that is read, in bytes: a thousand instances tried every day for a year.
const LARGEST: usize = 256 << 20;

/// Of what, and how far ahead.
#[derive(Debug, clap::Args)]
pub struct ForecastArgs {
    #[command(flatten)]
    account: AccountArg,
    /// How many days, today being the first; 1 to 366.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i32).range(1..=366))]
    days: i32,
}

impl ForecastArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let request = ForecastRenewalsRequest { account_id: self.account.account, days: self.days };
        let call = async || forecasts(client).forecast_renewals(request.clone()).await;
        let answer = safe(call).await?.into_inner();
        client.print(&answer, |answer| forecast::calendar(answer, client.zone))?;
        Ok(Done::unless(answer.first_shortage.is_some()))
    }
}

fn forecasts(client: &Client) -> ForecastServiceClient<Connection> {
    ForecastServiceClient::new(client.connection.clone()).max_decoding_message_size(LARGEST)
}
