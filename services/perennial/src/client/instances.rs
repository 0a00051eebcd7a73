//! `perennial instances …`

mod find;
mod register;

use std::fmt::Write as _;

use platform::client::{Connection, safe};
use proto::{
    renewal::v1::{
        BoundInstance, CheckRenewalsRequest, CheckRenewalsResponse, CorrectExpiryRequest,
        GetInstanceRequest, GetInstanceResponse, Instance, ListBoundInstancesRequest,
        ListBoundInstancesResponse, RenewalSetting, SetRenewalPoliciesRequest,
        SetRenewalPoliciesResponse, TermRecord, instance_service_client::InstanceServiceClient,
        policy_result::Result as Row,
    },
    r#type::v1::{RenewalPolicy, TermDuration},
};

use super::{
    AccountArg, Client, RequestIdArg,
    failure::{Done, Failure},
    value,
};
use crate::text::{
    bill, show,
    table::{Look, Table, facts, look},
};

/// Commands on instances.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Take a product console's word on instances, from files or flags.
    #[command(after_help = register::EXAMPLES)]
    Register(Box<register::RegisterArgs>),
    /// Find instances.
    #[command(after_help = find::EXAMPLES)]
    List(Box<find::ListArgs>),
    /// An instance: its dates, terms, what is bound to it, how long it can be renewed for.
    #[command(after_help = "Example:
  perennial instances get --account acme vm-1")]
    Get {
        #[command(flatten)]
        account: AccountArg,
        /// The instance.
        instance: String,
    },
    /// What is bound to an instance, with the expiry and price of renewing it along.
    #[command(after_help = "Example:
  perennial instances bound --account acme vm-1 --duration 1y")]
    Bound {
        #[command(flatten)]
        account: AccountArg,
        /// The instance.
        instance: String,
        /// The duration to price.
        #[arg(long, short, value_parser = value::duration)]
        duration: Option<TermDuration>,
    },
    /// Whether instances may be renewed, and every reason why not.
    #[command(after_help = "Example:
  perennial instances check --account acme vm-1 vm-2 --duration 3y

Exit code 1 says that one of them may not.")]
    Check {
        #[command(flatten)]
        account: AccountArg,
        /// The instances, at most 100.
        #[arg(required = true, value_name = "INSTANCE")]
        instances: Vec<String>,
        /// The duration to check.
        #[arg(long, short, value_parser = value::duration)]
        duration: Option<TermDuration>,
    },
    /// Set what happens at expiry.
    #[command(after_help = "Examples:
  perennial instances policy --account acme vm-1 vm-2 --policy auto --cycle 1m
  perennial instances policy --account acme vm-1 --policy auto --remaining 3
  perennial instances policy --account acme pool-1 --policy postpaid-after-expiry")]
    Policy(PolicyArgs),
    /// Correct an expiry that the console knows better: later without a price, or earlier.
    #[command(after_help = "Example:
  perennial instances correct --account acme vm-1 --expiry 2026-03-01 --why \"outage of 12 days\"")]
    Correct {
        #[command(flatten)]
        account: AccountArg,
        /// The instance.
        instance: String,
        /// The first instant at which it is to be expired.
        #[arg(long, value_name = "TIME")]
        expiry: String,
        /// Why, for the audit.
        #[arg(long)]
        why: String,
        #[command(flatten)]
        request_id: RequestIdArg,
    },
}

/// What is to happen at whose expiry.
#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    #[command(flatten)]
    account: AccountArg,
    /// The instances, at most 100; their groups are set along.
    #[arg(required = true, value_name = "INSTANCE")]
    instances: Vec<String>,
    /// What happens at expiry.
    #[arg(long)]
    policy: Policy,
    /// How long each automatic renewal is for; the product's preset by default.
    #[arg(long, value_parser = value::duration)]
    cycle: Option<TermDuration>,
    /// How many automatic renewals are left, 1 to 99; no limit by default.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=99))]
    remaining: Option<i32>,
}

