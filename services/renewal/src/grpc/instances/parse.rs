//! Requests about instances, read once: into commands, or into every field that is bad.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use kernel::ids::{AccountId, InstanceId, RequestId};
use platform::{
    page::{PageTokenInvalid, PageTokens, page_size},
    request::RequestDigest,
    status::BadRequest,
};
use proto::{
    convert,
    renewal::v1::{self as pb, instance::State as WireState, instance_filter::Tab as WireTab},
    r#type::v1 as types,
};
use rule_engine::{
    calendar::DayOfMonth,
    duration::TermDuration,
    lifecycle::State,
    policy::PolicyWish,
    profile::Policy,
    registration::{RegisteredBilling, Registration},
};
use tonic::Status;

use crate::{
    app::{correction::Wanted, listing::Search},
    store::{
        due::pages::Place,
        instances::list::{Part, Position, Tab},
    },
    wire,
};

/// Name of the call that page tokens are bound to.
pub const LIST: &str = "ListInstances";

/// The most rows of one registration.
const MOST_REGISTRATIONS: usize = 1_000;

/// The most ids that a call may name before the account's own limit is asked.
const MOST_IDS: usize = 10_000;

/// The most values of one kind that a search may name.
const MOST_VALUES: usize = 100;

/// The furthest that `within_days` looks ahead.
const FURTHEST_DAYS: u32 = 3_650;

/// The most rows that a page may leap over.
const FURTHEST_SKIP: u64 = 100_000;

/// The most bytes of a catalog.
const MOST_DOCUMENT: usize = 1 << 20;

/// The most instances that one call looks at for releases that would move.
const MOST_RELEASES: u32 = 1_000;

/// After which instance the call goes on, and how many it looks at.
pub fn moved(
    request: &pb::ListMovedReleasesRequest,
    tokens: &PageTokens,
) -> Result<(Place, u32), Status> {
    let mut bad = BadRequest::default();
    match request.document.len() {
        0 => bad.note("document", "is required"),
        1..=MOST_DOCUMENT => {}
        _ => bad.note("document", "must have at most 1 MiB"),
    }
    let limit = u32::try_from(request.limit).map_err(|_| "must not be negative");
    let limit = bad.field("limit", limit).unwrap_or_default();
    bad.finish()?;
    let after = tokens.read(&request.cursor)?;
    let after = after.map(|text| serde_json::from_str(&text)).transpose();
    let limit = if limit == 0 { MOST_RELEASES } else { limit.min(MOST_RELEASES) };
    Ok((after.map_err(|_| PageTokenInvalid)?.unwrap_or_default(), limit))
}

/// An account and an instance.
pub fn named(account: &str, instance: &str) -> Result<(AccountId, InstanceId), Status> {
    let mut bad = BadRequest::default();
    let account = wire::id(&mut bad, "account_id", account);
    let instance = wire::id(&mut bad, "instance_id", instance);
    account.zip(instance).ok_or_else(|| bad.into_status())
}

/// The rows of a registration.
pub fn registrations(rows: Vec<pb::InstanceRegistration>) -> Result<Vec<Registration>, Status> {
    let mut bad = BadRequest::default();
    bad.field("registrations", wire::one_to(MOST_REGISTRATIONS, rows.len()));
    let rows = rows.into_iter().enumerate().take(MOST_REGISTRATIONS);
    let read: Vec<_> = rows
        .filter_map(|(number, row)| {
            registration(&mut bad, &|name| format!("registrations[{number}].{name}"), row)
        })
        .collect();
    bad.finish()?;
    Ok(read)
}

fn registration(
    bad: &mut BadRequest,
    field: &dyn Fn(&str) -> String,
    row: pb::InstanceRegistration,
) -> Option<Registration> {
    let id = wire::id(bad, field("instance_id"), &row.instance_id);
    let account = wire::id(bad, field("account_id"), &row.account_id);
    let product = wire::id(bad, field("product_id"), &row.product_id);
    let region = wire::id(bad, field("region"), &row.region);
    let name = bad.field(field("name"), wire::text(row.name));
    let room_type = bad.field(field("room_type"), wire::text(row.room_type));
    let labels = bad.field(field("labels"), wire::labels(row.labels));
    let configuration = wire::configuration(row.configuration);
    let configuration = bad.field(field("configuration"), configuration);
    let billing = billing(bad, field, row.billing);
    let binding = match row.binding {
        None => Some(None),
        Some(binding) => wire::binding(bad, &field("binding"), &binding).map(Some),
    };
    let source_version = u64::try_from(row.source_version).map_err(|_| "must not be negative");
    let source_version = bad.field(field("source_version"), source_version);
    Some(Registration {
        id: id?,
        account: account?,
        product: product?,
        region: region?,
        name: name?,
        labels: labels?,
        room_type: room_type.map(|room| (!room.is_empty()).then_some(room))?,
        configuration: configuration?,
        billing: billing?,
        trial: row.trial,
        one_time: row.one_time,
        change_pending: row.change_pending,
        released: row.released,
        binding: binding?,
        source_version: source_version?,
    })
}

