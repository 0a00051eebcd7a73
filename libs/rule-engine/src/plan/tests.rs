use serde_json::json;

use super::*;
use crate::{
    fixtures::{
        add, add_postpaid, at, bind, date, end, get, hold, id, ids, order, refused_for,
        set_product, show, world,
    },
    instance::{
        BindingKind::{Forced, Optional, Strong},
        OpenOrder,
    },
    lifecycle::LifecycleRules,
    reason::Reason,
};

mod dates;
mod laws;
mod payment;

const NOW: &str = "2024-06-10 12:00";

fn select(names: &[&str], duration: &str) -> Selection {
    Selection::of(ids(names), Extent::Duration(duration.parse().unwrap()))
}

fn tick(mut selection: Selection, name: &str, to_parent_expiry: bool) -> Selection {
    selection.ticked.push(Ticked { id: id(name), to_parent_expiry });
    selection
}

fn best_effort(selection: Selection) -> Selection {
    Selection { mode: Mode::BestEffort, ..selection }
}

fn planned(selection: &Selection, world: &World) -> Vec<String> {
    show(&plan(selection, world, at(NOW)).unwrap())
}

/// A machine that is paid through 2024-06-20, and a disk that is bound to it.
fn vm_and_disk(kind: crate::instance::BindingKind, disk_last_day: &str) -> World {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add(&mut world, "disk", "disk", disk_last_day);
    bind(&mut world, "disk", kind, "vm");
    world
}

/// Three instances of Kingsoft's that are only ever ordered together.
fn strong_group() -> World {
    let mut world = world();
    for name in ["kec", "ebs", "kes"] {
        add(&mut world, name, "kec", "2024-06-20");
    }
    bind(&mut world, "ebs", Strong, "kec");
    bind(&mut world, "kes", Strong, "kec");
    world
}

// T-2, T-3, T-5: before the expiry from there, after it where the product says.
#[test]
fn a_single_instance_is_renewed() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add(&mut world, "late", "vm", "2024-06-07");
    add(&mut world, "pool", "pool", "2024-06-07");
    assert_eq!(
        planned(&select(&["vm", "late", "pool"], "1m"), &world),
        [
            "vm: 2024-06-21..2024-07-20 (1+0)",
            "late: 2024-06-10..2024-07-10 (1+0)",
            "pool: 2024-06-08..2024-07-07 (1+0)",
        ]
    );
    let plan = plan(&select(&["pool"], "1m"), &world, at(NOW)).unwrap();
    // L-2: of the days paid for, the 8th and the 9th have passed.
    assert_eq!(plan.items[0].days_passed, 2);
    assert_eq!(plan.items[0].before.expiry(), Some(end("2024-06-07")));
    assert_eq!(plan.items[0].root, id("pool"));
}

// B-1: the mode acts on what is refused.
#[test]
fn a_batch_is_all_or_nothing_unless_it_is_best_effort() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add(&mut world, "trial", "vm", "2024-06-20").trial = true;
    let batch = select(&["vm", "trial", "nothing"], "1m");
    assert_eq!(
        planned(&batch, &world),
        [
            "vm: 2024-06-21..2024-07-20 (1+0)",
            "trial refused: TRIAL_INSTANCE",
            "nothing refused: INSTANCE_NOT_FOUND",
            "no order: INSTANCE_NOT_FOUND",
        ]
    );
    let plan = plan(&best_effort(batch), &world, at(NOW)).unwrap();
    assert_eq!((plan.items.len(), plan.refused.len(), plan.refusal), (1, 2, None));

    let none_left = best_effort(select(&["trial", "nothing", "also-nothing"], "1m"));
    let refusal = super::plan(&none_left, &world, at(NOW)).unwrap().refusal.unwrap();
    assert_eq!(refusal.reason, Reason::InstanceNotFound);
    assert_eq!(refusal.metadata["instances"], "nothing,also-nothing");
}

