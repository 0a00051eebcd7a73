//! The voucher book: codes, redeeming them, revoking vouchers, and the list of them.

use std::path::PathBuf;

use platform::client::safe;
use proto::{
    r#type::v1::Money,
    wallet::v1::{
        IssueVoucherCodesRequest, ListVouchersRequest, ListVouchersResponse, PayableItem,
        RedeemVoucherRequest, RevokeVoucherRequest,
    },
};

use super::{TermsArgs, rows, vouchers};
use crate::{
    client::{
        AccountArg, Client, RequestIdArg,
        failure::{Done, Failure},
        pages::{self, PageArgs},
        value,
    },
    text::{show, table::Table},
};

/// Codes to be made.
#[derive(Debug, clap::Args)]
pub struct CodesArgs {
    /// How many, 1 to 1,000.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    count: i32,
    /// What each voucher is worth, with its currency.
    #[arg(long, value_name = "AMOUNT", value_parser = value::money)]
    face: Money,
    /// The first instant at which the vouchers no longer can pay.
    #[arg(long, value_name = "TIME")]
    until: String,
    /// The first instant at which they can pay; now by default.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    #[command(flatten)]
    terms: TermsArgs,
    #[command(flatten)]
    request_id: RequestIdArg,
}

/// A code to be redeemed.
#[derive(Debug, clap::Args)]
pub struct RedeemArgs {
    #[command(flatten)]
    account: AccountArg,
    /// The code; upper and lower case, blanks and dashes do not matter.
    code: String,
    #[command(flatten)]
    request_id: RequestIdArg,
}

/// A voucher to be revoked.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    account: AccountArg,
    /// The voucher.
    #[arg(value_name = "UUID")]
    voucher: String,
    /// Why, for the ledger.
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
}

/// Which vouchers to list.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    account: AccountArg,
    /// Only those that can pay now.
    #[arg(long)]
    usable: bool,
    /// Only those that have something left and expire within so many days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(0..=3_650))]
    expiring_within: Option<i32>,
    /// Say what each could pay of the items in this file, and why not; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    basket: Option<PathBuf>,
    /// An automatic renewal would pay the basket.
    #[arg(long, requires = "basket")]
    automatic: bool,
    #[command(flatten)]
    page: PageArgs,
}

impl CodesArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let from = match &self.from {
            Some(from) => client.instant("--from", from)?,
            None => proto::convert::timestamp(client.env.now()),
        };
        let until = client.instant("--until", &self.until)?;
        let request = IssueVoucherCodesRequest {
            request_id: client.request_id(self.request_id),
            count: self.count,
            face: Some(self.face),
            terms: Some(self.terms.terms(from, until)),
        };
        let call = async || vouchers(client).issue_voucher_codes(request.clone()).await;
        let answer = safe(call).await?;
        client.print(answer.get_ref(), |answer| answer.codes.join("\n") + "\n")?;
        Ok(Done::Whole)
    }
}

impl RedeemArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let request = RedeemVoucherRequest {
            request_id: client.request_id(self.request_id),
            account_id: self.account.account,
            code: self.code,
        };
        let answer = safe(async || vouchers(client).redeem_voucher(request.clone()).await).await?;
        client.print(answer.get_ref(), |answer| rows(answer.voucher.as_slice(), client.zone))?;
        Ok(Done::Whole)
    }
}

impl RevokeArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let request = RevokeVoucherRequest {
            account_id: self.account.account,
            voucher_id: self.voucher,
            note: self.note,
        };
        let answer = safe(async || vouchers(client).revoke_voucher(request.clone()).await).await?;
        client.print(answer.get_ref(), |answer| rows(answer.voucher.as_slice(), client.zone))?;
        Ok(Done::Whole)
    }
}

impl ListArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let Self { account, usable, expiring_within, basket, automatic, page } = self;
        let basket: Vec<PayableItem> = match &basket {
            Some(file) => client.read_rows(file)?,
            None => Vec::new(),
        };
        let list = async |page| {
            let request = ListVouchersRequest {
                account_id: account.account.clone(),
                usable_only: usable,
                page: Some(page),
                expiring_within_days: expiring_within,
                basket: basket.clone(),
                automatic,
            };
            let call = async || vouchers(client).list_vouchers(request.clone()).await;
            safe(call).await.map(tonic::Response::into_inner)
        };
        let answer = pages::fetch(page, list).await?;
        client.print(&answer, |answer| {
            let uses = uses(answer, client.zone);
            let rows = uses.unwrap_or_else(|| rows(&answer.vouchers, client.zone));
            rows + &pages::footer(answer)
        })?;
        Ok(Done::Whole)
    }
}

/// What each voucher could pay, if a basket was asked about.
fn uses(answer: &ListVouchersResponse, zone: chrono_tz::Tz) -> Option<String> {
    if answer.uses.is_empty() {
        return None;
    }
    let mut table = Table::new(&["VOUCHER", ">REMAINING", "UNTIL", ">COULD PAY", "NOT, BECAUSE"]);
    for used in &answer.uses {
        let voucher = used.voucher.clone().unwrap_or_default();
        let terms = voucher.terms.unwrap_or_default();
        table.row([
            voucher.voucher_id,
            show::money(voucher.remaining.as_ref()),
            show::instant(terms.expire_time.as_ref(), zone),
            show::money(used.amount.as_ref()),
            show::or_nothing(&used.why_not),
        ]);
    }
    Some(table.text())
}
