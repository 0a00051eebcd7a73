//! Where the dates decide: lateness, limits, common dates.

use super::*;
use crate::profile::StandardDayMeaning;

fn standard(names: &[&str], duration: Option<&str>, day: Option<u32>) -> Selection {
    let duration = duration.map(|duration| duration.parse().unwrap());
    let day = day.map(|day| StandardDay::day(day).unwrap());
    Selection::of(ids(names), Extent::StandardDate { duration, day })
}

fn ad_hoc(names: &[&str], to: &str) -> Selection {
    Selection::of(ids(names), Extent::AdHoc(date(to)))
}

fn planned_at(selection: &Selection, world: &World, now: &str) -> Vec<String> {
    show(&plan(selection, world, at(now)).unwrap())
}

// L-2: HW, expired 2024-01-31, renewed 2024-03-01.
#[test]
fn a_term_that_is_already_over_is_refused() {
    let mut world = world();
    set_product(
        &mut world,
        "pool",
        &json!({"late_start": "OLD_EXPIRY", "grace_days": 15, "retention_days": 16}),
    );
    add(&mut world, "pool", "pool", "2024-01-31");
    let now = "2024-03-01 12:00";
    assert_eq!(
        planned_at(&select(&["pool"], "1m"), &world, now)[0],
        "pool refused: TERM_ALREADY_OVER"
    );
    assert_eq!(
        planned_at(&select(&["pool"], "2m"), &world, now),
        ["pool: 2024-02-01..2024-03-31 (2+0)"]
    );
    let plan = plan(&select(&["pool"], "1m"), &world, at(now)).unwrap();
    assert_eq!(plan.refusal.unwrap().metadata["shortest"], "2m");
}

// T-7, in a pair; a forced child is limited too.
#[test]
fn more_than_may_be_owned_ahead_is_refused() {
    let mut world = vm_and_disk(Forced, "2024-06-20");
    set_product(&mut world, "vm", &json!({"max_total_months": 4}));
    assert_eq!(plan(&select(&["vm"], "3m"), &world, at(NOW)).unwrap().refusal, None);
    let plan = plan(&select(&["vm"], "4m"), &world, at(NOW)).unwrap();
    let refusal = plan.refusal.unwrap();
    assert_eq!((refusal.reason, refusal.metadata["longest"].as_str()), (Reason::TermTooLong, "3m"));

    set_product(&mut world, "vm", &json!({}));
    set_product(&mut world, "disk", &json!({"max_total_months": 1}));
    let plan = super::plan(&select(&["vm"], "1m"), &world, at(NOW)).unwrap();
    let refusal = plan.refusal.unwrap();
    assert_eq!(refusal.reason, Reason::TermTooLong);
    assert_eq!(refusal.metadata["instance"], "disk");
}

// T-8
#[test]
fn no_date_lies_beyond_the_year_9999() {
    let mut world = world();
    add(&mut world, "vm", "vm", "9999-11-30");
    assert_eq!(planned(&select(&["vm"], "1m"), &world), ["vm: 9999-12-01..9999-12-30 (1+0)"]);
    assert_eq!(planned(&select(&["vm"], "2m"), &world)[0], "vm refused: DATE_OUT_OF_RANGE");
}

// L-5: the window at its expiry holds, whatever the product says now.
#[test]
fn the_rules_at_its_expiry_hold_for_what_is_expired() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-07");
    let then = LifecycleRules::of(&crate::fixtures::profile(
        &json!({"retention_days": 2, "late_start": "OLD_EXPIRY"}),
    ));
    world.lifecycle_at_expiry.insert(id("vm"), then);
    assert_eq!(
        planned_at(&select(&["vm"], "1m"), &world, "2024-06-09 23:59"),
        ["vm: 2024-06-08..2024-07-07 (1+0)"]
    );
    assert_eq!(planned(&select(&["vm"], "1m"), &world)[0], "vm refused: RENEWAL_WINDOW_CLOSED");
}

