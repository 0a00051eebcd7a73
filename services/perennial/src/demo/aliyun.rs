//! Alibaba Cloud: Redis renewed late, too late, and with a smaller configuration.

use proto::renewal::v1::{InstanceRegistration, Selection};

use super::{
    rows::{configuration, metered, paid, renewal},
    story::{Story, item, payable},
    world::ZONE,
};
use crate::text::show;

const UMBRELLA: &str = "umbrella";
const CLASS: &str = "instance_class";

pub async fn tell(story: &mut Story) -> anyhow::Result<()> {
    story.chapter("Alibaba Cloud", "umbrella rents ApsaraDB for Redis.")?;
    story.later("2018-08-11 09:00").await?;
    story.section("umbrella and what it rents")?;
    story.open(UMBRELLA, "aliyun", "1000.00").await?;
    let since = "2018-07-01 00:00";
    story
        .register(vec![
            paid(redis("redis-seven", "redis.master.small"), since, "2018-08-13")?,
            paid(redis("redis-eight", "redis.master.small"), since, "2018-08-12")?,
            paid(redis("redis-big", "redis.master.stand"), since, "2018-09-05")?,
        ])
        .await?;
    seventh_and_eighth_day(story).await?;
    smaller(story).await?;
    // 1,000 less three months at 75.00.
    let cash = story.cash(UMBRELLA).await?;
    story.check("umbrella has left", cash, "CNY 775.00")
}

fn redis(id: &str, class: &str) -> InstanceRegistration {
    metered(UMBRELLA, id, "al-redis", &[(CLASS, class)])
}

/// L-1, T-3, T-4.
async fn seventh_and_eighth_day(story: &mut Story) -> anyhow::Result<()> {
    story.later("2018-08-20 23:00").await?;
    story.section("On day +7 it is renewed from its old expiry, on day +8 refused (L-1, T-3)")?;
    story.check_expiry(UMBRELLA, "redis-seven", "2018-08-14 00:00:00").await?;
    let order = story.renew(UMBRELLA, renewal(&["redis-seven"], "1m")).await?;
    let item = item(&order, "redis-seven")?;
    let start = show::instant(item.start_time.as_ref(), ZONE);
    story.check("the term begins with the old expiry", start, "2018-08-14 00:00:00")?;
    story.check("whole days paid for that have passed", item.days_already_past, 6)?;
    story.check_expiry(UMBRELLA, "redis-seven", "2018-09-14 00:00:00").await?;
    story.refused(UMBRELLA, renewal(&["redis-eight"], "1m"), "RENEWAL_WINDOW_CLOSED").await
}

/// C-2.
async fn smaller(story: &mut Story) -> anyhow::Result<()> {
    story.section("Renewed with a smaller configuration from the next term on (C-2)")?;
    let order = story.renew(UMBRELLA, change("redis.master.small")).await?;
    let item = item(&order, "redis-big")?;
    let kind = show::word(item.order_kind().as_str_name(), "ORDER_KIND_");
    story.check("the order is a", kind, "CHANGE")?;
    story.check("priced with the smaller one", payable(item), "CNY 75.00")?;
    check_class(story, "until the term ends it is", "redis.master.stand").await?;
    story.refused(UMBRELLA, change("redis.master.mid"), "CHANGE_PENDING").await?;
    let order = story.renew(UMBRELLA, renewal(&["redis-big"], "1m")).await?;
    story.check("a plain renewal", show::money(order.payable.as_ref()), "CNY 75.00")?;
    // A night in which an address of globex renews itself.
    story.later("2018-08-25 00:00").await?;
    story.later("2018-09-05 23:59").await?;
    check_class(story, "in its last minute it still is", "redis.master.stand").await?;
    story.later("2018-09-06 00:00").await?;
    check_class(story, "from the next term on it is", "redis.master.small").await?;
    story.check_expiry(UMBRELLA, "redis-big", "2018-11-06 00:00:00").await
}

fn change(class: &str) -> Selection {
    let new_configuration = Some(configuration(&[(CLASS, class)]));
    Selection { new_configuration, ..renewal(&["redis-big"], "1m") }
}

async fn check_class(story: &mut Story, what: &str, expected: &str) -> anyhow::Result<()> {
    let instance = story.instance(UMBRELLA, "redis-big").await?;
    let actual = show::configuration(instance.configuration.as_ref());
    story.check(what, actual, format!("{CLASS}={expected}"))
}
