//! The payment instant (O-8).

use super::*;
use crate::policy::PolicyState;

/// Plans at [`NOW`], claims everything for order 7, and plans the order again at `paid`.
fn pay(selection: &Selection, world: &mut World, paid: &str) -> Result<Replanned, Refusal> {
    let plan = plan(selection, world, at(NOW)).unwrap();
    assert_eq!(plan.refusal, None);
    for item in &plan.items {
        hold(world, item.instance.as_str());
    }
    replan(order(7), selection, &plan.items, world, at(paid))
}

/// What was paid, as days, and which instances moved.
fn paid(selection: &Selection, world: &mut World, paid: &str) -> String {
    match pay(selection, world, paid) {
        Err(refusal) => refusal.reason.to_string(),
        Ok(replanned) => {
            let items = replanned.items.iter().map(|item| item.last_day.to_string());
            let moved = replanned.moved.iter().map(|moved| format!("moved {}", moved.instance));
            items.chain(moved).collect::<Vec<_>>().join(" ")
        }
    }
}

// O-8: in pairs around expiry and window. T-3 applies to what was made before the expiry.
#[test]
fn the_payment_instant_decides_the_dates() {
    for (instant, expected) in [
        (NOW, "2024-07-20"),
        ("2024-06-20 23:59", "2024-07-20"),
        ("2024-06-21 00:00", "2024-07-21 moved vm"),
        ("2024-06-27 23:59", "2024-07-27 moved vm"),
        ("2024-06-28 00:00", "RENEWAL_WINDOW_CLOSED"),
    ] {
        let mut world = world();
        add(&mut world, "vm", "vm", "2024-06-20");
        assert_eq!(paid(&select(&["vm"], "1m"), &mut world, instant), expected, "{instant}");
    }
}

// O-8, L-2
#[test]
fn a_term_that_is_over_when_it_is_paid_is_not_sold() {
    let mut world = world();
    set_product(&mut world, "pool", &json!({"late_start": "OLD_EXPIRY", "grace_days": 60}));
    add(&mut world, "pool", "pool", "2024-06-20");
    let selection = select(&["pool"], "1m");
    assert_eq!(paid(&selection, &mut world.clone(), "2024-07-20 23:59"), "2024-07-20");
    assert_eq!(paid(&selection, &mut world, "2024-07-21 00:00"), "TERM_ALREADY_OVER");
}

// O-8, B-3: what goes to the expiry of a parent that had nothing to add still goes there.
#[test]
fn a_parent_that_the_order_left_out_is_still_gone_to() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add(&mut world, "disk", "vm", "2025-02-04");
    add(&mut world, "snapshot", "vm", "2024-07-01");
    bind(&mut world, "disk", Optional, "vm");
    bind(&mut world, "snapshot", Optional, "disk");
    let selection = tick(tick(select(&["vm"], "1m"), "disk", true), "snapshot", true);
    assert_eq!(paid(&selection, &mut world, NOW), "2024-07-20 2025-02-04");
}

// O-8, U-3
#[test]
fn what_expired_before_it_was_paid_is_not_aligned() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    let extent = Extent::StandardDate { duration: None, day: StandardDay::day(1).ok() };
    let selection = Selection::of(ids(&["vm"]), extent);
    assert_eq!(paid(&selection, &mut world.clone(), "2024-06-20 23:59"), "2024-08-01");
    assert_eq!(paid(&selection, &mut world, "2024-06-21 00:00"), "UNIFIED_WITH_EXPIRED");
}

// O-8, L-4: whether the product converts or not.
#[test]
fn what_became_postpaid_before_it_was_paid_is_not_renewed() {
    for (converts, expected) in [(false, "POSTPAID_NOT_CONVERTIBLE"), (true, "NO_EXPIRY")] {
        let mut world = world();
        set_product(&mut world, "pool", &json!({"converts_postpaid": converts}));
        let pool = add(&mut world, "pool", "pool", "2024-06-20");
        pool.policy = PolicyState::PostpaidAfterExpiry;
        let selection = select(&["pool"], "1m");
        assert_eq!(paid(&selection, &mut world.clone(), "2024-06-20 23:59"), "2024-07-20");
        assert_eq!(paid(&selection, &mut world, "2024-06-21 00:00"), expected);
    }
}

