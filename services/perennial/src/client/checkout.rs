//! `perennial checkout`

use platform::client::safe;
use proto::renewal::v1::{CheckoutOrderRequest, order_service_client::OrderServiceClient};

use super::{
    AccountArg, Client, QuietArg, RequestIdArg,
    failure::{Done, Failure},
    renewals::PayArgs,
};
use crate::text::bill;

/// What stands below the flags.
pub const EXAMPLES: &str = "Examples:
  perennial checkout --account acme --channel sandbox 01900000-0000-7000-8000-000000000000
  perennial checkout --account acme --channel sandbox --use-cash 01900000-0000-7000-8000-000000000000
  perennial checkout --account acme --channel sandbox --quiet 01900000-0000-7000-8000-000000000000";

/// Which order, and who is asked for what of it.
#[derive(Debug, clap::Args)]
pub struct CheckoutArgs {
    #[command(flatten)]
    account: AccountArg,
    /// The order.
    order: String,
    /// The channel, by its name.
    #[arg(long)]
    channel: String,
    /// Cash pays first, and the channel the rest.
    #[arg(long)]
    use_cash: bool,
    #[command(flatten)]
    pay: PayArgs,
    #[command(flatten)]
    request_id: RequestIdArg,
    #[command(flatten)]
    quiet: QuietArg,
}

impl CheckoutArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let request = CheckoutOrderRequest {
            request_id: client.request_id(self.request_id),
            account_id: self.account.account,
            order_id: self.order,
            channel: self.channel,
            pay: Some(self.pay.choice()),
            use_cash: self.use_cash,
        };
        let answer = safe(async || {
            let mut orders = OrderServiceClient::new(client.connection.clone());
            orders.checkout_order(request.clone()).await
        });
        let answer = answer.await?;
        let order = answer.get_ref().order.clone().unwrap_or_default();
        let reference = order.checkout.as_ref().map_or("", |intent| &intent.intent_id);
        client.print_or_id(self.quiet, answer.get_ref(), reference, |_| {
            bill::order(&order, client.zone)
        })?;
        Ok(Done::Whole)
    }
}
