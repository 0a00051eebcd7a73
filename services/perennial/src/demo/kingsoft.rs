//! Kingsoft Cloud: finding, tabs, products that are not renewed, the strong group, ad-hoc dates.

use proto::{
    renewal::v1::{
        CheckRenewalsRequest, InstanceFilter, InstanceRegistration, ListInstancesRequest,
        PolicyResult, RenewalSetting, SetRenewalPoliciesRequest, binding::Kind,
        instance_filter::Tab, policy_result::Result as Row,
    },
    r#type::v1::{PageRequest, RenewalPolicy},
};

use super::{
    rows::{bound, in_room, metered, on_date, paid, renewal},
    story::{Story, days, item, payable},
};
use crate::text::{bill, show};

const GLOBEX: &str = "globex";

pub async fn tell(story: &mut Story) -> anyhow::Result<()> {
    story.chapter("Kingsoft Cloud", "globex looks at its renewal management.")?;
    open(story).await?;
    search(story).await?;
    tabs(story).await?;
    not_renewed(story).await?;
    strong_group(story).await?;
    one_date(story).await?;
    auto_after_expiry(story).await
}

fn eip(id: &str, mbps: &str) -> InstanceRegistration {
    metered(GLOBEX, id, "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", mbps)])
}

async fn open(story: &mut Story) -> anyhow::Result<()> {
    story.later("2018-08-10 09:00").await?;
    story.section("globex and what it rents")?;
    story.open(GLOBEX, "kingsoft", "5000.00").await?;
    let since = "2018-07-01 00:00";
    let ks = |id, product, settings: &[(&str, &str)]| metered(GLOBEX, id, product, settings);
    let kec = ks("kec-1", "ks-kec", &[("flavor", "n3.2b")]);
    let ebs = ks("ebs-1", "ks-ebs", &[("disk_type", "ssd3.0"), ("size_gb", "100")]);
    let kes = ks("kes-1", "ks-kes", &[("node_type", "es.4c16g"), ("nodes", "3")]);
    let group = |row| paid(row, since, "2018-08-31");
    let trial = InstanceRegistration { trial: true, ..eip("eip-trial", "1") };
    let by_use = InstanceRegistration { one_time: true, ..eip("eip-uses", "1") };
    story
        .register(vec![
            in_room(paid(eip("eip-a", "5"), since, "2018-08-20")?, "BJ-A"),
            in_room(paid(eip("eip-b", "1"), since, "2018-09-15")?, "BJ-B"),
            in_room(paid(eip("eip-c", "2"), since, "2018-08-25")?, "BJ-B"),
            in_room(paid(eip("eip-old", "1"), since, "2018-08-08")?, "BJ-A"),
            eip("eip-meter", "1"),
            paid(trial, since, "2018-08-31")?,
            paid(by_use, since, "2018-08-31")?,
            paid(ks("kad-1", "ks-kad", &[]), since, "2018-08-31")?,
            paid(ks("kcm-1", "ks-kcm", &[]), since, "2018-08-31")?,
            group(kec)?,
            bound(group(ebs)?, "kec-1", Kind::Strong),
            bound(group(kes)?, "kec-1", Kind::Strong),
        ])
        .await?;
    let results = set_auto(story, &["eip-c"]).await?;
    story.check("eip-c is set to AUTO", policy_or_reason(&results[0]), "AUTO")
}