// late by our fault, the term starts at the old expiry whatever T-3 says.
#[test]
fn our_outage_costs_the_customer_nothing() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-09");
    let selection = Selection { after_outage: true, ..select(&["vm"], "1m") };
    assert_eq!(planned(&selection, &world), ["vm: 2024-06-10..2024-07-09 (1+0)"]);
    let plan = plan(&selection, &world, at(NOW)).unwrap();
    assert_eq!(plan.items[0].term.start, end("2024-06-09"));
}

// U-2: the examples of the rules, here through the whole plan.
#[test]
fn the_standard_date_is_the_first_on_or_after_the_plain_renewal() {
    for (old, anchor, duration, day, expected) in [
        ("2018-09-10", 10, None, 1, "vm: 2018-09-11..2018-11-01 (1+22)"),
        ("2018-09-10", 10, Some("3m"), 1, "vm: 2018-09-11..2019-01-01 (3+22)"),
        ("2018-10-01", 1, None, 1, "vm: 2018-10-02..2018-11-01 (1+0)"),
        ("2019-02-28", 31, None, 28, "vm: 2019-03-01..2019-04-28 (1+28)"),
        ("2019-02-28", 28, None, 28, "vm: 2019-03-01..2019-03-28 (1+0)"),
    ] {
        let mut world = world();
        let vm = add(&mut world, "vm", "vm", old);
        let lease = crate::term::Lease { end: end(old), anchor: anchor.try_into().unwrap() };
        vm.billing = Billing::Prepaid(lease);
        let selection = standard(&["vm"], duration, Some(day));
        assert_eq!(planned_at(&selection, &world, "2018-08-20 12:00"), [expected]);
        let plan = plan(&selection, &world, at("2018-08-20 12:00")).unwrap();
        assert_eq!(plan.items[0].term.anchor.get(), day);
    }
}

// U-1: the account's own day and what it means; HW brings two pools to one date.
#[test]
fn the_standard_day_is_the_accounts_unless_the_request_has_one() {
    let mut world = world();
    add(&mut world, "one", "pool", "2024-06-20");
    add(&mut world, "two", "pool", "2024-07-02");
    let both = standard(&["one", "two"], Some("1m"), None);
    assert_eq!(
        planned(&both, &world),
        [
            "one refused: STANDARD_DATE_NOT_SET",
            "two refused: STANDARD_DATE_NOT_SET",
            "no order: STANDARD_DATE_NOT_SET",
        ]
    );
    world.account.settings.standard_day = Some(StandardDay::day(15).unwrap());
    assert_eq!(
        planned(&both, &world),
        ["one: 2024-06-21..2024-08-15 (1+26)", "two: 2024-07-03..2024-08-15 (1+13)"]
    );
    world.account.settings.day_meaning = StandardDayMeaning::StartOfDay;
    assert_eq!(planned(&both, &world)[0], "one: 2024-06-21..2024-08-14 (1+25)");
    let selection = standard(&["one"], Some("1m"), Some(1));
    assert_eq!(planned(&selection, &world), ["one: 2024-06-21..2024-07-31 (1+11)"]);
}

// U-1
#[test]
fn a_product_says_how_it_aligns() {
    let mut world = world();
    set_product(&mut world, "alone", &json!({"unify": {"offer": "ALONE"}}));
    for product in ["vm", "redis", "kec", "alone"] {
        add(&mut world, product, product, "2024-06-20");
    }
    add_postpaid(&mut world, "metered", "vm");
    for (selection, offered) in [
        (standard(&["vm"], Some("1m"), Some(1)), true),
        (standard(&["vm"], None, Some(1)), true),
        (ad_hoc(&["vm"], "2024-08-01"), false),
        (standard(&["alone"], None, Some(1)), true),
        (standard(&["alone"], Some("1m"), Some(1)), false),
        (standard(&["kec"], None, Some(1)), false),
        (ad_hoc(&["kec"], "2024-08-01"), true),
        (standard(&["redis"], None, Some(1)), false),
        (ad_hoc(&["redis"], "2024-08-01"), false),
        // What is metered has no expiry to align.
        (standard(&["metered"], None, Some(1)), false),
    ] {
        let refusal = plan(&selection, &world, at(NOW)).unwrap().refusal;
        let reason = refusal.map(|refusal| refusal.reason);
        assert_eq!(reason, (!offered).then_some(Reason::UnifyNotOffered), "{selection:?}");
    }
}

