use chrono::{NaiveDate, TimeDelta};
use chrono_tz::{America::New_York, Asia::Shanghai};
use kernel::Currency;
use proptest::prelude::*;

use super::*;
use crate::profile::{
    AccountProfile, AccountSettings, AutoSchedule, Boundary, DayRange, LateStart,
    StandardDayMeaning, StopsWhen, VoucherRule, VoucherRules, VoucherStrategy,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn lifecycle_rules(boundary: Boundary, grace_days: u32, retention_days: u32) -> LifecycleRules {
    LifecycleRules { boundary, late_start: LateStart::RenewalDate, grace_days, retention_days }
}

fn plan(days_before: u32, time: &str, stop: StopsWhen) -> AutoPlan {
    AutoPlan {
        days_before,
        time: time.parse().unwrap(),
        stop,
        last_day_retry: true,
        lifecycle: lifecycle_rules(Boundary::EndOfDay, 0, 7),
        zone: Shanghai,
        outage: TimeDelta::hours(24),
    }
}

/// Kingsoft: on the last day, at its beginning.
fn kingsoft() -> AutoPlan {
    plan(0, "00:00", StopsWhen::OneDay)
}

/// JD: daily from day −7 on.
fn jd() -> AutoPlan {
    plan(7, "08:00", StopsWhen::UntilExpiry)
}

/// The expiry "2024-06-20 23:59:59".
fn expiry() -> DateTime<Utc> {
    at("2024-06-21T00:00:00+08:00")
}

fn told(plan: &AutoPlan, end: &str) -> Vec<String> {
    let planned = planned_attempts(plan, at(end));
    planned
        .iter()
        .map(|attempt| {
            let local = attempt.at.with_timezone(&plan.zone).naive_local();
            format!("{} at {}", attempt.date, local.format("%m-%d %H:%M"))
        })
        .collect()
}

// the vendors' schedules.
#[test]
fn attempts_are_made_from_the_first_day_until_the_schedule_stops() {
    let end = "2024-06-21T00:00:00+08:00";
    assert_eq!(told(&kingsoft(), end), ["2024-06-20 at 06-20 00:00"]);
    let huawei = told(&plan(7, "03:00", StopsWhen::UntilExpiry), end);
    assert_eq!(huawei.len(), 8);
    assert_eq!(huawei.first().unwrap(), "2024-06-13 at 06-13 03:00");
    assert_eq!(huawei.last().unwrap(), "2024-06-20 at 06-20 03:00");
    let grace = AutoPlan {
        lifecycle: lifecycle_rules(Boundary::EndOfDay, 2, 5),
        ..plan(1, "03:00", StopsWhen::UntilSuspension)
    };
    let days = ["06-19", "06-20", "06-21", "06-22"];
    let expected = days.map(|day| format!("2024-{day} at {day} 03:00"));
    assert_eq!(told(&grace, end), expected);
    assert_eq!(told(&plan(3, "23:59:59", StopsWhen::OneDay), end), ["2024-06-17 at 06-17 23:59"]);
}

// "at or after the end (only with EXACT) is made on the day before"; boundary in a pair.
#[test]
fn an_attempt_after_an_exact_end_is_made_on_the_day_before() {
    let exact = |plan| AutoPlan { lifecycle: lifecycle_rules(Boundary::Exact, 1, 6), ..plan };
    let nine = exact(plan(0, "09:00", StopsWhen::OneDay));
    assert_eq!(told(&nine, "2024-06-20T09:00:01+08:00"), ["2024-06-20 at 06-20 09:00"]);
    assert_eq!(told(&nine, "2024-06-20T09:00:00+08:00"), ["2024-06-19 at 06-19 09:00"]);
    // The day before has its own attempt already.
    let daily = exact(plan(2, "09:00", StopsWhen::UntilExpiry));
    let expected = ["2024-06-18 at 06-18 09:00", "2024-06-19 at 06-19 09:00"];
    assert_eq!(told(&daily, "2024-06-20T08:00:00+08:00"), expected);
    // Through grace it is made on both.
    let grace = exact(plan(0, "09:00", StopsWhen::UntilSuspension));
    let expected = ["2024-06-19 at 06-19 09:00", "2024-06-20 at 06-20 09:00"];
    assert_eq!(told(&grace, "2024-06-20T08:00:00+08:00"), expected);
}

// local times that do not exist, or twice.
#[test]
fn attempts_at_times_that_clocks_skip_or_repeat() {
    let early = |stop| AutoPlan { zone: New_York, ..plan(0, "02:30", stop) };
    let spring = told(&early(StopsWhen::OneDay), "2024-03-11T00:00:00-04:00");
    assert_eq!(spring, ["2024-03-10 at 03-10 03:00"]);
    let half_past_one = AutoPlan { zone: New_York, ..plan(0, "01:30", StopsWhen::OneDay) };
    let autumn = planned_attempts(&half_past_one, at("2024-11-04T00:00:00-05:00"));
    assert_eq!(autumn[0].at, at("2024-11-03T01:30:00-04:00"));
}

fn account_profile() -> AccountProfile {
    let rule = VoucherRule { strategy: VoucherStrategy::LargestFirst, max_per_payment: None };
    AccountProfile {
        vouchers: VoucherRules { manual: rule.clone(), automatic: rule },
        unpaid_order_days: 15,
        quote_hold_minutes: 15,
        batch_limit: 100,
        batch_limit_with_bound: 1_000,
        outage_hours: 24,
    }
}

// "An account may override n where the product allows it (HW 0–7)."
#[test]
fn an_account_sets_its_own_first_day_where_the_product_lets_it() {
    let schedule = |account_override| AutoSchedule {
        days_before: 7,
        time: "03:00".parse().unwrap(),
        stop: StopsWhen::UntilExpiry,
        account_override,
        last_day_retry: true,
    };
    let settings = |auto_days_before| AccountSettings {
        zone: Shanghai,
        currency: Currency::Cny,
        standard_day: None,
        day_meaning: StandardDayMeaning::LastDay,
        auto_follows_standard_day: false,
        auto_days_before,
    };
    let range = Some(DayRange { least: 0, most: 7 });
    for (range, own, expected) in [
        (range, None, 7),
        (range, Some(0), 0),
        (range, Some(7), 7),
        (range, Some(8), 7),
        (None, Some(0), 7),
    ] {
        let rules = lifecycle_rules(Boundary::EndOfDay, 0, 7);
        let plan = AutoPlan::of(&schedule(range), rules, &settings(own), &account_profile());
        assert_eq!(plan.days_before, expected);
        assert_eq!(plan.outage, TimeDelta::hours(24));
    }
}

fn decided(date_: &str, kind: AttemptKind, at_: &str, refused_for_money: bool) -> Decision {
    Decision { expiry: expiry(), date: date(date_), kind, at: at(at_), refused_for_money }
}

/// What is to be done, as text.
fn next(plan: &AutoPlan, decided: Option<&Decision>, money_at: Option<&str>, now: &str) -> String {
    match next_attempt(plan, expiry(), decided, money_at.map(at), at(now)) {
        NextAttempt::Due(attempt) => {
            let last = if attempt.is_last { ", last" } else { "" };
            let outage = if attempt.after_outage { ", after outage" } else { "" };
            format!("due {} {:?}{last}{outage}", attempt.date, attempt.kind)
        }
        NextAttempt::Later(at) => {
            format!("later {}", at.with_timezone(&plan.zone).format("%m-%d %H:%M"))
        }
        NextAttempt::Missed { date, .. } => format!("missed {date}"),
        NextAttempt::Never => "never".to_owned(),
    }
}

// attempts are dated with their planned day, late ones too.
#[test]
#[rustfmt::skip]
fn the_latest_planned_attempt_is_due_until_it_is_decided() {
    let refused = |date, at| decided(date, AttemptKind::Scheduled, at, true);
    let sixteenth = refused("2024-06-16", "2024-06-16T08:01:00+08:00");
    for (decided, now, expected) in [
        (None,             "2024-06-13T07:59:59+08:00", "later 06-13 08:00"),
        (None,             "2024-06-13T08:00:00+08:00", "due 2024-06-13 Scheduled"),
        (None,             "2024-06-14T07:59:59+08:00", "due 2024-06-13 Scheduled"),
        (None,             "2024-06-16T12:00:00+08:00", "due 2024-06-16 Scheduled"),
        (Some(&sixteenth), "2024-06-16T12:00:00+08:00", "later 06-17 08:00"),
        (Some(&sixteenth), "2024-06-17T08:00:00+08:00", "due 2024-06-17 Scheduled"),
        (Some(&sixteenth), "2024-06-20T08:00:00+08:00", "due 2024-06-20 Scheduled, last"),
        // it expired undecided, at most a day ago.
        (Some(&sixteenth), "2024-06-20T23:59:59+08:00", "due 2024-06-20 Scheduled, last"),
        (Some(&sixteenth), "2024-06-21T00:00:00+08:00", "due 2024-06-20 Scheduled, last, after outage"),
        (Some(&sixteenth), "2024-06-22T00:00:00+08:00", "due 2024-06-20 Scheduled, last, after outage"),
        (Some(&sixteenth), "2024-06-22T00:00:01+08:00", "missed 2024-06-20"),
        (Some(&sixteenth), "2024-07-30T00:00:00+08:00", "missed 2024-06-20"),
    ] {
        assert_eq!(next(&jd(), decided, None, now), expected, "{now}");
    }
    // Decided, it is over with the expiry.
    let last = decided("2024-06-20", AttemptKind::Retry(1), "2024-06-20T23:00:05+08:00", true);
    assert_eq!(next(&jd(), Some(&last), None, "2024-06-21T00:00:00+08:00"), "never");
    let missed = decided("2024-06-20", AttemptKind::Scheduled, "2024-06-25T00:00:00+08:00", false);
    assert_eq!(next(&jd(), Some(&missed), None, "2024-06-26T00:00:00+08:00"), "never");
}

// nothing is renewed that is no longer renewable, however short the window.
#[test]
fn an_outage_longer_than_the_window_is_not_excused() {
    let plan = AutoPlan { lifecycle: lifecycle_rules(Boundary::EndOfDay, 0, 0), ..jd() };
    assert_eq!(next(&plan, None, None, "2024-06-21T00:00:00+08:00"), "missed 2024-06-20");
}

// the last day's retries, when money arrives and once at 23:00.
#[test]
#[rustfmt::skip]
fn on_the_last_day_want_of_money_is_tried_again() {
    let at_eight = decided("2024-06-20", AttemptKind::Scheduled, "2024-06-20T08:00:05+08:00", true);
    let at_noon = decided("2024-06-20", AttemptKind::Retry(1), "2024-06-20T12:00:05+08:00", true);
    let at_eleven = decided("2024-06-20", AttemptKind::Retry(2), "2024-06-20T23:00:05+08:00", true);
    let by_rule = Decision { refused_for_money: false, ..at_eight };
    let day_before = decided("2024-06-19", AttemptKind::Scheduled, "2024-06-19T08:00:05+08:00", true);
    let noon = Some("2024-06-20T12:00:00+08:00");
    for (decided, money_at, now, expected) in [
        (&at_eight,  None, "2024-06-20T22:59:59+08:00", "later 06-20 23:00"),
        (&at_eight,  None, "2024-06-20T23:00:00+08:00", "due 2024-06-20 Retry(1), last"),
        (&at_eight,  noon, "2024-06-20T12:00:00+08:00", "due 2024-06-20 Retry(1), last"),
        (&at_noon,   noon, "2024-06-20T12:00:10+08:00", "later 06-20 23:00"),
        (&at_noon,   noon, "2024-06-20T23:00:00+08:00", "due 2024-06-20 Retry(2), last"),
        (&at_eleven, noon, "2024-06-20T23:00:10+08:00", "never"),
        (&at_eleven, Some("2024-06-20T23:59:00+08:00"), "2024-06-20T23:59:00+08:00", "due 2024-06-20 Retry(3), last"),
        // Money that arrives after the schedule has stopped renews nothing (P-4) …
        (&at_eleven, Some("2024-06-21T00:00:00+08:00"), "2024-06-21T00:00:00+08:00", "never"),
        // … but a retry that was due before and not decided is not lost.
        (&at_noon,   noon, "2024-06-21T00:10:00+08:00", "due 2024-06-20 Retry(2), last, after outage"),
        // Refused by rule: money changes nothing. On another day: tomorrow is early enough.
        (&by_rule,   noon, "2024-06-20T12:00:00+08:00", "never"),
        (&day_before, Some("2024-06-19T12:00:00+08:00"), "2024-06-19T12:00:00+08:00", "later 06-20 08:00"),
    ] {
        assert_eq!(next(&jd(), Some(decided), money_at, now), expected, "{decided:?} {now}");
    }
    let without = AutoPlan { last_day_retry: false, ..jd() };
    assert_eq!(next(&without, Some(&at_eight), noon, "2024-06-20T12:00:00+08:00"), "never");
}

// a schedule of one day ends with that day.
#[test]
fn one_day_is_one_day() {
    let early = plan(3, "08:00", StopsWhen::OneDay);
    let refused = decided("2024-06-17", AttemptKind::Scheduled, "2024-06-17T08:00:05+08:00", true);
    let evening = decided("2024-06-17", AttemptKind::Retry(1), "2024-06-17T23:00:05+08:00", true);
    for (decided, money_at, now, expected) in [
        (&refused, None, "2024-06-17T09:00:00+08:00", "later 06-17 23:00"),
        (
            &evening,
            Some("2024-06-17T23:30:00+08:00"),
            "2024-06-17T23:30:00+08:00",
            "due 2024-06-17 Retry(2), last",
        ),
        (&evening, Some("2024-06-18T00:00:00+08:00"), "2024-06-18T00:00:00+08:00", "never"),
    ] {
        assert_eq!(next(&early, Some(decided), money_at, now), expected);
    }
    assert_eq!(next(&kingsoft(), None, None, "2024-06-19T23:59:59+08:00"), "later 06-20 00:00");
    assert_eq!(
        next(&kingsoft(), None, None, "2024-06-20T00:00:00+08:00"),
        "due 2024-06-20 Scheduled, last"
    );
}

// P-4: once expired, only a schedule that goes on through grace renews.
#[test]
fn grace_is_renewed_only_where_the_schedule_goes_on_through_it() {
    let through_grace = AutoPlan {
        lifecycle: lifecycle_rules(Boundary::EndOfDay, 3, 4),
        ..plan(1, "08:00", StopsWhen::UntilSuspension)
    };
    let last_day = decided("2024-06-20", AttemptKind::Scheduled, "2024-06-20T08:00:05+08:00", true);
    for (decided, now, expected) in [
        (Some(&last_day), "2024-06-20T12:00:00+08:00", "later 06-21 08:00"),
        // Decided before expiry: the term starts where the product says.
        (Some(&last_day), "2024-06-21T08:00:00+08:00", "due 2024-06-21 Scheduled"),
        (Some(&last_day), "2024-06-23T08:00:00+08:00", "due 2024-06-23 Scheduled, last"),
        (Some(&last_day), "2024-06-24T00:00:00+08:00", "missed 2024-06-23"),
        // Undecided at expiry: our outage costs the customer nothing, for a day.
        (None, "2024-06-21T08:00:00+08:00", "due 2024-06-21 Scheduled, after outage"),
        (None, "2024-06-22T08:00:00+08:00", "due 2024-06-22 Scheduled"),
    ] {
        assert_eq!(next(&through_grace, decided, None, now), expected, "{now}");
    }
}

// B-5: a group is due at the earliest expiry among its unexpired members.
#[test]
fn a_group_is_due_with_its_earliest_member() {
    let child = expiry();
    let parent = at("2024-07-01T00:00:00+08:00");
    let group = |decided: &[Decision], now| match next_group_attempt(
        &kingsoft(),
        &[parent, child, parent],
        decided,
        None,
        at(now),
    ) {
        NextAttempt::Due(attempt) => format!("due {}", attempt.date),
        NextAttempt::Later(at) => format!("later {}", at.with_timezone(&Shanghai).date_naive()),
        other => format!("{other:?}"),
    };
    assert_eq!(group(&[], "2024-06-19T00:00:00+08:00"), "later 2024-06-20");
    assert_eq!(group(&[], "2024-06-20T08:00:00+08:00"), "due 2024-06-20");
    // The child's was refused: the group is due again with its parent.
    let refused = decided("2024-06-20", AttemptKind::Retry(1), "2024-06-20T23:00:05+08:00", true);
    assert_eq!(group(&[refused], "2024-06-20T23:30:00+08:00"), "later 2024-06-30");
    assert_eq!(group(&[refused], "2024-06-30T00:00:00+08:00"), "due 2024-06-30");
    // A child past its window stops nobody.
    assert_eq!(group(&[], "2024-06-29T00:00:00+08:00"), "later 2024-06-30");
}

// the identity says everything that makes an attempt another one.
#[test]
fn attempts_that_differ_in_anything_have_other_identities() {
    let identity = AttemptIdentity {
        account: "acme".parse().unwrap(),
        root: "vm-1".parse().unwrap(),
        expiry: expiry(),
        date: date("2024-06-20"),
        kind: AttemptKind::Scheduled,
    };
    let others = [
        AttemptIdentity { account: "acme2".parse().unwrap(), ..identity.clone() },
        AttemptIdentity { root: "vm-2".parse().unwrap(), ..identity.clone() },
        AttemptIdentity { expiry: expiry() + TimeDelta::microseconds(1), ..identity.clone() },
        AttemptIdentity { date: date("2024-06-19"), ..identity.clone() },
        AttemptIdentity { kind: AttemptKind::Retry(1), ..identity.clone() },
    ];
    let text = identity.to_string();
    assert_eq!(text, "acme/vm-1/2024-06-20T16:00:00.000000Z/2024-06-20/scheduled");
    assert!(others.iter().all(|other| other.to_string() != text));
}

fn reminders() -> Reminders {
    Reminders {
        before_expiry: vec![7, 1],
        at_expiry: true,
        after_expiry: vec![6],
        ..Reminders::default()
    }
}

fn facts(reminders: &Reminders) -> DueFacts<'_> {
    DueFacts {
        zone: Shanghai,
        lifecycle: lifecycle_rules(Boundary::EndOfDay, 0, 7),
        end: Some(expiry()),
        state: State::Active,
        policy: Policy::Manual,
        payment_running: false,
        reminders,
        reminded: None,
        automatic: None,
    }
}

