//! `perennial wallet …`

use platform::client::{Connection, safe};
use proto::{
    r#type::v1::Money,
    wallet::v1::{
        CreateWalletRequest, DepositRequest, DepositResponse, GetWalletRequest, ListEntriesRequest,
        Wallet, wallet_service_client::WalletServiceClient,
    },
};

use super::{
    AccountArg, Client, RequestIdArg,
    failure::{Done, Failure},
    pages::{self, PageArgs},
    value,
};
use crate::text::{ledger, show, table::facts};

/// Commands on wallets.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Open the wallet of an account.
    #[command(after_help = "Example:
  perennial wallet create --account acme --currency CNY")]
    Create {
        #[command(flatten)]
        account: AccountArg,
        /// The currency, as its ISO 4217 code; the wallet's for good.
        #[arg(long, default_value = "CNY")]
        currency: String,
    },
    /// The cash of an account.
    #[command(after_help = "Example:
  perennial wallet get --account acme")]
    Get(AccountArg),
    /// Add cash.
    #[command(after_help = "Examples:
  perennial wallet deposit --account acme 1000.00 --note \"bank transfer\"
  perennial wallet deposit --account acme \"CNY 1000.00\"")]
    Deposit {
        #[command(flatten)]
        account: AccountArg,
        /// How much; in the wallet's currency, if it names none.
        amount: String,
        /// What it is, for the ledger.
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        #[command(flatten)]
        request_id: RequestIdArg,
    },
    /// The ledger of an account, newest first.
    #[command(after_help = "Examples:
  perennial wallet entries --account acme
  perennial wallet entries --account acme --all --output json")]
    Entries {
        #[command(flatten)]
        account: AccountArg,
        /// Only the entries of this payment.
        #[arg(long, value_name = "UUID", default_value = "", hide_default_value = true)]
        payment: String,
        #[command(flatten)]
        page: PageArgs,
    },
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Create { account, currency } => {
                let account_id = account.account;
                let request = CreateWalletRequest { account_id, currency_code: currency };
                let call = async || wallets(client).create_wallet(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| text(answer.wallet.as_ref(), client))?;
            }
            Self::Get(AccountArg { account }) => {
                let request = GetWalletRequest { account_id: account };
                let call = async || wallets(client).get_wallet(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| text(answer.wallet.as_ref(), client))?;
            }
            Self::Deposit { account, amount, note, request_id } => {
                let account_id = account.account;
                let request = DepositRequest {
                    amount: Some(amount_of(client, &account_id, &amount).await?),
                    request_id: client.request_id(request_id),
                    account_id,
                    note,
                };
                let answer = safe(async || wallets(client).deposit(request.clone()).await).await?;
                client.print(answer.get_ref(), |answer| deposited(answer, client))?;
            }
            Self::Entries { account, payment, page } => {
                return list(client, &account.account, &payment, page).await;
            }
        }
        Ok(Done::Whole)
    }
}

/// The amount that was typed, in the wallet's currency where it names none.
async fn amount_of(client: &Client, account: &str, text: &str) -> Result<Money, Failure> {
    let usage = |error| Failure::Usage(format!("the amount {error}"));
    if text.trim().contains(' ') {
        return value::money(text).map_err(usage);
    }
    let request = GetWalletRequest { account_id: account.to_owned() };
    let wallet = wallets(client).get_wallet(request).await?.into_inner().wallet;
    let cash = wallet.and_then(|wallet| wallet.cash).unwrap_or_default();
    value::money(&format!("{} {text}", cash.currency_code)).map_err(usage)
}

async fn list(
    client: &Client,
    account: &str,
    payment: &str,
    page: PageArgs,
) -> Result<Done, Failure> {
    let list = async |page| {
        let request = ListEntriesRequest {
            account_id: account.to_owned(),
            payment_id: payment.to_owned(),
            page: Some(page),
        };
        let call = async || wallets(client).list_entries(request.clone()).await;
        safe(call).await.map(tonic::Response::into_inner)
    };
    let answer = pages::fetch(page, list).await?;
    client.print(&answer, |answer| {
        ledger::entries(&answer.entries, client.zone) + &pages::footer(answer)
    })?;
    Ok(Done::Whole)
}

fn deposited(answer: &DepositResponse, client: &Client) -> String {
    let number = answer.entry.as_ref().map(|entry| entry.number.to_string());
    let booked = ("booked as entry", number.unwrap_or_default());
    facts(about(answer.wallet.as_ref(), client).into_iter().chain([booked]))
}

fn text(wallet: Option<&Wallet>, client: &Client) -> String {
    facts(about(wallet, client))
}

fn about(wallet: Option<&Wallet>, client: &Client) -> [(&'static str, String); 4] {
    let wallet = wallet.cloned().unwrap_or_default();
    [
        ("account", wallet.account_id),
        ("cash", show::money(wallet.cash.as_ref())),
        ("held", show::money(wallet.held.as_ref())),
        ("opened", show::instant(wallet.create_time.as_ref(), client.zone)),
    ]
}

fn wallets(client: &Client) -> WalletServiceClient<Connection> {
    WalletServiceClient::new(client.connection.clone())
}
