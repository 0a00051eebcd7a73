//! `perennial statement` and `perennial ledger …`

use std::fmt::Write as _;

use platform::client::{Connection, safe};
use proto::wallet::v1::{
    AuditLedgerRequest, AuditLedgerResponse, ExportEntriesRequest, GetStatementRequest,
    ledger_service_client::LedgerServiceClient,
};

use super::{
    AccountArg, Client,
    failure::{Done, Failure},
    message,
    pages::{self, PageArgs},
};
use crate::{
    output,
    text::{show, statement, table::Table},
};

/// What `statement --help` shows.
pub const STATEMENT_EXAMPLES: &str = "Examples:
  perennial statement acme 2026-11
  perennial statement acme 2026-11 --all --csv > november.csv
  perennial statement acme 2026-11 --output json";

/// Which statement.
#[derive(Debug, clap::Args)]
pub struct StatementArgs {
    /// The account.
    account: String,
    /// The month, as 2026-11, on the calendar of `--zone`.
    month: String,
    /// The lines as comma-separated values, instead of a table.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// Commands on ledgers.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The entries of an account, oldest first, one JSON object a line.
    #[command(after_help = "Examples:
  perennial ledger export --account acme > acme.jsonl
  perennial ledger export --account acme --after 120 >> acme.jsonl")]
    Export {
        #[command(flatten)]
        account: AccountArg,
        /// Go on after the entry of this number.
        #[arg(
            long,
            value_name = "NUMBER",
            default_value_t = 0,
            value_parser = clap::value_parser!(i64).range(0..)
        )]
        after: i64,
    },
    /// Prove that the ledger is whole: every balance, every voucher, every hash.
    #[command(after_help = "Examples:
  perennial ledger audit
  perennial ledger audit --account acme

Exit code 1 says that something is off.")]
    Audit {
        /// Only this account; everybody's by default.
        #[arg(long, short, default_value = "", hide_default_value = true)]
        account: String,
    },
}

impl StatementArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let Self { account, month, csv, page } = self;
        let fetch = async |page| {
            let request = GetStatementRequest {
                account_id: account.clone(),
                month: month.clone(),
                time_zone: client.zone.name().to_owned(),
                page: Some(page),
            };
            let call = async || ledgers(client).get_statement(request.clone()).await;
            safe(call).await.map(tonic::Response::into_inner)
        };
        let answer = pages::fetch(page, fetch).await?;
        if csv {
            output::print(statement::csv(&answer, client.zone))?;
        } else {
            client.print(&answer, |answer| {
                statement::table(answer, client.zone) + &pages::footer(answer)
            })?;
        }
        Ok(Done::Whole)
    }
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Export { account, after } => export(client, account.account, after).await,
            Self::Audit { account } => {
                let request = AuditLedgerRequest { account_id: account };
                let call = async || ledgers(client).audit_ledger(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), audited)?;
                Ok(Done::unless(!answer.get_ref().findings.is_empty()))
            }
        }
    }
}

/// Writes entries as they come; where the connection is lost on the way, goes on after the last.
async fn export(client: &Client, account: String, mut after: i64) -> Result<Done, Failure> {
    loop {
        let request = ExportEntriesRequest { account_id: account.clone(), after_number: after };
        let call = async || ledgers(client).export_entries(request.clone()).await;
        let mut batches = safe(call).await?.into_inner();
        let began = after;
        loop {
            match batches.message().await {
                Ok(Some(batch)) => {
                    let lines = batch.entries.iter().map(|entry| {
                        after = entry.number;
                        format!("{}\n", message::to_json(entry))
                    });
                    output::print(lines.collect::<String>())?;
                }
                Ok(None) => return Ok(Done::Whole),
                Err(_) if after > began => break,
                Err(status) => return Err(status.into()),
            }
        }
    }
}

fn audited(answer: &AuditLedgerResponse) -> String {
    let wallets = show::counted(answer.wallets, "wallet");
    let mut text = String::new();
    for notice in &answer.notices {
        let _ = writeln!(text, "notice: {}: {}", notice.check, notice.message);
    }
    if answer.findings.is_empty() {
        return text + &format!("nothing is off in {wallets}\n");
    }
    let mut table = Table::new(&["ACCOUNT", "WHAT SHOULD HOLD", "WHAT WAS FOUND"]);
    for finding in &answer.findings {
        let row = [&finding.account_id, &finding.check, &finding.message];
        table.row(row.map(String::as_str));
    }
    text + &table.text()
}

fn ledgers(client: &Client) -> LedgerServiceClient<Connection> {
    LedgerServiceClient::new(client.connection.clone())
}