// L-3: one step at a time, each once, however late.
#[test]
fn lifecycle_steps_are_due_one_by_one() {
    let reminders = Reminders::default();
    let active = facts(&reminders);
    let grace = DueFacts { lifecycle: lifecycle_rules(Boundary::EndOfDay, 1, 1), ..active };
    let late = at("2025-01-01T00:00:00Z");
    for (facts, now, expected) in [
        (active, at("2024-06-20T23:59:59+08:00"), None),
        (active, expiry(), Some(Transition::Enters(State::Retained))),
        (grace, late, Some(Transition::Enters(State::Grace))),
        (
            DueFacts { state: State::Grace, ..grace },
            late,
            Some(Transition::Enters(State::Retained)),
        ),
        (
            DueFacts { state: State::Retained, ..grace },
            late,
            Some(Transition::Enters(State::Released)),
        ),
        (DueFacts { state: State::Released, ..grace }, late, None),
        // L-3: what is being paid for is not released.
        (DueFacts { state: State::Retained, payment_running: true, ..grace }, late, None),
        (DueFacts { payment_running: true, ..grace }, late, Some(Transition::Enters(State::Grace))),
        // L-4
        (
            DueFacts { policy: Policy::PostpaidAfterExpiry, ..active },
            expiry(),
            Some(Transition::BecomesPostpaid),
        ),
        (DueFacts { end: None, ..active }, late, None),
    ] {
        assert_eq!(due_transition(&facts, now), expected, "{facts:?}");
    }
}

