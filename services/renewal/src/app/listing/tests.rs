use chrono_tz::{America::New_York, Asia::Shanghai};
use rule_engine::profile::{Boundary, LateStart};

use super::*;
use crate::tests::cloud::{at, catalogue};

fn rules(boundary: Boundary, grace_days: u32, retention_days: u32) -> LifecycleRules {
    LifecycleRules { boundary, late_start: LateStart::RenewalDate, grace_days, retention_days }
}

/// L-1: search finds an instance in the state in which it is seen, to the microsecond, also around
/// a change of the clocks.
#[test]
fn thresholds_agree_with_the_lifecycle_itself() {
    let times = ["2026-03-08 14:59", "2026-03-08 15:01", "2026-11-01 13:30", "2026-06-15 00:00"];
    for (boundary, grace, retention) in [
        (Boundary::EndOfDay, 0, 7),
        (Boundary::EndOfDay, 15, 15),
        (Boundary::EndOfDay, 0, 0),
        (Boundary::Exact, 0, 7),
        (Boundary::Exact, 1, 0),
    ] {
        for (zone, time) in times.iter().flat_map(|time| [(New_York, time), (Shanghai, time)]) {
            let (rules, now) = (rules(boundary, grace, retention), at(time));
            let (released, retained) = last_expiries_past(&rules, zone, now);
            let life = |expiry: i64| {
                let expiry = DateTime::from_timestamp_micros(expiry).unwrap();
                lifecycle(&rules, expiry, zone)
            };
            assert!(life(released).released_at <= now, "{rules:?} {zone} {time}");
            assert!(life(released + 1).released_at > now, "{rules:?} {zone} {time}");
            assert!(life(retained).retained_at <= now, "{rules:?} {zone} {time}");
            assert!(life(retained + 1).retained_at > now, "{rules:?} {zone} {time}");
        }
    }
}

fn search(search: &Search) -> Wanted {
    wanted(search.clone(), Shanghai, &catalogue(), at("2026-03-01 09:00"))
}

/// T-4: dates are those of last days: a term through the 3rd ends with the 3rd.
#[test]
fn dates_are_last_days() {
    let day = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
    let bounds = |asked: &Search| {
        let wanted = search(asked);
        (wanted.expires_after, wanted.expires_until)
    };
    let start = |text: &str| Some(micros(at(&format!("{text} 00:00"))));
    let from = Search { last_day_from: day("2026-03-03"), ..Search::default() };
    assert_eq!(bounds(&from), (start("2026-03-03"), Some(NEVER - 1)));
    let to = Search { last_day_to: day("2026-03-03"), ..Search::default() };
    assert_eq!(bounds(&to), (None, start("2026-03-04")));
    let week = Search { within_days: Some(7), ..Search::default() };
    assert_eq!(bounds(&week), (Some(micros(at("2026-03-01 09:00"))), start("2026-03-09")));
    let both = Search { last_day_to: day("2026-03-02"), ..week };
    assert_eq!(bounds(&both).1, start("2026-03-03"));
    let expired = Search { expired_only: true, ..Search::default() };
    assert_eq!(bounds(&expired), (None, Some(micros(at("2026-03-01 09:00")))));
    // T-8: the ends of the calendar bound nothing.
    let all = Search {
        last_day_from: day("1970-01-01"),
        last_day_to: day("9999-12-31"),
        ..Search::default()
    };
    assert!(bounds(&all).1.unwrap() > micros(at("9999-12-30 00:00")));
}

/// Section 12: what is hidden is out unless it is asked for.
#[test]
fn hidden_ones_are_out_unless_asked_for() {
    let plain = search(&Search::default());
    assert_eq!(plain.not_products, ["kad"]);
    assert!(!plain.with_trials);
    assert!(!plain.states.as_ref().unwrap().reported_released);
    let hidden = search(&Search { include_hidden: true, ..Search::default() });
    assert_eq!((hidden.not_products.len(), hidden.with_trials, hidden.states), (0, true, None));
    let released = search(&Search { states: vec![State::Released], ..Search::default() });
    assert!(released.states.unwrap().reported_released);
}

/// L-5: the rules at the expiry hold: `changed` had 15 days of grace for what expired before March 3.
#[test]
fn each_expiry_is_judged_by_the_rules_of_its_day() {
    let grace = Search { states: vec![State::Grace], ..Search::default() };
    let ranges = |now: &str| {
        let wanted = wanted(grace.clone(), Shanghai, &catalogue(), at(now));
        let ranges = wanted.states.unwrap().expired.into_iter();
        ranges.filter(|range| range.product == "changed").collect::<Vec<_>>()
    };
    let changed = at("2026-03-03 00:00");
    let found = ranges("2026-03-10 00:00");
    assert_eq!((found.len(), found[0].until), (1, micros(changed) - 1));
    assert_eq!(found[0].after, micros(at("2026-02-23 00:00")));
    assert_eq!(ranges("2026-03-18 00:00"), []);
}
