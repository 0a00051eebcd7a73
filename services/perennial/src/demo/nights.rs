//! Nights: what renews itself, what cannot, and what nobody renews.

use proto::{
    renewal::v1::{
        CountAttemptsRequest, Event, Instance, InstanceRegistration, ListAttemptsRequest,
        ListEventsRequest, RenewalSetting,
    },
    r#type::v1::{Date, RenewalPolicy},
};

use super::{
    kingsoft::{policy_or_reason, set_policy, set_renewal},
    rows::{metered, paid, renewal},
    story::Story,
    vouchers,
    world::ZONE,
};
use crate::text::{attempts, show, table::Table};

const WAYNE: &str = "wayne";
const CYBERDYNE: &str = "cyberdyne";
const TYRELL: &str = "tyrell";
const SOYLENT: &str = "soylent";

pub async fn tell(story: &mut Story) -> anyhow::Result<()> {
    let kingsoft = kingsoft(story).await;
    story.survive(kingsoft)?;
    let huaweicloud = huaweicloud(story).await;
    story.survive(huaweicloud)?;
    let jdcloud = jdcloud(story).await;
    story.survive(jdcloud)?;
    aliyun(story).await
}

/// P-4: at midnight of the last day, once.
async fn kingsoft(story: &mut Story) -> anyhow::Result<()> {
    story.chapter(
        "Kingsoft Cloud by night",
        "At midnight of its last day what is AUTO renews itself: vouchers first, then cash.",
    )?;
    story.later("2018-09-10 09:00").await?;
    story.section("wayne, and an address that renews itself")?;
    story.check_expiry("globex", "eip-c", "2018-09-25 23:59:59").await?;
    story.open(WAYNE, "kingsoft", "70.00").await?;
    vouchers::grant(story, WAYNE, &[("V1", "40.00", "2018-12-31 00:00")]).await?;
    let settings = [("line_type", "bgp"), ("bandwidth_mbps", "5")];
    let eip = metered(WAYNE, "eip-night", "ks-eip", &settings);
    rent(story, paid(eip, "2018-08-30 00:00", "2018-09-30")?).await?;
    set_auto(story, WAYNE, "eip-night").await?;

    story.later("2018-09-30 00:00").await?;
    story.section("Midnight: 40.00 from the voucher, 60.00 from the cash (V-3)")?;
    check_night(story, WAYNE, "2018-09-30", "1 of 1 decided once, RENEWED 1").await?;
    check_left(story, WAYNE, "eip-night", "2018-10-30 23:59:59", "CNY 10.00").await?;

    story.later("2018-10-30 00:00").await?;
    story.later("2018-10-30 23:00").await?;
    story
        .section("A month later there is too little, also at 23:00: nothing is taken (A-1, A-3)")?;
    check_night(story, WAYNE, "2018-10-30", "2 of 2 decided once, FAILED 2").await?;
    story.later("2018-10-31 00:00").await?;
    check_left(story, WAYNE, "eip-night", "2018-10-30 23:59:59", "CNY 10.00").await?;
    check_life(story, WAYNE, "eip-night", "RETAINED, AUTO").await?;

    story.later("2018-11-02 10:00").await?;
    story.section("Renewed by hand; then AUTO works again without being set (P-4)")?;
    story.deposit(WAYNE, "200.00").await?;
    story.renew(WAYNE, renewal(&["eip-night"], "1m")).await?;
    check_left(story, WAYNE, "eip-night", "2018-12-02 23:59:59", "CNY 110.00").await?;
    check_life(story, WAYNE, "eip-night", "ACTIVE, AUTO").await?;
    story.later("2018-12-02 00:00").await?;
    check_night(story, WAYNE, "2018-12-02", "1 of 1 decided once, RENEWED 1").await?;
    check_left(story, WAYNE, "eip-night", "2019-01-02 23:59:59", "CNY 10.00").await
}