// U-3: in a pair around the expiry; both modes refuse everything.
#[test]
fn one_expired_instance_refuses_the_whole_operation() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add(&mut world, "late", "vm", "2024-06-09");
    let both = best_effort(standard(&["vm", "late"], None, Some(1)));
    assert_eq!(plan(&both, &world, at("2024-06-09 23:59")).unwrap().items.len(), 2);
    let now = "2024-06-10 00:00";
    assert_eq!(
        planned_at(&both, &world, now),
        [
            "vm refused: UNIFIED_WITH_EXPIRED",
            "late refused: UNIFIED_WITH_EXPIRED",
            "no order: UNIFIED_WITH_EXPIRED",
        ]
    );
    let plan = plan(&both, &world, at(now)).unwrap();
    assert_eq!(plan.refusals_of(&id("vm"))[0].metadata["instances"], "late");
    assert_eq!(plan.refusal.unwrap().metadata["instances"], "late");
}

// U-3, B-5: what comes along counts; a child past its window does not.
#[test]
fn an_expired_forced_child_refuses_the_common_date_unless_it_stays_behind() {
    for (last_day, refused) in [("2024-06-03", true), ("2024-06-02", false)] {
        let world = vm_and_disk(Forced, last_day);
        let plan = plan(&standard(&["vm"], None, Some(1)), &world, at(NOW)).unwrap();
        let reason = plan.refusal.map(|refusal| refusal.reason);
        assert_eq!(reason, refused.then_some(Reason::UnifiedWithExpired), "{last_day}");
    }
}

// U-3, B-5: a forced child goes to the aligned date of its parent.
#[test]
fn a_forced_child_follows_its_parent_to_the_standard_date() {
    let world = vm_and_disk(Forced, "2024-06-25");
    assert_eq!(
        planned(&standard(&["vm"], None, Some(1)), &world),
        ["vm: 2024-06-21..2024-08-01 (1+12)", "disk forced: 2024-06-26..2024-08-01 (1+7)"]
    );
}

// U-4: with the cycle as duration, where account and product want it.
#[test]
fn automatic_renewals_follow_the_standard_day_of_an_account_that_wants_it() {
    let mut world = world();
    add(&mut world, "pool", "pool", "2018-09-10");
    let selection = Selection::of(ids(&["pool"]), Extent::Cycle("1m".parse().unwrap()));
    world.account.settings.standard_day = Some(StandardDay::day(1).unwrap());
    let now = "2018-09-03 03:00";
    assert_eq!(planned_at(&selection, &world, now), ["pool: 2018-09-11..2018-10-10 (1+0)"]);
    world.account.settings.auto_follows_standard_day = true;
    assert_eq!(planned_at(&selection, &world, now), ["pool: 2018-09-11..2018-11-01 (1+22)"]);
    // Expired, it is renewed plain.
    assert_eq!(
        planned_at(&selection, &world, "2018-09-11 03:00"),
        ["pool: 2018-09-11..2018-10-10 (1+0)"]
    );
}

