//! `perennial instances list`

use platform::client::safe;
use proto::{
    renewal::v1::{
        Instance, InstanceFilter, ListInstancesRequest, instance::State, instance_filter::Tab,
    },
    r#type::v1::Date,
};

use super::{AccountArg, Client, Done, Failure, instances, policy};
use crate::{
    client::{
        pages::{self, PageArgs},
        value,
    },
    text::{
        show,
        table::{Look, Table, look},
    },
};

/// What `instances list --help` shows.
pub const EXAMPLES: &str = "\
Examples:
  perennial instances list --account acme --within-days 7
  perennial instances list --account acme --expired --product jd-vm --room-type cn-north-1a
  perennial instances list --account acme --tab auto --all --output json
  perennial instances list --account acme --page-size 50 --skip 100";

/// Which instances.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    account: AccountArg,
    /// Last day on or after this date.
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    from: Option<Date>,
    /// Last day on or before this date.
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    to: Option<Date>,
    /// Last day at most so many days from today; expired ones are left out.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(0..))]
    within_days: Option<i32>,
    /// Only expired ones.
    #[arg(long)]
    expired: bool,
    /// Of this product; may be given several times.
    #[arg(long)]
    product: Vec<String>,
    /// Of this room type; may be given several times.
    #[arg(long)]
    room_type: Vec<String>,
    /// In this region; may be given several times.
    #[arg(long)]
    region: Vec<String>,
    /// The tab of a renewal console.
    #[arg(long)]
    tab: Option<TabArg>,
    /// In this state; may be given several times.
    #[arg(long)]
    state: Vec<StateArg>,
    /// Name or id begins with this.
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// With this label; may be given several times.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = value::pair)]
    labels: Vec<(String, String)>,
    /// Also trials, one-time instances, products that opt out, and released ones.
    #[arg(long)]
    hidden: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// The tabs.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum TabArg {
    Manual,
    Auto,
    PostpaidAfterExpiry,
    NotRenew,
    NoExpiry,
}

/// The states.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum StateArg {
    Active,
    Grace,
    Retained,
    Released,
}

impl ListArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let tab = self.tab.map_or(Tab::Unspecified, |tab| match tab {
            TabArg::Manual => Tab::Manual,
            TabArg::Auto => Tab::Auto,
            TabArg::PostpaidAfterExpiry => Tab::PostpaidAfterExpiry,
            TabArg::NotRenew => Tab::NotRenew,
            TabArg::NoExpiry => Tab::NoExpiry,
        });
        let state = |state| match state {
            StateArg::Active => State::Active.into(),
            StateArg::Grace => State::Grace.into(),
            StateArg::Retained => State::Retained.into(),
            StateArg::Released => State::Released.into(),
        };
        let filter = InstanceFilter {
            last_day_from: self.from,
            last_day_to: self.to,
            within_days: self.within_days,
            expired_only: self.expired,
            product_ids: self.product,
            room_types: self.room_type,
            regions: self.region,
            tab: tab.into(),
            states: self.state.into_iter().map(state).collect(),
            prefix: self.prefix,
            labels: self.labels.into_iter().collect(),
            include_hidden: self.hidden,
        };
        let list = async |page| {
            let account_id = self.account.account.clone();
            let filter = Some(filter.clone());
            let request = ListInstancesRequest { account_id, filter, page: Some(page) };
            let call = async || instances(client).list_instances(request.clone()).await;
            safe(call).await.map(tonic::Response::into_inner)
        };
        let answer = pages::fetch(self.page, list).await?;
        client.print(&answer, |answer| rows(&answer.instances) + &pages::footer(answer))?;
        Ok(Done::Whole)
    }
}

/// A row for each instance.
pub fn rows(instances: &[Instance]) -> String {
    let headings =
        ["INSTANCE", "PRODUCT LINE", "CONFIGURATION", "BILLING", "EXPIRES", "POLICY", "RENEWABLE"];
    let mut table = Table::new(&headings);
    for instance in instances {
        let reasons = instance.refusals.iter().map(|refusal| refusal.reason.as_str());
        let renewable = if instance.renewable {
            look("yes", Look::Good)
        } else {
            look(&reasons.collect::<Vec<_>>().join(" "), Look::Bad)
        };
        table.row([
            instance.instance_id.clone(),
            instance.product_line.clone(),
            show::configuration(instance.configuration.as_ref()),
            show::word(instance.billing_mode().as_str_name(), "BILLING_MODE_"),
            show::or_nothing(&instance.expiry_shown),
            policy(&instance.renewal.unwrap_or_default()),
            renewable,
        ]);
    }
    table.text()
}