type Case = (&'static str, fn(&mut World));

// O-8: section 5 is checked again, except for the order itself.
#[test]
fn the_rules_are_checked_again() {
    let cases: [Case; 5] = [
        ("ACCOUNT_FROZEN", |world| world.account.frozen = true),
        ("CHANGE_PENDING", |world| get(world, "vm").change_pending = true),
        ("INSTANCE_RELEASED", |world| get(world, "vm").released = true),
        ("INSTANCE_NOT_FOUND", |world| world.instances.clear()),
        ("OPEN_ORDER_EXISTS", |world| {
            get(world, "vm").open_order = Some(OpenOrder { id: order(8), unpaid: true });
        }),
    ];
    for (expected, spoil) in cases {
        let mut world = world();
        add(&mut world, "vm", "vm", "2024-06-20");
        let selection = select(&["vm"], "1m");
        let items = plan(&selection, &world, at(NOW)).unwrap().items;
        hold(&mut world, "vm");
        assert!(replan(order(7), &selection, &items, &world, at(NOW)).is_ok());
        spoil(&mut world);
        let refused = replan(order(7), &selection, &items, &world, at(NOW)).unwrap_err();
        assert_eq!(refused.reason.code(), expected);
        assert_eq!(refused.metadata.get("instance").map_or("vm", String::as_str), "vm");
    }
}

// O-8, C-2: made before the expiry and paid after it.
#[test]
fn a_change_that_is_paid_after_the_expiry_starts_at_the_payment() {
    let mut world = world();
    add(&mut world, "redis", "redis", "2024-06-20");
    let change = Some([("class", "small")].into_iter().collect());
    let selection = Selection { change, ..select(&["redis"], "1m") };
    let replanned = pay(&selection, &mut world, "2024-06-25 08:00").unwrap();
    assert_eq!(replanned.items[0].term.start, at("2024-06-25 08:00"));
    assert_eq!(replanned.items[0].change.as_ref().unwrap().effective, at("2024-06-25 08:00"));
    assert_eq!(replanned.moved[0].before.start, end("2024-06-20"));
}

// O-8, B-1: what the order left out stays out.
#[test]
fn nothing_joins_an_order_once_it_is_made() {
    let mut world = vm_and_disk(Forced, "2024-07-20");
    add(&mut world, "trial", "vm", "2024-06-20").trial = true;
    let selection = best_effort(select(&["vm", "trial", "nothing"], "1m"));
    // Paid after the expiry, the machine goes beyond the disk, which was covered when it was made.
    let replanned = pay(&selection, &mut world, "2024-06-25 12:00").unwrap();
    assert_eq!(replanned.items.len(), 1);
    assert_eq!(replanned.items[0].last_day, date("2024-07-25"));
}

// O-8, B-4: a strong set is only ever renewed as one, so one that has grown is not renewed at all.
#[test]
fn a_strong_member_that_the_order_does_not_have_ends_it() {
    for (kind, expected) in
        [(Strong, "GROUP_MUST_RENEW_TOGETHER"), (Forced, "2024-07-20"), (Optional, "2024-07-20")]
    {
        let mut world = world();
        add(&mut world, "kec", "kec", "2024-06-20");
        add(&mut world, "ebs", "kec", "2024-06-20");
        let selection = select(&["kec"], "1m");
        let items = plan(&selection, &world, at(NOW)).unwrap().items;
        hold(&mut world, "kec");
        bind(&mut world, "ebs", kind, "kec");
        let replanned = replan(order(7), &selection, &items, &world, at(NOW));
        let told = match &replanned {
            Ok(replanned) => replanned.items[0].last_day.to_string(),
            Err(refusal) => refusal.reason.to_string(),
        };
        assert_eq!(told, expected, "{kind:?}");
        if let Err(refusal) = replanned {
            assert_eq!(refusal.metadata["missing"], "ebs");
        }
    }
}

// O-8, B-5: a child that the order has is part of it to the end.
#[test]
fn a_child_whose_window_closes_before_the_payment_ends_the_order() {
    let mut world = vm_and_disk(Forced, "2024-06-05");
    let selection = select(&["vm"], "1m");
    assert_eq!(
        paid(&selection, &mut world.clone(), "2024-06-12 23:59"),
        "2024-07-20 2024-07-20 moved disk"
    );
    assert_eq!(paid(&selection, &mut world, "2024-06-13 00:00"), "RENEWAL_WINDOW_CLOSED");
}

// O-8, B-5: the parent's reason counts, and not that its child no longer comes along with it.
#[test]
fn a_parent_whose_window_closes_before_the_payment_ends_the_order() {
    let mut world = vm_and_disk(Forced, "2024-06-30");
    get(&mut world, "vm").billing = crate::fixtures::paid_through("2024-06-05");
    let selection = select(&["vm"], "1m");
    let moved = "2024-07-12 2024-07-12 moved vm moved disk";
    assert_eq!(paid(&selection, &mut world.clone(), "2024-06-12 23:59"), moved);
    assert_eq!(paid(&selection, &mut world, "2024-06-13 00:00"), "RENEWAL_WINDOW_CLOSED");
}
