//! Huawei Cloud: the standard renewal date, the four tabs, tiers.

use proto::{
    catalog::v1::CalculatePricesRequest,
    renewal::v1::{InstanceRegistration, instance_filter::Tab},
    r#type::v1::RenewalPolicy,
};

use super::{
    kingsoft::{check_tabs, policy_or_reason, set_policy},
    rows::{configuration, metered, on_standard_date, paid, renewal},
    story::{Story, days, item, payable},
};
use crate::text::show;

const HOOLI: &str = "hooli";

pub async fn tell(story: &mut Story) -> anyhow::Result<()> {
    story
        .chapter("Huawei Cloud", "hooli rents dedicated pools of ModelArts and elastic servers.")?;
    story.later("2018-09-06 09:00").await?;
    story.section("hooli and what it rents")?;
    story.open(HOOLI, "huaweicloud", "60000.00").await?;
    let pool =
        |id, product, flavor| metered(HOOLI, id, product, &[("flavor", flavor), ("nodes", "1")]);
    let standard = pool("pool-standard", "hw-standard-pool", "modelarts.vm.cpu.8ud");
    let lite = pool("pool-lite", "hw-lite-pool", "modelarts.bm.npu.910b");
    let since = "2018-08-11 00:00";
    story
        .register(vec![
            paid(standard, since, "2018-09-10")?,
            paid(lite, since, "2018-10-01")?,
            paid(server("ecs-auto"), since, "2018-09-20")?,
            paid(server("ecs-postpaid"), since, "2018-09-21")?,
            paid(server("ecs-leaving"), since, "2018-09-22")?,
        ])
        .await?;
    standard_date(story).await?;
    four_tabs(story).await?;
    tiers(story).await
}

fn server(id: &str) -> InstanceRegistration {
    metered(HOOLI, id, "hw-ecs", &[("flavor", "s6.small.1")])
}

/// U-2, M-4.
async fn standard_date(story: &mut Story) -> anyhow::Result<()> {
    story.section("Two pools are renewed 1 month onto the standard date (U-2, M-4)")?;
    story.set_standard_day(HOOLI, 1).await?;
    let pools = on_standard_date(renewal(&["pool-standard", "pool-lite"], "1m"));
    let order = story.renew(HOOLI, pools).await?;
    let (first, second) = (item(&order, "pool-standard")?, item(&order, "pool-lite")?);
    story.check("pool-standard, 2018-09-10 → 2018-11-01", days(first), "52 days, 22 odd")?;
    // 1,250 × (1 + 22/30), half up.
    story.check("pool-standard pays", payable(first), "CNY 2166.67")?;
    story.check("pool-lite, 2018-10-01 → 2018-11-01", days(second), "31 days, 0 odd")?;
    story.check("pool-lite pays", payable(second), "CNY 48000.00")?;
    story.check("together", show::money(order.payable.as_ref()), "CNY 50166.67")?;
    for id in ["pool-standard", "pool-lite"] {
        story.check_expiry(HOOLI, id, "2018-11-01 23:59:59").await?;
        let anchor = story.instance(HOOLI, id).await?.anchor_day;
        story.check(&format!("{id} ends on day (U-4)"), anchor, 1)?;
    }
    let cash = story.cash(HOOLI).await?;
    story.check("hooli has left", cash, "CNY 9833.33")
}

/// P-1, P-5: all four policies.
async fn four_tabs(story: &mut Story) -> anyhow::Result<()> {
    story.section("The four tabs")?;
    let policies = [
        ("ecs-auto", RenewalPolicy::Auto),
        ("ecs-postpaid", RenewalPolicy::PostpaidAfterExpiry),
        ("ecs-leaving", RenewalPolicy::NotRenew),
    ];
    for (id, policy) in policies {
        let results = set_policy(story, HOOLI, &[id], policy).await?;
        let expected = show::word(policy.as_str_name(), "RENEWAL_POLICY_");
        story.check(&format!("{id} is set to"), policy_or_reason(&results[0]), expected)?;
    }
    let tabs = [
        (Tab::Manual, "pool-lite pool-standard"),
        (Tab::Auto, "ecs-auto"),
        (Tab::PostpaidAfterExpiry, "ecs-postpaid"),
        (Tab::NotRenew, "ecs-leaving"),
    ];
    check_tabs(story, HOOLI, &tabs).await
}

/// M-2, M-7: the published tiers at 100.00 a month.
async fn tiers(story: &mut Story) -> anyhow::Result<()> {
    story.section(
        "The price calculator: months by the tiers of months, years by those of years (M-2)",
    )?;
    let request = CalculatePricesRequest {
        product_id: "hw-ecs".to_owned(),
        region: "cn-north-1".to_owned(),
        currency_code: "CNY".to_owned(),
        configuration: Some(configuration(&[("flavor", "s6.small.1")])),
        as_of: None,
    };
    let prices = story.world.catalog().calculate_prices(request).await?.into_inner().prices;
    let expected = [
        ("1 month", "CNY 100.00"),
        ("6 months", "CNY 528.00"),
        ("11 months", "CNY 968.00"),
        ("1 year", "CNY 996.00"),
        ("3 years", "CNY 1800.00"),
    ];
    for (duration, price) in expected {
        let found = prices.iter().find(|p| show::duration(p.duration.as_ref()) == duration);
        let quote = found.and_then(|price| price.quote.as_ref());
        let actual = show::money(quote.and_then(|quote| quote.payable.as_ref()));
        story.check(duration, actual, price)?;
    }
    Ok(())
}
