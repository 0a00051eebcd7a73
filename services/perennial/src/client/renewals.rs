//! `perennial quote` and `perennial renew`.

use platform::client::{Connection, safe};
use proto::{
    renewal::v1::{
        CreateRenewalOrderRequest, GetInstanceRequest, Order, PaymentChoice, PreviewRenewalRequest,
        PreviewRenewalResponse, RefusedInstance, Selection, StandardDate, TickedInstance,
        create_renewal_order_request::What, instance_service_client::InstanceServiceClient,
        order::State, order_service_client::OrderServiceClient, payment_choice,
        payment_choice::Vouchers as Choice, selection,
    },
    r#type::v1::{Configuration, Date, Money, Setting, TermDuration},
};

use super::{
    AccountArg, Client, QuietArg, RequestIdArg,
    failure::{Done, Failure},
    value,
};
use crate::text::{
    bill, show,
    table::{Look, look},
};

/// What `quote --help` shows.
pub const QUOTE_EXAMPLES: &str = "\
Examples:
  perennial quote --account acme vm-1 --duration 1y
  perennial quote --account acme vm-1 --duration 1y --tick eip-1 --tick disk-1
  perennial quote --account acme pool-1 pool-2 --duration 1m --standard-date
  perennial quote --account acme eip-1 eip-2 --on 2026-12-31

Exit code 1 says that the bill cannot be ordered, 4 that it leaves out what is refused.";

/// What `renew --help` shows.
pub const RENEW_EXAMPLES: &str = "\
Examples:
  perennial renew --account acme vm-1 --duration 1y --dry-run
  perennial renew --account acme vm-1 --duration 1y --expect \"CNY 560.00\"
  perennial renew --account acme vm-1 vm-2 --duration 1m --best-effort
  perennial renew --account acme redis-1 --duration 1m --set capacity_gb=1
  perennial renew --account acme vm-1 --duration 3m --voucher 0190…
  perennial renew --account acme vm-1 --duration 3m --unpaid

Exit code 1 says that it was refused, or that the order awaits its payment because there is too
little money; 4 that the order leaves out what is refused.";

/// What to renew, and how.
#[derive(Debug, clap::Args)]
pub struct SelectionArgs {
    /// The instances, at most 100. What is bound to them FORCED or STRONG comes by itself.
    #[arg(value_name = "INSTANCE")]
    instances: Vec<String>,
    /// How long: a number of months or years, such as 6m or 1y.
    #[arg(long, short, value_parser = value::duration)]
    duration: Option<TermDuration>,
    /// An instance that is bound to one of them OPTIONAL and is to go along.
    #[arg(long, value_name = "INSTANCE")]
    tick: Vec<String>,
    /// As --tick, but to its parent's new expiry instead of by the same duration.
    #[arg(long, value_name = "INSTANCE")]
    tick_to_parent: Vec<String>,
    /// End on the account's standard renewal date, or on this day of the month: 1 to 28, or last.
    #[arg(
        long,
        value_name = "DAY",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "account",
        value_parser = value::standard_date
    )]
    standard_date: Option<StandardDate>,
    /// End with this date as the last day.
    #[arg(long, value_name = "DATE", value_parser = value::date, conflicts_with = "standard_date")]
    on: Option<Date>,
    /// Leave out what is refused, instead of refusing the whole.
    #[arg(long)]
    best_effort: bool,
    /// Another value of a setting, from the next term on; the other settings stay.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = value::pair)]
    settings: Vec<(String, String)>,
}

/// What to quote.
#[derive(Debug, clap::Args)]
pub struct QuoteArgs {
    #[command(flatten)]
    account: AccountArg,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// The flags that say what to renew; a quote says it too.
const SELECTION: [&str; 8] = [
    "instances",
    "duration",
    "tick",
    "tick_to_parent",
    "standard_date",
    "on",
    "best_effort",
    "settings",
];

/// What to renew, and how to pay.
#[derive(Debug, clap::Args)]
pub struct RenewArgs {
    #[command(flatten)]
    account: AccountArg,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Order what this quote says, at its price, instead of naming instances.
    #[arg(long, value_name = "UUID", conflicts_with_all = SELECTION)]
    quote: Option<String>,
    /// The price that you expect; another one is refused.
    #[arg(long, value_name = "AMOUNT", value_parser = value::money)]
    expect: Option<Money>,
    /// Only say what it would give and cost.
    #[arg(
        long,
        conflicts_with_all = [
            "quote", "expect", "unpaid", "vouchers", "no_vouchers", "request_id", "quiet"
        ]
    )]
    dry_run: bool,
    /// Only order; the order awaits its payment.
    #[arg(long, conflicts_with_all = ["vouchers", "no_vouchers"])]
    unpaid: bool,
    #[command(flatten)]
    pay: PayArgs,
    #[command(flatten)]
    request_id: RequestIdArg,
    #[command(flatten)]
    quiet: QuietArg,
}

/// How to pay.
#[derive(Debug, clap::Args)]
pub struct PayArgs {
    /// Pay with this voucher; may be given several times. Without it, and without --no-vouchers,
    /// the account's profile says which vouchers pay.
    #[arg(long = "voucher", value_name = "UUID")]
    vouchers: Vec<String>,
    /// Pay with cash alone.
    #[arg(long, conflicts_with = "vouchers")]
    no_vouchers: bool,
}

impl PayArgs {
    /// The choice on the wire.
    pub fn choice(self) -> PaymentChoice {
        let vouchers = if self.no_vouchers {
            Some(Choice::None(payment_choice::None {}))
        } else if self.vouchers.is_empty() {
            None
        } else {
            Some(Choice::Named(payment_choice::Named { voucher_ids: self.vouchers }))
        };
        PaymentChoice { vouchers }
    }
}