// of those that have come up, only the latest.
#[test]
fn missed_reminders_are_not_made_up_for() {
    let reminders = reminders();
    let offset = |reminded, now| {
        let facts = DueFacts { reminded, ..facts(&reminders) };
        due_reminder(&facts, at(now)).map(|reminder| reminder.offset)
    };
    assert_eq!(offset(None, "2024-06-13T08:59:59+08:00"), None);
    assert_eq!(offset(None, "2024-06-13T09:00:00+08:00"), Some(-7));
    assert_eq!(offset(Some(-7), "2024-06-13T09:00:00+08:00"), None);
    assert_eq!(offset(None, "2024-06-20T08:00:00+08:00"), Some(-1));
    assert_eq!(offset(None, "2024-06-20T09:00:00+08:00"), Some(0));
    assert_eq!(offset(Some(0), "2024-06-26T09:00:00+08:00"), Some(6));
}

#[test]
fn the_due_time_is_the_earliest_of_all() {
    let reminders = reminders();
    let manual = facts(&reminders);
    let now = at("2024-06-01T00:00:00+08:00");
    assert_eq!(due_time(&manual, now), Some(at("2024-06-13T09:00:00+08:00")));
    let reminded = DueFacts { reminded: Some(0), ..manual };
    assert_eq!(due_time(&reminded, now), Some(expiry()));
    let automatic = AutoFacts { plan: &jd(), ends: &[expiry()], decided: &[], money_at: None };
    let auto = DueFacts { policy: Policy::Auto, automatic: Some(automatic), ..reminded };
    assert_eq!(due_time(&auto, now), Some(at("2024-06-13T08:00:00+08:00")));
    assert_eq!(due_time(&DueFacts { end: None, ..manual }, now), None);
    let over = DueFacts { state: State::Released, reminded: Some(6), ..manual };
    assert_eq!(due_time(&over, now), None);
}

