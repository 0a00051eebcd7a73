//! What was foretold and what was lived, as lines.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use proto::{
    convert::instant,
    renewal::{
        internal::v1::{ExpireDueRequest, RemindDueRequest},
        v1::{
            ForecastRenewalsResponse, Happening, ListAttemptsRequest, ListEventsRequest,
            happening::Kind,
        },
    },
    r#type::v1::{Money, PageRequest},
    wallet::v1::{ItemParts, ListVouchersRequest, Voucher},
};
use tests::{Suite, fixture::*};

/// What events tell, and what a forecast calls it.
const TOLD: [(&str, &str); 5] = [
    ("instance.expired", "EXPIRED"),
    ("instance.retained", "RETAINED"),
    ("instance.released", "RELEASED"),
    ("instance.became_postpaid", "BECAME_POSTPAID"),
    ("account.auto_renewal_parked", "PARKED"),
];

/// So many fen.
pub fn minor(amount: Option<&Money>) -> i64 {
    amount.map(|amount| amount.minor_units).unwrap_or_default()
}

fn parts(parts: &ItemParts) -> String {
    let vouchers = parts.vouchers.iter();
    let vouchers: Vec<_> = vouchers
        .map(|part| format!("{}:{}", part.voucher_id, minor(part.amount.as_ref())))
        .collect();
    format!(" {}={}+{}", parts.instance_id, vouchers.join("+"), minor(parts.cash.as_ref()))
}

/// Why something was not renewed, how much was missing, and when it is tried again.
fn lack(reason: &str, missing: Option<&Money>, next: Option<prost_types::Timestamp>) -> String {
    let next = next.map_or_else(|| "never".to_owned(), |next| local(Some(next)));
    format!(" {reason} {} again {next}", minor(missing))
}

/// An item that was renewed: what it costs, until when it is paid, and with what.
fn renewed(
    id: &str,
    price: Option<&Money>,
    until: Option<prost_types::Timestamp>,
    paid: Option<&ItemParts>,
) -> String {
    let paid = paid.map(parts).unwrap_or_default();
    format!(" {id} {} until {}{paid}", minor(price), local(until))
}

/// A line for each thing that happens before `until`.
pub fn foretold(forecast: &ForecastRenewalsResponse, until: DateTime<Utc>) -> Vec<String> {
    let all = forecast.days.iter().flat_map(|day| &day.happenings);
    let before = all.filter(|one| instant(one.time.expect("a time")).expect("an instant") < until);
    let mut lines: Vec<_> = before.map(line).collect();
    lines.sort();
    lines
}

fn line(one: &Happening) -> String {
    let kind = one.kind().as_str_name().trim_start_matches("KIND_");
    let mut line = format!("{} {kind} {}", local(one.time), one.instance_id);
    match one.kind() {
        Kind::Renewed => {
            for item in &one.items {
                let (id, price) = (&item.instance_id, item.payable.as_ref());
                line += &renewed(id, price, item.expire_time, item.parts.as_ref());
            }
        }
        Kind::VoucherExpired => {
            let unused = minor(one.unused.as_ref());
            write!(line, "{} {unused}", one.voucher_id).expect("room");
        }
        Kind::Failed | Kind::Skipped | Kind::Missed => {
            line += &lack(&one.reason, one.missing.as_ref(), one.next_attempt_time);
        }
        _ => {}
    }
    line
}

/// What the scheduler has done at an instant: all that is due, overdue or not.
pub async fn sweep(suite: &Suite) {
    suite.advance().await;
    // What has been done may make more due at the same instant.
    let mut done = 1;
    while done > 0 {
        done = suite.renew_due(0).await;
        let mut expire = ExpireDueRequest { limit: 2, ..Default::default() };
        loop {
            let page = suite.sweeps().expire_due(expire.clone()).await.expect("a page");
            let page = page.into_inner();
            done += page.done;
            expire.cursor = page.next_cursor;
            if !page.more {
                break;
            }
        }
    }
    let request = RemindDueRequest::default();
    suite.sweeps().remind_due(request).await.expect("a page");
}

/// A line for each thing that happened to `account` from `from` until `until`.
pub async fn lived(
    suite: &Suite,
    account: &str,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Vec<String> {
    let mut lines = attempts(suite, account).await;
    lines.extend(events(suite, account).await);
    lines.extend(vouchers(suite, account).await.iter().filter_map(lost));
    let (from, until) = (shown(from), shown(until));
    lines.retain(|line| (from.as_str()..until.as_str()).contains(&&line[..from.len()]));
    lines.sort();
    lines
}

/// As lines begin.
pub fn shown(time: DateTime<Utc>) -> String {
    local(Some(proto::convert::timestamp(time)))
}

async fn attempts(suite: &Suite, account: &str) -> Vec<String> {
    let request = ListAttemptsRequest {
        account_id: account.to_owned(),
        page: Some(PageRequest { page_size: 1_000, ..PageRequest::default() }),
        ..ListAttemptsRequest::default()
    };
    let listed = suite.orders().list_attempts(request).await.expect("a list").into_inner();
    let mut lines = Vec::new();
    for attempt in listed.attempts {
        let outcome = attempt.outcome().as_str_name().trim_start_matches("OUTCOME_");
        let mut line = format!("{} {outcome} {}", local(attempt.create_time), attempt.instance_id);
        if outcome == "RENEWED" {
            let order = suite.order(account, &attempt.order_id).await;
            for item in &order.items {
                let bill = item.item.as_ref().expect("an item");
                let price = bill.quote.as_ref().and_then(|quote| quote.payable.as_ref());
                line += &renewed(&bill.instance_id, price, bill.end_time, item.parts.as_ref());
            }
        } else {
            line += &lack(&attempt.reason, attempt.missing.as_ref(), attempt.next_attempt_time);
        }
        lines.push(line);
    }
    lines
}

async fn events(suite: &Suite, account: &str) -> Vec<String> {
    let mut request = ListEventsRequest {
        account_id: account.to_owned(),
        types: TOLD.iter().map(|(kind, _)| (*kind).to_owned()).collect(),
        limit: 1_000,
        ..ListEventsRequest::default()
    };
    let mut lines = Vec::new();
    loop {
        let page = suite.events().list_events(request.clone()).await.expect("events").into_inner();
        for event in page.events {
            let told = TOLD.iter().find(|(kind, _)| *kind == event.r#type);
            let (_, told) = told.expect("a type that was asked for");
            let first = event.attributes.get("first_instance_id");
            let id = first.unwrap_or(&event.instance_id);
            lines.push(format!("{} {told} {id}", local(event.time)));
        }
        if !page.more {
            return lines;
        }
        request.cursor = page.next_cursor;
    }
}

/// The vouchers of `account`.
pub async fn vouchers(suite: &Suite, account: &str) -> Vec<Voucher> {
    let request = ListVouchersRequest {
        account_id: account.to_owned(),
        page: Some(PageRequest { page_size: 100, ..PageRequest::default() }),
        ..ListVouchersRequest::default()
    };
    suite.vouchers().list_vouchers(request).await.expect("a list").into_inner().vouchers
}

/// What was lost with a voucher that expired.
fn lost(voucher: &Voucher) -> Option<String> {
    let lost = minor(voucher.usage.as_ref()?.expired.as_ref());
    let time = local(voucher.terms.as_ref()?.expire_time);
    (lost > 0).then(|| format!("{time} VOUCHER_EXPIRED {} {lost}", voucher.voucher_id))
}
