use serde_json::json;

use super::*;
use crate::{
    fixtures::{add, add_postpaid, at, bind, end, get, id, ids, reasons, set_product, world},
    instance::BindingKind::{Forced, Strong},
};

const NOW: &str = "2024-06-10 12:00";
const AUTO: PolicyWish = PolicyWish::Auto { cycle: None, remaining: None };

fn months(text: &str) -> TermDuration {
    text.parse().unwrap()
}

fn auto(cycle: &str, remaining: Option<u32>) -> PolicyState {
    let remaining = remaining.map(|count| count.try_into().unwrap());
    PolicyState::Auto(AutoRenewal { cycle: months(cycle), remaining })
}

/// One line for each id: the changed instances, or the reasons.
fn set(world: &World, names: &[&str], wish: PolicyWish, now: &str) -> Vec<String> {
    let results = set_policies(&ids(names), wish, world, at(now)).unwrap();
    let shown = results.iter().map(|result| match &result.outcome {
        Ok(changes) => {
            let set = changes.iter().map(|change| change.instance.to_string());
            set.collect::<Vec<_>>().join(" ")
        }
        Err(refusals) => reasons(refusals),
    });
    shown.collect()
}

// P-1, P-5: any policy that the product allows, whatever it is now.
#[test]
fn a_product_says_which_policies_it_allows() {
    let mut world = world();
    add(&mut world, "kec", "kec", "2024-06-20");
    add(&mut world, "pool", "pool", "2024-06-20");
    for policy in [auto("1m", None), PolicyState::NotRenew, PolicyState::PostpaidAfterExpiry] {
        get(&mut world, "pool").policy = policy;
        for (wish, of_kec) in [
            (PolicyWish::Manual, "kec"),
            (AUTO, "kec"),
            (PolicyWish::PostpaidAfterExpiry, "POLICY_NOT_ALLOWED"),
            (PolicyWish::NotRenew, "POLICY_NOT_ALLOWED"),
        ] {
            assert_eq!(set(&world, &["kec", "pool"], wish, NOW), [of_kec, "pool"], "{wish:?}");
        }
    }
}

#[test]
fn a_postpaid_instance_has_no_policy() {
    let mut world = world();
    add_postpaid(&mut world, "vm", "vm");
    assert_eq!(set(&world, &["vm"], PolicyWish::Manual, NOW), ["NO_EXPIRY"]);
}

// P-2, in pairs around the expiry and around the end of the window.
#[test]
fn auto_and_postpaid_after_expiry_are_set_before_the_expiry() {
    let mut world = world();
    add(&mut world, "pool", "pool", "2024-06-20");
    for (now, auto, postpaid, manual) in [
        ("2024-06-20 23:59", "pool", "pool", "pool"),
        ("2024-06-21 00:00", "AUTO_RENEW_AFTER_EXPIRY", "POLICY_AFTER_EXPIRY", "pool"),
        (
            "2024-07-21 00:00",
            "RENEWAL_WINDOW_CLOSED AUTO_RENEW_AFTER_EXPIRY",
            "RENEWAL_WINDOW_CLOSED POLICY_AFTER_EXPIRY",
            "RENEWAL_WINDOW_CLOSED",
        ),
    ] {
        assert_eq!(set(&world, &["pool"], AUTO, now), [auto], "{now}");
        assert_eq!(set(&world, &["pool"], PolicyWish::PostpaidAfterExpiry, now), [postpaid]);
        assert_eq!(set(&world, &["pool"], PolicyWish::Manual, now), [manual]);
    }
}

// P-2: what is AUTO already may change while it is renewable.
#[test]
fn cycle_and_count_of_an_auto_instance_change_after_the_expiry_too() {
    let mut world = world();
    add(&mut world, "pool", "pool", "2024-06-20").policy = auto("1m", None);
    let wish = PolicyWish::Auto { cycle: Some(months("3m")), remaining: Some(Remaining(2)) };
    assert_eq!(set(&world, &["pool"], wish, "2024-07-20 23:59"), ["pool"]);
    assert_eq!(set(&world, &["pool"], wish, "2024-07-21 00:00"), ["RENEWAL_WINDOW_CLOSED"]);
}

// P-3: preset 1 month, else the shortest; a cycle that is not on offer is refused.
#[test]
fn a_cycle_is_one_on_offer() {
    let mut world = world();
    set_product(&mut world, "yearly", &json!({"durations": ["3y", "1y"]}));
    add(&mut world, "kec", "kec", "2024-06-20");
    add(&mut world, "yearly", "yearly", "2024-06-20");
    let cycle = |name: &str, cycle: Option<&str>| {
        let wish = PolicyWish::Auto { cycle: cycle.map(months), remaining: None };
        let results = set_policies(&ids(&[name]), wish, &world, at(NOW)).unwrap();
        let outcome = results[0].outcome.clone();
        outcome.map(|changes| changes[0].policy).map_err(|refusals| reasons(&refusals))
    };
    assert_eq!(cycle("kec", None), Ok(auto("1m", None)));
    assert_eq!(cycle("yearly", None), Ok(auto("1y", None)));
    assert_eq!(cycle("yearly", Some("3y")), Ok(auto("3y", None)));
    assert_eq!(cycle("kec", Some("2m")), Err("TERM_NOT_OFFERED".to_owned()));
    assert_eq!(cycle("yearly", Some("12m")), Err("TERM_NOT_OFFERED".to_owned()));
}