// U-5: KS sets two instances to one date; what is there already is left as it is.
#[test]
fn an_ad_hoc_date_suits_what_is_not_beyond_it() {
    let mut world = world();
    add(&mut world, "one", "kec", "2024-06-20");
    add(&mut world, "two", "kec", "2024-07-31");
    let both = |to: &str| planned(&ad_hoc(&["one", "two"], to), &world);
    assert_eq!(
        both("2024-08-01"),
        ["one: 2024-06-21..2024-08-01 (1+12)", "two: 2024-08-01..2024-08-01 (0+1)"]
    );
    assert_eq!(
        both("2024-07-31"),
        ["one: 2024-06-21..2024-07-31 (1+11)", "two left out: ALREADY_COVERED"]
    );
    assert_eq!(
        both("2024-07-30"),
        ["one refused: DATE_TOO_EARLY", "two refused: DATE_TOO_EARLY", "no order: DATE_TOO_EARLY"]
    );
    let plan = plan(&ad_hoc(&["one", "two"], "2024-07-30"), &world, at(NOW)).unwrap();
    let refusal = plan.refusals_of(&id("one")).remove(0);
    assert_eq!(refusal.metadata["earliest"], "2024-07-31");
    assert_eq!(refusal.metadata["instances"], "two");
    assert_eq!(
        planned(&ad_hoc(&["two"], "2024-07-31"), &world),
        ["two left out: ALREADY_COVERED", "no order: ALREADY_COVERED"]
    );
}

// U-5: the smallest extension is profile data, in a pair.
#[test]
fn a_date_may_have_to_add_a_month() {
    let mut world = world();
    set_product(
        &mut world,
        "kec",
        &json!({"unify": {"offer": "AD_HOC", "smallest_extension": "ONE_MONTH"}}),
    );
    add(&mut world, "one", "kec", "2024-06-20");
    assert_eq!(
        planned(&ad_hoc(&["one"], "2024-07-20"), &world),
        ["one: 2024-06-21..2024-07-20 (1+0)"]
    );
    let plan = plan(&ad_hoc(&["one"], "2024-07-19"), &world, at(NOW)).unwrap();
    let refusal = plan.refusal.unwrap();
    assert_eq!(refusal.metadata["earliest"], "2024-07-20");
}

// B-3, U-5: a child goes to the expiry of a parent that is at the date already.
#[test]
fn a_parent_that_is_covered_still_has_an_expiry_to_go_to() {
    let mut world = world();
    add(&mut world, "kec", "kec", "2024-07-31");
    add(&mut world, "disk", "kec", "2024-06-20");
    bind(&mut world, "disk", Forced, "kec");
    assert_eq!(
        planned(&ad_hoc(&["kec"], "2024-07-31"), &world),
        ["disk forced: 2024-06-21..2024-07-31 (1+11)", "kec left out: ALREADY_COVERED"]
    );
}

// T-4, L-1, L-2, C-2: people read instants by the clock of their own zone, and which one that is.
#[test]
fn sentences_tell_instants_in_the_accounts_zone() {
    let mut world = world();
    set_product(&mut world, "pool", &json!({"late_start": "OLD_EXPIRY", "grace_days": 60}));
    add(&mut world, "closed", "vm", "2024-06-01");
    add(&mut world, "over", "pool", "2024-05-05");
    let redis = add(&mut world, "redis", "redis", "2024-06-20");
    let configuration = [("class", "large")].into_iter().collect();
    let effective = end("2024-06-20");
    redis.pending = Some(crate::instance::PendingChange { configuration, effective });
    let change = Some([("class", "small")].into_iter().collect());
    for (selection, expected) in [
        (select(&["closed"], "1m"), "could be renewed until 2024-06-09 00:00:00 Asia/Shanghai."),
        (
            select(&["over"], "1m"),
            "over since 2024-06-06 00:00:00 Asia/Shanghai; 2 months would do.",
        ),
        (
            Selection { change, ..select(&["redis"], "1m") },
            "takes effect first, at 2024-06-21 00:00:00 Asia/Shanghai.",
        ),
    ] {
        let plan = plan(&selection, &world, at("2024-06-10 12:00")).unwrap();
        let message = plan.refusal.unwrap().message;
        assert!(message.ends_with(expected), "{message}");
    }
}