impl SelectionArgs {
    /// The selection on the wire; asks for the present configuration where some of it is to change.
    pub async fn selection(self, client: &Client, account: &str) -> Result<Selection, Failure> {
        if self.instances.is_empty() {
            return Err(Failure::Usage("name the instances to renew".to_owned()));
        }
        let new_configuration = match self.settings.as_slice() {
            [] => None,
            settings => Some(changed(client, account, &self.instances[0], settings).await?),
        };
        let ticked =
            |to_parent_expiry| move |instance_id| TickedInstance { instance_id, to_parent_expiry };
        let target = match (self.on, self.standard_date) {
            (Some(date), _) => Some(selection::Target::AdHocDate(date)),
            (None, Some(date)) => Some(selection::Target::StandardDate(date)),
            (None, None) => None,
        };
        let mode = if self.best_effort {
            selection::Mode::BestEffort
        } else {
            selection::Mode::AllOrNothing
        };
        let plain = self.tick.into_iter().map(ticked(false));
        Ok(Selection {
            instance_ids: self.instances,
            ticked: plain.chain(self.tick_to_parent.into_iter().map(ticked(true))).collect(),
            duration: self.duration,
            mode: mode.into(),
            new_configuration,
            target,
        })
    }
}

/// The instance's configuration with `settings` in place of those of the same name.
async fn changed(
    client: &Client,
    account: &str,
    instance: &str,
    settings: &[(String, String)],
) -> Result<Configuration, Failure> {
    let request =
        GetInstanceRequest { account_id: account.to_owned(), instance_id: instance.to_owned() };
    let mut instances = InstanceServiceClient::new(client.connection.clone());
    let answer = instances.get_instance(request).await?.into_inner();
    let instance = answer.instance.unwrap_or_default();
    let mut configuration =
        instance.pending_configuration.or(instance.configuration).unwrap_or_default();
    for (name, value) in settings {
        match configuration.settings.iter_mut().find(|setting| setting.name == *name) {
            Some(setting) => setting.value.clone_from(value),
            None => {
                configuration.settings.push(Setting { name: name.clone(), value: value.clone() });
            }
        }
    }
    Ok(configuration)
}

impl QuoteArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        quote(client, self.account.account, self.selection).await
    }
}

async fn quote(
    client: &Client,
    account_id: String,
    selection: SelectionArgs,
) -> Result<Done, Failure> {
    let answer = preview(client, account_id, selection).await?;
    client.print(&answer, |answer| preview_text(answer, client))?;
    let bill = answer.bill.unwrap_or_default();
    if !bill.orderable {
        return Ok(Done::Refused);
    }
    Ok(with_left_out(bill.refused.iter().chain(&bill.left_out)))
}

/// What a renewal would give and cost.
pub async fn preview(
    client: &Client,
    account_id: String,
    selection: SelectionArgs,
) -> Result<PreviewRenewalResponse, Failure> {
    let selection = Some(selection.selection(client, &account_id).await?);
    let request = PreviewRenewalRequest { account_id, selection, as_of: None };
    let call = async || orders(client).preview_renewal(request.clone()).await;
    Ok(safe(call).await?.into_inner())
}

fn preview_text(answer: &PreviewRenewalResponse, client: &Client) -> String {
    let bill = answer.bill.clone().unwrap_or_default();
    let mut text = bill::bill(&bill, client.zone);
    if bill.orderable {
        let until = show::instant(answer.hold_until.as_ref(), client.zone);
        let quote = format!("quote {} holds this price until {until}", answer.quote_id);
        text += &(look(&quote, Look::Quiet) + "\n");
    } else {
        text += &(look("this cannot be ordered", Look::Bad) + "\n");
    }
    text
}

impl RenewArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let account_id = self.account.account;
        if self.dry_run {
            return quote(client, account_id, self.selection).await;
        }
        let what = match self.quote {
            Some(quote) => What::QuoteId(quote),
            None => What::Selection(self.selection.selection(client, &account_id).await?),
        };
        let request = CreateRenewalOrderRequest {
            request_id: client.request_id(self.request_id),
            account_id,
            what: Some(what),
            expected_payable: self.expect,
            pay: (!self.unpaid).then(|| self.pay.choice()),
        };
        let call = async || orders(client).create_renewal_order(request.clone()).await;
        let answer = safe(call).await?.into_inner();
        let order = answer.order.clone().unwrap_or_default();
        client.print_or_id(self.quiet, &answer, &order.order_id, |_| {
            bill::order(&order, client.zone) + &how_to_pay(&order)
        })?;
        if order.payment_refusal.is_some() {
            return Ok(Done::Refused);
        }
        Ok(with_left_out(&order.left_out))
    }
}

/// What to type next, where an order awaits its payment.
fn how_to_pay(order: &Order) -> String {
    if order.state() != State::PendingPayment {
        return String::new();
    }
    let Order { account_id, order_id, .. } = order;
    let cash = format!("to pay it: perennial orders pay -a {account_id} {order_id}");
    let channel =
        format!("by a channel: perennial checkout -a {account_id} --channel NAME {order_id}");
    look(&format!("{cash}\n{channel}"), Look::Quiet) + "\n"
}

/// What an order is that has left these out: the whole, where they had nothing to add.
fn with_left_out<'a>(left_out: impl IntoIterator<Item = &'a RefusedInstance>) -> Done {
    let mut refusals = left_out.into_iter().flat_map(|instance| &instance.refusals);
    if refusals.any(|refusal| refusal.reason != "ALREADY_COVERED") {
        Done::Part
    } else {
        Done::Whole
    }
}

fn orders(client: &Client) -> OrderServiceClient<Connection> {
    OrderServiceClient::new(client.connection.clone())
}
