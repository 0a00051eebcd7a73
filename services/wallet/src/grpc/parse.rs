//! Messages to values that cannot hold nonsense. Every bad field is noted, not only the first.

use std::{collections::BTreeSet, str::FromStr};

use chrono::{DateTime, Utc};
use kernel::{Currency, Money};
use platform::{request::RequestDigest, status::BadRequest};
use proto::{
    convert::{instant, known, required},
    r#type::v1 as wire,
    wallet::v1 as pb,
};
use rule_engine::{
    kind::{BillingMode, OrderKind},
    profile::{VoucherRule, VoucherStrategy},
    voucher::{PayableItem, ProductScope, VoucherChoice, VoucherTerms},
};
use uuid::Uuid;

use crate::domain::{Bill, Charge, Grant};

/// The most items, charges, grants or ids of one call.
pub const MOST: usize = 1_000;

/// The longest note, in bytes.
const LONGEST_NOTE: usize = 200;

/// Notes that a list has fewer than one or more than [`MOST`] members.
pub fn count(bad: &mut BadRequest, field: impl Into<String>, members: usize) {
    if !(1..=MOST).contains(&members) {
        bad.note(field, format!("must have 1 to {MOST} members"));
    }
}

/// A name or an id in `field`.
pub fn text<T: FromStr<Err: ToString>>(
    bad: &mut BadRequest,
    field: impl Into<String>,
    text: &str,
) -> Option<T> {
    bad.field(field, text.parse::<T>())
}

/// A UUID other than the nil one, which stands for none.
pub fn id<T>(
    bad: &mut BadRequest,
    field: impl Into<String>,
    text: &str,
    of: impl FnOnce(Uuid) -> T,
) -> Option<T> {
    let parsed = text.parse::<Uuid>().ok().filter(|id| !id.is_nil());
    bad.field(field, parsed.map(of).ok_or("must be a UUID"))
}

/// Several UUIDs, as many of them as one call may have.
pub fn ids<T>(bad: &mut BadRequest, field: &str, texts: &[String], of: fn(Uuid) -> T) -> Vec<T> {
    let texts = texts.iter().take(MOST).enumerate();
    texts.filter_map(|(index, text)| id(bad, format!("{field}[{index}]"), text, of)).collect()
}

/// An amount of at least `least` minor units.
pub fn money(
    bad: &mut BadRequest,
    field: impl Into<String>,
    amount: Option<wire::Money>,
    least: i64,
) -> Option<Money> {
    let parse = || {
        let amount = required(amount).map_err(|error| error.to_string())?;
        let amount = Money::try_from(amount).map_err(|error| error.to_string())?;
        if amount.minor() >= least {
            Ok(amount)
        } else if least > 0 {
            Err("must be positive".to_owned())
        } else {
            Err("must not be negative".to_owned())
        }
    };
    bad.field(field, parse())
}

/// An instant that must be set.
pub fn at(
    bad: &mut BadRequest,
    field: impl Into<String>,
    timestamp: Option<prost_types::Timestamp>,
) -> Option<DateTime<Utc>> {
    bad.field(field, required(timestamp).and_then(instant))
}

/// What people are told of an entry.
pub fn note(bad: &mut BadRequest, note: String) -> Option<String> {
    if note.len() > LONGEST_NOTE {
        bad.note("note", format!("must not be longer than {LONGEST_NOTE} bytes"));
        None
    } else if note.chars().any(char::is_control) {
        bad.note("note", "must not hold control characters");
        None
    } else {
        Some(note)
    }
}

fn billing_mode(mode: wire::BillingMode) -> BillingMode {
    match mode {
        wire::BillingMode::Unspecified | wire::BillingMode::Prepaid => BillingMode::Prepaid,
        wire::BillingMode::Postpaid => BillingMode::Postpaid,
    }
}

fn order_kind(kind: wire::OrderKind) -> OrderKind {
    match kind {
        wire::OrderKind::Unspecified | wire::OrderKind::Renewal => OrderKind::Renewal,
        wire::OrderKind::Conversion => OrderKind::Conversion,
        wire::OrderKind::Change => OrderKind::Change,
    }
}

fn strategy(strategy: wire::VoucherStrategy) -> VoucherStrategy {
    match strategy {
        wire::VoucherStrategy::Unspecified | wire::VoucherStrategy::NearestExpiryThenLargest => {
            VoucherStrategy::NearestExpiryThenLargest
        }
        wire::VoucherStrategy::SmallestThenNearest => VoucherStrategy::SmallestThenNearest,
        wire::VoucherStrategy::LargestFirst => VoucherStrategy::LargestFirst,
        wire::VoucherStrategy::CoverWholeFirst => VoucherStrategy::CoverWholeFirst,
        wire::VoucherStrategy::ChosenByUser => VoucherStrategy::ChosenByUser,
    }
}