// B-1: JD renewed for 3 years with its disk ticked; the disk is sold for 2 years at most.
#[test]
fn the_durations_that_all_offer_are_named() {
    let world = vm_and_disk(Optional, "2024-06-20");
    let selection = tick(select(&["vm"], "3y"), "disk", false);
    assert_eq!(
        planned(&selection, &world),
        [
            "vm: 2024-06-21..2027-06-20 (36+0)",
            "disk refused: TERM_NOT_OFFERED",
            "no order: TERM_NOT_OFFERED",
        ]
    );
    let plan = plan(&selection, &world, at(NOW)).unwrap();
    let durations: Vec<_> = plan.durations.iter().map(|duration| duration.short()).collect();
    assert_eq!(durations.join(","), "1m,2m,3m,4m,5m,6m,7m,8m,9m,1y,2y");
    let refusal = plan.refusal.unwrap();
    assert_eq!(refusal.metadata["instances"], "disk");
    assert_eq!(refusal.metadata["offered_by_all"], durations.join(","));
}

#[test]
fn what_no_duration_would_help_does_not_narrow_the_durations() {
    let mut world = vm_and_disk(Optional, "2024-06-20");
    get(&mut world, "disk").trial = true;
    let plan = plan(&tick(select(&["vm"], "1m"), "disk", false), &world, at(NOW)).unwrap();
    assert_eq!(plan.durations.last().unwrap().short(), "3y");
}

// B-2: optional instances only where ticked; each follows what it was ticked along with.
#[test]
fn optional_instances_come_along_where_they_are_ticked() {
    let mut world = vm_and_disk(Optional, "2024-07-05");
    add(&mut world, "other", "vm", "2024-06-30");
    let named = select(&["vm", "other"], "1m");
    assert_eq!(
        planned(&named, &world),
        ["vm: 2024-06-21..2024-07-20 (1+0)", "other: 2024-07-01..2024-07-30 (1+0)"]
    );
    assert_eq!(
        planned(&tick(named, "disk", false), &world),
        [
            "vm: 2024-06-21..2024-07-20 (1+0)",
            "disk ticked: 2024-07-06..2024-08-05 (1+0)",
            "other: 2024-07-01..2024-07-30 (1+0)",
        ]
    );
}

// B-2: what may be ticked is bound to what is renewed, be it by way of what is ticked, too.
#[test]
fn only_what_is_bound_to_the_chosen_may_be_ticked() {
    let mut world = vm_and_disk(Optional, "2024-07-05");
    for name in ["snapshot", "group", "member", "gone", "other"] {
        add(&mut world, name, "vm", "2024-06-30");
    }
    bind(&mut world, "snapshot", Optional, "disk");
    bind(&mut world, "member", Strong, "group");
    bind(&mut world, "group", Optional, "snapshot");
    bind(&mut world, "gone", Forced, "vm");
    for (named, ticked, expected) in [
        ("vm", vec!["disk"], vec![]),
        ("vm", vec!["gone", "vm"], vec![]),
        ("vm", vec!["snapshot", "disk"], vec![]),
        ("vm", vec!["snapshot"], vec!["snapshot"]),
        ("vm", vec!["member", "snapshot", "disk"], vec![]),
        ("vm", vec!["other", "disk"], vec!["other"]),
        ("disk", vec!["vm"], vec!["vm"]),
        ("other", vec!["disk"], vec!["disk"]),
        ("other", vec!["other"], vec![]),
        ("vm", vec!["nobody"], vec![]),
    ] {
        let mut selection = select(&[named], "1m");
        for name in &ticked {
            selection = tick(selection, name, false);
        }
        let strays: Vec<_> = selection.stray_ticks(&world, at(NOW)).into_iter().cloned().collect();
        assert_eq!(strays, ids(&expected), "{named} {ticked:?}");
    }
}

// B-3: T-1 does not apply; M-4: whole months that fit, and odd days. T-6: the parent's anchor.
#[test]
fn a_ticked_instance_may_go_to_its_parents_new_expiry() {
    let world = vm_and_disk(Optional, "2024-07-05");
    for (duration, expected) in [
        ("1m", "disk ticked: 2024-07-06..2024-07-20 (0+15)"),
        ("3y", "disk ticked: 2024-07-06..2027-06-20 (35+15)"),
    ] {
        let selection = tick(select(&["vm"], duration), "disk", true);
        assert_eq!(planned(&selection, &world)[1], expected);
        let plan = plan(&selection, &world, at(NOW)).unwrap();
        assert_eq!(plan.item(&id("disk")).unwrap().term.anchor.get(), 20);
        assert_eq!(plan.refusal, None);
    }
}