/// A-1, U-4: from seven days before, once a day, onto the standard date.
async fn huaweicloud(story: &mut Story) -> anyhow::Result<()> {
    story.chapter(
        "Huawei Cloud by night",
        "From seven days before its last day a pool is tried daily at 03:00, onto the standard date.",
    )?;
    story.later("2018-12-03 09:00").await?;
    story.section("cyberdyne, and a pool that renews itself")?;
    story.open(CYBERDYNE, "huaweicloud", "100.00").await?;
    story.set_standard_day(CYBERDYNE, 1).await?;
    let settings = [("flavor", "modelarts.vm.cpu.8ud"), ("nodes", "1")];
    let pool = metered(CYBERDYNE, "pool-night", "hw-standard-pool", &settings);
    rent(story, paid(pool, "2018-11-21 00:00", "2018-12-20")?).await?;
    set_auto(story, CYBERDYNE, "pool-night").await?;

    for day in ["2018-12-13", "2018-12-14", "2018-12-15"] {
        story.later(&format!("{day} 03:00")).await?;
        story.section("It is tried, and the money is short")?;
        check_night(story, CYBERDYNE, day, "1 of 1 decided once, FAILED 1").await?;
    }
    story.later("2018-12-15 12:00").await?;
    story.deposit(CYBERDYNE, "3000.00").await?;
    story.later("2018-12-16 03:00").await?;
    story.section("A month and 12 odd days, onto the first: 1,250.00 × (1 + 12/30) (U-4, M-4)")?;
    check_night(story, CYBERDYNE, "2018-12-16", "1 of 1 decided once, RENEWED 1").await?;
    check_left(story, CYBERDYNE, "pool-night", "2019-02-01 23:59:59", "CNY 1350.00").await?;
    story.later("2019-01-25 03:00").await?;
    story.section("From then on a month each")?;
    check_night(story, CYBERDYNE, "2019-01-25", "1 of 1 decided once, RENEWED 1").await?;
    check_left(story, CYBERDYNE, "pool-night", "2019-03-01 23:59:59", "CNY 100.00").await
}

