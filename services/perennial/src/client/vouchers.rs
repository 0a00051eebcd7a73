//! `perennial vouchers …`

mod book;

use std::path::PathBuf;

use platform::client::{Connection, safe};
use prost_types::Timestamp;
use proto::{
    catalog::v1::{ListAccountProfilesRequest, catalog_service_client::CatalogServiceClient},
    renewal::v1::{BillItem, GetAccountRequest, account_service_client::AccountServiceClient},
    r#type::v1::{BillingMode, Money, OrderKind, VoucherRule},
    wallet::v1::{
        IssueVouchersRequest, PayableItem, PreviewPaymentRequest, PreviewPaymentResponse, Voucher,
        VoucherChoice, VoucherGrant, VoucherTerms,
        voucher_choice::{Choice, Named, None as NoVouchers},
        voucher_service_client::VoucherServiceClient,
    },
};

use super::{
    AccountArg, Client, RequestIdArg,
    failure::{Done, Failure},
    renewals::{self, PayArgs, SelectionArgs},
    value,
};
use crate::text::{
    bill, show,
    table::{Look, Table, facts, look},
};

/// Commands on vouchers.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Issue vouchers: one by flags, or many from a file.
    #[command(after_help = "Examples:
  perennial vouchers issue --account acme --face \"CNY 30.00\" --until 2026-12-01
  perennial vouchers issue --account acme --face \"CNY 80.00\" --until 2026-12-01 \\
    --only-product kec --minimum-spend \"CNY 100.00\" --single-use
  perennial vouchers issue --file vouchers.yaml

A file is YAML or JSON: a list such as
  - {account_id: acme, face: CNY 30.00, terms: {valid_from: 2026-01-01, expire_time: 2026-12-01}}")]
    Issue(Box<IssueArgs>),
    /// Make codes that vouchers are redeemed by, all alike.
    #[command(after_help = "Example:
  perennial vouchers codes --count 100 --face \"CNY 30.00\" --until 2026-12-01")]
    Codes(Box<book::CodesArgs>),
    /// Redeem a code: the account gets its voucher.
    #[command(after_help = "Example:
  perennial vouchers redeem --account acme K7QW-2M9P-XA4T-HC8R")]
    Redeem(book::RedeemArgs),
    /// Revoke a voucher: what remains of it is void.
    #[command(after_help = "Example:
  perennial vouchers revoke --account acme 0190… --note \"issued by mistake\"")]
    Revoke(book::RevokeArgs),
    /// The vouchers of an account, by end of validity.
    #[command(after_help = "Examples:
  perennial vouchers list --account acme --usable
  perennial vouchers list --account acme --expiring-within 30
  perennial vouchers list --account acme --basket items.yaml

A basket is YAML or JSON: a list such as
  - {instance_id: vm-1, product_id: vm, region: cn-north-1, term_months: 1, payable: CNY 30.00}")]
    List(book::ListArgs),
    /// Which vouchers would pay how much of a renewal, and why not the others.
    #[command(after_help = "Examples:
  perennial vouchers preview --account acme vm-1 --duration 1y
  perennial vouchers preview --account acme vm-1 --duration 1y --voucher 0190…

Exit code 1 says that vouchers and cash together do not suffice.")]
    Preview {
        #[command(flatten)]
        account: AccountArg,
        #[command(flatten)]
        selection: SelectionArgs,
        #[command(flatten)]
        pay: PayArgs,
    },
}

/// The flags that describe one voucher.
const ONE_BY_FLAGS: [&str; 13] = [
    "face",
    "until",
    "from",
    "only_product",
    "except_product",
    "billing",
    "kind",
    "region",
    "minimum_spend",
    "longest_term",
    "single_use",
    "no_automatic_use",
    "largest_share",
];

/// What to issue.
#[derive(Debug, clap::Args)]
pub struct IssueArgs {
    /// Vouchers as YAML or JSON; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ONE_BY_FLAGS)]
    file: Option<PathBuf>,
    /// Who gets it.
    #[arg(long, short, env = "PERENNIAL_ACCOUNT", required_unless_present = "file")]
    account: Option<String>,
    /// What it is worth, with its currency.
    #[arg(long, value_name = "AMOUNT", value_parser = value::money, required_unless_present = "file")]
    face: Option<Money>,
    /// The first instant at which it no longer can pay.
    #[arg(long, value_name = "TIME", required_unless_present = "file")]
    until: Option<String>,
    /// The first instant at which it can pay; now by default.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    #[command(flatten)]
    terms: TermsArgs,
    #[command(flatten)]
    request_id: RequestIdArg,
}

