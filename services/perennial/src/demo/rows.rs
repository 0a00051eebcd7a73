//! What accounts own and ask for, in short.

use anyhow::Context as _;
use chrono::{Days, NaiveDate};
use proto::{
    convert::timestamp,
    renewal::v1::{
        Binding, InstanceRegistration, Selection, StandardDate, TickedInstance,
        binding::Kind,
        instance_registration::{Billing, Postpaid, Prepaid},
        selection::Target,
    },
    r#type::v1::{Configuration, Money, Setting},
};

use super::world::instant;

/// A metered instance of `account`.
pub fn metered(
    account: &str,
    id: &str,
    product: &str,
    settings: &[(&str, &str)],
) -> InstanceRegistration {
    InstanceRegistration {
        instance_id: id.to_owned(),
        account_id: account.to_owned(),
        product_id: product.to_owned(),
        region: "cn-north-1".to_owned(),
        name: id.to_owned(),
        configuration: Some(configuration(settings)),
        billing: Some(Billing::Postpaid(Postpaid {})),
        source_version: 1,
        ..InstanceRegistration::default()
    }
}

/// `row`, paid from the local time `start` through `last_day`.
pub fn paid(
    row: InstanceRegistration,
    start: &str,
    last_day: &str,
) -> anyhow::Result<InstanceRegistration> {
    let last_day: NaiveDate = last_day.parse()?;
    let end = last_day.checked_add_days(Days::new(1)).context("a day after the last one")?;
    let prepaid = Prepaid {
        start_time: Some(timestamp(instant(start)?)),
        end_time: Some(timestamp(instant(&format!("{end} 00:00"))?)),
        anchor_day: None,
    };
    Ok(InstanceRegistration { billing: Some(Billing::Prepaid(prepaid)), ..row })
}

/// `row`, bound to `parent`.
pub fn bound(row: InstanceRegistration, parent: &str, kind: Kind) -> InstanceRegistration {
    let binding = Binding { parent_instance_id: parent.to_owned(), kind: kind.into() };
    InstanceRegistration { binding: Some(binding), ..row }
}

/// `row`, in a room of this type.
pub fn in_room(row: InstanceRegistration, room_type: &str) -> InstanceRegistration {
    InstanceRegistration { room_type: room_type.to_owned(), ..row }
}

/// A configuration of these settings.
pub fn configuration(settings: &[(&str, &str)]) -> Configuration {
    let setting =
        |&(name, value): &(&str, &str)| Setting { name: name.to_owned(), value: value.to_owned() };
    Configuration { settings: settings.iter().map(setting).collect() }
}

/// `ids` for a duration such as `1y`.
pub fn renewal(ids: &[&str], duration: &str) -> Selection {
    Selection { duration: duration.parse().ok(), ..onto(ids, None) }
}

/// `selection`, with `ids` ticked.
pub fn with_ticked(selection: Selection, ids: &[&str]) -> Selection {
    let ticked =
        |&id: &&str| TickedInstance { instance_id: id.to_owned(), to_parent_expiry: false };
    Selection { ticked: ids.iter().map(ticked).collect(), ..selection }
}

/// `selection`, onto the account's standard date.
pub fn on_standard_date(selection: Selection) -> Selection {
    Selection { target: Some(Target::StandardDate(StandardDate { day: None })), ..selection }
}

/// `ids` onto the last day `date`.
pub fn on_date(ids: &[&str], date: &str) -> anyhow::Result<Selection> {
    let date: NaiveDate = date.parse()?;
    Ok(onto(ids, Some(Target::AdHocDate(date.into()))))
}

fn onto(ids: &[&str], target: Option<Target>) -> Selection {
    let instance_ids = ids.iter().map(|&id| id.to_owned()).collect();
    Selection { instance_ids, target, ..Selection::default() }
}

/// `yuan` with two digits after the point, as money: `cny("560.00")`.
pub fn cny(yuan: &str) -> Money {
    let minor_units = yuan.replace('.', "").parse().unwrap_or_default();
    Money { minor_units, currency_code: "CNY".to_owned() }
}
