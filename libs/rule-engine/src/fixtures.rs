//! An account with products of four vendors, for tests.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};

use kernel::ids::{InstanceId, OrderId};
use uuid::Uuid;

use crate::{
    calendar::{DayOfMonth, end_of_day},
    instance::{Account, Billing, Binding, BindingKind, Instance, OpenOrder, World},
    kind::OrderKind,
    plan::{Inclusion, Item, Plan},
    profile::ProductProfile,
    reason::{Reason, Refusal},
    term::Lease,
};

/// The instant of a local time in Shanghai, as `2024-06-20 10:00`.
pub fn at(text: &str) -> DateTime<Utc> {
    format!("{}:00+08:00", text.replace(' ', "T")).parse().unwrap()
}

/// The end of a day in Shanghai.
pub fn end(last_day: &str) -> DateTime<Utc> {
    end_of_day(Shanghai, date(last_day)).unwrap()
}

pub fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}

pub fn ids(texts: &[&str]) -> Vec<InstanceId> {
    texts.iter().map(|text| id(text)).collect()
}

pub fn order(number: u128) -> OrderId {
    OrderId(Uuid::from_u128(number))
}

/// The profile of a JD Cloud virtual machine, with the fields of `changes` in place of its own.
pub fn profile(changes: &Value) -> ProductProfile {
    let mut profile = json!({
        "durations": [
            "1m", "2m", "3m", "4m", "5m", "6m", "7m", "8m", "9m", "1y", "2y", "3y"
        ],
        "policies": ["MANUAL", "AUTO", "NOT_RENEW"],
        "late_start": "RENEWAL_DATE",
        "grace_days": 0,
        "retention_days": 7,
        "converts_postpaid": true,
        "unify": {"offer": "WITH_DURATION"},
        "auto_schedule": {"days_before": 7, "time": "08:00", "stop": "UNTIL_EXPIRY"},
        "money_policy": {"name": "test", "version": 1, "rounding": "HALF_UP"},
    });
    for (field, value) in changes.as_object().unwrap() {
        profile[field] = value.clone();
    }
    serde_json::from_value(profile).unwrap()
}

/// The account `a` in Shanghai, without instances, in a cloud with these products:
///
/// `vm` and `disk` (sold for 1 to 9 months, 1 and 2 years) of JD, `eip` that does not convert, `kec`
/// of Kingsoft with strong groups, `redis` of Alibaba, `pool` of Huawei, `kad` that is not renewed.
pub fn world() -> World {
    let settings =
        serde_json::from_value(json!({"zone": "Asia/Shanghai", "currency": "CNY"})).unwrap();
    let account = Account { id: "a".parse().unwrap(), settings, frozen: false };
    let mut world = World::new(account);
    let months = ["1m", "2m", "3m", "4m", "5m", "6m", "7m", "8m", "9m", "1y", "2y"];
    for (id, changes) in [
        ("vm", json!({})),
        ("disk", json!({"durations": months})),
        ("eip", json!({"converts_postpaid": false})),
        (
            "kec",
            json!({
                "auto_cycles": ["1m"], "policies": ["MANUAL", "AUTO"], "converts_postpaid": false,
                "unify": {"offer": "AD_HOC"}, "strong_in_batch": "REFUSED",
            }),
        ),
        (
            "redis",
            json!({
                "late_start": "OLD_EXPIRY", "configuration_change": true,
                "converts_postpaid": false, "unify": {},
            }),
        ),
        (
            "pool",
            json!({
                "late_start": "OLD_EXPIRY", "grace_days": 15, "retention_days": 15,
                "policies": ["MANUAL", "AUTO", "POSTPAID_AFTER_EXPIRY", "NOT_RENEW"],
                "converts_postpaid": false,
                "unify": {
                    "offer": "WITH_DURATION", "automatic": true,
                    "days": {"least": 1, "most": 28, "last_of_month": true},
                },
            }),
        ),
        ("kad", json!({"not_renewable": "It needs no renewal management."})),
    ] {
        set_product(&mut world, id, &changes);
    }
    world
}

pub fn set_product(world: &mut World, id: &str, changes: &Value) {
    world.profiles.insert(id.parse().unwrap(), Arc::new(profile(changes)));
}

pub fn instance(name: &str, product: &str, billing: Billing) -> Instance {
    let account = "a".parse().unwrap();
    Instance::new(id(name), account, product.parse().unwrap(), "r".parse().unwrap(), billing)
}

pub fn paid_through(last_day: &str) -> Billing {
    let anchor = DayOfMonth::of(date(last_day));
    Billing::Prepaid(Lease { end: end(last_day), anchor })
}

/// Adds an instance that is paid through `last_day`, with the anchor of that day.
pub fn add<'w>(
    world: &'w mut World,
    name: &str,
    product: &str,
    last_day: &str,
) -> &'w mut Instance {
    let one = instance(name, product, paid_through(last_day));
    world.instances.entry(one.id.clone()).or_insert(one)
}

pub fn add_postpaid<'w>(world: &'w mut World, name: &str, product: &str) -> &'w mut Instance {
    let one = instance(name, product, Billing::Postpaid);
    world.instances.entry(one.id.clone()).or_insert(one)
}

pub fn get<'w>(world: &'w mut World, name: &str) -> &'w mut Instance {
    world.instances.get_mut(&id(name)).unwrap()
}

/// Binds `child` to `parent`.
pub fn bind(world: &mut World, child: &str, kind: BindingKind, parent: &str) {
    get(world, child).binding = Some(Binding { parent: id(parent), kind });
}

/// Lets the unpaid order 7 hold an instance.
pub fn hold(world: &mut World, name: &str) {
    get(world, name).open_order = Some(OpenOrder { id: order(7), unpaid: true });
}

/// A plan in lines: what is renewed from which day through which (whole months and odd days), what
/// is refused, what is left out, and why no order can be made of it.
pub fn show(plan: &Plan) -> Vec<String> {
    let items = plan.items.iter().map(show_item);
    let refused = plan
        .refused
        .iter()
        .map(|one| format!("{} refused: {}", one.instance, reasons(&one.refusals)));
    let left_out =
        plan.left_out.iter().map(|one| format!("{} left out: {}", one.instance, one.why.reason));
    let whole = plan.refusal.iter().map(|refusal| format!("no order: {}", refusal.reason));
    items.chain(refused).chain(left_out).chain(whole).collect()
}

fn show_item(item: &Item) -> String {
    let first = crate::calendar::local_date(Shanghai, item.term.start);
    let why = match item.inclusion {
        Inclusion::Named => "",
        Inclusion::Ticked => " ticked",
        Inclusion::Strong => " strong",
        Inclusion::Forced => " forced",
    };
    let kind = match item.kind {
        OrderKind::Renewal => "",
        OrderKind::Conversion => " converted",
        OrderKind::Change => " changed",
    };
    let (months, odd) = (item.span.whole_months, item.span.odd_days);
    format!("{}{why}{kind}: {first}..{} ({months}+{odd})", item.instance, item.last_day)
}

pub fn reasons(refusals: &[Refusal]) -> String {
    let codes: Vec<_> = refusals.iter().map(|refusal| refusal.reason.code()).collect();
    codes.join(" ")
}

/// The reasons of a refused result, or of none.
pub fn refused_for<T>(result: Result<T, Refusal>) -> Option<Reason> {
    result.err().map(|refusal| refusal.reason)
}