/// What a voucher may be used for, besides the time.
#[derive(Debug, clap::Args)]
pub struct TermsArgs {
    /// Only for this product; may be given several times.
    #[arg(long, value_name = "PRODUCT")]
    only_product: Vec<String>,
    /// For all products but this; may be given several times.
    #[arg(long, value_name = "PRODUCT", conflicts_with = "only_product")]
    except_product: Vec<String>,
    /// Only for instances of this billing mode; may be given several times.
    #[arg(long, value_name = "MODE")]
    billing: Vec<BillingArg>,
    /// Only for orders of this kind; may be given several times.
    #[arg(long, value_name = "KIND")]
    kind: Vec<KindArg>,
    /// Only in this region; may be given several times.
    #[arg(long)]
    region: Vec<String>,
    /// Only for payments that reach this sum.
    #[arg(long, value_name = "AMOUNT", value_parser = value::money)]
    minimum_spend: Option<Money>,
    /// Only for terms of at most so many months.
    #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(i32).range(1..))]
    longest_term: Option<i32>,
    /// It pays once, and the rest is forfeited.
    #[arg(long)]
    single_use: bool,
    /// Automatic renewals may not use it.
    #[arg(long)]
    no_automatic_use: bool,
    /// The largest share of a payment that it may pay, 1 to 100.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(i32).range(1..=100))]
    largest_share: Option<i32>,
    /// It does not pay for what has a discount.
    #[arg(long)]
    not_with_discounts: bool,
}

/// The billing modes.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum BillingArg {
    Prepaid,
    Postpaid,
}

/// The kinds of orders.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum KindArg {
    Renewal,
    Conversion,
    Change,
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Issue(args) => args.run(client).await,
            Self::Codes(args) => args.run(client).await,
            Self::Redeem(args) => args.run(client).await,
            Self::Revoke(args) => args.run(client).await,
            Self::List(args) => args.run(client).await,
            Self::Preview { account, selection, pay } => {
                preview(client, account.account, selection, pay).await
            }
        }
    }
}

impl IssueArgs {
    async fn run(self, client: &Client) -> Result<Done, Failure> {
        let grants = match &self.file {
            Some(file) => client.read_rows(file)?,
            None => vec![self.grant(client).await?],
        };
        let request_id = client.request_id(self.request_id);
        let request = IssueVouchersRequest { request_id, grants };
        let answer = safe(async || vouchers(client).issue_vouchers(request.clone()).await).await?;
        client.print(answer.get_ref(), |answer| rows(&answer.vouchers, client.zone))?;
        Ok(Done::Whole)
    }

    async fn grant(&self, client: &Client) -> Result<VoucherGrant, Failure> {
        let from = match &self.from {
            Some(from) => client.instant("--from", from)?,
            None => proto::convert::timestamp(super::clock::now(client).await),
        };
        let until = self.until.as_deref().unwrap_or_default();
        let until = client.instant("--until", until)?;
        let terms = self.terms.terms(from, until);
        let account_id = self.account.clone().unwrap_or_default();
        Ok(VoucherGrant { account_id, face: self.face.clone(), terms: Some(terms) })
    }
}

impl TermsArgs {
    fn terms(&self, from: Timestamp, until: Timestamp) -> VoucherTerms {
        let billing = |mode: &BillingArg| match mode {
            BillingArg::Prepaid => BillingMode::Prepaid.into(),
            BillingArg::Postpaid => BillingMode::Postpaid.into(),
        };
        let kind = |kind: &KindArg| match kind {
            KindArg::Renewal => OrderKind::Renewal.into(),
            KindArg::Conversion => OrderKind::Conversion.into(),
            KindArg::Change => OrderKind::Change.into(),
        };
        VoucherTerms {
            valid_from: Some(from),
            expire_time: Some(until),
            only_product_ids: self.only_product.clone(),
            except_product_ids: self.except_product.clone(),
            billing_modes: self.billing.iter().map(billing).collect(),
            order_kinds: self.kind.iter().map(kind).collect(),
            regions: self.region.clone(),
            minimum_spend: self.minimum_spend.clone(),
            longest_term_months: self.longest_term,
            single_use: self.single_use,
            automatic_use: self.no_automatic_use.then_some(false),
            largest_share_percent: self.largest_share,
            not_with_discounts: self.not_with_discounts,
        }
    }
}

