//! JD Cloud: conversion, bound instances, durations not offered, late renewal, standard dates.

use proto::renewal::v1::{ListBoundInstancesRequest, Selection, binding::Kind};

use super::{
    rows::{bound, metered, on_standard_date, paid, renewal, with_ticked},
    story::{Story, days, found, item, list_price, payable},
    world::ZONE,
};
use crate::text::show;

const ACME: &str = "acme";
const BOUGHT: &str = "2018-08-02 10:00";

pub async fn tell(story: &mut Story) -> anyhow::Result<()> {
    story.chapter("JD Cloud", "acme rents virtual machines, elastic IPs and disks.")?;
    open(story).await?;
    convert(story).await?;
    with_what_is_bound(story).await?;
    three_years(story).await?;
    late(story).await?;
    by_traffic(story).await?;
    standard_date(story).await?;
    story.section("What acme paid")?;
    // 10,000 less 409.50, 1,790.00 and 56.00.
    let cash = story.cash(ACME).await?;
    story.check("acme has left", cash, "CNY 7744.50")
}

async fn open(story: &mut Story) -> anyhow::Result<()> {
    story.section("acme and what it rents")?;
    story.open(ACME, "jdcloud", "10000.00").await?;
    let vm = |id, flavor| metered(ACME, id, "jd-vm", &[("flavor", flavor)]);
    let disk = |id| metered(ACME, id, "jd-disk", &[("disk_type", "ssd"), ("size_gb", "100")]);
    let late = paid(vm("vm-late", "g.s1.micro"), "2018-07-01 10:00", "2018-07-30")?;
    story.register(vec![late]).await?;
    story.later(BOUGHT).await?;
    let settings = [("line_type", "bgp"), ("bandwidth_mbps", "1")];
    let eip = metered(ACME, "eip-web", "jd-eip", &settings);
    let (web, data) = (vm("vm-web", "g.s1.micro"), vm("vm-data", "g.s1.micro"));
    let month = |row| paid(row, BOUGHT, "2018-09-02");
    story
        .register(vec![
            vm("vm-meter", "g.n2.medium"),
            month(web)?,
            bound(month(eip)?, "vm-web", Kind::Optional),
            bound(month(disk("disk-web"))?, "vm-web", Kind::Optional),
            month(data)?,
            bound(month(disk("disk-data"))?, "vm-data", Kind::Optional),
            metered(ACME, "eip-traffic", "jd-eip-traffic", &[("line_type", "bgp")]),
            paid(vm("vm-standard", "g.n2.medium"), "2018-08-11 00:00", "2018-09-10")?,
        ])
        .await
}

/// C-1, T-5: bought 2018-08-02 10:00.
async fn convert(story: &mut Story) -> anyhow::Result<()> {
    story.section("A virtual machine by configuration becomes prepaid for 3 months (C-1)")?;
    let order = story.renew(ACME, renewal(&["vm-meter"], "3m")).await?;
    let item = item(&order, "vm-meter")?;
    let kind = show::word(item.order_kind().as_str_name(), "ORDER_KIND_");
    story.check("the order is a", kind, "CONVERSION")?;
    let start = show::instant(item.start_time.as_ref(), ZONE);
    story.check("its term begins with the payment", start, "2018-08-02 10:00:00")?;
    story.check("3 months of 136.50 cost", payable(item), "CNY 409.50")?;
    story.check_expiry(ACME, "vm-meter", "2018-11-02 23:59:59").await?;
    let instance = story.instance(ACME, "vm-meter").await?;
    let policy = instance.renewal.unwrap_or_default().policy();
    let policy = show::word(policy.as_str_name(), "RENEWAL_POLICY_");
    story.check("its policy is", policy, "MANUAL")
}

