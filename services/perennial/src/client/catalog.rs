//! `perennial catalog …`

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use platform::client::safe;
use proto::{
    catalog::v1::{
        ApplyCatalogRequest, ApplyCatalogResponse, CalculatePricesRequest, CalculatePricesResponse,
        ListProductsRequest, ListProductsResponse, catalog_service_client::CatalogServiceClient,
    },
    renewal::v1::{
        ListMovedReleasesRequest, ListMovedReleasesResponse,
        instance_service_client::InstanceServiceClient,
    },
};

use super::{
    Client,
    failure::{Done, Failure},
    pages::{self, PageArgs},
    value,
};
use crate::text::{
    show,
    table::{Look, Table, look},
};

/// Commands on catalogs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make catalogs what files say. A file with a mistake changes nothing, and every mistake is
    /// named with its line.
    #[command(after_help = "Examples:
  perennial catalog apply services/catalog/examples/jdcloud.yaml --dry-run
  perennial catalog apply services/catalog/examples/*.yaml")]
    Apply {
        /// Catalogs as YAML.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Which instances a catalog would release at another time if it were applied now.
    #[command(after_help = "Example:
  perennial catalog releases services/catalog/examples/jdcloud.yaml")]
    Releases {
        /// A catalog as YAML.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The products, with the durations that they are sold for.
    #[command(after_help = "Example:
  perennial catalog products --catalog jdcloud")]
    Products {
        /// Only this catalog's.
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        catalog: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// The price calculator: what a configuration costs for every duration.
    #[command(after_help = "Example:
  perennial catalog prices jd-vm --region cn-north-1 --set flavor=g.n2.medium")]
    Prices(PricesArgs),
}

/// What to price.
#[derive(Debug, clap::Args)]
pub struct PricesArgs {
    /// The product.
    product: String,
    /// The region.
    #[arg(long)]
    region: String,
    /// The currency, as its ISO 4217 code.
    #[arg(long, default_value = "CNY")]
    currency: String,
    /// A setting of the configuration.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = value::pair)]
    settings: Vec<(String, String)>,
    /// The instant to price at; now by default.
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Also how each price comes about.
    #[arg(long)]
    lines: bool,
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Apply { files, dry_run } => apply(client, &files, dry_run).await,
            Self::Releases { file } => releases(client, &file).await,
            Self::Products { catalog, page } => products(client, &catalog, page).await,
            Self::Prices(args) => args.run(client).await,
        }
    }
}

async fn apply(client: &Client, files: &[PathBuf], dry_run: bool) -> Result<Done, Failure> {
    for file in files {
        let document = super::read_file(file)?;
        let request = ApplyCatalogRequest { document, dry_run };
        let answer = safe(async || catalogs(client).apply_catalog(request.clone()).await).await?;
        let name = file.display().to_string();
        client.print(answer.get_ref(), |answer| changes(&name, dry_run, answer))?;
    }
    Ok(Done::Whole)
}

fn changes(name: &str, dry_run: bool, answer: &ApplyCatalogResponse) -> String {
    let count = i64::try_from(answer.changes.len()).unwrap_or(i64::MAX);
    let did = if dry_run { "would change" } else { "changed" };
    let version = answer.catalog_version;
    let many = show::counted(count, "thing");
    let mut text = format!("{name}: {did} {many}, catalog version {version}\n");
    let mut table = Table::new(&["", "", ""]);
    for change in &answer.changes {
        let action = show::word(change.action().as_str_name(), "ACTION_").to_lowercase();
        table.row([format!("  {action}"), change.subject.clone(), change.detail.clone()]);
    }
    if !table.is_empty() {
        text += &table.text();
    }
    for impact in &answer.impacts {
        let _ = writeln!(text, "{} {impact}", look("impact:", Look::Notable));
    }
    text
}

async fn releases(client: &Client, file: &Path) -> Result<Done, Failure> {
    let document = super::read_file(file)?;
    let mut request = ListMovedReleasesRequest { document, ..Default::default() };
    let mut all = ListMovedReleasesResponse::default();
    let bar = pages::progress("pages", 0);
    loop {
        let instances = InstanceServiceClient::new(client.connection.clone());
        let call = async || instances.clone().list_moved_releases(request.clone()).await;
        let page = safe(call).await?.into_inner();
        all.releases.extend(page.releases);
        bar.inc(1);
        if !page.more {
            break;
        }
        request.cursor = page.next_cursor;
    }
    bar.finish_and_clear();
    client.print(&all, |all| {
        let mut table = Table::new(&["ACCOUNT", "INSTANCE", "PRODUCT", "RELEASED", "WOULD BE"]);
        for one in &all.releases {
            table.row([
                one.account_id.clone(),
                one.instance_id.clone(),
                one.product_id.clone(),
                show::instant(one.release_time.as_ref(), client.zone),
                show::instant(one.new_release_time.as_ref(), client.zone),
            ]);
        }
        let count = i64::try_from(all.releases.len()).unwrap_or(i64::MAX);
        table.text()
            + &format!("{} would be released at another time\n", show::counted(count, "instance"))
    })?;
    Ok(Done::Whole)
}

async fn products(client: &Client, catalog: &str, page: PageArgs) -> Result<Done, Failure> {
    let list = async |page| {
        let request = ListProductsRequest { catalog: catalog.to_owned(), page: Some(page) };
        let call = async || catalogs(client).list_products(request.clone()).await;
        safe(call).await.map(tonic::Response::into_inner)
    };
    let answer = pages::fetch(page, list).await?;
    client.print(&answer, |answer| product_table(answer) + &pages::footer(answer))?;
    Ok(Done::Whole)
}

fn product_table(answer: &ListProductsResponse) -> String {
    let mut table = Table::new(&["PRODUCT", "CATALOG", "LINE", "DURATIONS", "POLICIES"]);
    for product in &answer.products {
        let profile = product.profile.clone().unwrap_or_default();
        let policies = profile
            .policies()
            .map(|policy| show::word(policy.as_str_name(), "RENEWAL_POLICY_"))
            .collect::<Vec<_>>()
            .join(" ");
        let durations = if profile.not_renewable_why.is_empty() {
            show::durations(&profile.durations)
        } else {
            format!("not renewed here: {}", profile.not_renewable_why)
        };
        let line = product.line.clone();
        let catalog = product.catalog.clone();
        table.row([product.product_id.clone(), catalog, line, durations, policies]);
    }
    table.text()
}

impl PricesArgs {
    async fn run(self, client: &Client) -> Result<Done, Failure> {
        let Self { product, region, currency, settings, as_of, lines } = self;
        let as_of = as_of.map(|text| client.instant("--as-of", &text)).transpose()?;
        let request = CalculatePricesRequest {
            product_id: product,
            region,
            currency_code: currency,
            configuration: Some(value::configuration(&settings)),
            as_of,
        };
        let answer =
            safe(async || catalogs(client).calculate_prices(request.clone()).await).await?;
        client.print(answer.get_ref(), |answer| price_table(answer, lines))?;
        Ok(Done::Whole)
    }
}

fn price_table(answer: &CalculatePricesResponse, lines: bool) -> String {
    let mut table = Table::new(&["DURATION", ">LIST", ">PAYABLE", "TIER", "DISCOUNT"]);
    for price in &answer.prices {
        let quote = price.quote.clone().unwrap_or_default();
        table.row([
            show::duration(price.duration.as_ref()),
            show::exact(quote.list_price.as_ref()),
            show::money(quote.payable.as_ref()),
            show::or_nothing(&quote.tier),
            show::or_nothing(&quote.discount_name),
        ]);
        for line in quote.lines.iter().filter(|_| lines) {
            let amount = show::exact(line.amount.as_ref());
            let rules = look(&line.rule_ids.join(" "), Look::Quiet);
            table.row([String::new(), amount, String::new(), line.text.clone(), rules]);
        }
    }
    table.text()
}

fn catalogs(client: &Client) -> CatalogServiceClient<platform::client::Connection> {
    CatalogServiceClient::new(client.connection.clone())
}
