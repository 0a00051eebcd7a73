use serde_json::json;

use super::*;
use crate::{
    fixtures::{add, add_postpaid, at, bind, get, hold, id, order, reasons, set_product, world},
    instance::BindingKind::{Forced, Optional, Strong},
};

const NOW: &str = "2024-06-10 12:00";

/// The reasons against renewing an instance, at all or for a duration.
fn check(world: &World, name: &str, duration: Option<&str>, now: &str) -> String {
    let extent = duration.map(|duration| Extent::Duration(duration.parse().unwrap()));
    reasons(&check_renewal(&id(name), extent.as_ref(), world, at(now)))
}

type Case = (&'static str, fn(&mut Instance));

// Section 5, row by row: what refuses, and the same instance without it.
#[test]
fn each_row_of_the_table_refuses_on_its_own() {
    let cases: [Case; 8] = [
        ("PRODUCT_NOT_RENEWABLE", |one| one.product = "kad".parse().unwrap()),
        ("PRODUCT_NOT_RENEWABLE", |one| one.product = "unknown".parse().unwrap()),
        ("TRIAL_INSTANCE", |one| one.trial = true),
        ("ONE_TIME_INSTANCE", |one| one.one_time = true),
        ("POSTPAID_NOT_CONVERTIBLE", |one| one.billing = Billing::Postpaid),
        ("INSTANCE_RELEASED", |one| one.released = true),
        ("RENEWAL_WINDOW_CLOSED", |one| one.billing = crate::fixtures::paid_through("2024-06-02")),
        ("CHANGE_PENDING", |one| one.change_pending = true),
    ];
    for (reason, spoil) in cases {
        let mut world = world();
        let one = add(&mut world, "one", "eip", "2024-06-20");
        spoil(one);
        assert_eq!(check(&world, "one", None, NOW), reason);
        let text = check(&world, "one", Some("1m"), NOW);
        let expected = if reason == "PRODUCT_NOT_RENEWABLE" && text.contains(' ') {
            // A product that nobody knows sells nothing either.
            "PRODUCT_NOT_RENEWABLE TERM_NOT_OFFERED"
        } else {
            reason
        };
        assert_eq!(text, expected);
    }
    let mut world = world();
    add(&mut world, "one", "eip", "2024-06-20");
    assert_eq!(check(&world, "one", Some("1m"), NOW), "");
    assert_eq!(check(&world, "other", None, NOW), "INSTANCE_NOT_FOUND");
    hold(&mut world, "one");
    assert_eq!(check(&world, "one", None, NOW), "OPEN_ORDER_EXISTS");
    let refusals = check_renewal(&id("one"), None, &world, at(NOW));
    assert_eq!(refusals[0].metadata["order_id"], order(7).to_string());
    world.account.frozen = true;
    assert_eq!(check(&world, "one", None, NOW), "ACCOUNT_FROZEN OPEN_ORDER_EXISTS");
}

// Section 5: all reasons at once, in the order of the table.
#[test]
fn all_reasons_are_given_at_once() {
    let mut world = world();
    set_product(&mut world, "bad", &json!({"not_renewable": "No.", "durations": ["1m"]}));
    let one = add(&mut world, "one", "bad", "2024-05-20");
    (one.trial, one.one_time, one.change_pending) = (true, true, true);
    hold(&mut world, "one");
    world.account.frozen = true;
    assert_eq!(
        check(&world, "one", Some("3y"), NOW),
        "PRODUCT_NOT_RENEWABLE TRIAL_INSTANCE ONE_TIME_INSTANCE RENEWAL_WINDOW_CLOSED \
         ACCOUNT_FROZEN OPEN_ORDER_EXISTS CHANGE_PENDING TERM_NOT_OFFERED"
    );
    // Released and past the window: only one is given.
    get(&mut world, "one").released = true;
    let text = check(&world, "one", None, NOW);
    assert!(text.contains("INSTANCE_RELEASED") && !text.contains("WINDOW"), "{text}");
}

// L-1: JD VM to the end of day +7, AL Redis +7, HW +30; around the boundary in pairs.
#[test]
fn the_window_is_open_through_its_last_day() {
    let mut world = world();
    for product in ["vm", "redis", "pool"] {
        add(&mut world, product, product, "2024-06-20");
    }
    for (product, last, closed) in [
        ("vm", "2024-06-27 23:59", "2024-06-28 00:00"),
        ("redis", "2024-06-27 23:59", "2024-06-28 00:00"),
        ("pool", "2024-07-20 23:59", "2024-07-21 00:00"),
    ] {
        assert_eq!(check(&world, product, None, last), "", "{product}");
        assert_eq!(check(&world, product, None, closed), "RENEWAL_WINDOW_CLOSED", "{product}");
    }
}

// B-4, B-5: the primary alone brings the others; any other member alone is refused.
#[test]
fn a_part_of_a_group_is_not_renewed_alone() {
    let mut world = world();
    for name in ["vm", "disk", "ebs", "eip"] {
        add(&mut world, name, "vm", "2024-06-20");
    }
    bind(&mut world, "disk", Forced, "vm");
    bind(&mut world, "ebs", Strong, "vm");
    bind(&mut world, "eip", Optional, "vm");
    for (name, expected) in [
        ("vm", ""),
        ("eip", ""),
        ("disk", "GROUP_MUST_RENEW_TOGETHER"),
        ("ebs", "GROUP_MUST_RENEW_TOGETHER"),
    ] {
        assert_eq!(check(&world, name, None, NOW), expected, "{name}");
        assert_eq!(check(&world, name, Some("1m"), NOW), expected, "{name}");
    }
    let refusals = check_renewal(&id("ebs"), None, &world, at(NOW));
    assert_eq!(refusals[0].metadata["primary"], "vm");
    assert_eq!(refusals[0].metadata["missing"], "vm,disk");
}

// B-4: a refusal of one member refuses the group, and names the member.
#[test]
fn a_member_refuses_its_group() {
    let mut world = world();
    for name in ["vm", "ebs", "disk"] {
        add(&mut world, name, "vm", "2024-06-20");
    }
    bind(&mut world, "ebs", Strong, "vm");
    bind(&mut world, "disk", Forced, "vm");
    for member in ["ebs", "disk"] {
        get(&mut world, member).trial = true;
        assert_eq!(check(&world, "vm", None, NOW), "TRIAL_INSTANCE");
        let refusals = check_renewal(&id("vm"), None, &world, at(NOW));
        assert_eq!(refusals[0].metadata["instance"], member);
        get(&mut world, member).trial = false;
    }
}

#[test]
fn what_members_have_in_common_is_said_once() {
    let mut world = world();
    for name in ["vm", "ebs", "disk"] {
        add(&mut world, name, "vm", "2024-06-20");
        hold(&mut world, name);
    }
    bind(&mut world, "ebs", Strong, "vm");
    bind(&mut world, "disk", Forced, "vm");
    world.account.frozen = true;
    get(&mut world, "disk").open_order.as_mut().unwrap().id = order(8);
    let refusals = check_renewal(&id("vm"), None, &world, at(NOW));
    assert_eq!(reasons(&refusals), "ACCOUNT_FROZEN OPEN_ORDER_EXISTS OPEN_ORDER_EXISTS");
    let members = |number: usize| {
        let members = refusals[number].metadata.get("members");
        members.unwrap_or(&refusals[number].metadata["instance"])
    };
    assert_eq!([members(0), members(1), members(2)], ["vm,ebs,disk", "disk", "vm,ebs"]);
}

// L-4: late or not, the scheduler decides nothing.
#[test]
fn what_became_postpaid_at_its_expiry_is_refused_as_postpaid() {
    let mut world = world();
    let pool = add(&mut world, "pool", "pool", "2024-06-20");
    pool.policy = crate::policy::PolicyState::PostpaidAfterExpiry;
    assert_eq!(check(&world, "pool", None, "2024-06-20 23:59"), "");
    assert_eq!(check(&world, "pool", None, "2024-06-21 00:00"), "POSTPAID_NOT_CONVERTIBLE");
}

// C-1: JD VM by configuration converts; by-traffic EIP does not.
#[test]
fn a_product_says_whether_it_converts() {
    let mut world = world();
    add_postpaid(&mut world, "vm", "vm");
    add_postpaid(&mut world, "eip", "eip");
    assert_eq!(check(&world, "vm", Some("3m"), NOW), "");
    assert_eq!(check(&world, "eip", Some("3m"), NOW), "POSTPAID_NOT_CONVERTIBLE");
}
