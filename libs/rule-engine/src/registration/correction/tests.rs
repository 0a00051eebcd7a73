use chrono_tz::Asia::Shanghai;

use super::*;
use crate::{
    fixtures::{add, add_postpaid, at, end, hold, id, refused_for, world},
    instance::World,
};

fn correct(world: &World, name: &str, end: DateTime<Utc>) -> Result<Correction, Refusal> {
    let instance = &world.instances[&id(name)];
    let anchor = DayOfMonth::LAST;
    let last = instance.expiry().map(|end| Term { start: at("2024-05-21 00:00"), end, anchor });
    correct_expiry(instance, last, end, Shanghai)
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