/// A payment to be taken at `as_of`; `path` is where it stands in the request.
pub fn charge(
    bad: &mut BadRequest,
    path: &str,
    charge: pb::Charge,
    as_of: Option<DateTime<Utc>>,
) -> Option<Charge> {
    let digest = RequestDigest::of("Charge", &charge);
    let payment = id(bad, format!("{path}.payment_id"), &charge.payment_id, kernel::ids::PaymentId);
    let account = text(bad, format!("{path}.account_id"), &charge.account_id);
    let order = id(bad, format!("{path}.order_id"), &charge.order_id, kernel::ids::OrderId);
    let items = items(bad, &format!("{path}.items"), charge.items);
    let choice = choice(bad, &format!("{path}.vouchers"), charge.vouchers);
    let (items, amount) = items?;
    let bill = Bill { order: order?, amount, as_of: as_of? };
    let automatic = charge.automatic;
    let (payment, account, choice) = (payment?, account?, choice?);
    Some(Charge { payment, account, bill, items, choice, automatic, digest })
}

/// What is paid for, each instance once, and what it costs together in the one currency of all.
pub fn items(
    bad: &mut BadRequest,
    path: &str,
    items: Vec<pb::PayableItem>,
) -> Option<(Vec<PayableItem>, Money)> {
    count(bad, path, items.len());
    if items.len() > MOST {
        return None;
    }
    let mut parsed = Vec::with_capacity(items.len());
    let mut amounts = Vec::with_capacity(items.len());
    let mut instances = BTreeSet::new();
    let mut whole = true;
    for (index, item) in items.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some((item, amount)) = payable_item(bad, &path, item) else {
            whole = false;
            continue;
        };
        if !instances.insert(item.instance.clone()) {
            bad.note(format!("{path}.instance_id"), "is named twice");
            whole = false;
        }
        parsed.push(item);
        amounts.push(amount);
    }
    let currency = amounts.first()?.currency();
    let sum = bad.field(path, Money::sum(amounts, currency))?;
    whole.then_some((parsed, sum))
}

fn payable_item(
    bad: &mut BadRequest,
    path: &str,
    item: pb::PayableItem,
) -> Option<(PayableItem, Money)> {
    let instance = text(bad, format!("{path}.instance_id"), &item.instance_id);
    let product = text(bad, format!("{path}.product_id"), &item.product_id);
    let region = text(bad, format!("{path}.region"), &item.region);
    let mode = bad.field(format!("{path}.billing_mode"), known(item.billing_mode));
    let kind = bad.field(format!("{path}.order_kind"), known(item.order_kind));
    let months = u32::try_from(item.term_months).map_err(|_| "must not be negative");
    let months = bad.field(format!("{path}.term_months"), months);
    let payable = money(bad, format!("{path}.payable"), item.payable, 0);
    let (payable, months) = (payable?, months?);
    let item = PayableItem {
        instance: instance?,
        product: product?,
        region: region?,
        billing_mode: billing_mode(mode?),
        order_kind: order_kind(kind?),
        term_months: months,
        discounted: item.discounted,
        payable: payable.minor(),
    };
    Some((item, payable))
}

/// Which vouchers may pay; none where nothing is said.
pub fn choice(
    bad: &mut BadRequest,
    path: &str,
    choice: Option<pb::VoucherChoice>,
) -> Option<VoucherChoice> {
    use pb::voucher_choice::Choice;
    let pb::VoucherChoice { choice, max_per_payment } = choice.unwrap_or_default();
    let max_per_payment = bad.field(format!("{path}.max_per_payment"), maximum(max_per_payment));
    match choice {
        None | Some(Choice::None(_)) => Some(VoucherChoice::None),
        Some(Choice::Rule(rule)) => {
            let strategy =
                bad.field(format!("{path}.rule.strategy"), known(rule.strategy)).map(strategy);
            let path = format!("{path}.rule.max_per_payment");
            let max_per_payment = bad.field(path, maximum(rule.max_per_payment))?;
            Some(VoucherChoice::Rule(VoucherRule { strategy: strategy?, max_per_payment }))
        }
        Some(Choice::Named(named)) => {
            let path = format!("{path}.named.voucher_ids");
            if named.voucher_ids.len() > MOST {
                bad.note(path, format!("must have {MOST} members at the most"));
                return None;
            }
            let ids = named.voucher_ids.iter().enumerate();
            let ids: Vec<_> = ids
                .map(|(index, text)| {
                    id(bad, format!("{path}[{index}]"), text, kernel::ids::VoucherId)
                })
                .collect();
            let ids = ids.into_iter().collect::<Option<_>>()?;
            Some(VoucherChoice::Named { ids, max_per_payment: max_per_payment? })
        }
    }
}

/// A number of vouchers, if one is given.
fn maximum(maximum: Option<i32>) -> Result<Option<u32>, &'static str> {
    maximum.map(u32::try_from).transpose().map_err(|_| "must not be negative")
}

