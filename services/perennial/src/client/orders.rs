//! `perennial orders …`

use std::{fmt::Write as _, time::Duration};

use platform::client::{Connection, safe};
use proto::{
    renewal::v1::{
        CancelOrderRequest, GetOrderRequest, ListOrdersRequest, Order, PayOrderRequest,
        RefundOrderRequest, order::State, order_service_client::OrderServiceClient,
    },
    wallet::v1::{RefundDestination, refund},
};

use super::{
    AccountArg, Client, QuietArg, RequestIdArg,
    failure::{Done, Failure},
    pages::{self, PageArgs},
    renewals::PayArgs,
};
use crate::text::{
    bill, show,
    table::{Table, look},
};

/// Commands on orders.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The orders of an account, newest first.
    #[command(after_help = "Examples:
  perennial orders list --account acme --state pending-payment
  perennial orders list --account acme --instance vm-1 --all --output json")]
    List {
        #[command(flatten)]
        account: AccountArg,
        /// Only orders in this state; may be given several times.
        #[arg(long)]
        state: Vec<StateArg>,
        /// Only orders of this instance.
        #[arg(long, default_value = "", hide_default_value = true)]
        instance: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// An order with its bill and what paid it.
    #[command(after_help = "Examples:
  perennial orders get --account acme 01900000-0000-7000-8000-000000000000
  perennial orders get --account acme 01900000-0000-7000-8000-000000000000 --wait")]
    Get {
        #[command(flatten)]
        order: OrderArg,
        /// Wait until no channel and no service owes it an answer any more, for as long as
        /// --timeout-seconds says.
        #[arg(long)]
        wait: bool,
    },
    /// Pay an order as a whole, from vouchers and cash.
    #[command(after_help = "Examples:
  perennial orders pay --account acme 01900000-0000-7000-8000-000000000000
  perennial orders pay --account acme 01900000-0000-7000-8000-000000000000 --no-vouchers")]
    Pay {
        #[command(flatten)]
        order: OrderArg,
        #[command(flatten)]
        pay: PayArgs,
        #[command(flatten)]
        request_id: RequestIdArg,
    },
    /// Take back terms that have not begun, and get the money back: of an order, or of some of it.
    #[command(after_help = "Examples:
  perennial orders refund --account acme 01900000-0000-7000-8000-000000000000
  perennial orders refund --account acme 01900000-0000-7000-8000-000000000000 vm-1 vm-2
  perennial orders refund --account acme 01900000-0000-7000-8000-000000000000 --to-channel")]
    Refund {
        #[command(flatten)]
        order: OrderArg,
        /// Its instances, groups whole; none: all that are not refunded yet.
        instances: Vec<String>,
        /// What a channel paid goes back through it, and not to the cash balance.
        #[arg(long)]
        to_channel: bool,
        #[command(flatten)]
        request_id: RequestIdArg,
        #[command(flatten)]
        quiet: QuietArg,
    },
    /// Call an unpaid order off.
    #[command(after_help = "Example:
  perennial orders cancel --account acme 01900000-0000-7000-8000-000000000000")]
    Cancel(OrderArg),
}

/// Which order.
#[derive(Debug, clap::Args)]
pub struct OrderArg {
    #[command(flatten)]
    account: AccountArg,
    /// The order.
    order: String,
}

/// The states of an order.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum StateArg {
    PendingPayment,
    Paying,
    Paid,
    Completed,
    Cancelled,
    Expired,
    Failed,
    Refunding,
    PartlyRefunded,
    Refunded,
}

impl StateArg {
    const fn state(self) -> State {
        match self {
            Self::PendingPayment => State::PendingPayment,
            Self::Paying => State::Paying,
            Self::Paid => State::Paid,
            Self::Completed => State::Completed,
            Self::Cancelled => State::Cancelled,
            Self::Expired => State::Expired,
            Self::Failed => State::Failed,
            Self::Refunding => State::Refunding,
            Self::PartlyRefunded => State::PartlyRefunded,
            Self::Refunded => State::Refunded,
        }
    }
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::List { account, state, instance, page } => {
                let states: Vec<i32> = state.iter().map(|state| state.state().into()).collect();
                list(client, &account.account, &states, &instance, page).await
            }
            Self::Get { order, wait } => get(client, order, wait).await,
            Self::Pay { order, pay, request_id } => {
                let request = PayOrderRequest {
                    request_id: client.request_id(request_id),
                    account_id: order.account.account,
                    order_id: order.order,
                    pay: Some(pay.choice()),
                };
                let answer = safe(async || orders(client).pay_order(request.clone()).await).await?;
                client.print(answer.get_ref(), |answer| text(answer.order.as_ref(), client))?;
                Ok(Done::Whole)
            }
            Self::Refund { order, instances, to_channel, request_id, quiet } => {
                let destination = if to_channel {
                    RefundDestination::Channel
                } else {
                    RefundDestination::CashBalance
                };
                let request = RefundOrderRequest {
                    request_id: client.request_id(request_id),
                    account_id: order.account.account,
                    order_id: order.order,
                    instance_ids: instances,
                    destination: destination.into(),
                };
                refund(client, request, quiet).await
            }
            Self::Cancel(OrderArg { account, order }) => {
                let request = CancelOrderRequest { account_id: account.account, order_id: order };
                let call = async || orders(client).cancel_order(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| text(answer.order.as_ref(), client))?;
                Ok(Done::Whole)
            }
        }
    }
}

