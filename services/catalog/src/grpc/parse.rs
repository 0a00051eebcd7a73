//! Requests that cannot hold nonsense, or every bad field of them.

use std::{collections::BTreeMap, fmt::Display};

use chrono::{DateTime, Utc};
use kernel::{
    Currency,
    ids::{ProductId, Region},
};
use platform::status::BadRequest;
use proto::{
    catalog::v1 as pb,
    convert::{WireError, instant, known, required},
    r#type::v1 as types,
};
use rule_engine::{
    configuration::{Configuration, Setting},
    duration::TermDuration,
    kind::OrderKind,
    term::PricedSpan,
};
use tonic::Status;

use crate::app::{Buyer, Calculation, Item};

/// The most items of a call.
const MAX_ITEMS: usize = 1_000;

/// The most buyers of a call.
const MAX_BUYERS: usize = 1_000;

/// The most settings of a configuration, and labels of an account.
const MAX_PAIRS: usize = 64;

/// The longest name or value, in bytes.
const MAX_TEXT: usize = 256;

/// The most whole months or days of a term: more than any date within the calendar allows.
const MAX_COUNT: i32 = 3_000_000;

/// What `QuoteRenewals` asks.
pub struct QuoteCommand {
    pub items: Vec<Item>,
    /// Every item is for one of them.
    pub buyers: Vec<Buyer>,
    pub as_of: DateTime<Utc>,
    pub forecast: bool,
    pub view: View,
}

/// How much of each quote is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    Totals,
    Full,
}

/// Reads a request for a product.
pub fn product_id(request: &pb::GetProductRequest) -> Result<ProductId, Status> {
    let mut bad = BadRequest::default();
    let id = bad.field("product_id", request.product_id.parse());
    id.ok_or_else(|| bad.into_status())
}

/// Reads a request to the price calculator.
pub fn calculation(request: pb::CalculatePricesRequest) -> Result<Calculation, Status> {
    let mut bad = BadRequest::default();
    let product = bad.field("product_id", request.product_id.parse());
    let region = bad.field("region", request.region.parse());
    let currency = bad.field("currency_code", request.currency_code.parse());
    let configuration = bad.field("configuration", configuration(request.configuration));
    let as_of = request.as_of.map(|as_of| bad.field("as_of", instant(as_of)));
    match (product, region, currency, configuration, bad.is_empty()) {
        (Some(product), Some(region), Some(currency), Some(configuration), true) => {
            let as_of = as_of.flatten();
            Ok(Calculation { product, region, currency, configuration, as_of })
        }
        _ => Err(bad.into_status()),
    }
}

/// Reads a request for quotes.
pub fn quotes(request: pb::QuoteRenewalsRequest) -> Result<QuoteCommand, Status> {
    let mut bad = BadRequest::default();
    if request.items.is_empty() || request.items.len() > MAX_ITEMS {
        bad.note("items", "must be 1 to 1,000");
        return Err(bad.into_status());
    }
    let view = match pb::quote_renewals_request::View::try_from(request.view) {
        Ok(pb::quote_renewals_request::View::Totals) => View::Totals,
        _ => View::Full,
    };
    let several = Some(request.buyers.len()).filter(|&count| count > 0);
    let buyers = if several.is_some() {
        buyers(request.buyers, &mut bad)
    } else {
        buyer("", &request.currency_code, request.account_labels, &mut bad).map(|one| vec![one])
    };
    let as_of = required(request.as_of).and_then(instant);
    let as_of = bad.field("as_of", as_of);
    let items = request.items.into_iter().enumerate();
    let items: Vec<_> = items.map(|(at, facts)| item(at, facts, several, &mut bad)).collect();
    let items: Option<Vec<_>> = items.into_iter().collect();
    match (items, buyers, as_of, bad.is_empty()) {
        (Some(items), Some(buyers), Some(as_of), true) => {
            Ok(QuoteCommand { items, buyers, as_of, forecast: request.forecast, view })
        }
        _ => Err(bad.into_status()),
    }
}