fn billing(
    bad: &mut BadRequest,
    field: &dyn Fn(&str) -> String,
    billing: Option<pb::instance_registration::Billing>,
) -> Option<RegisteredBilling> {
    use pb::instance_registration::Billing;
    let prepaid = match bad.field(field("billing"), convert::required(billing))? {
        Billing::Postpaid(_) => return Some(RegisteredBilling::Postpaid),
        Billing::Prepaid(prepaid) => prepaid,
    };
    let mut instant = |name: &str, time| {
        let time = convert::required(time).and_then(convert::instant);
        bad.field(field(name), time)
    };
    let start = instant("prepaid.start_time", prepaid.start_time);
    let end = instant("prepaid.end_time", prepaid.end_time);
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        bad.note(field("prepaid.end_time"), "must be later than the start");
    }
    let anchor = match prepaid.anchor_day {
        None => Some(None),
        Some(day) => {
            // What is no number of a day is as wrong as 32.
            let day = DayOfMonth::try_from(u32::try_from(day).unwrap_or_default());
            bad.field(field("prepaid.anchor_day"), day).map(Some)
        }
    };
    Some(RegisteredBilling::Prepaid { start: start?, end: end?, anchor: anchor? })
}

/// A search for instances.
#[derive(Debug)]
pub struct List {
    /// Whose instances.
    pub account: AccountId,
    /// Which of them.
    pub search: Search,
    /// Which part of the list.
    pub part: Part,
    /// Whether to count all of them.
    pub with_total: bool,
}

/// A search, and the part of it that is wanted; `query` is what page tokens are bound to.
pub fn list(
    request: pb::ListInstancesRequest,
    query: &pb::ListInstancesRequest,
) -> Result<List, Status> {
    let mut bad = BadRequest::default();
    let account = wire::id(&mut bad, "account_id", &request.account_id);
    let search = search(&mut bad, request.filter.unwrap_or_default());
    let page = request.page.unwrap_or_default();
    let limit = bad.field("page.page_size", page_size(page.page_size));
    let skip = u64::try_from(page.skip).ok().filter(|skip| *skip <= FURTHEST_SKIP);
    let skip = bad.field("page.skip", skip.ok_or("must be 0 to 100,000"));
    let (Some(account), Some(limit), Some(skip), true) = (account, limit, skip, bad.is_empty())
    else {
        return Err(bad.into_status());
    };
    let position = PageTokens::of(LIST, query).read(&page.page_token)?;
    let after = position.map(|text| position_of(&text)).transpose()?;
    let part = Part { after, skip, limit: limit.into() };
    Ok(List { account, search, part, with_total: page.with_total })
}

/// A position as a page token carries it.
pub fn position_text(position: &Position) -> String {
    format!("{} {}", position.expiry, position.id)
}

fn position_of(text: &str) -> Result<Position, PageTokenInvalid> {
    let (expiry, id) = text.split_once(' ').ok_or(PageTokenInvalid)?;
    let expiry = expiry.parse().map_err(|_| PageTokenInvalid)?;
    Ok(Position { expiry, id: id.to_owned() })
}

fn search(bad: &mut BadRequest, filter: pb::InstanceFilter) -> Search {
    let mut date = |name: &str, date: Option<types::Date>| {
        let date = date.map(NaiveDate::try_from).transpose();
        bad.field(name, date).flatten()
    };
    let last_day_from = date("filter.last_day_from", filter.last_day_from);
    let last_day_to = date("filter.last_day_to", filter.last_day_to);
    let within_days = filter.within_days.map(|days| {
        let days = u32::try_from(days).ok().filter(|days| *days <= FURTHEST_DAYS);
        days.ok_or("must be 0 to 3,650")
    });
    let within_days = bad.field("filter.within_days", within_days.transpose()).flatten();
    let products = ids(bad, "filter.product_ids", &filter.product_ids, MOST_VALUES);
    let regions = ids(bad, "filter.regions", &filter.regions, MOST_VALUES);
    if filter.room_types.len() > MOST_VALUES {
        bad.note("filter.room_types", format!("must be at most {MOST_VALUES}"));
    }
    let room_types = filter.room_types.into_iter().take(MOST_VALUES);
    let room_types = room_types.map(wire::text).collect::<Result<_, _>>();
    let room_types = bad.field("filter.room_types", room_types).unwrap_or_default();
    Search {
        last_day_from,
        last_day_to,
        within_days,
        expired_only: filter.expired_only,
        products,
        room_types,
        regions,
        tab: bad.field("filter.tab", tab(filter.tab)).flatten(),
        states: states(bad, &filter.states),
        prefix: bad.field("filter.prefix", wire::text(filter.prefix)).unwrap_or_default(),
        labels: bad.field("filter.labels", wire::labels(filter.labels)).unwrap_or_default(),
        include_hidden: filter.include_hidden,
    }
}