/// Section 12.
async fn search(story: &mut Story) -> anyhow::Result<()> {
    story.section("Found by expiry, product and room type")?;
    let all = InstanceFilter::default;
    let searches = [
        (
            "expiring within 15 days",
            InstanceFilter { within_days: Some(15), ..all() },
            "eip-a eip-c",
        ),
        ("expired", InstanceFilter { expired_only: true, ..all() }, "eip-old"),
        (
            "elastic IPs in a room of type BJ-B",
            InstanceFilter {
                product_ids: vec!["ks-eip".to_owned()],
                room_types: vec!["BJ-B".to_owned()],
                ..all()
            },
            "eip-c eip-b",
        ),
        (
            "through 2018-08-31, cloud servers and disks",
            InstanceFilter {
                last_day_to: chrono::NaiveDate::from_ymd_opt(2018, 8, 31).map(Into::into),
                product_ids: vec!["ks-kec".to_owned(), "ks-ebs".to_owned()],
                ..all()
            },
            "ebs-1 kec-1",
        ),
        (
            "with what is hidden: id begins with eip-t",
            InstanceFilter { prefix: "eip-t".to_owned(), include_hidden: true, ..all() },
            "eip-trial",
        ),
    ];
    for (what, filter, expected) in searches {
        let found = find(story, GLOBEX, filter).await?;
        story.check(what, found, expected)?;
    }
    Ok(())
}

async fn tabs(story: &mut Story) -> anyhow::Result<()> {
    story
        .section("The three tabs; trials, one-time instances and what is not renewed are hidden")?;
    let tabs = [
        (Tab::Manual, "eip-old eip-a ebs-1 kec-1 kes-1 eip-b"),
        (Tab::Auto, "eip-c"),
        (Tab::NoExpiry, "eip-meter"),
    ];
    check_tabs(story, GLOBEX, &tabs).await
}

/// Checks what stands on which tab.
pub async fn check_tabs(
    story: &mut Story,
    account: &str,
    tabs: &[(Tab, &str)],
) -> anyhow::Result<()> {
    for (tab, expected) in tabs {
        let filter = InstanceFilter { tab: (*tab).into(), ..InstanceFilter::default() };
        let found = find(story, account, filter).await?;
        let name = show::word(tab.as_str_name(), "TAB_");
        story.check(&format!("tab {name}"), found, expected)?;
    }
    Ok(())
}

/// The ids of the instances that a filter finds, in their order.
async fn find(story: &Story, account: &str, filter: InstanceFilter) -> anyhow::Result<String> {
    let request = ListInstancesRequest {
        account_id: account.to_owned(),
        filter: Some(filter),
        page: Some(PageRequest { page_size: 100, ..PageRequest::default() }),
    };
    let answer = story.world.instances().list_instances(request).await?.into_inner();
    let ids = answer.instances.iter().map(|instance| instance.instance_id.as_str());
    Ok(ids.collect::<Vec<_>>().join(" "))
}

/// Section 5.
async fn not_renewed(story: &mut Story) -> anyhow::Result<()> {
    story.section("What is not renewed, and why")?;
    let expected = [
        ("eip-trial", "TRIAL_INSTANCE"),
        ("eip-uses", "ONE_TIME_INSTANCE"),
        ("kad-1", "PRODUCT_NOT_RENEWABLE"),
        ("kcm-1", "PRODUCT_NOT_RENEWABLE"),
    ];
    let request = CheckRenewalsRequest {
        account_id: GLOBEX.to_owned(),
        instance_ids: expected.iter().map(|(id, _)| (*id).to_owned()).collect(),
        duration: None,
    };
    let answer = story.world.instances().check_renewals(request).await?.into_inner();
    for (check, (id, reason)) in answer.checks.iter().zip(expected) {
        for refusal in &check.refusals {
            story.say(&bill::refusal_line("", id, refusal))?;
        }
        let first = check.refusals.first().map(|refusal| refusal.reason.as_str());
        story.check(&format!("{id} is refused with"), first.unwrap_or("nothing"), reason)?;
    }
    Ok(())
}

