use platform::status::bad_fields;
use proto::{convert::timestamp, r#type::v1::TermDuration};
use tonic::Code;

use super::*;

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument);
    bad_fields(status).into_iter().map(|(field, _)| field).collect()
}

fn row() -> pb::InstanceRegistration {
    use pb::instance_registration::{Billing, Prepaid};
    let instant = |text: &str| Some(timestamp(text.parse().unwrap()));
    pb::InstanceRegistration {
        instance_id: "i-1".to_owned(),
        account_id: "acme".to_owned(),
        product_id: "vm".to_owned(),
        region: "north".to_owned(),
        billing: Some(Billing::Prepaid(Prepaid {
            start_time: instant("2026-02-01T00:00:00Z"),
            end_time: instant("2026-03-01T00:00:00Z"),
            anchor_day: Some(31),
        })),
        source_version: 1,
        ..pb::InstanceRegistration::default()
    }
}

#[test]
fn every_bad_field_of_every_row_is_named_at_once() {
    use pb::instance_registration::{Billing, Prepaid};
    assert_eq!(parse::registrations(vec![row()]).unwrap().len(), 1);
    let bad = pb::InstanceRegistration {
        instance_id: String::new(),
        region: "a b".to_owned(),
        name: "x".repeat(201),
        billing: Some(Billing::Prepaid(Prepaid {
            start_time: None,
            end_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            anchor_day: Some(0),
        })),
        binding: Some(pb::Binding { parent_instance_id: String::new(), kind: 0 }),
        source_version: -1,
        ..row()
    };
    let none = pb::InstanceRegistration { billing: None, ..row() };
    let status = parse::registrations(vec![row(), bad, none]).unwrap_err();
    assert_eq!(
        fields(&status),
        [
            "registrations[1].instance_id",
            "registrations[1].region",
            "registrations[1].name",
            "registrations[1].prepaid.start_time",
            "registrations[1].prepaid.end_time",
            "registrations[1].prepaid.anchor_day",
            "registrations[1].binding.parent_instance_id",
            "registrations[1].binding.kind",
            "registrations[1].source_version",
            "registrations[2].billing",
        ]
    );
    for count in [0, 1_001] {
        let status = parse::registrations(vec![row(); count]).unwrap_err();
        assert_eq!(fields(&status), ["registrations"]);
    }
}

fn list(request: pb::ListInstancesRequest) -> Result<parse::List, Status> {
    let query = pb::ListInstancesRequest { page: None, ..request.clone() };
    parse::list(request, &query)
}

#[test]
fn every_bad_field_of_a_search_is_named_at_once() {
    let day = |year| Some(types::Date { year, month: 1, day: 1 });
    let filter = pb::InstanceFilter {
        last_day_from: day(1969),
        last_day_to: day(10_000),
        within_days: Some(3_651),
        product_ids: vec!["vm".to_owned(), String::new()],
        tab: 99,
        states: vec![1, 0],
        prefix: "\0".to_owned(),
        ..pb::InstanceFilter::default()
    };
    let page = types::PageRequest { page_size: -1, skip: 100_001, ..Default::default() };
    let request = pb::ListInstancesRequest {
        account_id: String::new(),
        filter: Some(filter),
        page: Some(page),
    };
    assert_eq!(
        fields(&list(request).unwrap_err()),
        [
            "account_id",
            "filter.last_day_from",
            "filter.last_day_to",
            "filter.within_days",
            "filter.product_ids[1]",
            "filter.tab",
            "filter.states",
            "filter.prefix",
            "page.page_size",
            "page.skip",
        ]
    );
}

/// Section 12: a page token belongs to its query.
#[test]
fn a_page_token_belongs_to_its_query() {
    let query = pb::ListInstancesRequest {
        account_id: "acme".to_owned(),
        filter: Some(pb::InstanceFilter::default()),
        page: None,
    };
    let position = crate::store::instances::list::Position { expiry: 7, id: "i-1".to_owned() };
    let token = PageTokens::of(parse::LIST, &query).issue(&parse::position_text(&position));
    let with = |account: &str, token: &str| pb::ListInstancesRequest {
        account_id: account.to_owned(),
        page: Some(types::PageRequest { page_token: token.to_owned(), ..Default::default() }),
        ..query.clone()
    };
    assert_eq!(list(with("acme", &token)).unwrap().part.after, Some(position));
    for (account, token) in [("other", token.as_str()), ("acme", "forged"), ("acme", &token[1..])] {
        let status = list(with(account, token)).unwrap_err();
        assert_eq!(platform::status::reason(&status).unwrap(), "PAGE_TOKEN_INVALID");
    }
}

/// T-8: an expiry beyond the calendar is refused by its own reason.
#[test]
fn a_correction_says_what_is_wrong_with_it() {
    let request = pb::CorrectExpiryRequest {
        request_id: "1".to_owned(),
        account_id: "acme".to_owned(),
        instance_id: "i-1".to_owned(),
        expire_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        why: String::new(),
    };
    let status = parse::correction(request).unwrap_err();
    assert_eq!(fields(&status), ["request_id", "expire_time", "why"]);
    assert_eq!(platform::status::reason(&status).unwrap(), "DATE_OUT_OF_RANGE");
}

#[test]
fn a_call_names_at_least_one_instance() {
    let request = pb::CheckRenewalsRequest {
        account_id: "acme".to_owned(),
        instance_ids: Vec::new(),
        duration: Some(TermDuration { unit: 1, count: 0 }),
    };
    assert_eq!(fields(&parse::check(&request).unwrap_err()), ["instance_ids", "duration"]);
    let request = pb::SetRenewalPoliciesRequest {
        account_id: String::new(),
        instance_ids: vec!["a b".to_owned()],
        renewal: None,
    };
    let status = parse::policies(&request).unwrap_err();
    assert_eq!(fields(&status), ["account_id", "instance_ids[0]", "renewal"]);
}