fn tab(number: i32) -> Result<Option<Tab>, &'static str> {
    match WireTab::try_from(number) {
        Ok(WireTab::Unspecified) => Ok(None),
        Ok(WireTab::Manual) => Ok(Some(Tab::Policy(Policy::Manual))),
        Ok(WireTab::Auto) => Ok(Some(Tab::Policy(Policy::Auto))),
        Ok(WireTab::PostpaidAfterExpiry) => Ok(Some(Tab::Policy(Policy::PostpaidAfterExpiry))),
        Ok(WireTab::NotRenew) => Ok(Some(Tab::Policy(Policy::NotRenew))),
        Ok(WireTab::NoExpiry) => Ok(Some(Tab::NoExpiry)),
        Err(_) => Err("must be one of the values of the enumeration"),
    }
}

fn states(bad: &mut BadRequest, numbers: &[i32]) -> Vec<State> {
    let state = |number: &i32| match convert::known::<WireState>(*number)? {
        WireState::Active => Ok(State::Active),
        WireState::Grace => Ok(State::Grace),
        WireState::Retained => Ok(State::Retained),
        WireState::Released => Ok(State::Released),
        WireState::Unspecified => Err(convert::WireError::UnknownValue),
    };
    let states = numbers.iter().take(MOST_VALUES).map(state).collect::<Result<BTreeSet<_>, _>>();
    bad.field("filter.states", states).unwrap_or_default().into_iter().collect()
}

/// The ids in `field`; notes each that is none, and more than `most`.
fn ids<T: std::str::FromStr<Err = kernel::ids::InvalidName>>(
    bad: &mut BadRequest,
    field: &str,
    texts: &[String],
    most: usize,
) -> Vec<T> {
    if texts.len() > most {
        bad.note(field, format!("must be at most {most}"));
    }
    let texts = texts.iter().enumerate().take(most);
    texts.filter_map(|(number, text)| wire::id(bad, format!("{field}[{number}]"), text)).collect()
}

fn instance_ids(bad: &mut BadRequest, texts: &[String]) -> Vec<InstanceId> {
    if texts.is_empty() {
        bad.note("instance_ids", "must name at least one");
    }
    ids(bad, "instance_ids", texts, MOST_IDS)
}

fn duration(bad: &mut BadRequest, duration: Option<types::TermDuration>) -> Option<TermDuration> {
    bad.field("duration", duration.map(wire::duration).transpose()).flatten()
}

/// An instance whose bound ones are wanted, and the duration to price them for.
pub fn bound(
    request: &pb::ListBoundInstancesRequest,
) -> Result<(AccountId, InstanceId, Option<TermDuration>), Status> {
    let mut bad = BadRequest::default();
    let account = wire::id(&mut bad, "account_id", &request.account_id);
    let instance = wire::id(&mut bad, "instance_id", &request.instance_id);
    let duration = duration(&mut bad, request.duration);
    match (account, instance, bad.is_empty()) {
        (Some(account), Some(instance), true) => Ok((account, instance, duration)),
        _ => Err(bad.into_status()),
    }
}

/// Instances to check, for a duration if one is given.
pub fn check(
    request: &pb::CheckRenewalsRequest,
) -> Result<(AccountId, Vec<InstanceId>, Option<TermDuration>), Status> {
    let mut bad = BadRequest::default();
    let account = wire::id(&mut bad, "account_id", &request.account_id);
    let ids = instance_ids(&mut bad, &request.instance_ids);
    let duration = duration(&mut bad, request.duration);
    match (account, bad.is_empty()) {
        (Some(account), true) => Ok((account, ids, duration)),
        _ => Err(bad.into_status()),
    }
}

/// Instances, and the policy that is wished for them.
pub fn policies(
    request: &pb::SetRenewalPoliciesRequest,
) -> Result<(AccountId, Vec<InstanceId>, PolicyWish), Status> {
    let mut bad = BadRequest::default();
    let account = wire::id(&mut bad, "account_id", &request.account_id);
    let ids = instance_ids(&mut bad, &request.instance_ids);
    let wish = wire::policy_wish(&mut bad, request.renewal.as_ref());
    match (account, wish, bad.is_empty()) {
        (Some(account), Some(wish), true) => Ok((account, ids, wish)),
        _ => Err(bad.into_status()),
    }
}

/// An expiry as it should be.
pub fn correction(request: pb::CorrectExpiryRequest) -> Result<Wanted, Status> {
    let digest = RequestDigest::of(
        "CorrectExpiry",
        &pb::CorrectExpiryRequest { request_id: String::new(), ..request.clone() },
    );
    let mut bad = BadRequest::default();
    let id = request.request_id.parse::<RequestId>().map_err(|_| "must be a UUID");
    let id = bad.field("request_id", id);
    let account = wire::id(&mut bad, "account_id", &request.account_id);
    let instance = wire::id(&mut bad, "instance_id", &request.instance_id);
    let expiry = convert::required(request.expire_time).and_then(convert::instant);
    if expiry == Err(convert::WireError::DateOutOfRange) {
        bad.because("DATE_OUT_OF_RANGE");
    }
    let expiry = bad.field("expire_time", expiry);
    let why = bad.field("why", wire::required_text(request.why));
    match (id, account, instance, expiry, why) {
        (Some(request), Some(account), Some(id), Some(expiry), Some(why)) => {
            Ok(Wanted { request, digest, account, id, expiry, why })
        }
        _ => Err(bad.into_status()),
    }
}
