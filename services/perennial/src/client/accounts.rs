//! `perennial accounts …`

use std::path::PathBuf;

use platform::client::{Connection, safe};
use proto::renewal::v1::{
    Account, AccountSettings, GetAccountRequest, ResumeAutomaticRenewalRequest, StandardDay,
    UpdateAccountSettingsRequest, UpsertAccountsRequest, UpsertAccountsResponse,
    account_result::Result as Row, account_service_client::AccountServiceClient,
    account_settings::DayMeaning, standard_day::Day,
};

use super::{
    Client,
    failure::{Done, Failure},
    value,
};
use crate::text::{
    bill, show,
    table::{Table, facts},
};

/// Commands on accounts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make accounts what flags or files say.
    #[command(after_help = "Examples:
  perennial accounts upsert acme --profile jdcloud
  perennial accounts upsert --file accounts.yaml

A file is YAML or JSON: a list of accounts, such as
  - {account_id: acme, profile: jdcloud, currency_code: CNY, labels: {tier: gold}}")]
    Upsert(UpsertArgs),
    /// An account and what its customer has chosen.
    #[command(after_help = "Example:
  perennial accounts get acme")]
    Get {
        /// The account.
        account: String,
    },
    /// Change what the customer has chosen; what is not named stays.
    #[command(after_help = "Examples:
  perennial accounts settings acme --standard-day 1
  perennial accounts settings acme --standard-day last --auto-follows true
  perennial accounts settings acme --standard-day none")]
    Settings(SettingsArgs),
    /// Have an account renewed by itself again that is parked because it is beyond the bounds of its day.
    #[command(after_help = "Example:
  perennial accounts resume-automatic-renewal acme")]
    ResumeAutomaticRenewal {
        /// The account.
        account: String,
    },
}

/// One account by flags, or many from a file.
#[derive(Debug, clap::Args)]
pub struct UpsertArgs {
    /// The account.
    #[arg(required_unless_present = "file")]
    account: Option<String>,
    /// The profile that it lives under: the name of a catalog.
    #[arg(long, required_unless_present = "file")]
    profile: Option<String>,
    /// Its currency, as its ISO 4217 code.
    #[arg(long, default_value = "CNY")]
    currency: String,
    /// Its time zone.
    #[arg(long, value_name = "ZONE", default_value = "Asia/Shanghai")]
    time_zone: String,
    /// What discounts may ask for.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = value::pair)]
    labels: Vec<(String, String)>,
    /// Whether it is frozen or in arrears: nothing of it can be renewed.
    #[arg(long)]
    frozen: bool,
    /// Accounts as YAML or JSON; `-` is standard input.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["account", "profile", "currency", "time_zone", "labels", "frozen"]
    )]
    file: Option<PathBuf>,
}

/// What to change.
#[derive(Debug, clap::Args)]
pub struct SettingsArgs {
    /// The account.
    account: String,
    /// The standard renewal date: a day from 1 to 28, last, or none.
    #[arg(long, value_name = "DAY")]
    standard_day: Option<String>,
    /// What the standard day means: the last day paid for, or the day at whose 00:00 terms end.
    #[arg(long, value_name = "MEANING", value_parser = ["last-day", "start-of-day"])]
    day_meaning: Option<String>,
    /// Whether automatic renewals end on the standard day.
    #[arg(long, value_name = "BOOL")]
    auto_follows: Option<bool>,
    /// Days before the last day at which automatic renewal is first tried, or none for the
    /// product's.
    #[arg(long, value_name = "DAYS")]
    auto_days: Option<String>,
    /// Refuse if the account has changed since this etag was read.
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Upsert(args) => args.run(client).await,
            Self::Get { account } => {
                let request = GetAccountRequest { account_id: account };
                let answer =
                    safe(async || accounts(client).get_account(request.clone()).await).await?;
                client.print(answer.get_ref(), |answer| text(answer.account.as_ref(), client))?;
                Ok(Done::Whole)
            }
            Self::Settings(args) => args.run(client).await,
            Self::ResumeAutomaticRenewal { account } => {
                let request = ResumeAutomaticRenewalRequest { account_id: account };
                let call =
                    async || accounts(client).resume_automatic_renewal(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| text(answer.account.as_ref(), client))?;
                Ok(Done::Whole)
            }
        }
    }
}

