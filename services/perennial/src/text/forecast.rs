//! A forecast as a calendar.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use proto::{
    renewal::v1::{
        ForecastItem, ForecastRenewalsResponse, ForecastTotals, Happening, happening::Kind,
    },
    r#type::v1::{Date, Money},
};

use super::{
    show,
    table::{Look, Table, facts, look},
};

/// The days on which something happens, a row for each thing; then what it comes to. What fails for the
/// same reason again and again is told once.
pub fn calendar(forecast: &ForecastRenewalsResponse, zone: Tz) -> String {
    let mut table =
        Table::new(&["DAY", "TIME", "WHAT", "OF", ">AMOUNT", "PAID WITH", "NOTE", ">CASH LEFT"]);
    let tries = tries(forecast);
    let mut place = 0;
    for day in &forecast.days {
        let told = day.happenings.iter().zip(&tries[place..]).filter(|(_, tries)| **tries > 0);
        place += day.happenings.len();
        let told: Vec<_> = told.collect();
        for (row, (happening, tries)) in told.iter().enumerate() {
            let date = if row == 0 { date(day.date.as_ref()) } else { String::new() };
            let last = row + 1 == told.len();
            let cash = if last { show::money(day.cash.as_ref()) } else { String::new() };
            table.row(self::row(date, happening, **tries, cash, zone));
        }
    }
    let mut text = if table.is_empty() {
        let end = show::instant(forecast.end_time.as_ref(), zone);
        look(&format!("nothing happens by itself before {end}"), Look::Quiet) + "\n"
    } else {
        table.text()
    };
    if let Some(shortage) = &forecast.first_shortage {
        let missing = show::money(shortage.missing.as_ref());
        let on = date(shortage.date.as_ref());
        let short = format!("money runs short on {on}: {missing} missing");
        text += &(look(&short, Look::Bad) + "\n");
    }
    text + &totals(&forecast.totals.clone().unwrap_or_default())
}

/// How often each thing happens in a row to its instance; 0 where it is told with the first of them.
fn tries(forecast: &ForecastRenewalsResponse) -> Vec<usize> {
    let all: Vec<_> = forecast.days.iter().flat_map(|day| &day.happenings).collect();
    let mut tries = vec![1; all.len()];
    let mut latest = BTreeMap::new();
    for (place, one) in all.iter().enumerate() {
        let is_again = |first: &usize| {
            let first = all[*first];
            one.kind() == Kind::Failed && first.kind() == Kind::Failed && first.reason == one.reason
        };
        if let Some(first) = latest.get(&one.instance_id).copied().filter(is_again) {
            tries[first] += 1;
            tries[place] = 0;
        } else {
            latest.insert(&one.instance_id, place);
        }
    }
    tries
}

fn row(date: String, happening: &Happening, tries: usize, cash: String, zone: Tz) -> [String; 8] {
    let time = show::instant(happening.time.as_ref(), zone);
    let time = time.split_once(' ').map_or(time.as_str(), |(_, time)| time).to_owned();
    let kind = happening.kind();
    let word = show::word(kind.as_str_name(), "KIND_").replace('_', " ");
    let is_voucher = !happening.voucher_id.is_empty();
    let of = if is_voucher { &happening.voucher_id } else { &happening.instance_id };
    let amount = happening.payable.as_ref().or(happening.unused.as_ref());
    [
        date,
        time,
        look(&word, look_of(kind)),
        of.clone(),
        amount.map(|amount| show::money(Some(amount))).unwrap_or_default(),
        paid_with(&happening.items),
        note(happening, tries, zone),
        cash,
    ]
}

const fn look_of(kind: Kind) -> Look {
    match kind {
        Kind::Renewed => Look::Good,
        Kind::Failed | Kind::Missed | Kind::Released => Look::Bad,
        _ => Look::Notable,
    }
}

/// `vouchers CNY 30.00, cash CNY 26.00`.
fn paid_with(items: &[ForecastItem]) -> String {
    let parts: Vec<_> = items.iter().filter_map(|item| item.parts.as_ref()).collect();
    let vouchers = parts.iter().flat_map(|parts| &parts.vouchers);
    let vouchers = sum(vouchers.filter_map(|part| part.amount.as_ref()));
    let cash = sum(parts.iter().filter_map(|parts| parts.cash.as_ref()));
    let told = [("vouchers", vouchers), ("cash", cash)].into_iter().filter_map(|(what, amount)| {
        let amount = amount.filter(|amount| amount.minor_units != 0)?;
        Some(format!("{what} {}", show::money(Some(&amount))))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn sum<'m>(amounts: impl Iterator<Item = &'m Money>) -> Option<Money> {
    amounts.cloned().reduce(|sum, next| Money {
        minor_units: sum.minor_units.saturating_add(next.minor_units),
        ..sum
    })
}

fn note(happening: &Happening, tries: usize, zone: Tz) -> String {
    let mut notes = Vec::new();
    if !happening.reason.is_empty() {
        notes.push(happening.reason.clone());
    }
    if let Some(missing) = &happening.missing {
        notes.push(format!("{} missing", show::money(Some(missing))));
    }
    match (&happening.next_attempt_time, tries) {
        (Some(next), 1) => notes.push(format!("again {}", show::instant(Some(next), zone))),
        (_, 2..) => notes.push(format!("{tries} times")),
        _ => {}
    }
    if happening.unused.is_some() {
        notes.push("unused".to_owned());
    }
    if let [item, others @ ..] = &happening.items[..] {
        notes.push(format!("until {}", show::instant(item.expire_time.as_ref(), zone)));
        if !others.is_empty() {
            let others = i64::try_from(others.len()).unwrap_or(i64::MAX);
            notes.push(format!("with {}", show::counted(others, "bound instance")));
        }
    }
    notes.join(", ")
}

/// What it comes to; of what does not happen nothing is said.
fn totals(totals: &ForecastTotals) -> String {
    let count =
        |name, count: i32| (name, if count == 0 { String::new() } else { count.to_string() });
    let some = |name, amount: &Option<Money>| {
        let amount = amount.as_ref().filter(|amount| amount.minor_units != 0);
        (name, amount.map(|amount| show::money(Some(amount))).unwrap_or_default())
    };
    facts([
        count("renewed", totals.renewed),
        count("failed", totals.failed),
        count("expired", totals.expired),
        count("released", totals.released),
        some("paid from vouchers", &totals.vouchers),
        some("paid from cash", &totals.cash),
        some("forfeited", &totals.forfeited),
        some("lost with vouchers", &totals.expired_vouchers),
        ("cash left", show::money(totals.cash_left.as_ref())),
        some("vouchers left", &totals.vouchers_left),
    ])
}

fn date(date: Option<&Date>) -> String {
    date.map(|Date { year, month, day }| format!("{year:04}-{month:02}-{day:02}"))
        .unwrap_or_default()
}
