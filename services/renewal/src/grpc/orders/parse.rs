//! Requests to commands: every bad field at once.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kernel::{
    Money,
    ids::{AccountId, InstanceId, OrderId, RequestId, VoucherId},
};
use platform::{page::page_size, request::RequestDigest, status::BadRequest};
use proto::{
    convert::{instant, known},
    renewal::v1::{self as pb, create_renewal_order_request as create, payment_choice},
    r#type::v1 as types,
    wallet::v1::RefundDestination,
};
use tonic::Status;

use crate::{
    app::{
        bill,
        checkout::Checkout,
        create::{Create, What},
        pay::Pay,
        preview::Wanted,
        refund::TakeBack,
    },
    grpc::bill::state_of,
    store::orders::list::{self, AttemptList},
    wire,
};

/// How far from now a preview may be judged.
const MOST_SKEW: TimeDelta = TimeDelta::minutes(5);

/// The most vouchers that a payer may name.
const MOST_VOUCHERS: usize = 100;

/// The most items of an order.
const MOST_ITEMS: usize = 1_000;

/// The most rows that may be leapt over.
const MOST_SKIPPED: i32 = 100_000;

pub fn preview(
    request: pb::PreviewRenewalRequest,
    now: DateTime<Utc>,
) -> Result<(Wanted, Option<DateTime<Utc>>), Status> {
    let mut bad = BadRequest::default();
    let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
    let wanted = wanted(&mut bad, account, request.selection);
    let as_of = request.as_of.map(|time| {
        let read = instant(time).map_err(|error| error.to_string());
        bad.field("as_of", read.and_then(|as_of| near(as_of, now)))
    });
    match (wanted, as_of) {
        (Some(wanted), None) if bad.is_empty() => Ok((wanted, None)),
        (Some(wanted), Some(Some(as_of))) if bad.is_empty() => Ok((wanted, Some(as_of))),
        _ => Err(bad.into_status()),
    }
}

fn near(as_of: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if (as_of - now).abs() <= MOST_SKEW {
        Ok(as_of)
    } else {
        Err("must be at most 5 minutes from now".to_owned())
    }
}

pub fn create(request: pb::CreateRenewalOrderRequest) -> Result<Create, Status> {
    let digest = pb::CreateRenewalOrderRequest { request_id: String::new(), ..request.clone() };
    let digest = RequestDigest::of("CreateRenewalOrder", &digest);
    let mut bad = BadRequest::default();
    let id = uuid::<RequestId>(&mut bad, "request_id", &request.request_id);
    let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
    let what = match request.what {
        None => {
            bad.note("what", "is required: a quote or a selection");
            None
        }
        Some(create::What::QuoteId(quote)) => uuid(&mut bad, "quote_id", &quote).map(What::Quote),
        Some(create::What::Selection(selection)) => {
            let wanted = wanted(&mut bad, account.clone(), Some(selection));
            wanted.map(|wanted| What::Selection(Box::new(wanted)))
        }
    };
    let expected =
        request.expected_payable.map(|money| bad.field("expected_payable", Money::try_from(money)));
    check_choice(&mut bad, request.pay.as_ref());
    let expected = expected.flatten();
    match (id, account, what) {
        (Some(request_id), Some(account), Some(what)) if bad.is_empty() => {
            let pay = request.pay;
            Ok(Create { request: request_id, digest, account, what, expected, pay })
        }
        _ => Err(bad.into_status()),
    }
}

pub fn pay(request: pb::PayOrderRequest) -> Result<Pay, Status> {
    let digest = pb::PayOrderRequest { request_id: String::new(), ..request.clone() };
    let digest = RequestDigest::of("PayOrder", &digest);
    let mut bad = BadRequest::default();
    let id = uuid::<RequestId>(&mut bad, "request_id", &request.request_id);
    let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
    let order = uuid::<OrderId>(&mut bad, "order_id", &request.order_id);
    check_choice(&mut bad, request.pay.as_ref());
    match (id, account, order) {
        (Some(request_id), Some(account), Some(order)) if bad.is_empty() => {
            Ok(Pay { request: request_id, digest, account, order, choice: request.pay })
        }
        _ => Err(bad.into_status()),
    }
}

pub fn checkout(request: pb::CheckoutOrderRequest) -> Result<Checkout, Status> {
    let digest = pb::CheckoutOrderRequest { request_id: String::new(), ..request.clone() };
    let digest = RequestDigest::of("CheckoutOrder", &digest);
    let mut bad = BadRequest::default();
    let id = uuid::<RequestId>(&mut bad, "request_id", &request.request_id);
    let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
    let order = uuid::<OrderId>(&mut bad, "order_id", &request.order_id);
    let channel = bad.field("channel", wire::required_text(request.channel));
    check_choice(&mut bad, request.pay.as_ref());
    match (id, account, order, channel) {
        (Some(id), Some(account), Some(order), Some(channel)) if bad.is_empty() => Ok(Checkout {
            request: id,
            digest,
            account,
            order,
            channel,
            choice: request.pay,
            use_cash: request.use_cash,
        }),
        _ => Err(bad.into_status()),
    }
}