// B-3, in pairs around the parent's new expiry.
#[test]
fn what_is_paid_for_as_long_as_its_parent_is_left_out() {
    for (last_day, expected) in [
        ("2024-07-19", "disk ticked: 2024-07-20..2024-07-20 (0+1)"),
        ("2024-07-20", "disk left out: ALREADY_COVERED"),
        ("2024-07-21", "disk left out: ALREADY_COVERED"),
    ] {
        let world = vm_and_disk(Optional, last_day);
        let shown = planned(&tick(select(&["vm"], "1m"), "disk", true), &world);
        assert_eq!(shown[1..], [expected], "{last_day}");
    }
}

// B-3
#[test]
fn nothing_goes_to_the_expiry_of_a_parent_that_does_not_come_along() {
    let mut world = vm_and_disk(Optional, "2024-06-20");
    let alone = Selection { named: Vec::new(), ..tick(select(&[], "1m"), "disk", true) };
    let expected = "disk refused: GROUP_MUST_RENEW_TOGETHER";
    assert_eq!(planned(&alone, &world)[0], expected);
    // Ticked in a circle, neither comes before the other.
    bind(&mut world, "vm", Optional, "disk");
    let circle = tick(alone, "vm", true);
    assert_eq!(planned(&circle, &world)[0], expected);
    // Refused with its parent, and for its reasons.
    let mut world = vm_and_disk(Optional, "2024-06-20");
    get(&mut world, "vm").trial = true;
    let selection = tick(select(&["vm"], "1m"), "disk", true);
    let plan = plan(&selection, &world, at(NOW)).unwrap();
    assert_eq!(plan.refusals_of(&id("disk"))[0].metadata["instance"], "vm");
}

// B-4
#[test]
fn a_strong_group_shares_one_term() {
    let world = strong_group();
    let together = [
        "kec: 2024-06-21..2024-07-20 (1+0)",
        "ebs strong: 2024-06-21..2024-07-20 (1+0)",
        "kes strong: 2024-06-21..2024-07-20 (1+0)",
    ];
    assert_eq!(planned(&select(&["kec"], "1m"), &world), together);
    let refused = ["kes refused: GROUP_MUST_RENEW_TOGETHER", "no order: GROUP_MUST_RENEW_TOGETHER"];
    assert_eq!(planned(&select(&["kes"], "1m"), &world), refused);
    let plan = plan(&select(&["kec"], "1m"), &world, at(NOW)).unwrap();
    assert!(plan.items.iter().all(|item| item.root == id("kec")));
}

// B-4: durations are the intersection; late_start is the primary's.
#[test]
fn a_strong_group_lives_by_its_primary() {
    let mut world = world();
    add(&mut world, "pool", "pool", "2024-06-07");
    add(&mut world, "disk", "disk", "2024-06-07");
    bind(&mut world, "disk", Strong, "pool");
    assert_eq!(
        planned(&select(&["pool"], "1m"), &world),
        ["pool: 2024-06-08..2024-07-07 (1+0)", "disk strong: 2024-06-08..2024-07-07 (1+0)"]
    );
    assert_eq!(
        planned(&select(&["pool"], "3y"), &world)[..2],
        ["pool refused: TERM_NOT_OFFERED", "disk refused: TERM_NOT_OFFERED"]
    );
}

// B-4: a refusal of one member refuses the group, and only the group.
#[test]
fn a_group_stands_or_falls_together() {
    let mut world = strong_group();
    set_product(&mut world, "kec", &json!({}));
    add(&mut world, "vm", "vm", "2024-06-20");
    hold(&mut world, "kes");
    assert_eq!(
        planned(&best_effort(select(&["vm", "kec"], "1m")), &world),
        [
            "vm: 2024-06-21..2024-07-20 (1+0)",
            "kec refused: OPEN_ORDER_EXISTS",
            "ebs refused: OPEN_ORDER_EXISTS",
            "kes refused: OPEN_ORDER_EXISTS",
        ]
    );
}

