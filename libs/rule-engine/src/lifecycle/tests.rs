use chrono::TimeDelta;
use chrono_tz::{
    America::{New_York, Sao_Paulo},
    Asia::Shanghai,
};
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn rules(boundary: Boundary, grace_days: u32, retention_days: u32) -> LifecycleRules {
    LifecycleRules { boundary, late_start: LateStart::OldExpiry, grace_days, retention_days }
}

/// Lists the states that an instance goes through, with the instant at which each begins.
#[track_caller]
fn check(zone: Tz, rules: LifecycleRules, end: &str, expected: &[(State, &str)]) {
    let lifecycle = lifecycle(&rules, at(end), zone);
    let mut actual = Vec::new();
    let mut state = State::Active;
    while let Some((instant, next)) = lifecycle.leaves(state) {
        actual.push((next, instant.with_timezone(&zone).naive_local().to_string()));
        // Boundaries in pairs: the last instant of one state, the first of the next.
        assert!(lifecycle.state_at(instant - TimeDelta::nanoseconds(1)) < next);
        assert_eq!(lifecycle.state_at(instant), next);
        assert_eq!(lifecycle.is_renewable_at(instant), next != State::Released);
        state = next;
    }
    let expected: Vec<_> = expected.iter().map(|(state, at)| (*state, (*at).to_owned())).collect();
    assert_eq!(actual, expected);
}

// L-1: the vendors' lifecycles.
#[test]
fn states_begin_with_days_of_the_accounts_zone() {
    use {Boundary::*, State::*};
    // JD virtual machine: renewable to the end of 06-27.
    let jd = [(Retained, "2024-06-21 00:00:00"), (Released, "2024-06-28 00:00:00")];
    check(Shanghai, rules(EndOfDay, 0, 7), "2024-06-21T00:00:00+08:00", &jd);
    // Huawei: 15 days of grace and 15 of retention.
    let huawei = [
        (Grace, "2024-06-21 00:00:00"),
        (Retained, "2024-07-06 00:00:00"),
        (Released, "2024-07-21 00:00:00"),
    ];
    check(Shanghai, rules(EndOfDay, 15, 15), "2024-06-21T00:00:00+08:00", &huawei);
    // Neither: gone at once.
    let at_once = [(Released, "2024-06-21 00:00:00")];
    check(Shanghai, rules(EndOfDay, 0, 0), "2024-06-21T00:00:00+08:00", &at_once);
    // Grace alone.
    let grace = [(Grace, "2024-06-21 00:00:00"), (Released, "2024-06-24 00:00:00")];
    check(Shanghai, rules(EndOfDay, 3, 0), "2024-06-21T00:00:00+08:00", &grace);
    // A day that ends at 10:30 by another's word still has its whole last day.
    let within = [(Retained, "2024-06-20 10:30:00"), (Released, "2024-06-28 00:00:00")];
    check(Shanghai, rules(EndOfDay, 0, 7), "2024-06-20T10:30:00+08:00", &within);
}

// L-1: exact ends last so many calendar days, to the same local time, across a change of clocks too.
#[test]
fn exact_ends_keep_their_time_of_day() {
    use {Boundary::*, State::*};
    let exact = [
        (Grace, "2024-03-09 10:30:00"),
        (Retained, "2024-03-10 10:30:00"),
        (Released, "2024-03-12 10:30:00"),
    ];
    check(New_York, rules(Exact, 1, 2), "2024-03-09T10:30:00-05:00", &exact);
}

// L-1, T-4: midnight does not exist on the day of release.
#[test]
fn a_release_on_a_day_without_midnight_waits_for_its_first_instant() {
    use {Boundary::*, State::*};
    let expected = [(Retained, "2018-10-28 00:00:00"), (Released, "2018-11-04 01:00:00")];
    check(Sao_Paulo, rules(EndOfDay, 0, 7), "2018-10-28T00:00:00-03:00", &expected);
}