/// B-4.
async fn strong_group(story: &mut Story) -> anyhow::Result<()> {
    story.section("KEC + EBS + KES: refused in a batch, renewed as one (B-4)")?;
    let batch = renewal(&["kec-1", "ebs-1", "kes-1", "eip-a"], "1m");
    story.refused(GLOBEX, batch, "GROUP_NOT_IN_BATCH").await?;
    let part = renewal(&["ebs-1"], "1m");
    story.refused(GLOBEX, part, "GROUP_MUST_RENEW_TOGETHER").await?;
    let results = set_auto(story, &["kec-1", "eip-b"]).await?;
    story.check("AUTO in a batch, kec-1", policy_or_reason(&results[0]), "GROUP_NOT_IN_BATCH")?;
    story.check("AUTO in a batch, eip-b", policy_or_reason(&results[1]), "AUTO")?;
    let order = story.renew(GLOBEX, renewal(&["kec-1"], "1m")).await?;
    story.check("items of the order", order.items.len(), 3)?;
    // 159.50, 100 GB at 0.80, 3 nodes at 680.00.
    story.check("together", show::money(order.payable.as_ref()), "CNY 2279.50")?;
    for id in ["kec-1", "ebs-1", "kes-1"] {
        story.check_expiry(GLOBEX, id, "2018-09-30 23:59:59").await?;
    }
    Ok(())
}

/// U-5, M-4.
async fn one_date(story: &mut Story) -> anyhow::Result<()> {
    story.section("Two instances are set to one date (U-5)")?;
    let order = story.renew(GLOBEX, on_date(&["eip-a", "eip-b"], "2018-10-15")?).await?;
    let (first, second) = (item(&order, "eip-a")?, item(&order, "eip-b")?);
    // 100.00 × (1 + 25/30), and 1 month of 20.00.
    story.check("eip-a, 2018-08-20 → 2018-10-15", days(first), "56 days, 25 odd")?;
    story.check("eip-a pays", payable(first), "CNY 183.33")?;
    story.check("eip-b, 2018-09-15 → 2018-10-15", days(second), "30 days, 0 odd")?;
    story.check("eip-b pays", payable(second), "CNY 20.00")?;
    for id in ["eip-a", "eip-b"] {
        story.check_expiry(GLOBEX, id, "2018-10-15 23:59:59").await?;
    }
    let early = on_date(&["eip-a", "eip-b"], "2018-10-14")?;
    story.refused(GLOBEX, early, "DATE_TOO_EARLY").await
}

/// P-2.
async fn auto_after_expiry(story: &mut Story) -> anyhow::Result<()> {
    story.section("An expired manual instance cannot be set to AUTO (P-2)")?;
    let results = set_auto(story, &["eip-old"]).await?;
    story.check("eip-old", policy_or_reason(&results[0]), "AUTO_RENEW_AFTER_EXPIRY")
}

/// Asks for `AUTO`, and shows what was refused.
async fn set_auto(story: &mut Story, ids: &[&str]) -> anyhow::Result<Vec<PolicyResult>> {
    set_policy(story, GLOBEX, ids, RenewalPolicy::Auto).await
}

/// Asks for a policy, and shows what was refused.
pub async fn set_policy(
    story: &mut Story,
    account: &str,
    ids: &[&str],
    policy: RenewalPolicy,
) -> anyhow::Result<Vec<PolicyResult>> {
    let renewal = RenewalSetting { policy: policy.into(), ..RenewalSetting::default() };
    set_renewal(story, account, ids, renewal).await
}

/// Asks for what is to happen at the expiry, and shows what was refused.
pub async fn set_renewal(
    story: &mut Story,
    account: &str,
    ids: &[&str],
    renewal: RenewalSetting,
) -> anyhow::Result<Vec<PolicyResult>> {
    let request = SetRenewalPoliciesRequest {
        account_id: account.to_owned(),
        instance_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        renewal: Some(renewal),
    };
    let results = story.world.instances().set_renewal_policies(request).await?.into_inner().results;
    anyhow::ensure!(results.len() == ids.len(), "a result for each instance");
    for result in &results {
        if let Some(Row::Error(refusal)) = &result.result {
            story.say(&bill::refusal_line("", &result.instance_id, refusal))?;
        }
    }
    Ok(results)
}

/// The policy that holds now, or why it was refused.
pub fn policy_or_reason(result: &PolicyResult) -> String {
    match &result.result {
        Some(Row::Renewal(renewal)) => {
            show::word(renewal.policy().as_str_name(), "RENEWAL_POLICY_")
        }
        Some(Row::Error(refusal)) => refusal.reason.clone(),
        None => "nothing".to_owned(),
    }
}
