use super::*;
use crate::fixtures::{at, end, id, instance, paid_through, profile, world};
use serde_json::json;

// T-4: expired means now >= end.
#[test]
fn an_instance_is_expired_from_its_end_on() {
    let vm = instance("vm", "vm", paid_through("2024-06-20"));
    assert!(!vm.is_expired(at("2024-06-20 23:59")));
    assert!(vm.is_expired(end("2024-06-20")));
    assert!(!instance("vm", "vm", Billing::Postpaid).is_expired(at("9999-01-01 00:00")));
}

// L-3, L-4: reads derive the state from the dates, however late the scheduler is.
#[test]
fn postpaid_after_expiry_is_postpaid_from_its_end_on() {
    let mut pool = instance("pool", "pool", paid_through("2024-06-20"));
    pool.policy = PolicyState::PostpaidAfterExpiry;
    assert_eq!(pool.billing_at(at("2024-06-20 23:59")), paid_through("2024-06-20"));
    assert_eq!(pool.billing_at(end("2024-06-20")), Billing::Postpaid);
}

// C-2: a pending configuration counts from the start of its term on, and for prices at once.
#[test]
fn a_pending_configuration_takes_effect_at_its_instant() {
    let mut redis = instance("redis", "redis", paid_through("2024-06-20"));
    let small: Configuration = [("class", "small")].into_iter().collect();
    let change = PendingChange { configuration: small.clone(), effective: end("2024-06-20") };
    redis.pending = Some(change);
    assert_eq!(redis.configuration_at(at("2024-06-20 23:59")), &Configuration::default());
    assert_eq!(redis.configuration_at(end("2024-06-20")), &small);
    assert_eq!(redis.configuration_ahead(), &small);
}

// L-5: the rules at its expiry hold for what has expired.
#[test]
fn lifecycle_rules_are_those_at_expiry_where_they_are_others() {
    let mut world = world();
    let vm = instance("vm", "vm", paid_through("2024-06-20"));
    assert_eq!(world.lifecycle_rules(&vm).unwrap().retention_days, 7);
    let rules = LifecycleRules::of(&profile(&json!({"retention_days": 3})));
    world.lifecycle_at_expiry.insert(id("vm"), rules);
    assert_eq!(world.lifecycle_rules(&vm).unwrap().retention_days, 3);
    assert_eq!(world.lifecycle_rules(&instance("x", "nothing", Billing::Postpaid)), None);
}

#[test]
fn another_accounts_instance_is_as_unknown_as_none() {
    let mut world = world();
    let mut foreign = instance("vm", "vm", Billing::Postpaid);
    foreign.account = "b".parse().unwrap();
    world.instances.insert(foreign.id.clone(), foreign);
    assert_eq!(world.instance(&id("vm")), None);
    assert_eq!(world.instance(&id("nothing")), None);
}
