use prost::Message as _;
use prost_reflect::{DescriptorPool, Value};
use tonic_health::pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest};

use super::*;
use crate::identity::Role;

/// A request whose only field, `service`, stands for whose thing it is about.
fn about(whose: &str) -> DynamicMessage {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let kind = pool.get_message_by_name("grpc.health.v1.HealthCheckRequest").unwrap();
    let request = HealthCheckRequest { service: whose.to_owned() };
    DynamicMessage::decode(kind, request.encode_to_vec().as_slice()).unwrap()
}

fn caller(roles: &[&str]) -> Caller {
    let roles: Vec<Role> = roles.iter().map(|role| role.parse().unwrap()).collect();
    Caller::new("somebody", roles)
}

#[test]
fn a_call_may_be_made_by_whom_its_row_names_about_what_is_theirs() {
    use Verdict::{Allowed, Denied, NotTheirs};
    const ROW: &[Who] =
        &[Who::Platform, Who::Account("service"), Who::Product("service"), Who::Service("wallet")];
    let access = Access { method: "/x", callers: ROW };
    for (roles, whose, wanted) in [
        (&["platform"][..], "acme", Allowed),
        (&["account:acme"], "acme", Allowed),
        (&["account:acme"], "other", NotTheirs("account")),
        // Nobody's is everybody's, and so not theirs.
        (&["account:acme"], "", NotTheirs("account")),
        (&["product:vm"], "vm", Allowed),
        (&["product:vm"], "acme", NotTheirs("product")),
        (&["product:acme"], "vm", NotTheirs("product")),
        (&["service:wallet"], "acme", Allowed),
        (&["service:renewal"], "acme", Denied),
        (&[], "acme", Denied),
        (&["account:other", "account:acme"], "acme", Allowed),
        (&["account:other", "platform"], "acme", Allowed),
    ] {
        let (caller, request) = (caller(roles), about(whose));
        assert_eq!(access.verdict(&caller, Some(&request)), wanted, "{roles:?} about {whose:?}");
    }
    assert_eq!(access.verdict(&Caller::everybody(), None), Allowed);
}

#[test]
fn a_request_is_looked_into_only_where_it_matters() {
    let access = Access { method: "/x", callers: &[Who::Platform, Who::Account("service")] };
    assert_ne!(access.verdict(&caller(&["platform"]), None), Verdict::Depends);
    assert_ne!(access.verdict(&caller(&["product:vm"]), None), Verdict::Depends);
    assert_eq!(access.verdict(&caller(&["account:acme"]), None), Verdict::Depends);
    assert_ne!(access.verdict(&caller(&["account:acme", "platform"]), None), Verdict::Depends);
}

#[test]
fn a_service_may_make_some_calls_only_where_a_flag_is_set() {
    const ROW: &[Who] = &[Who::ServiceWhere("renewal", "value")];
    let access = Access { method: "/x", callers: ROW };
    let flag = DescriptorPool::global().get_message_by_name("google.protobuf.BoolValue").unwrap();
    let mut request = DynamicMessage::new(flag);
    let renewal = caller(&["service:renewal"]);
    assert_eq!(access.verdict(&renewal, None), Verdict::Depends);
    assert_eq!(access.verdict(&renewal, Some(&request)), Verdict::Denied);
    request.set_field_by_name("value", Value::Bool(true));
    assert_eq!(access.verdict(&renewal, Some(&request)), Verdict::Allowed);
    assert_eq!(access.verdict(&caller(&["service:wallet"]), Some(&request)), Verdict::Denied);
    assert_eq!(access.verdict(&renewal, Some(&about("value"))), Verdict::Denied, "no such flag");
}

#[test]
fn a_field_that_there_is_not_is_nobodys() {
    let access = Access { method: "/x", callers: &[Who::Account("account_id")] };
    let verdict = access.verdict(&caller(&["account:acme"]), Some(&about("acme")));
    assert_eq!(verdict, Verdict::NotTheirs("account"));
}

#[test]
fn the_body_of_a_call_is_one_message_whole_and_plain() {
    assert_eq!(only_message(&[0, 0, 0, 0, 2, 7, 8]).unwrap(), [7, 8]);
    assert!(only_message(&[0, 0, 0, 0, 0]).unwrap().is_empty());
    let bad: [&[u8]; 6] = [
        &[],
        &[0, 0, 0, 0],
        // Compressed.
        &[1, 0, 0, 0, 1, 7],
        // Cut short.
        &[0, 0, 0, 0, 2, 7],
        // What stands after it, the handler would not read.
        &[0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 1, 8],
        &[0, 255, 255, 255, 255, 7],
    ];
    for body in bad {
        assert!(only_message(body).is_err(), "{body:?}");
    }
}

#[test]
fn a_token_is_read_whatever_the_case_of_its_scheme() {
    for text in ["Bearer abc", "bearer abc", "BEARER  abc "] {
        assert_eq!(bearer(text), "abc", "{text:?}");
    }
    for text in ["Basic abc", "abc", "Bearer", ""] {
        assert_eq!(bearer(text), "", "{text:?}");
    }
}