// Section 5, GROUP_NOT_IN_BATCH: KS refuses its strong groups together with others.
#[test]
fn a_strong_group_may_be_refused_in_a_batch() {
    let mut world = strong_group();
    add(&mut world, "vm", "vm", "2024-06-20");
    let whole = select(&["kec", "ebs", "kes"], "1m");
    assert_eq!(plan(&whole, &world, at(NOW)).unwrap().refusal, None);
    let batch = planned(&best_effort(select(&["kec", "vm"], "1m")), &world);
    assert_eq!(
        batch,
        [
            "vm: 2024-06-21..2024-07-20 (1+0)",
            "kec refused: GROUP_NOT_IN_BATCH",
            "ebs refused: GROUP_NOT_IN_BATCH",
            "kes refused: GROUP_NOT_IN_BATCH",
        ]
    );
    set_product(&mut world, "kec", &json!({"strong_in_batch": "ALLOWED"}));
    assert_eq!(plan(&select(&["kec", "vm"], "1m"), &world, at(NOW)).unwrap().refusal, None);
}

// B-5, in pairs around the parent's new expiry and around the child's window.
#[test]
fn a_forced_child_goes_to_its_parents_new_expiry() {
    for (last_day, expected) in [
        ("2024-06-20", "disk forced: 2024-06-21..2024-07-20 (1+0)"),
        ("2024-07-19", "disk forced: 2024-07-20..2024-07-20 (0+1)"),
        ("2024-07-20", "disk left out: ALREADY_COVERED"),
        ("2024-08-31", "disk left out: ALREADY_COVERED"),
        // Expired, and still in its window: from the payment on (T-3).
        ("2024-06-09", "disk forced: 2024-06-10..2024-07-20 (1+10)"),
        ("2024-06-03", "disk forced: 2024-06-10..2024-07-20 (1+10)"),
        ("2024-06-02", "disk left out: RENEWAL_WINDOW_CLOSED"),
    ] {
        let world = vm_and_disk(Forced, last_day);
        let plan = plan(&select(&["vm"], "1m"), &world, at(NOW)).unwrap();
        assert_eq!(show(&plan)[1..], [expected], "{last_day}");
        assert_eq!(plan.refusal, None);
    }
}

#[test]
fn a_forced_child_that_is_released_does_not_stop_its_parent() {
    let mut world = vm_and_disk(Forced, "2024-06-20");
    get(&mut world, "disk").released = true;
    let shown = planned(&select(&["vm"], "1m"), &world);
    assert_eq!(shown[1..], ["disk left out: INSTANCE_RELEASED"]);
}

// B-5: T-1 does not apply to a forced child, everything else does.
#[test]
fn a_forced_child_may_refuse_its_parent() {
    let mut world = vm_and_disk(Forced, "2024-06-20");
    assert_eq!(
        planned(&select(&["vm"], "3y"), &world)[1..],
        ["disk forced: 2024-06-21..2027-06-20 (36+0)"]
    );
    get(&mut world, "disk").change_pending = true;
    assert_eq!(
        planned(&select(&["vm"], "1m"), &world)[..2],
        ["vm refused: CHANGE_PENDING", "disk refused: CHANGE_PENDING"]
    );
}

// C-1, B-5: what is metered has nothing to add beside a prepaid parent, and converts with a metered
// one.
#[test]
fn a_postpaid_forced_child_converts_only_with_its_parent() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add_postpaid(&mut world, "disk", "disk");
    bind(&mut world, "disk", Forced, "vm");
    let shown = planned(&select(&["vm"], "3m"), &world);
    assert_eq!(shown[1..], ["disk left out: ALREADY_COVERED"]);

    get(&mut world, "vm").billing = Billing::Postpaid;
    assert_eq!(
        planned(&select(&["vm"], "3m"), &world),
        [
            "vm converted: 2024-06-10..2024-09-10 (3+0)",
            "disk forced converted: 2024-06-10..2024-09-10 (3+0)",
        ]
    );
    get(&mut world, "disk").product = "eip".parse().unwrap();
    assert_eq!(
        planned(&select(&["vm"], "3m"), &world)[..2],
        ["vm refused: POSTPAID_NOT_CONVERTIBLE", "disk refused: POSTPAID_NOT_CONVERTIBLE"]
    );
}