async fn get(client: &Client, order: OrderArg, wait: bool) -> Result<Done, Failure> {
    let OrderArg { account: AccountArg { account }, order } = order;
    let request = GetOrderRequest { account_id: account, order_id: order };
    let mut left = if wait { client.timeout.as_secs() } else { 0 };
    loop {
        let answer = safe(async || orders(client).get_order(request.clone()).await).await?;
        let answer = answer.into_inner();
        if left == 0 || !answer.order.as_ref().is_some_and(is_owed_an_answer) {
            client.print(&answer, |answer| text(answer.order.as_ref(), client))?;
            return Ok(Done::Whole);
        }
        left -= 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Whether a channel or a service is asked for something of an order and has not answered.
fn is_owed_an_answer(order: &Order) -> bool {
    order.checkout.is_some()
        || matches!(order.state(), State::Paying | State::Refunding)
        || order.refunds.iter().any(|it| it.state() == refund::State::Pending)
}

async fn refund(
    client: &Client,
    request: RefundOrderRequest,
    quiet: QuietArg,
) -> Result<Done, Failure> {
    let answer = safe(async || orders(client).refund_order(request.clone()).await).await?;
    let refunds = answer.get_ref().order.as_ref().map(|order| order.refunds.as_slice());
    let id = refunds.and_then(|refunds| refunds.last()).map_or("", |it| &it.refund_id);
    client.print_or_id(quiet, answer.get_ref(), id, |answer| {
        let mut told = text(answer.order.as_ref(), client);
        for id in &answer.made_manual_ids {
            let _ = writeln!(told, "{id} is not renewed automatically any more");
        }
        told
    })?;
    Ok(Done::Whole)
}

async fn list(
    client: &Client,
    account: &str,
    states: &[i32],
    instance: &str,
    page: PageArgs,
) -> Result<Done, Failure> {
    let list = async |page| {
        let request = ListOrdersRequest {
            account_id: account.to_owned(),
            states: states.to_vec(),
            instance_id: instance.to_owned(),
            page: Some(page),
            with_attempts: false,
        };
        let call = async || orders(client).list_orders(request.clone()).await;
        safe(call).await.map(tonic::Response::into_inner)
    };
    let answer = pages::fetch(page, list).await?;
    client.print(&answer, |answer| {
        let unreadable = answer.unreadable_order_ids.iter();
        let unreadable = unreadable.map(|id| format!("order {id} cannot be read\n"));
        rows(&answer.orders, client) + &unreadable.collect::<String>() + &pages::footer(answer)
    })?;
    Ok(Done::Whole)
}

fn rows(orders: &[Order], client: &Client) -> String {
    let mut table = Table::new(&["ORDER", "MADE", "STATE", ">PAYABLE", "INSTANCES"]);
    for order in orders {
        let items = order.items.iter().filter_map(|item| item.item.as_ref());
        let state = show::word(order.state().as_str_name(), "STATE_");
        table.row([
            order.order_id.clone(),
            show::instant(order.create_time.as_ref(), client.zone),
            look(&state, bill::state_look(&state)),
            show::money(order.payable.as_ref()),
            items.map(|item| item.instance_id.as_str()).collect::<Vec<_>>().join(" "),
        ]);
    }
    table.text()
}

fn text(order: Option<&Order>, client: &Client) -> String {
    order.map(|order| bill::order(order, client.zone)).unwrap_or_default()
}

fn orders(client: &Client) -> OrderServiceClient<Connection> {
    OrderServiceClient::new(client.connection.clone())
}