fn buyers(buyers: Vec<pb::Buyer>, bad: &mut BadRequest) -> Option<Vec<Buyer>> {
    if buyers.len() > MAX_BUYERS {
        bad.note("buyers", "must be at most 1,000");
        return None;
    }
    let read = buyers.into_iter().enumerate().map(|(at, one)| {
        buyer(&format!("buyers[{at}]."), &one.currency_code, one.account_labels, bad)
    });
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

/// The buyer whose fields stand under `path`.
fn buyer(
    path: &str,
    currency: &str,
    labels: BTreeMap<String, String>,
    bad: &mut BadRequest,
) -> Option<Buyer> {
    let currency = bad.field::<Currency, _>(format!("{path}currency_code"), currency.parse());
    let fits = bad.field(format!("{path}account_labels"), short_pairs(labels.iter()));
    let (currency, ()) = currency.zip(fits)?;
    Some(Buyer { currency, labels })
}

/// The item number `at`, for one of `buyers` where several are known.
fn item(
    at: usize,
    facts: pb::PriceFacts,
    buyers: Option<usize>,
    bad: &mut BadRequest,
) -> Option<Item> {
    let name = |field: &str| format!("items[{at}].{field}");
    let id = bad.field(name("item_id"), item_id(facts.item_id));
    let product = bad.field(name("product_id"), facts.product_id.parse());
    let region = bad.field::<Region, _>(name("region"), facts.region.parse());
    let configuration = bad.field(name("configuration"), configuration(facts.configuration));
    let order_kind = bad.field(name("order_kind"), order_kind(facts.order_kind));
    let span = bad.field(name("span"), span(facts.span));
    let number = usize::try_from(facts.buyer).ok().filter(|&number| number < buyers.unwrap_or(1));
    let buyer = match buyers {
        None => Some(0),
        Some(_) => bad.field(name("buyer"), number.ok_or("is none of the buyers")),
    };
    Some(Item {
        id: id?,
        product: product?,
        region: region?,
        configuration: configuration?,
        order_kind: order_kind?,
        span: span?,
        buyer: buyer?,
    })
}

fn item_id(id: String) -> Result<String, &'static str> {
    if (1..=MAX_TEXT).contains(&id.len()) { Ok(id) } else { Err("must have 1 to 256 bytes") }
}

fn order_kind(kind: i32) -> Result<OrderKind, WireError> {
    Ok(match known(kind)? {
        types::OrderKind::Unspecified => return Err(WireError::UnknownValue),
        types::OrderKind::Renewal => OrderKind::Renewal,
        types::OrderKind::Conversion => OrderKind::Conversion,
        types::OrderKind::Change => OrderKind::Change,
    })
}

/// Names and values that are not too many or too long.
fn short_pairs<'a>(
    mut pairs: impl ExactSizeIterator<Item = (&'a String, &'a String)>,
) -> Result<(), String> {
    if pairs.len() > MAX_PAIRS {
        return Err(format!("must be at most {MAX_PAIRS}"));
    }
    let long = |text: &String| text.len() > MAX_TEXT;
    if pairs.any(|(name, value)| name.is_empty() || long(name) || long(value)) {
        return Err(format!("must have names of 1 to {MAX_TEXT} bytes, and values up to that"));
    }
    Ok(())
}

fn configuration(configuration: Option<types::Configuration>) -> Result<Configuration, String> {
    let settings = required(configuration).map_err(text)?.settings;
    short_pairs(settings.iter().map(|setting| (&setting.name, &setting.value)))?;
    let setting = |types::Setting { name, value }| Setting { name, value };
    let read = Configuration { settings: settings.into_iter().map(setting).collect() };
    match read.duplicate() {
        Some(name) => Err(format!("names {name:?} twice")),
        None => Ok(read),
    }
}

fn span(span: Option<pb::PricedSpan>) -> Result<PricedSpan, String> {
    let span = required(span).map_err(text)?;
    let count = |name: &str, count: i32| match u32::try_from(count) {
        Ok(count) if count <= MAX_COUNT.unsigned_abs() => Ok(count),
        _ => Err(format!("must have {name} from 0 to {MAX_COUNT}")),
    };
    let duration = span.duration.map(|duration| duration.short().map_err(text));
    let duration = duration.transpose()?.map(|short| short.parse::<TermDuration>().map_err(text));
    let duration = duration.transpose()?;
    Ok(PricedSpan {
        duration,
        whole_months: count("whole_months", span.whole_months)?,
        odd_days: count("odd_days", span.odd_days)?,
        total_days: count("total_days", span.total_days)?,
    })
}

fn text(error: impl Display) -> String {
    error.to_string()
}
