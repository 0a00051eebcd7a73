use super::*;
use crate::{
    fixtures::{add, add_postpaid, at, end, instance, paid_through, reasons, world},
    instance::PendingChange,
};

const NOW: &str = "2024-06-10 12:00";

fn small() -> Configuration {
    [("class", "small")].into_iter().collect()
}

// C-1, C-2
#[test]
fn what_is_postpaid_is_converted_and_what_gets_a_configuration_is_changed() {
    let prepaid = instance("redis", "redis", paid_through("2024-06-20"));
    let postpaid = instance("vm", "vm", Billing::Postpaid);
    let new = small();
    for (instance, change, kind) in [
        (&prepaid, None, OrderKind::Renewal),
        (&prepaid, Some(&new), OrderKind::Change),
        (&postpaid, None, OrderKind::Conversion),
        (&postpaid, Some(&new), OrderKind::Conversion),
    ] {
        assert_eq!(order_kind(instance, change, at(NOW)), kind);
    }
}

// C-3
#[test]
fn a_product_may_forbid_a_new_configuration() {
    let mut world = world();
    add(&mut world, "redis", "redis", "2024-06-20");
    add(&mut world, "vm", "vm", "2024-06-20");
    let refused = |name: &str| {
        let instance = &world.instances[&crate::fixtures::id(name)];
        reasons(&change_refusals(instance, &world, at(NOW)))
    };
    assert_eq!(refused("redis"), "");
    assert_eq!(refused("vm"), "CHANGE_NOT_OFFERED");
}

// C-2: another change only once the first is in effect, in a pair around that instant.
#[test]
fn one_change_at_a_time() {
    let mut world = world();
    let redis = add(&mut world, "redis", "redis", "2024-07-20");
    let effective = end("2024-06-20");
    redis.pending = Some(PendingChange { configuration: small(), effective });
    let redis = &world.instances[&crate::fixtures::id("redis")];
    let refused = |now: &str| reasons(&change_refusals(redis, &world, at(now)));
    assert_eq!(refused("2024-06-20 23:59"), "CHANGE_PENDING");
    assert_eq!(refused("2024-06-21 00:00"), "");
}

// C-1, C-2: in a pair around the expiry.
#[test]
fn a_change_after_the_expiry_starts_at_the_payment() {
    let mut world = world();
    add(&mut world, "redis", "redis", "2024-06-20");
    add_postpaid(&mut world, "vm", "vm");
    let new = small();
    let starts = |name: &str, change: Option<&Configuration>, now: &str| {
        starts_at_payment(&world.instances[&crate::fixtures::id(name)], change, at(now))
    };
    assert!(!starts("redis", Some(&new), "2024-06-20 23:59"));
    assert!(starts("redis", Some(&new), "2024-06-21 00:00"));
    assert!(!starts("redis", None, "2024-06-21 00:00"));
    assert!(starts("vm", None, NOW));
}