// L-1: "renewable through day +(g + r)".
#[test]
fn the_last_renewable_day_is_the_one_before_release() {
    let jd = lifecycle(&rules(Boundary::EndOfDay, 0, 7), at("2024-06-21T00:00:00+08:00"), Shanghai);
    assert_eq!(jd.last_renewable_day(Shanghai).to_string(), "2024-06-27");
}

// T-8
#[test]
fn lifecycles_at_the_end_of_time_stop_there() {
    let end = at("9999-12-31T00:00:00+08:00");
    for boundary in [Boundary::EndOfDay, Boundary::Exact] {
        let lifecycle = lifecycle(&rules(boundary, 15, 3_650), end, Shanghai);
        assert_eq!(lifecycle.released_at.to_string(), "9999-12-31 23:59:59.999999 UTC");
        assert!(lifecycle.retained_at <= lifecycle.released_at);
        // Even an end that no term can have keeps the states in order.
        let beyond = super::lifecycle(&rules(boundary, 0, 7), DateTime::<Utc>::MAX_UTC, Shanghai);
        assert_eq!(beyond.released_at, beyond.expires_at);
    }
}

// L-4
#[test]
fn only_one_policy_turns_an_instance_postpaid_at_its_expiry() {
    for policy in Policy::ALL {
        let postpaid = at_expiry(policy) == AtExpiry::BecomesPostpaid;
        assert_eq!(postpaid, policy == Policy::PostpaidAfterExpiry);
    }
}

// L-5: a later catalog counts for later expiries.
#[test]
fn the_rules_of_the_expiry_are_those_in_force_then() {
    let versions = [(at("2024-01-01T00:00:00Z"), 'a'), (at("2024-06-01T00:00:00Z"), 'b')];
    for (instant, expected) in [
        ("2023-12-31T23:59:59Z", None),
        ("2024-01-01T00:00:00Z", Some('a')),
        ("2024-05-31T23:59:59Z", Some('a')),
        ("2024-06-01T00:00:00Z", Some('b')),
        ("2030-01-01T00:00:00Z", Some('b')),
    ] {
        assert_eq!(in_force(versions, at(instant)), expected, "{instant}");
    }
}

// L-5: what ApplyCatalog says of the instances that it touches.
#[test]
fn a_release_moves_only_if_its_instant_does() {
    let end = at("2024-06-21T00:00:00+08:00");
    let before = rules(Boundary::EndOfDay, 0, 7);
    let moved = moved_release(&before, &rules(Boundary::EndOfDay, 0, 8), end, Shanghai);
    assert_eq!(moved, Some((at("2024-06-28T00:00:00+08:00"), at("2024-06-29T00:00:00+08:00"))));
    assert_eq!(moved_release(&before, &rules(Boundary::EndOfDay, 7, 0), end, Shanghai), None);
}

#[test]
fn rules_and_states_are_named_as_in_the_contract() {
    let rules = serde_json::to_string(&rules(Boundary::Exact, 1, 2)).unwrap();
    assert_eq!(
        rules,
        r#"{"boundary":"EXACT","late_start":"OLD_EXPIRY","grace_days":1,"retention_days":2}"#
    );
    for state in [State::Active, State::Grace, State::Retained, State::Released] {
        assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
    }
}

proptest! {
    /// L-1: states come in order, and none is skipped backwards.
    #[test]
    fn states_come_in_order(
        zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        exact: bool,
        second in 0i64..8_000_000_000,
        grace in 0u32..40,
        retention in 0u32..40,
    ) {
        let boundary = if exact { Boundary::Exact } else { Boundary::EndOfDay };
        let end = DateTime::from_timestamp(second, 0).unwrap();
        let lifecycle = lifecycle(&rules(boundary, grace, retention), end, zone);
        prop_assert!(lifecycle.expires_at <= lifecycle.retained_at);
        prop_assert!(lifecycle.retained_at <= lifecycle.released_at);
        // Never less than the days that were promised, but for clocks that went forward.
        let days = TimeDelta::days((grace + retention).into());
        prop_assert!(lifecycle.released_at - end >= days - TimeDelta::hours(25));
    }
}
