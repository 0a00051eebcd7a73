//! `perennial attempts …`

use platform::client::{Connection, safe};
use proto::{
    renewal::v1::{
        CountAttemptsRequest, ListAttemptsRequest, order_service_client::OrderServiceClient,
    },
    r#type::v1::Date,
};

use super::{
    AccountArg, Client,
    failure::{Done, Failure},
    pages::{self, PageArgs},
    value,
};
use crate::text::attempts;

/// Commands on attempts to renew instances by themselves.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// How attempts were decided, latest dates first.
    #[command(after_help = "Examples:
  perennial attempts list --account acme
  perennial attempts list --account acme --instance vm-1 --date 2026-03-10")]
    List {
        #[command(flatten)]
        account: AccountArg,
        /// Only attempts to renew this instance, or the group that it is the primary of.
        #[arg(long, default_value = "", hide_default_value = true)]
        instance: String,
        /// Only attempts of this date.
        #[arg(long, value_parser = value::date)]
        date: Option<Date>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Prove of a day that each attempt that came due was decided exactly once.
    #[command(after_help = "Example:
  perennial attempts count --account acme 2026-03-10

Exit code 1 says that an attempt was not decided once.")]
    Count {
        #[command(flatten)]
        account: AccountArg,
        /// The date of the attempts.
        #[arg(value_parser = value::date)]
        date: Date,
    },
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::List { account: AccountArg { account }, instance, date, page } => {
                let list = async |page| {
                    let request = ListAttemptsRequest {
                        account_id: account.clone(),
                        instance_id: instance.clone(),
                        date,
                        page: Some(page),
                    };
                    let call = async || orders(client).list_attempts(request.clone()).await;
                    safe(call).await.map(tonic::Response::into_inner)
                };
                let answer = pages::fetch(page, list).await?;
                client.print(&answer, |answer| {
                    attempts::attempts(&answer.attempts, client.zone) + &pages::footer(answer)
                })?;
                Ok(Done::Whole)
            }
            Self::Count { account: AccountArg { account }, date } => {
                let request = CountAttemptsRequest { account_id: account, date: Some(date) };
                let call = async || orders(client).count_attempts(request.clone()).await;
                let answer = safe(call).await?.into_inner();
                client.print(&answer, |answer| attempts::count(answer, client.zone))?;
                Ok(Done::unless(answer.due != answer.decided))
            }
        }
    }
}

fn orders(client: &Client) -> OrderServiceClient<Connection> {
    OrderServiceClient::new(client.connection.clone())
}