impl UpsertArgs {
    async fn run(self, client: &Client) -> Result<Done, Failure> {
        let rows = match &self.file {
            Some(file) => client.read_rows(file)?,
            None => vec![self.account()],
        };
        let request = UpsertAccountsRequest { accounts: rows };
        let answer = safe(async || accounts(client).upsert_accounts(request.clone()).await).await?;
        client.print(answer.get_ref(), results)?;
        let rows = answer.get_ref().results.iter();
        Ok(Done::all(rows.map(|row| matches!(row.result, Some(Row::Error(_))))))
    }

    fn account(self) -> Account {
        Account {
            account_id: self.account.unwrap_or_default(),
            profile: self.profile.unwrap_or_default(),
            currency_code: self.currency,
            time_zone: self.time_zone,
            labels: self.labels.into_iter().collect(),
            frozen: self.frozen,
            ..Account::default()
        }
    }
}

impl SettingsArgs {
    async fn run(self, client: &Client) -> Result<Done, Failure> {
        let mut settings = AccountSettings::default();
        let mut paths = Vec::new();
        if let Some(day) = &self.standard_day {
            paths.push("standard_day");
            settings.standard_day = optional(day, value::standard_day)
                .map_err(|error| Failure::Usage(format!("--standard-day {error}")))?;
        }
        if let Some(meaning) = &self.day_meaning {
            paths.push("day_meaning");
            settings.day_meaning = match meaning.as_str() {
                "start-of-day" => DayMeaning::StartOfDay.into(),
                _ => DayMeaning::LastDay.into(),
            };
        }
        if let Some(follows) = self.auto_follows {
            paths.push("auto_follows_standard_day");
            settings.auto_follows_standard_day = follows;
        }
        if let Some(days) = &self.auto_days {
            paths.push("auto_days_before");
            settings.auto_days_before = optional(days, str::parse::<i32>)
                .map_err(|_| Failure::Usage("--auto-days must be a number, or none".to_owned()))?;
        }
        let request = UpdateAccountSettingsRequest {
            account_id: self.account,
            settings: Some(settings),
            update_mask: Some(prost_types::FieldMask {
                paths: paths.into_iter().map(str::to_owned).collect(),
            }),
            etag: self.etag,
        };
        let answer = accounts(client).update_account_settings(request).await?;
        client.print(answer.get_ref(), |answer| text(answer.account.as_ref(), client))?;
        Ok(Done::Whole)
    }
}

/// `text` read by `read`, or nothing where it says none.
fn optional<T, E>(text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>, E> {
    if text == "none" { Ok(None) } else { read(text).map(Some) }
}

fn results(answer: &UpsertAccountsResponse) -> String {
    let mut table = Table::new(&["ACCOUNT", "PROFILE", "CURRENCY", "TIME ZONE"]);
    let mut errors = String::new();
    for row in &answer.results {
        match &row.result {
            Some(Row::Account(account)) => {
                let Account { account_id, profile, currency_code, time_zone, .. } = account;
                table.row([account_id, profile, currency_code, time_zone].map(String::as_str));
            }
            Some(Row::Error(refusal)) => {
                errors += &(bill::refusal_line("refused", "", refusal) + "\n");
            }
            None => {}
        }
    }
    if table.is_empty() { errors } else { table.text() + &errors }
}

fn text(account: Option<&Account>, client: &Client) -> String {
    let account = account.cloned().unwrap_or_default();
    let settings = account.settings.unwrap_or_default();
    let labels = account.labels.iter().map(|(name, value)| format!("{name}={value}"));
    let meaning = show::word(settings.day_meaning().as_str_name(), "DAY_MEANING_");
    facts([
        ("account", account.account_id),
        ("profile", account.profile),
        ("currency", account.currency_code),
        ("time zone", account.time_zone),
        ("labels", labels.collect::<Vec<_>>().join(" ")),
        ("frozen", show::yes(account.frozen)),
        ("standard day", settings.standard_day.map_or_else(String::new, standard_day)),
        ("day meaning", meaning),
        ("automatic renewals follow it", show::yes(settings.auto_follows_standard_day)),
        (
            "first automatic attempt",
            settings.auto_days_before.map_or_else(String::new, |days| format!("day -{days}")),
        ),
        ("parked until", show::instant(account.parked_until.as_ref(), client.zone)),
        ("known since", show::instant(account.create_time.as_ref(), client.zone)),
        ("etag", account.etag),
    ])
}

fn standard_day(day: StandardDay) -> String {
    match day.day {
        Some(Day::DayOfMonth(day)) => day.to_string(),
        Some(Day::LastOfMonth(_)) => "last of the month".to_owned(),
        None => String::new(),
    }
}

fn accounts(client: &Client) -> AccountServiceClient<Connection> {
    AccountServiceClient::new(client.connection.clone())
}
