//! `perennial instances register`

use std::path::PathBuf;

use platform::client::safe;
use proto::renewal::v1::{
    Binding, InstanceRegistration, RegisterInstancesRequest, RegisterInstancesResponse,
    binding::Kind,
    instance_registration::{Billing, Postpaid, Prepaid},
    registration_result::{Outcome, Result as Row},
};

use super::{Client, Done, Failure, instances};
use crate::{
    client::{pages, value},
    text::{bill, show},
};

/// Rows of one call.
const PAGE: usize = 1_000;

/// What `instances register --help` shows.
pub const EXAMPLES: &str = "\
Examples:
  perennial instances register --file instances.yaml
  perennial instances register --account acme vm-1 --product jd-vm \\
    --region cn-north-1 --set flavor=g.n2.medium --start 2026-01-01 --end 2026-02-01

A file is YAML or JSON: a list of instances under the contract's field names, any number of them:
  - instance_id: vm-1
    account_id: acme
    product_id: jd-vm
    region: cn-north-1
    configuration: {flavor: g.n2.medium}
    prepaid: {start_time: 2026-01-01, end_time: 2026-02-01}
  - instance_id: eip-1
    account_id: acme
    product_id: jd-eip
    region: cn-north-1
    configuration: {line: bgp, bandwidth_mbps: 5}
    postpaid: {}
    binding: {parent_instance_id: vm-1, kind: OPTIONAL}

Exit code 4 says that rows were refused and the others went through; 1, that all were.";

/// One instance by flags, or many from a file.
#[derive(Debug, clap::Args)]
pub struct RegisterArgs {
    /// Instances as YAML or JSON; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "instance")]
    file: Option<PathBuf>,
    /// The instance.
    #[arg(required_unless_present = "file")]
    instance: Option<String>,
    /// Whose it is.
    #[arg(long, short, env = "PERENNIAL_ACCOUNT", required_unless_present = "file")]
    account: Option<String>,
    /// Its product.
    #[arg(long, required_unless_present = "file")]
    product: Option<String>,
    /// Its region.
    #[arg(long, required_unless_present = "file")]
    region: Option<String>,
    /// Its name, for people.
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Its room type.
    #[arg(long, default_value = "", hide_default_value = true)]
    room_type: String,
    /// A label, for search.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = value::pair)]
    labels: Vec<(String, String)>,
    /// A setting of its configuration.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = value::pair)]
    settings: Vec<(String, String)>,
    /// Start of its first term.
    #[arg(long, value_name = "TIME", requires = "end")]
    start: Option<String>,
    /// End of its first term: the first instant at which it is expired.
    #[arg(long, value_name = "TIME", requires = "start")]
    end: Option<String>,
    /// The day of the month that its terms end on, 1 to 31.
    #[arg(long, value_name = "DAY")]
    anchor_day: Option<i32>,
    /// It is metered, and has no term.
    #[arg(long, conflicts_with_all = ["start", "end", "anchor_day"])]
    postpaid: bool,
    /// It is a trial.
    #[arg(long)]
    trial: bool,
    /// It was bought by number of uses.
    #[arg(long)]
    one_time: bool,
    /// The instance that it is bound to.
    #[arg(long, value_name = "INSTANCE")]
    parent: Option<String>,
    /// How it is bound.
    #[arg(long, value_name = "KIND", default_value = "optional", requires = "parent")]
    bound: BoundArg,
    /// The console's own version of it.
    #[arg(long, default_value_t = 0)]
    source_version: i64,
}

/// How instances are bound.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum BoundArg {
    /// The customer ticks it.
    Optional,
    /// It always goes along.
    Forced,
    /// Ordered together, only ever as one.
    Strong,
}

impl RegisterArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let rows = match &self.file {
            Some(file) => client.read_rows(file)?,
            None => vec![self.registration(client)?],
        };
        let answer = register(client, rows).await?;
        client.print(&answer, text)?;
        let rows = answer.results.iter();
        Ok(Done::all(rows.map(|row| matches!(row.result, Some(Row::Error(_))))))
    }

    fn registration(self, client: &Client) -> Result<InstanceRegistration, Failure> {
        let billing = match (self.start, self.end) {
            (Some(start), Some(end)) => Billing::Prepaid(Prepaid {
                start_time: Some(client.instant("--start", &start)?),
                end_time: Some(client.instant("--end", &end)?),
                anchor_day: self.anchor_day,
            }),
            _ if self.postpaid => Billing::Postpaid(Postpaid {}),
            _ => return Err(Failure::Usage("give --start and --end, or --postpaid".to_owned())),
        };
        let kind = match self.bound {
            BoundArg::Optional => Kind::Optional,
            BoundArg::Forced => Kind::Forced,
            BoundArg::Strong => Kind::Strong,
        };
        let binding =
            self.parent.map(|parent| Binding { parent_instance_id: parent, kind: kind.into() });
        Ok(InstanceRegistration {
            instance_id: self.instance.unwrap_or_default(),
            account_id: self.account.unwrap_or_default(),
            product_id: self.product.unwrap_or_default(),
            region: self.region.unwrap_or_default(),
            name: self.name,
            room_type: self.room_type,
            labels: self.labels.into_iter().collect(),
            configuration: Some(value::configuration(&self.settings)),
            billing: Some(billing),
            trial: self.trial,
            one_time: self.one_time,
            binding,
            source_version: self.source_version,
            ..InstanceRegistration::default()
        })
    }
}

/// Registers in pages; repeating it is harmless, so one that breaks off is simply run again.
async fn register(
    client: &Client,
    rows: Vec<InstanceRegistration>,
) -> Result<RegisterInstancesResponse, Failure> {
    let bar = (rows.len() > PAGE).then(|| pages::progress("instances", rows.len()));
    let mut all = RegisterInstancesResponse::default();
    for page in rows.chunks(PAGE) {
        let request = RegisterInstancesRequest { registrations: page.to_vec() };
        let call = async || instances(client).register_instances(request.clone()).await;
        all.results.extend(safe(call).await?.into_inner().results);
        if let Some(bar) = &bar {
            bar.inc(u64::try_from(page.len()).unwrap_or_default());
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(all)
}

/// How many of each outcome, then every refusal.
fn text(answer: &RegisterInstancesResponse) -> String {
    let count = |wanted: Outcome| {
        let of = |row: &&proto::renewal::v1::RegistrationResult| {
            row.result == Some(Row::Outcome(wanted.into()))
        };
        answer.results.iter().filter(of).count()
    };
    let counts = [
        (count(Outcome::Created), "created"),
        (count(Outcome::Updated), "updated"),
        (count(Outcome::Unchanged), "unchanged"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>();
    let mut text = show::or_nothing(&counts.join(", ")) + "\n";
    for row in &answer.results {
        if let Some(Row::Error(refusal)) = &row.result {
            text += &(bill::refusal_line("refused", &row.instance_id, refusal) + "\n");
        }
    }
    text
}