/// A voucher to be issued; `path` is where it stands in the request.
pub fn grant(bad: &mut BadRequest, path: &str, grant: pb::VoucherGrant) -> Option<Grant> {
    let account = text(bad, format!("{path}.account_id"), &grant.account_id);
    let face = money(bad, format!("{path}.face"), grant.face, 1);
    let path = format!("{path}.terms");
    let terms = bad.field(path.clone(), required(grant.terms))?;
    let currency = face.map(Money::currency);
    let terms = voucher_terms(bad, &path, terms, currency);
    Some(Grant { account: account?, face: face?, terms: terms? })
}

/// What vouchers may be used for; `currency` is that of their face.
pub fn voucher_terms(
    bad: &mut BadRequest,
    path: &str,
    terms: pb::VoucherTerms,
    currency: Option<Currency>,
) -> Option<VoucherTerms> {
    let valid_from = at(bad, format!("{path}.valid_from"), terms.valid_from);
    let expires = at(bad, format!("{path}.expire_time"), terms.expire_time);
    if let (Some(from), Some(expires)) = (valid_from, expires)
        && from >= expires
    {
        bad.note(format!("{path}.expire_time"), "must be later than valid_from");
    }
    let only = names(bad, &format!("{path}.only_product_ids"), &terms.only_product_ids);
    let except = names(bad, &format!("{path}.except_product_ids"), &terms.except_product_ids);
    let regions = names(bad, &format!("{path}.regions"), &terms.regions);
    let products = scope(bad, path, only?, except?);
    let modes = kinds(bad, &format!("{path}.billing_modes"), &terms.billing_modes);
    let orders = kinds(bad, &format!("{path}.order_kinds"), &terms.order_kinds);
    let minimum = minimum(bad, format!("{path}.minimum_spend"), terms.minimum_spend, currency);
    let longest = within(terms.longest_term_months, 1, i32::MAX);
    let longest = bad.field(format!("{path}.longest_term_months"), longest);
    let share = within(terms.largest_share_percent, 1, 100);
    let share = bad.field(format!("{path}.largest_share_percent"), share);
    Some(VoucherTerms {
        valid_from: valid_from?,
        expires: expires?,
        products: products?,
        billing_modes: modes?.into_iter().map(billing_mode).collect(),
        order_kinds: orders?.into_iter().map(order_kind).collect(),
        regions: regions?,
        minimum_spend: minimum?,
        longest_term_months: longest?.map(i32::unsigned_abs),
        single_use: terms.single_use,
        automatic_use: terms.automatic_use.unwrap_or(true),
        largest_share_percent: share?.and_then(|percent| u8::try_from(percent).ok()),
        not_with_discounts: terms.not_with_discounts,
    })
}

fn scope(
    bad: &mut BadRequest,
    path: &str,
    only: Vec<kernel::ids::ProductId>,
    except: Vec<kernel::ids::ProductId>,
) -> Option<ProductScope> {
    match (only.is_empty(), except.is_empty()) {
        (true, true) => Some(ProductScope::All),
        (false, true) => Some(ProductScope::Only(only.into_iter().collect())),
        (true, false) => Some(ProductScope::Except(except.into_iter().collect())),
        (false, false) => {
            let field = format!("{path}.except_product_ids");
            bad.note(field, "must be empty where only_product_ids is not");
            None
        }
    }
}

fn names<T: FromStr<Err: ToString>>(
    bad: &mut BadRequest,
    path: &str,
    names: &[String],
) -> Option<Vec<T>> {
    if names.len() > MOST {
        bad.note(path, format!("must have {MOST} members at the most"));
        return None;
    }
    let names = names.iter().enumerate();
    let names: Vec<_> =
        names.map(|(index, name)| text(bad, format!("{path}[{index}]"), name)).collect();
    names.into_iter().collect()
}

fn kinds<E: TryFrom<i32> + Default + PartialEq>(
    bad: &mut BadRequest,
    path: &str,
    numbers: &[i32],
) -> Option<Vec<E>> {
    let numbers = numbers.iter().take(MOST).enumerate();
    let kinds: Vec<_> = numbers
        .map(|(index, &number)| bad.field(format!("{path}[{index}]"), known(number)))
        .collect();
    kinds.into_iter().collect()
}

/// A minimum spend in the currency of the voucher; nothing where it is not set.
fn minimum(
    bad: &mut BadRequest,
    field: String,
    amount: Option<wire::Money>,
    currency: Option<Currency>,
) -> Option<i64> {
    let Some(amount) = amount else { return Some(0) };
    let amount = money(bad, field.clone(), Some(amount), 0)?;
    if currency.is_some_and(|currency| currency != amount.currency()) {
        bad.note(field, "must be in the currency of the face");
        return None;
    }
    Some(amount.minor())
}

fn within(number: Option<i32>, least: i32, most: i32) -> Result<Option<i32>, String> {
    match number {
        Some(number) if !(least..=most).contains(&number) => {
            Err(format!("must be {least} to {most}"))
        }
        number => Ok(number),
    }
}
