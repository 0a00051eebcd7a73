use super::*;
use crate::{
    duration::TermDuration,
    fixtures::{at, end, id, instance, order, paid_through, reasons},
    policy::AutoRenewal,
};
use chrono_tz::Asia::Shanghai;

const NOW: &str = "2024-06-10 12:00";

/// A machine that was paid through 2024-06-20 and then renewed for a month.
fn renewed(name: &str) -> Instance {
    let mut one = instance(name, "vm", paid_through("2024-07-20"));
    one.configuration = [("flavor", "small"), ("note", "x")].into_iter().collect();
    one
}

/// The renewal of `instance`, whose group is named after `root`.
fn bought<'a>(instance: &'a Instance, root: &'a InstanceId) -> Bought<'a> {
    let start = end("2024-06-20");
    let after = Standing::of(instance, at(NOW));
    Bought { instance, root, start, after, last: Some((start, Some(order(1)))), refunded: false }
}

/// The reasons against refunding `wanted`, by instance; only `flavor` has a price.
fn refused(wanted: &[&str], items: &[Bought<'_>], now: &str) -> String {
    let wanted = wanted.iter().map(|name| id(name)).collect();
    let refusals = check_refund(&wanted, items, |_, name| name == "flavor", Shanghai, at(now));
    let told = refusals.iter().map(|(id, refusal)| format!("{id} {}", refusal.reason));
    told.collect::<Vec<_>>().join(", ")
}

// O-6: now < start.
#[test]
fn a_term_is_refunded_until_the_instant_before_it_begins() {
    let vm = renewed("vm");
    let items = [bought(&vm, &vm.id)];
    assert_eq!(refused(&["vm"], &items, "2024-06-20 23:59"), "");
    assert_eq!(refused(&["vm"], &items, "2024-06-21 00:00"), "vm TERM_STARTED");
}

// O-6: all reasons at once, the weightiest first; what has been refunded has no others.
#[test]
fn every_reason_is_given_at_once() {
    let mut vm = renewed("vm");
    let after = bought(&vm, &vm.id).after;
    let last = Some((end("2024-07-20"), Some(order(2))));
    vm.configuration = [("flavor", "large")].into_iter().collect();
    vm.open_order = Some(crate::instance::OpenOrder { id: order(2), unpaid: true });
    let item = Bought { after, last, ..bought(&vm, &vm.id) };
    let wanted = [id("other"), id("vm")].into();
    let refusals = check_refund(
        &wanted,
        std::slice::from_ref(&item),
        |_, _| true,
        Shanghai,
        at("2024-06-30 00:00"),
    );
    let told: Vec<_> = refusals.iter().map(|(_, refusal)| refusal.clone()).collect();
    assert_eq!(
        reasons(&told),
        "INSTANCE_NOT_FOUND OPEN_ORDER_EXISTS TERM_STARTED NOT_LAST_TERM CONFIGURATION_CHANGED"
    );
    assert_eq!(told[1].metadata["order_id"], order(2).to_string());
    assert_eq!(told[3].metadata["order_id"], order(2).to_string());
    let item = Bought { refunded: true, ..item };
    assert_eq!(refused(&["vm"], &[item], "2024-06-30 00:00"), "vm ALREADY_REFUNDED");
}

// O-6: "not when the configuration changed since": what only describes may.
#[test]
fn only_what_has_a_price_counts_as_a_change_of_the_configuration() {
    let before = renewed("vm");
    let after = Standing::of(&before, at(NOW));
    for (settings, expected) in [
        (vec![("flavor", "small"), ("note", "y")], ""),
        (vec![("note", "x"), ("flavor", "small")], ""),
        (vec![("flavor", "large"), ("note", "x")], "vm CONFIGURATION_CHANGED"),
        (vec![("note", "x")], "vm CONFIGURATION_CHANGED"),
    ] {
        let mut vm = renewed("vm");
        vm.configuration = settings.into_iter().collect();
        let item = Bought { after: after.clone(), ..bought(&vm, &vm.id) };
        assert_eq!(refused(&["vm"], &[item], NOW), expected);
    }
}

// O-6, C-2: what was pending when the term was bought takes effect meanwhile: that is no change.
#[test]
fn a_configuration_that_takes_effect_in_between_is_no_change() {
    let mut vm = renewed("vm");
    let configuration: Configuration = [("flavor", "large")].into_iter().collect();
    let pending = PendingChange { configuration, effective: at("2024-06-15 00:00") };
    vm.pending = Some(pending.clone());
    let items = [bought(&vm, &vm.id)];
    assert_eq!(refused(&["vm"], &items, "2024-06-16 00:00"), "");

    let without = renewed("vm");
    let item = Bought { after: items[0].after.clone(), ..bought(&without, &without.id) };
    assert_eq!(refused(&["vm"], &[item], NOW), "vm CONFIGURATION_CHANGED");
}

// O-6, B-4: a group goes together, whatever came along with it.
#[test]
fn a_group_is_refunded_as_a_whole() {
    let [vm, disk, eip] = ["vm", "disk", "eip"].map(renewed);
    let mut items = vec![bought(&vm, &vm.id), bought(&disk, &vm.id), bought(&eip, &eip.id)];
    assert_eq!(refused(&["vm"], &items, NOW), "vm GROUP_MUST_RENEW_TOGETHER");
    assert_eq!(refused(&["disk", "eip"], &items, NOW), "disk GROUP_MUST_RENEW_TOGETHER");
    assert_eq!(refused(&["vm", "disk"], &items, NOW), "");
    assert_eq!(refused(&["eip"], &items, NOW), "");
    items[1].refunded = true;
    assert_eq!(refused(&["vm"], &items, NOW), "");
}

// O-6: "Anchor, pending configuration and expiry of the term before hold again. If the policy is
// AUTO it becomes MANUAL."
#[test]
fn a_term_that_is_taken_back_leaves_the_instance_as_it_was() {
    let mut before = renewed("vm");
    before.billing = paid_through("2024-06-20");
    let standing = Standing::of(&before, at(NOW));
    let large: Configuration = [("flavor", "large")].into_iter().collect();
    let pending = PendingChange { configuration: large, effective: end("2024-06-20") };
    let lease = paid_through("2024-07-20").lease().unwrap();
    let after = extended(&standing, lease, None, Some(pending.clone()), true);
    assert_eq!(after.configuration, standing.configuration);
    let auto = AutoRenewal { cycle: "1m".parse::<TermDuration>().unwrap(), remaining: None };
    let mut vm = renewed("vm");
    (vm.pending, vm.policy) = (Some(pending), PolicyState::Auto(auto));
    vm.configuration = [("flavor", "small"), ("note", "changed since")].into_iter().collect();

    let back = taken_back(&vm, &standing, &after);

    assert_eq!(back.billing, paid_through("2024-06-20"));
    assert_eq!((back.pending.clone(), back.policy), (None, PolicyState::Manual));
    assert_eq!(back.configuration, vm.configuration);
    vm.policy = PolicyState::NotRenew;
    assert_eq!(taken_back(&vm, &standing, &after).policy, PolicyState::NotRenew);
}

// O-6, C-2: a plain term takes nothing along that was pending before it.
#[test]
fn what_an_earlier_term_brought_stays_pending() {
    let mut vm = renewed("vm");
    let large: Configuration = [("flavor", "large")].into_iter().collect();
    vm.pending = Some(PendingChange { configuration: large, effective: at("2024-06-15 00:00") });
    let before = Standing { billing: paid_through("2024-06-20"), ..Standing::of(&vm, at(NOW)) };
    let lease = paid_through("2024-07-20").lease().unwrap();
    let after = extended(&before, lease, None, None, false);
    assert_eq!(after.pending, vm.pending);
    assert_eq!(taken_back(&vm, &before, &after).pending, vm.pending);
}