pub fn refund(request: &pb::RefundOrderRequest) -> Result<TakeBack, Status> {
    let digest = pb::RefundOrderRequest { request_id: String::new(), ..request.clone() };
    let digest = RequestDigest::of("RefundOrder", &digest);
    let mut bad = BadRequest::default();
    let id = uuid::<RequestId>(&mut bad, "request_id", &request.request_id);
    let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
    let order = uuid::<OrderId>(&mut bad, "order_id", &request.order_id);
    let mut items = BTreeSet::new();
    if request.instance_ids.len() > MOST_ITEMS {
        bad.note("instance_ids", format!("must be at most {MOST_ITEMS}"));
    }
    for (number, text) in request.instance_ids.iter().take(MOST_ITEMS).enumerate() {
        let field = format!("instance_ids[{number}]");
        let item = wire::id::<InstanceId>(&mut bad, field.as_str(), text);
        if item.is_some_and(|item| !items.insert(item)) {
            bad.note(field, "is named twice");
        }
    }
    // Unset is a value like any other.
    let destination = RefundDestination::try_from(request.destination);
    let destination = bad.field(
        "destination",
        destination.map_err(|_| "must be one of the values of the enumeration"),
    );
    match (id, account, order, destination) {
        (Some(request), Some(account), Some(order), Some(destination)) if bad.is_empty() => {
            Ok(TakeBack { request, digest, account, order, items, destination })
        }
        _ => Err(bad.into_status()),
    }
}

pub fn named(account_id: &str, order_id: &str) -> Result<(AccountId, OrderId), Status> {
    let mut bad = BadRequest::default();
    let account = wire::id::<AccountId>(&mut bad, "account_id", account_id);
    let order = uuid::<OrderId>(&mut bad, "order_id", order_id);
    account.zip(order).ok_or_else(|| bad.into_status())
}

pub fn list(
    request: &pb::ListOrdersRequest,
    page: &types::PageRequest,
) -> Result<(list::Wanted, u32, u64), Status> {
    let mut bad = BadRequest::default();
    let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
    let states = request.states.iter().enumerate().filter_map(|(number, state)| {
        let state = bad.field(format!("states[{number}]"), known::<pb::order::State>(*state));
        state.and_then(state_of)
    });
    let states = states.collect();
    let instance = wire::optional_id(&mut bad, "instance_id", &request.instance_id);
    let size = bad.field("page.page_size", page_size(page.page_size));
    if !(0..=MOST_SKIPPED).contains(&page.skip) {
        bad.note("page.skip", format!("must be 0 to {MOST_SKIPPED}"));
    }
    match (account, size) {
        (Some(account), Some(size)) if bad.is_empty() => {
            let skip = u64::try_from(page.skip).unwrap_or_default();
            let attempts = request.with_attempts;
            Ok((list::Wanted { account, states, instance, attempts }, size, skip))
        }
        _ => Err(bad.into_status()),
    }
}

/// Which attempts are wanted, and how many.
pub fn attempts(
    request: &pb::ListAttemptsRequest,
    page: &types::PageRequest,
) -> Result<AttemptList, Status> {
    let mut bad = BadRequest::default();
    let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
    let instance = wire::optional_id(&mut bad, "instance_id", &request.instance_id);
    let date = request.date.map(|date| bad.field("date", NaiveDate::try_from(date)));
    let size = bad.field("page.page_size", page_size(page.page_size));
    if page.skip != 0 {
        bad.note("page.skip", "must be 0: attempts are not leapt over");
    }
    match (account, size) {
        (Some(account), Some(size)) if bad.is_empty() => {
            let date = date.flatten();
            Ok(AttemptList { account, instance, date, before: None, size })
        }
        _ => Err(bad.into_status()),
    }
}

/// A day of an account.
pub fn day(request: &pb::CountAttemptsRequest) -> Result<(AccountId, NaiveDate), Status> {
    let mut bad = BadRequest::default();
    let account = wire::id::<AccountId>(&mut bad, "account_id", &request.account_id);
    if request.date.is_none() {
        bad.note("date", "is required");
    }
    let date = request.date.and_then(|date| bad.field("date", NaiveDate::try_from(date)));
    match (account, date) {
        (Some(account), Some(date)) if bad.is_empty() => Ok((account, date)),
        _ => Err(bad.into_status()),
    }
}

fn wanted(
    bad: &mut BadRequest,
    account: Option<AccountId>,
    selection: Option<pb::Selection>,
) -> Option<Wanted> {
    let Some(message) = selection else {
        bad.note("selection", "is required");
        return None;
    };
    let selection = bill::selection(bad, &message);
    Some(Wanted { account: account?, selection: selection?, message })
}

fn uuid<T: std::str::FromStr>(bad: &mut BadRequest, field: &str, text: &str) -> Option<T> {
    bad.field(field, text.parse().map_err(|_| "must be a UUID"))
}

fn check_choice(bad: &mut BadRequest, choice: Option<&pb::PaymentChoice>) {
    let vouchers = choice.and_then(|choice| choice.vouchers.as_ref());
    let Some(payment_choice::Vouchers::Named(named)) = vouchers else { return };
    let field = "pay.named.voucher_ids";
    if named.voucher_ids.is_empty() || named.voucher_ids.len() > MOST_VOUCHERS {
        bad.note(field, format!("must be 1 to {MOST_VOUCHERS}; say `none` to use none"));
        return;
    }
    for (number, id) in named.voucher_ids.iter().enumerate() {
        let voucher = uuid::<VoucherId>(bad, &format!("{field}[{number}]"), id);
        if voucher.is_some_and(|voucher| voucher.0.is_nil()) {
            bad.note(format!("{field}[{number}]"), "must not be the nil UUID");
        }
        if named.voucher_ids[..number].contains(id) {
            bad.note(format!("{field}[{number}]"), "is named twice");
        }
    }
}
