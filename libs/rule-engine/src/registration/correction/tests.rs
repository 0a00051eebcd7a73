use chrono_tz::Asia::Shanghai;

use super::*;
use crate::{
    fixtures::{add, add_postpaid, at, end, hold, id, refused_for, world},
    instance::{Billing, World},
    lifecycle::LifecycleRules,
    profile::LateStart,
    term::{Lease, TermRules, renewal_term},
};

fn correct(world: &World, name: &str, end: DateTime<Utc>) -> Result<Correction, Refusal> {
    let instance = &world.instances[&id(name)];
    let anchor = DayOfMonth::LAST;
    let last = instance.expiry().map(|end| Term { start: at("2024-05-21 00:00"), end, anchor });
    correct_expiry(instance, last, end, Boundary::EndOfDay, Shanghai)
}

// I-2
#[test]
fn a_later_end_appends_a_term_and_an_earlier_one_shortens_the_last() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    let anchor = |day: u32| DayOfMonth::try_from(day).unwrap();
    for (last_day, expected) in [
        ("2024-06-20", Correction::Nothing),
        (
            "2024-07-20",
            Correction::Adjustment(Term {
                start: end("2024-06-20"),
                end: end("2024-07-20"),
                anchor: anchor(20),
            }),
        ),
        (
            "2024-06-21",
            Correction::Adjustment(Term {
                start: end("2024-06-20"),
                end: end("2024-06-21"),
                anchor: anchor(21),
            }),
        ),
        (
            "2024-05-21",
            Correction::Shortened(Term {
                start: at("2024-05-21 00:00"),
                end: end("2024-05-21"),
                anchor: anchor(21),
            }),
        ),
    ] {
        assert_eq!(correct(&world, "vm", end(last_day)), Ok(expected), "{last_day}");
    }
}

// I-2, T-8: in pairs.
#[test]
fn only_the_last_term_is_cut_and_only_to_a_date_that_there_is() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    add_postpaid(&mut world, "eip", "eip");
    let refused = |name: &str, end| refused_for(correct(&world, name, end));
    assert_eq!(refused("vm", end("2024-05-20")), Some(Reason::DateTooEarly));
    let told = correct(&world, "vm", end("2024-05-20")).unwrap_err().to_string();
    assert!(told.contains("begins at 2024-05-21 00:00:00 Asia/Shanghai;"), "{told}");
    assert_eq!(refused("vm", at("2024-05-21 00:01")), None);
    assert_eq!(refused("vm", end("9999-12-31")), None);
    assert_eq!(refused("vm", DateTime::<Utc>::MAX_UTC), Some(Reason::DateOutOfRange));
    assert_eq!(refused("eip", end("2024-06-20")), Some(Reason::NoExpiry));
}

// T-5, T-6: an exact end at midnight keeps an anchor that leads to its own date, so that the months
// after it are not shorter, and takes that date where no anchor does.
#[test]
fn an_exact_end_at_midnight_is_corrected_by_its_own_date() {
    let mut world = world();
    for (anchor, to, expected, next) in [
        (21, "2024-08-21 00:00", 21, "2024-09-21 00:00"),
        (31, "2024-09-30 00:00", 31, "2024-10-31 00:00"),
        (20, "2024-08-21 00:00", 20, "2024-09-21 00:00"),
        (21, "2024-09-01 00:00", 1, "2024-10-01 00:00"),
        (21, "2024-08-21 10:30", 21, "2024-09-21 10:30"),
        (21, "2024-08-22 10:30", 22, "2024-09-22 10:30"),
    ] {
        add(&mut world, "vm", "vm", "2024-06-20");
        let instance = world.instances.get_mut(&id("vm")).unwrap();
        let anchor = DayOfMonth::try_from(anchor).unwrap();
        instance.billing = Billing::Prepaid(Lease { end: at("2024-06-21 00:00"), anchor });
        let last = Term { start: at("2024-05-21 00:00"), end: at("2024-06-21 00:00"), anchor };
        let corrected = correct_expiry(instance, Some(last), at(to), Boundary::Exact, Shanghai);
        let Ok(Correction::Adjustment(term)) = corrected else { panic!("{corrected:?}") };
        assert_eq!(term.anchor.get(), expected, "{anchor:?} {to}");
        let lifecycle = LifecycleRules {
            boundary: Boundary::Exact,
            late_start: LateStart::OldExpiry,
            grace_days: 0,
            retention_days: 7,
        };
        let durations = ["1m".parse().unwrap()];
        let rules =
            TermRules { lifecycle, durations: &durations, max_total_months: None, zone: Shanghai };
        let lease = Lease { end: term.end, anchor: term.anchor };
        let renewed = renewal_term(&rules, lease, durations[0], at("2024-06-01 00:00")).unwrap();
        assert_eq!(renewed.term.end, at(next), "{anchor:?} {to}");
    }
}

// O-2
#[test]
fn what_an_order_holds_is_not_corrected() {
    let mut world = world();
    add(&mut world, "vm", "vm", "2024-06-20");
    hold(&mut world, "vm");
    assert_eq!(
        refused_for(correct(&world, "vm", end("2024-07-20"))),
        Some(Reason::OpenOrderExists)
    );
}