/// The policies.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Policy {
    /// The customer renews it.
    Manual,
    /// It renews itself.
    Auto,
    /// It goes on, metered.
    PostpaidAfterExpiry,
    /// It is not to be renewed.
    NotRenew,
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Register(args) => args.run(client).await,
            Self::List(args) => args.run(client).await,
            Self::Get { account, instance } => get(client, account, instance).await,
            Self::Bound { account, instance, duration } => {
                bound(client, account, instance, duration).await
            }
            Self::Check { account, instances, duration } => {
                check(client, account, instances, duration).await
            }
            Self::Policy(args) => args.run(client).await,
            Self::Correct { account, instance, expiry, why, request_id } => {
                let request = CorrectExpiryRequest {
                    request_id: client.request_id(request_id),
                    account_id: account.account,
                    instance_id: instance,
                    expire_time: Some(client.instant("--expiry", &expiry)?),
                    why,
                };
                let call = async || instances(client).correct_expiry(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| {
                    let instance = answer.instance.as_ref();
                    instance.map(|instance| about(instance, &[], client)).unwrap_or_default()
                })?;
                Ok(Done::Whole)
            }
        }
    }
}

async fn get(client: &Client, account: AccountArg, instance: String) -> Result<Done, Failure> {
    let request = GetInstanceRequest { account_id: account.account, instance_id: instance };
    let answer = safe(async || instances(client).get_instance(request.clone()).await).await?;
    client.print(answer.get_ref(), |answer| whole(answer, client))?;
    Ok(Done::Whole)
}

fn whole(answer: &GetInstanceResponse, client: &Client) -> String {
    let instance = answer.instance.clone().unwrap_or_default();
    let mut text = about(&instance, &answer.durations, client);
    if !answer.bound.is_empty() {
        text += &("\n".to_owned() + &find::rows(&answer.bound));
    }
    if !answer.terms.is_empty() {
        let mut table = Table::new(&["TERM FROM", "TO", ">ANCHOR", "BY", "ORDER", ">PAID"]);
        for term in &answer.terms {
            table.row(term_row(term, client));
        }
        text += &("\n".to_owned() + &table.text());
    }
    text
}

fn term_row(term: &TermRecord, client: &Client) -> [String; 6] {
    [
        show::instant(term.start_time.as_ref(), client.zone),
        show::instant(term.end_time.as_ref(), client.zone),
        term.anchor_day.to_string(),
        show::word(term.kind().as_str_name(), "KIND_"),
        show::or_nothing(&term.order_id),
        show::money(term.amount.as_ref()),
    ]
}

fn about(instance: &Instance, durations: &[TermDuration], client: &Client) -> String {
    let renewal = instance.renewal.unwrap_or_default();
    let bound_to = instance.binding.as_ref().map_or_else(String::new, |binding| {
        let kind = show::word(binding.kind().as_str_name(), "KIND_");
        format!("{} ({kind})", binding.parent_instance_id)
    });
    let mut text = facts([
        ("instance", look(&instance.instance_id, Look::Strong)),
        ("name", instance.name.clone()),
        ("product", format!("{} ({})", instance.product_id, instance.product_line)),
        ("region", instance.region.clone()),
        ("room type", instance.room_type.clone()),
        ("configuration", show::configuration(instance.configuration.as_ref())),
        ("from the next term on", show::configuration(instance.pending_configuration.as_ref())),
        ("billing", show::word(instance.billing_mode().as_str_name(), "BILLING_MODE_")),
        ("state", show::word(instance.state().as_str_name(), "STATE_")),
        ("expires", instance.expiry_shown.clone()),
        ("released", show::instant(instance.release_time.as_ref(), client.zone)),
        ("at expiry", policy(&renewal)),
        ("bound to", bound_to),
        ("trial", show::yes(instance.trial)),
        ("one-time", show::yes(instance.one_time)),
        ("change under way", show::yes(instance.change_pending)),
        ("open order", instance.open_order_id.clone()),
        ("renewable", show::yes(instance.renewable)),
        ("can be renewed for", show::durations(durations)),
    ]);
    for refusal in &instance.refusals {
        text += &(bill::refusal_line("not renewable", "", refusal) + "\n");
    }
    text
}

/// A renewal setting: `AUTO every 1 month, 3 left`.
fn policy(renewal: &RenewalSetting) -> String {
    let mut text = show::word(renewal.policy().as_str_name(), "RENEWAL_POLICY_");
    if renewal.auto_cycle.is_some() {
        let _ = write!(text, " every {}", show::duration(renewal.auto_cycle.as_ref()));
    }
    if let Some(left) = renewal.auto_remaining {
        let _ = write!(text, ", {left} left");
    }
    text
}