// C-1: a conversion may stand in a batch with prepaid ones.
#[test]
fn a_conversion_starts_at_the_payment() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add_postpaid(&mut world, "metered", "vm");
    let selection = select(&["metered", "vm"], "3m");
    assert_eq!(
        planned(&selection, &world),
        ["metered converted: 2024-06-10..2024-09-10 (3+0)", "vm: 2024-06-21..2024-09-20 (3+0)"]
    );
    let plan = plan(&selection, &world, at(NOW)).unwrap();
    assert_eq!(plan.items[0].term.start, at(NOW));
    assert_eq!(plan.items[0].before, Billing::Postpaid);
}

// B-1: named, ticked and brought along at once counts once.
#[test]
fn an_instance_counts_once() {
    let mut world = vm_and_disk(Forced, "2024-06-20");
    for names in [&["vm", "disk"][..], &["disk", "vm"]] {
        let selection = tick(select(names, "1m"), "disk", false);
        assert_eq!(
            planned(&selection, &world),
            ["vm: 2024-06-21..2024-07-20 (1+0)", "disk: 2024-06-21..2024-07-20 (1+0)"]
        );
    }
    bind(&mut world, "disk", Optional, "vm");
    let both = tick(select(&["disk", "vm"], "1m"), "disk", true);
    assert_eq!(
        planned(&both, &world),
        ["disk: 2024-06-21..2024-07-20 (1+0)", "vm: 2024-06-21..2024-07-20 (1+0)"]
    );
}

// B-1, section 5
#[test]
fn an_id_named_twice_refuses_the_request() {
    let world = vm_and_disk(Optional, "2024-06-20");
    let twice = select(&["vm", "disk", "vm"], "1m");
    let ticked_twice = tick(tick(select(&["vm"], "1m"), "disk", false), "disk", true);
    for selection in [twice, ticked_twice] {
        let refused = refused_for(plan(&best_effort(selection), &world, at(NOW)));
        assert_eq!(refused, Some(Reason::DuplicateInstance));
    }
}