proptest! {
    /// whatever was decided and whenever it is asked, what is to be done is never due
    /// after its time, and a sweep that does what is due comes to an end.
    #[test]
    fn doing_what_is_due_comes_to_an_end(
        days_before in 0u32..=9, hour in 0u32..24, stop in 0usize..3, exact: bool,
        grace in 0u32..5, retention in 0u32..5, ends_at in 0i64..86_400, start in -12i64..40,
        zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()), money: bool,
    ) {
        let stop = [StopsWhen::OneDay, StopsWhen::UntilExpiry, StopsWhen::UntilSuspension][stop];
        let boundary = if exact { Boundary::Exact } else { Boundary::EndOfDay };
        let end = at("2024-06-20T00:00:00Z") + TimeDelta::seconds(ends_at);
        let plan = AutoPlan {
            days_before,
            time: chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap(),
            lifecycle: lifecycle_rules(boundary, grace, retention),
            zone,
            ..plan(0, "00:00", stop)
        };
        let mut now = end + TimeDelta::days(start);
        let money_at = money.then_some(end - TimeDelta::hours(5));
        let mut last: Option<Decision> = None;
        let mut steps = 0;
        loop {
            steps += 1;
            prop_assert!(steps < 60);
            let (date, kind) = match next_attempt(&plan, end, last.as_ref(), money_at, now) {
                NextAttempt::Never => break,
                NextAttempt::Later(at) => {
                    prop_assert!(at > now);
                    now = at;
                    continue;
                }
                NextAttempt::Due(attempt) => {
                    prop_assert!(attempt.at <= now);
                    prop_assert!(now < lifecycle(&plan.lifecycle, end, zone).released_at);
                    (attempt.date, attempt.kind)
                }
                NextAttempt::Missed { date, .. } => (date, AttemptKind::Scheduled),
            };
            // No identity comes twice.
            prop_assert!(last.is_none_or(|last| (last.date, last.kind) < (date, kind)));
            last = Some(Decision { expiry: end, date, kind, at: now, refused_for_money: true });
        }
        // Somebody who starts in time is tried at least once.
        prop_assert!(start > -10 || last.is_some());
    }
}