async fn bound(
    client: &Client,
    account: AccountArg,
    instance: String,
    duration: Option<TermDuration>,
) -> Result<Done, Failure> {
    let account_id = account.account;
    let request = ListBoundInstancesRequest { account_id, instance_id: instance, duration };
    let call = async || instances(client).list_bound_instances(request.clone()).await;
    let answer = safe(call).await?;
    client.print(answer.get_ref(), bound_table)?;
    Ok(Done::Whole)
}

fn bound_table(answer: &ListBoundInstancesResponse) -> String {
    let headings =
        ["INSTANCE", "BOUND", "PRODUCT", "EXPIRES", "NEW EXPIRY", ">PAYABLE", "NOT, BECAUSE"];
    let mut table = Table::new(&headings);
    for bound in &answer.bound {
        let instance = bound.instance.clone().unwrap_or_default();
        let BoundInstance { item, refusals, .. } = bound;
        let quote = item.as_ref().and_then(|item| item.quote.as_ref());
        let reasons = refusals.iter().map(|refusal| refusal.reason.as_str()).collect::<Vec<_>>();
        table.row([
            instance.instance_id,
            show::word(bound.kind().as_str_name(), "KIND_"),
            instance.product_id,
            show::or_nothing(&instance.expiry_shown),
            item.as_ref()
                .map_or_else(|| show::NOTHING.to_owned(), |item| item.expiry_shown.clone()),
            show::money(quote.and_then(|quote| quote.payable.as_ref())),
            show::or_nothing(&reasons.join(" ")),
        ]);
    }
    if table.is_empty() { "nothing is bound to it\n".to_owned() } else { table.text() }
}

async fn check(
    client: &Client,
    account: AccountArg,
    instance_ids: Vec<String>,
    duration: Option<TermDuration>,
) -> Result<Done, Failure> {
    let request = CheckRenewalsRequest { account_id: account.account, instance_ids, duration };
    let call = async || instances(client).check_renewals(request.clone()).await;
    let answer = safe(call).await?;
    client.print(answer.get_ref(), check_text)?;
    let mut checks = answer.get_ref().checks.iter();
    Ok(Done::unless(checks.any(|check| !check.refusals.is_empty())))
}

fn check_text(answer: &CheckRenewalsResponse) -> String {
    let mut text = String::new();
    for check in &answer.checks {
        if check.refusals.is_empty() {
            let _ = writeln!(text, "{}: {}", check.instance_id, look("may be renewed", Look::Good));
        }
        for refusal in &check.refusals {
            text += &(bill::refusal_line("", &check.instance_id, refusal) + "\n");
        }
    }
    text + &facts([(bill::offer(answer.checks.len()), show::durations(&answer.durations))])
}

impl PolicyArgs {
    async fn run(self, client: &Client) -> Result<Done, Failure> {
        let policy = match self.policy {
            Policy::Manual => RenewalPolicy::Manual,
            Policy::Auto => RenewalPolicy::Auto,
            Policy::PostpaidAfterExpiry => RenewalPolicy::PostpaidAfterExpiry,
            Policy::NotRenew => RenewalPolicy::NotRenew,
        };
        let request = SetRenewalPoliciesRequest {
            account_id: self.account.account,
            instance_ids: self.instances,
            renewal: Some(RenewalSetting {
                policy: policy.into(),
                auto_cycle: self.cycle,
                auto_remaining: self.remaining,
            }),
        };
        let call = async || instances(client).set_renewal_policies(request.clone()).await;
        let answer = safe(call).await?;
        client.print(answer.get_ref(), policy_text)?;
        let rows = answer.get_ref().results.iter();
        Ok(Done::all(rows.map(|row| matches!(row.result, Some(Row::Error(_))))))
    }
}

fn policy_text(answer: &SetRenewalPoliciesResponse) -> String {
    let mut text = String::new();
    for row in &answer.results {
        let before = show::word(row.policy_before().as_str_name(), "RENEWAL_POLICY_");
        match &row.result {
            Some(Row::Renewal(renewal)) => {
                let along = match row.set_along.as_slice() {
                    [] => String::new(),
                    along => format!(", and along with it {}", along.join(" ")),
                };
                let now = policy(renewal);
                let _ = writeln!(text, "{}: {now} (was {before}){along}", row.instance_id);
            }
            Some(Row::Error(refusal)) => {
                text += &(bill::refusal_line("", &row.instance_id, refusal) + "\n");
            }
            None => {}
        }
    }
    text
}

fn instances(client: &Client) -> InstanceServiceClient<Connection> {
    InstanceServiceClient::new(client.connection.clone())
}