// B-1, in pairs: 100 named ids, 1,000 with what comes along.
#[test]
fn there_are_limits_to_a_batch() {
    let mut world = world();
    let names: Vec<_> = (0..101).map(|number| format!("i-{number:03}")).collect();
    for name in &names {
        add(&mut world, name, "vm", "2024-06-20");
        for child in 0..9 {
            let child = format!("{name}.{child}");
            add(&mut world, &child, "disk", "2024-06-20");
            bind(&mut world, &child, Forced, name);
        }
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let hundred = plan(&select(&names[..100], "1m"), &world, at(NOW)).unwrap();
    assert_eq!((hundred.items.len(), hundred.refusal), (1_000, None));
    let refused =
        |names: &[&str], world: &World| refused_for(plan(&select(names, "1m"), world, at(NOW)));
    assert_eq!(refused(&names, &world), Some(Reason::TooManyInstances));
    add(&mut world, "one-more", "disk", "2024-06-20");
    bind(&mut world, "one-more", Forced, "i-000");
    assert_eq!(refused(&names[..100], &world), Some(Reason::TooManyInstances));
    world.limits.total = 1_001;
    assert_eq!(refused(&names[..100], &world), None);
}

// C-2: before the expiry the change takes effect with the new term.
#[test]
fn a_renewal_may_carry_a_new_configuration() {
    let mut world = world();
    add(&mut world, "redis", "redis", "2024-06-20").configuration =
        [("class", "large")].into_iter().collect();
    let small: Configuration = [("class", "small")].into_iter().collect();
    let selection = Selection { change: Some(small.clone()), ..select(&["redis"], "1m") };
    let plan_at = |world: &World, now: &str| plan(&selection, world, at(now)).unwrap();

    let plan = plan_at(&world, NOW);
    assert_eq!(show(&plan), ["redis changed: 2024-06-21..2024-07-20 (1+0)"]);
    assert_eq!(plan.items[0].configuration, small);
    assert_eq!(plan.items[0].change.as_ref().unwrap().effective, end("2024-06-20"));

    // After it, it takes effect at once and the term starts at the payment, late_start or not.
    let plan = plan_at(&world, "2024-06-23 12:00");
    assert_eq!(show(&plan), ["redis changed: 2024-06-23..2024-07-23 (1+0)"]);
    assert_eq!(plan.items[0].change.as_ref().unwrap().effective, at("2024-06-23 12:00"));

    // Until it has taken effect there is no other, but plain renewals are priced with it.
    get(&mut world, "redis").pending =
        Some(PendingChange { configuration: small.clone(), effective: end("2024-06-20") });
    let unchanged = super::plan(&select(&["redis"], "1m"), &world, at(NOW)).unwrap();
    assert_eq!(show(&unchanged), ["redis: 2024-06-21..2024-07-20 (1+0)"]);
    assert_eq!(unchanged.items[0].configuration, small);
    // The same once more is no change.
    assert_eq!(plan_at(&world, NOW), unchanged);
    let medium = [("class", "medium")].into_iter().collect();
    let other = Selection { change: Some(medium), ..selection.clone() };
    assert_eq!(planned(&other, &world)[0], "redis refused: CHANGE_PENDING");
}

// C-2, C-3
#[test]
fn a_new_configuration_goes_with_a_single_instance_of_a_product_that_offers_it() {
    let mut world = world();
    add(&mut world, "redis", "redis", "2024-06-20");
    add(&mut world, "vm", "vm", "2024-06-20");
    let change = Some([("class", "small")].into_iter().collect());
    let refused = |names: &[&str]| {
        let selection = Selection { change: change.clone(), ..select(names, "1m") };
        refused_for(plan(&selection, &world, at(NOW)).unwrap().refusal.map_or(Ok(()), Err))
    };
    assert_eq!(refused(&["redis"]), None);
    assert_eq!(refused(&["vm"]), Some(Reason::ChangeNotOffered));
    assert_eq!(refused(&["redis", "vm"]), Some(Reason::ChangeNotOffered));
}

// C-2: in a group the primary changes, and all share the term.
#[test]
fn a_change_after_the_expiry_starts_the_term_of_the_whole_group_anew() {
    let mut world = world();
    for name in ["redis", "proxy"] {
        add(&mut world, name, "redis", "2024-06-07");
    }
    bind(&mut world, "proxy", Strong, "redis");
    let change = Some([("class", "small")].into_iter().collect());
    let selection = Selection { change, ..select(&["redis"], "1m") };
    assert_eq!(
        planned(&selection, &world),
        [
            "redis changed: 2024-06-10..2024-07-10 (1+0)",
            "proxy strong: 2024-06-10..2024-07-10 (1+0)"
        ]
    );
}

// O-2
#[test]
fn an_open_order_holds_its_instance() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    hold(&mut world, "vm");
    assert_eq!(planned(&select(&["vm"], "1m"), &world)[0], "vm refused: OPEN_ORDER_EXISTS");
    let exempt = |number| Selection { exempt_order: Some(order(number)), ..select(&["vm"], "1m") };
    assert_eq!(planned(&exempt(7), &world), ["vm: 2024-06-21..2024-07-20 (1+0)"]);
    assert_eq!(planned(&exempt(8), &world)[0], "vm refused: OPEN_ORDER_EXISTS");
}

#[test]
fn nothing_to_add_is_no_order() {
    let world = world();
    let refusal = plan(&select(&[], "1m"), &world, at(NOW)).unwrap().refusal.unwrap();
    assert_eq!(refusal.reason, Reason::AlreadyCovered);
}