/// A row for each voucher.
pub fn rows(vouchers: &[Voucher], zone: chrono_tz::Tz) -> String {
    let mut table = Table::new(&["VOUCHER", ">FACE", ">REMAINING", "STATE", "FROM", "UNTIL"]);
    for voucher in vouchers {
        let terms = voucher.terms.clone().unwrap_or_default();
        table.row([
            voucher.voucher_id.clone(),
            show::money(voucher.face.as_ref()),
            show::money(voucher.remaining.as_ref()),
            show::word(voucher.state().as_str_name(), "STATE_"),
            show::instant(terms.valid_from.as_ref(), zone),
            show::instant(terms.expire_time.as_ref(), zone),
        ]);
    }
    table.text()
}

async fn preview(
    client: &Client,
    account_id: String,
    selection: SelectionArgs,
    pay: PayArgs,
) -> Result<Done, Failure> {
    let quoted = renewals::preview(client, account_id.clone(), selection).await?;
    let quoted = quoted.bill.unwrap_or_default();
    if !quoted.orderable {
        client.print(&quoted, |quoted| bill::bill(quoted, client.zone))?;
        return Ok(Done::Refused);
    }
    let rule = manual_rule(client, &account_id).await?;
    let choice = match pay.choice().vouchers {
        None => Choice::Rule(rule),
        Some(proto::renewal::v1::payment_choice::Vouchers::Named(named)) => {
            Choice::Named(Named { voucher_ids: named.voucher_ids })
        }
        Some(proto::renewal::v1::payment_choice::Vouchers::None(_)) => Choice::None(NoVouchers {}),
    };
    let max_per_payment = rule.max_per_payment;
    let request = PreviewPaymentRequest {
        account_id,
        items: quoted.items.iter().map(payable_item).collect(),
        vouchers: Some(VoucherChoice { choice: Some(choice), max_per_payment }),
        automatic: false,
        as_of: None,
    };
    let answer = safe(async || vouchers(client).preview_payment(request.clone()).await).await?;
    client.print(answer.get_ref(), |answer| preview_text(answer, client.zone))?;
    let missing = answer.get_ref().missing.as_ref();
    Ok(Done::unless(missing.is_some_and(|missing| missing.minor_units > 0)))
}

/// How vouchers are chosen when the account pays by hand.
async fn manual_rule(client: &Client, account_id: &str) -> Result<VoucherRule, Failure> {
    let request = GetAccountRequest { account_id: account_id.to_owned() };
    let mut accounts = AccountServiceClient::new(client.connection.clone());
    let account = accounts.get_account(request).await?.into_inner().account.unwrap_or_default();
    let mut catalogs = CatalogServiceClient::new(client.connection.clone());
    let request = ListAccountProfilesRequest {};
    let profiles = catalogs.list_account_profiles(request).await?.into_inner().profiles;
    let profile = profiles.into_iter().find(|profile| profile.profile == account.profile);
    Ok(profile.and_then(|profile| profile.manual_vouchers).unwrap_or_default())
}

/// An item of a bill as something to be paid for.
pub fn payable_item(item: &BillItem) -> PayableItem {
    let quote = item.quote.clone().unwrap_or_default();
    let span = item.span.unwrap_or_default();
    let months = match span.duration {
        Some(duration) if duration.unit() == proto::r#type::v1::term_duration::Unit::Year => {
            duration.count.saturating_mul(12)
        }
        Some(duration) => duration.count,
        None => span.whole_months,
    };
    PayableItem {
        instance_id: item.instance_id.clone(),
        product_id: item.product_id.clone(),
        region: item.region.clone(),
        billing_mode: item.billing_mode_before,
        order_kind: item.order_kind,
        // A begun month counts as one, and odd days are less than two (V-1).
        term_months: months.saturating_add(span.odd_days.saturating_add(29) / 30),
        discounted: !quote.discount_name.is_empty(),
        payable: quote.payable,
    }
}

fn preview_text(answer: &PreviewPaymentResponse, zone: chrono_tz::Tz) -> String {
    let mut table = Table::new(&["VOUCHER", ">REMAINING", "UNTIL", ">WOULD PAY", "NOT, BECAUSE"]);
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
    let mut text = if table.is_empty() { String::new() } else { table.text() };
    text += &bill::parts_table(&answer.parts);
    text += &facts([("cash would pay", show::money(answer.cash.as_ref()))]);
    if let Some(missing) = answer.missing.as_ref().filter(|missing| missing.minor_units > 0) {
        text += &(look(&format!("missing {}", show::money(Some(missing))), Look::Bad) + "\n");
    }
    text
}

fn vouchers(client: &Client) -> VoucherServiceClient<Connection> {
    VoucherServiceClient::new(client.connection.clone())
}

#[cfg(test)]
mod tests;