// P-3
#[test]
fn only_successful_automatic_renewals_count_down() {
    let mut policy = auto("1m", Some(3));
    let mut seen = Vec::new();
    for _ in 0..4 {
        policy = policy.after_automatic_renewal();
        seen.push(policy);
    }
    let manual = PolicyState::Manual;
    assert_eq!(seen, [auto("1m", Some(2)), auto("1m", Some(1)), manual, manual]);
    assert_eq!(PolicyState::NotRenew.after_automatic_renewal(), PolicyState::NotRenew);
}

// P-3: 1 to 99.
#[test]
fn the_count_is_1_to_99() {
    for (count, good) in [(0, false), (1, true), (99, true), (100, false), (u32::MAX, false)] {
        assert_eq!(Remaining::try_from(count).is_ok(), good, "{count}");
    }
}

// P-4: an instance whose automatic renewal failed is expired and still AUTO; a manual renewal makes
// AUTO work again without being set. (That it is not renewed meanwhile is decided with what is due.)
#[test]
fn a_failed_renewal_leaves_the_policy() {
    let mut world = world();
    let pool = add(&mut world, "pool", "pool", "2024-06-20");
    pool.policy = auto("1m", Some(5));
    assert!(pool.is_expired(end("2024-06-20")));
    assert_eq!(pool.policy, auto("1m", Some(5)));
}

// P-6: one result for each, in the order of the ids.
#[test]
fn a_batch_has_a_result_for_each() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add(&mut world, "late", "vm", "2024-06-08");
    add(&mut world, "twice", "vm", "2024-06-20");
    add(&mut world, "kad", "kad", "2024-06-20");
    add(&mut world, "trial", "vm", "2024-06-20").trial = true;
    add(&mut world, "uses", "vm", "2024-06-20").one_time = true;
    add(&mut world, "gone", "vm", "2024-06-20").released = true;
    let names = ["nothing", "vm", "late", "twice", "twice", "kad", "trial", "uses", "gone"];
    assert_eq!(
        set(&world, &names, AUTO, NOW),
        [
            "INSTANCE_NOT_FOUND",
            "vm",
            "AUTO_RENEW_AFTER_EXPIRY",
            "DUPLICATE_INSTANCE",
            "DUPLICATE_INSTANCE",
            "PRODUCT_NOT_RENEWABLE",
            "TRIAL_INSTANCE",
            "ONE_TIME_INSTANCE",
            "INSTANCE_RELEASED",
        ]
    );
}

#[test]
fn a_batch_names_at_most_a_hundred() {
    let world = world();
    let names: Vec<_> = (0..101).map(|number| id(&format!("i-{number}"))).collect();
    assert!(set_policies(&names[..100], AUTO, &world, at(NOW)).is_ok());
    let refusal = set_policies(&names, AUTO, &world, at(NOW)).unwrap_err();
    assert_eq!(refusal.reason, Reason::TooManyInstances);
}

// P-7: all members or none.
#[test]
fn a_policy_is_that_of_the_whole_group() {
    let mut world = world();
    for (name, product) in [("pool", "pool"), ("ebs", "pool"), ("disk", "vm")] {
        add(&mut world, name, product, "2024-06-20");
    }
    bind(&mut world, "ebs", Strong, "pool");
    bind(&mut world, "disk", Forced, "pool");
    for name in ["pool", "ebs", "disk"] {
        assert_eq!(set(&world, &[name], AUTO, NOW), ["pool ebs disk"], "{name}");
        let refused = set(&world, &[name], PolicyWish::PostpaidAfterExpiry, NOW);
        assert_eq!(refused, ["POLICY_NOT_ALLOWED"], "{name}");
    }
    let refusals = set_policies(&ids(&["pool"]), PolicyWish::PostpaidAfterExpiry, &world, at(NOW));
    let refusals = refusals.unwrap().remove(0).outcome.unwrap_err();
    assert_eq!(refusals[0].metadata["instance"], "disk");
    assert_eq!(refusals[0].metadata["allowed"], "MANUAL,AUTO,NOT_RENEW");
}

// P-7, B-5: what has no policy does not stop the others.
#[test]
fn a_forced_child_without_a_policy_is_passed_over() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add_postpaid(&mut world, "eip", "eip");
    add(&mut world, "disk", "disk", "2024-06-01");
    bind(&mut world, "eip", Forced, "vm");
    bind(&mut world, "disk", Forced, "vm");
    assert_eq!(set(&world, &["vm"], AUTO, NOW), ["vm"]);
}

// P-8, in a pair: newly set, or set already.
#[test]
fn nothing_withdrawn_from_sale_becomes_auto() {
    let mut world = world();
    set_product(&mut world, "old", &json!({"discontinued": true}));
    add(&mut world, "old", "old", "2024-06-20");
    assert_eq!(set(&world, &["old"], AUTO, NOW), ["PRODUCT_DISCONTINUED"]);
    assert_eq!(set(&world, &["old"], PolicyWish::NotRenew, NOW), ["old"]);
    get(&mut world, "old").policy = auto("1m", None);
    assert_eq!(set(&world, &["old"], AUTO, NOW), ["old"]);
}

// Section 5: KS sets AUTO on its strong groups only on their own.
#[test]
fn a_strong_group_may_stand_alone_only() {
    let mut world = world();
    for (name, product) in [("kec", "kec"), ("ebs", "kec"), ("one", "kec")] {
        add(&mut world, name, product, "2024-06-20");
    }
    bind(&mut world, "ebs", Strong, "kec");
    assert_eq!(set(&world, &["kec"], AUTO, NOW), ["kec ebs"]);
    assert_eq!(set(&world, &["kec", "ebs"], AUTO, NOW), ["kec ebs", "kec ebs"]);
    assert_eq!(set(&world, &["kec", "one"], AUTO, NOW), ["GROUP_NOT_IN_BATCH", "one"]);
}