/// R-1, L-1, L-3: day +7 is the last.
async fn jdcloud(story: &mut Story) -> anyhow::Result<()> {
    story.chapter(
        "JD Cloud by night",
        "tyrell is reminded of a machine that nobody renews, until it is gone.",
    )?;
    story.later("2019-02-01 09:30").await?;
    story.section("tyrell, and a machine that is renewed by hand")?;
    story.open(TYRELL, "jdcloud", "100.00").await?;
    let machine = metered(TYRELL, "vm-forgotten", "jd-vm", &[("flavor", "g.s1.micro")]);
    rent(story, paid(machine, "2019-01-06 00:00", "2019-03-05")?).await?;

    let before = ["2019-02-03", "2019-02-18", "2019-02-26", "2019-03-02", "2019-03-04"];
    let after = ["2019-03-06", "2019-03-09", "2019-03-11"];
    for day in before {
        story.later(&format!("{day} 09:00")).await?;
    }
    story.later("2019-03-06 00:00").await?;
    story.section("Expired: it is stopped, and its data are kept for 7 days (L-1)")?;
    check_life(story, TYRELL, "vm-forgotten", "RETAINED, MANUAL").await?;
    for day in &after[1..] {
        story.later(&format!("{day} 09:00")).await?;
    }
    story.section(
        "Reminders 30, 15, 7, 3 and 1 days before, at the expiry, 4 and 6 days after (R-1)",
    )?;
    let events = events(story, TYRELL, &["account.reminder"]).await?;
    let days = events.iter().map(|event| at(event).chars().take(10).collect::<String>());
    let days = days.collect::<Vec<_>>().join(" ");
    story.check("reminded on", days, [&before[..], &after[..]].concat().join(" "))?;

    story.later("2019-03-12 23:59").await?;
    story
        .section("In its last minute it could still be renewed; on day +8 it is released (L-1)")?;
    let bill = story.preview(TYRELL, renewal(&["vm-forgotten"], "1m")).await?.bill;
    story.check("it can be ordered", bill.is_some_and(|bill| bill.orderable), true)?;
    story.later("2019-03-13 00:00").await?;
    check_life(story, TYRELL, "vm-forgotten", "RELEASED, MANUAL").await?;
    story.refused(TYRELL, renewal(&["vm-forgotten"], "1m"), "RENEWAL_WINDOW_CLOSED").await?;
    let events = self::events(story, TYRELL, &["instance.expired", "instance.released"]).await?;
    let told = events.iter().map(|event| format!("{} {}", event.r#type, at(event)));
    let expected = "instance.expired 2019-03-06 00:00:00, instance.released 2019-03-13 00:00:00";
    story.check("told", told.collect::<Vec<_>>().join(", "), expected)
}

/// P-3: a cycle of its own.
async fn aliyun(story: &mut Story) -> anyhow::Result<()> {
    story.chapter(
        "Alibaba Cloud by night",
        "Every three months, from seven days before at 08:00.",
    )?;
    story.later("2019-03-14 09:00").await?;
    story.section("soylent, and a Redis instance with a cycle of 3 months (P-3)")?;
    story.open(SOYLENT, "aliyun", "500.00").await?;
    let class = [("instance_class", "redis.master.small")];
    let redis = metered(SOYLENT, "redis-quarter", "al-redis", &class);
    rent(story, paid(redis, "2019-03-01 00:00", "2019-03-31")?).await?;
    let policy = RenewalPolicy::Auto.into();
    let auto_cycle = "3m".parse().ok();
    let quarterly = RenewalSetting { policy, auto_cycle, ..RenewalSetting::default() };
    let results = set_renewal(story, SOYLENT, &["redis-quarter"], quarterly).await?;
    story.check("redis-quarter is set to", policy_or_reason(&results[0]), "AUTO")?;
    for (day, expiry, cash) in [
        ("2019-03-24", "2019-07-01 00:00:00", "CNY 275.00"),
        ("2019-06-23", "2019-10-01 00:00:00", "CNY 50.00"),
    ] {
        story.later(&format!("{day} 08:00")).await?;
        story.section("Three months at 75.00")?;
        check_night(story, SOYLENT, day, "1 of 1 decided once, RENEWED 1").await?;
        check_left(story, SOYLENT, "redis-quarter", expiry, cash).await?;
    }
    Ok(())
}

async fn rent(story: &mut Story, row: InstanceRegistration) -> anyhow::Result<()> {
    story.register(vec![row]).await
}

async fn set_auto(story: &mut Story, account: &str, id: &str) -> anyhow::Result<()> {
    let results = set_policy(story, account, &[id], RenewalPolicy::Auto).await?;
    story.check(&format!("{id} is set to"), policy_or_reason(&results[0]), "AUTO")
}

/// Shows how the attempts of a day were decided, and checks that each was, once, and how.
async fn check_night(
    story: &mut Story,
    account: &str,
    day: &str,
    expected: &str,
) -> anyhow::Result<()> {
    let date: Option<Date> = Some(day.parse::<chrono::NaiveDate>()?.into());
    let account_id = account.to_owned();
    let request = ListAttemptsRequest { account_id, date, ..ListAttemptsRequest::default() };
    let mut list = story.world.orders().list_attempts(request).await?.into_inner().attempts;
    list.sort_by_key(|attempt| attempt.retry);
    story.say(&attempts::attempts(&list, ZONE))?;
    let request = CountAttemptsRequest { account_id: account.to_owned(), date };
    let count = story.world.orders().count_attempts(request).await?.into_inner();
    let outcomes = count.outcomes.iter().map(|(outcome, number)| format!(", {outcome} {number}"));
    let outcomes: String = outcomes.collect();
    let told = format!("{} of {} decided once{outcomes}", count.decided, count.due);
    story.check(&format!("attempts of {day}"), told, expected)
}

/// Checks until when an instance is paid for, and what cash is left.
async fn check_left(
    story: &mut Story,
    account: &str,
    id: &str,
    expiry: &str,
    cash: &str,
) -> anyhow::Result<()> {
    story.check_expiry(account, id, expiry).await?;
    let left = story.cash(account).await?;
    story.check(&format!("{account} has left"), left, cash)
}

/// Checks the state and the policy of an instance.
async fn check_life(
    story: &mut Story,
    account: &str,
    id: &str,
    expected: &str,
) -> anyhow::Result<()> {
    let instance: Instance = story.instance(account, id).await?;
    let state = show::word(instance.state().as_str_name(), "STATE_");
    let policy = instance.renewal.unwrap_or_default().policy();
    let policy = show::word(policy.as_str_name(), "RENEWAL_POLICY_");
    story.check(&format!("{id} is"), format!("{state}, {policy}"), expected)
}

/// Shows and answers what was told of `account`, of these types.
async fn events(story: &mut Story, account: &str, types: &[&str]) -> anyhow::Result<Vec<Event>> {
    let request = ListEventsRequest {
        account_id: account.to_owned(),
        types: types.iter().map(|&name| name.to_owned()).collect(),
        limit: 1_000,
        ..ListEventsRequest::default()
    };
    let events = story.world.events().list_events(request).await?.into_inner().events;
    let mut table = Table::new(&["TIME", "EVENT", "INSTANCE"]);
    for event in &events {
        let about = event.attributes.get("instances").unwrap_or(&event.instance_id);
        table.row([at(event), event.r#type.clone(), show::or_nothing(about)]);
    }
    story.say(&table.text())?;
    Ok(events)
}

fn at(event: &Event) -> String {
    show::instant(event.time.as_ref(), ZONE)
}