/// B-2, M-2: one year pays ten months.
async fn with_what_is_bound(story: &mut Story) -> anyhow::Result<()> {
    story.section("A monthly virtual machine is renewed for 1 year with its EIP and disk (B-2)")?;
    let request = ListBoundInstancesRequest {
        account_id: ACME.to_owned(),
        instance_id: "vm-web".to_owned(),
        duration: "1y".parse().ok(),
    };
    let answer = story.world.instances().list_bound_instances(request).await?.into_inner();
    let bound = answer.bound.iter().map(|bound| {
        let id = bound.instance.as_ref().map(|instance| instance.instance_id.as_str());
        format!(
            "{} {}",
            id.unwrap_or_default(),
            bound.item.as_ref().map(payable).unwrap_or_default()
        )
    });
    let bound = bound.collect::<Vec<_>>().join(", ");
    story.check("may be ticked, for 1 year", bound, "disk-web CNY 1000.00, eip-web CNY 230.00")?;
    let selection = with_ticked(renewal(&["vm-web"], "1y"), &["eip-web", "disk-web"]);
    let order = story.renew(ACME, selection).await?;
    story.check("12 months of 56.00 list at", list_price(item(&order, "vm-web")?), "672.00")?;
    story.check("1 year pays 10 months", payable(item(&order, "vm-web")?), "CNY 560.00")?;
    story.check("the EIP, 23.00 a month", payable(item(&order, "eip-web")?), "CNY 230.00")?;
    story.check("the disk, 100.00 a month", payable(item(&order, "disk-web")?), "CNY 1000.00")?;
    story.check("together", show::money(order.payable.as_ref()), "CNY 1790.00")?;
    for id in ["vm-web", "eip-web", "disk-web"] {
        story.check_expiry(ACME, id, "2019-09-02 23:59:59").await?;
    }
    Ok(())
}

/// T-1, B-1: disks are not sold for 3 years.
async fn three_years(story: &mut Story) -> anyhow::Result<()> {
    story
        .section("For 3 years with its disk: refused, because disks are not sold so long (T-1)")?;
    let selection = || with_ticked(renewal(&["vm-data"], "3y"), &["disk-data"]);
    let bill = story.preview(ACME, selection()).await?.bill.unwrap_or_default();
    story.check("it can be ordered", bill.orderable, false)?;
    let refused = bill.refused.iter().map(|refused| refused.instance_id.as_str());
    story.check("refused is", refused.collect::<Vec<_>>().join(" "), "disk-data")?;
    let both = show::durations(&bill.durations);
    story.check("both offer", both, "1m 2m 3m 4m 5m 6m 7m 8m 9m 1y 2y")?;
    story.refused(ACME, selection(), "TERM_NOT_OFFERED").await?;
    story.check_expiry(ACME, "vm-data", "2018-09-02 23:59:59").await
}

/// T-3: late starts of JD virtual machines are at the renewal.
async fn late(story: &mut Story) -> anyhow::Result<()> {
    story.section("Renewed 3 days after expiry: the new term begins with the renewal (T-3)")?;
    story.check_expiry(ACME, "vm-late", "2018-07-30 23:59:59").await?;
    let order = story.renew(ACME, renewal(&["vm-late"], "1m")).await?;
    let item = item(&order, "vm-late")?;
    let start = show::instant(item.start_time.as_ref(), ZONE);
    story.check("the term begins", start, "2018-08-02 10:00:00")?;
    story.check("it takes over the day of the renewal", item.anchor_day, 2)?;
    story.check("1 month costs", payable(item), "CNY 56.00")?;
    story.check_expiry(ACME, "vm-late", "2018-09-02 23:59:59").await
}

async fn by_traffic(story: &mut Story) -> anyhow::Result<()> {
    story.section("An EIP by traffic is metered for good (C-1)")?;
    story.refused(ACME, renewal(&["eip-traffic"], "1m"), "POSTPAID_NOT_CONVERTIBLE").await
}

/// U-2, M-4: the published figures of 136.5 a month.
async fn standard_date(story: &mut Story) -> anyhow::Result<()> {
    story.section("Onto the first of the month: what it would cost (U-2, M-4)")?;
    story.refused(ACME, aligned("1m"), "STANDARD_DATE_NOT_SET").await?;
    story.set_standard_day(ACME, 1).await?;
    let figures = [
        ("1m", "CNY 236.60", "52 days, 22 odd", "2018-11-01 23:59:59"),
        ("3m", "CNY 509.60", "113 days, 22 odd", "2019-01-01 23:59:59"),
    ];
    for (duration, price, added, expiry) in figures {
        let bill = story.preview(ACME, aligned(duration)).await?.bill.unwrap_or_default();
        let item = found(bill.items.iter(), "vm-standard")?;
        story.check(&format!("{duration} and onto the first costs"), payable(item), price)?;
        story.check("it adds", days(item), added)?;
        story.check("it would expire", &item.expiry_shown, expiry)?;
    }
    Ok(())
}

fn aligned(duration: &str) -> Selection {
    on_standard_date(renewal(&["vm-standard"], duration))
}
