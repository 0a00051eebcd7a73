use std::collections::BTreeSet;

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use super::*;

/// Consoles of products serve this; nobody calls it here.
const ELSEWHERE: &str = "perennial.provisioner.";

fn pool() -> DescriptorPool {
    DescriptorPool::decode(proto::DESCRIPTORS).unwrap()
}

#[test]
fn every_call_has_a_row_and_every_row_a_call() {
    let pool = pool();
    let ours = pool.services().filter(|service| service.full_name().starts_with("perennial."));
    let ours = ours.filter(|service| !service.full_name().starts_with(ELSEWHERE));
    let calls: BTreeSet<String> = ours
        .flat_map(|service| {
            let path = format!("/{}/", service.full_name());
            service
                .methods()
                .map(move |method| format!("{path}{}", method.name()))
                .collect::<Vec<_>>()
        })
        .collect();
    let rows: BTreeSet<String> = ACCESS.iter().map(|row| row.method.to_owned()).collect();
    assert_eq!(rows.len(), ACCESS.len(), "a call has two rows");
    assert_eq!(calls.difference(&rows).collect::<Vec<_>>(), Vec::<&String>::new(), "without a row");
    assert_eq!(
        rows.difference(&calls).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "without a call"
    );
    assert!(ACCESS.iter().all(|row| !row.callers.is_empty()));
}

/// What is at the end of `path` in a message.
fn end(message: &MessageDescriptor, path: &str) -> Option<Kind> {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    match message.get_field_by_name(name)?.kind() {
        Kind::Message(inner) => end(&inner, rest),
        kind => rest.is_empty().then_some(kind),
    }
}

#[test]
fn whose_a_request_is_stands_in_a_field_that_there_is() {
    let pool = pool();
    for row in ACCESS {
        let (service, method) = row.method[1..].split_once('/').unwrap();
        let service = pool.get_service_by_name(service).unwrap();
        let method = service.methods().find(|one| one.name() == method).unwrap();
        for who in row.callers {
            let (path, wanted) = match who {
                Account(path) | Product(path) => (path, Kind::String),
                ServiceWhere(_, flag) => (flag, Kind::Bool),
                _ => continue,
            };
            assert_eq!(end(&method.input(), path), Some(wanted), "{}: {path}", row.method);
        }
    }
}

#[test]
fn nobody_but_the_platform_makes_money_and_nobody_but_services_moves_it() {
    let who = |method: &str| {
        let rows = ACCESS.iter().filter(|row| row.method.ends_with(method));
        rows.flat_map(|row| row.callers.iter().copied()).collect::<Vec<_>>()
    };
    for made in
        ["/Deposit", "/IssueVouchers", "/IssueVoucherCodes", "/ConfirmPayment", "/CorrectExpiry"]
    {
        assert_eq!(who(made), [Platform], "{made}");
    }
    for moved in ["/Charge", "/ChargeMany", "/CreatePaymentIntent", "/Refund", "/VoidPayment"] {
        assert_eq!(who(moved), [RENEWAL], "{moved}");
    }
    for row in ACCESS.iter().filter(|row| row.method.contains(".internal.")) {
        assert!(row.callers.iter().all(|who| matches!(who, Service(_))), "{}", row.method);
    }
}
