use chrono_tz::Asia::Shanghai;

use super::*;
use crate::profile::{Boundary, LateStart};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// JD: −30 −15 −7 −3 −1, and on days +4 and +6.
fn jd() -> Reminders {
    Reminders {
        before_expiry: vec![30, 15, 7, 3, 1],
        at_expiry: false,
        after_expiry: vec![4, 6],
        before_release: vec![],
    }
}

/// Huawei: −7 −3 −1, and 6, 2, 0 days before release.
fn huawei() -> Reminders {
    Reminders {
        before_expiry: vec![7, 3, 1],
        at_expiry: false,
        after_expiry: vec![],
        before_release: vec![6, 2, 0],
    }
}

/// Expires "2024-06-20 23:59:59", with days of grace and retention.
fn facts(reminders: &Reminders, grace_days: u32, retention_days: u32) -> ReminderFacts<'_> {
    let lifecycle = LifecycleRules {
        boundary: Boundary::EndOfDay,
        late_start: LateStart::RenewalDate,
        grace_days,
        retention_days,
    };
    let end = at("2024-06-21T00:00:00+08:00");
    let policy = Policy::Manual;
    ReminderFacts { reminders, lifecycle, zone: Shanghai, end, policy, first_attempt: None }
}

fn offsets(facts: &ReminderFacts<'_>) -> Vec<i32> {
    planned_reminders(facts).iter().map(|reminder| reminder.offset).collect()
}

// the vendors' days.
#[test]
fn reminders_are_planned_by_days_around_the_last_day() {
    let (jd, huawei) = (jd(), huawei());
    assert_eq!(offsets(&facts(&jd, 0, 7)), [-30, -15, -7, -3, -1, 4, 6]);
    assert_eq!(offsets(&facts(&huawei, 15, 15)), [-7, -3, -1, 24, 28, 30]);
    let default = Reminders { at_expiry: true, before_release: vec![1], ..Reminders::default() };
    assert_eq!(offsets(&facts(&default, 0, 7)), [0, 6]);
    let planned = planned_reminders(&facts(&jd, 0, 7));
    assert_eq!(planned[0].at, at("2024-05-21T09:00:00+08:00"));
    assert_eq!(planned[6].at, at("2024-06-26T09:00:00+08:00"));
    assert_eq!(planned[6].kind, ReminderKind::BeforeRelease);
    // A day named twice is one reminder; where nothing lies between expiry and release, none.
    let twice = Reminders { before_expiry: vec![3, 3], before_release: vec![0], ..jd.clone() };
    assert_eq!(offsets(&facts(&twice, 0, 6)), [-3, 4, 6]);
    assert_eq!(offsets(&facts(&Reminders { after_expiry: vec![], ..twice }, 0, 0)), [-3]);
}

// "NOT_RENEW: one 3 days before, and the release warning".
#[test]
fn other_policies_have_other_reminders() {
    let (jd, huawei) = (jd(), huawei());
    let with = |policy, facts| ReminderFacts { policy, ..facts };
    assert_eq!(offsets(&with(Policy::NotRenew, facts(&jd, 0, 7))), [-3, 6]);
    assert_eq!(offsets(&with(Policy::NotRenew, facts(&huawei, 15, 15))), [-3, 30]);
    let none = Reminders { at_expiry: false, ..Reminders::default() };
    assert_eq!(offsets(&with(Policy::NotRenew, facts(&none, 0, 7))), [-3]);
    let postpaid = offsets(&with(Policy::PostpaidAfterExpiry, facts(&huawei, 15, 15)));
    assert_eq!(postpaid, [-7, -3, -1]);
}

// an exact release within the day is warned of before it.
#[test]
fn a_release_before_nine_is_warned_of_on_the_day_before() {
    let reminders = Reminders { before_release: vec![0], ..Reminders::default() };
    let facts = facts(&reminders, 0, 7);
    let exact = ReminderFacts {
        lifecycle: LifecycleRules { boundary: Boundary::Exact, ..facts.lifecycle },
        end: at("2024-06-20T08:00:00+08:00"),
        ..facts
    };
    assert_eq!(planned_reminders(&exact).last().unwrap().at, at("2024-06-26T09:00:00+08:00"));
    let later = ReminderFacts { end: at("2024-06-20T09:00:01+08:00"), ..exact };
    assert_eq!(planned_reminders(&later).last().unwrap().at, at("2024-06-27T09:00:00+08:00"));
}

/// The offsets that are sent under `AUTO`, each asked for when its time has come.
fn sent(facts: &ReminderFacts<'_>, outlook: Outlook) -> Vec<i32> {
    let planned = planned_reminders(facts).into_iter();
    let wanted = planned.filter(|reminder| reminder.is_wanted(Policy::Auto, outlook, reminder.at));
    wanted.map(|reminder| reminder.offset).collect()
}

// "AUTO: none when the forecast says that the money suffices, but one when the price differs".
#[test]
fn what_renews_itself_reminds_only_of_what_the_user_must_know() {
    let (jd, huawei) = (jd(), huawei());
    let auto = |facts, first: &str| ReminderFacts {
        policy: Policy::Auto,
        first_attempt: Some(at(first)),
        ..facts
    };
    let jd = auto(facts(&jd, 0, 7), "2024-06-13T08:00:00+08:00");
    assert_eq!(sent(&jd, Outlook::Pays), Vec::<i32>::new());
    assert_eq!(sent(&jd, Outlook::PaysAnotherPrice), [-30, -15]);
    assert_eq!(sent(&jd, Outlook::Fails), [-30, -15, -7, -3, -1, 4, 6]);
    // Huawei first reminds six hours after the first attempt: a new price is told of before it.
    let huawei = auto(facts(&huawei, 15, 15), "2024-06-13T03:00:00+08:00");
    assert_eq!(offsets(&huawei), [-8, -7, -3, -1, 24, 28, 30]);
    assert_eq!(sent(&huawei, Outlook::PaysAnotherPrice), [-8]);
    assert_eq!(sent(&huawei, Outlook::Fails), [-7, -3, -1, 24, 28, 30]);
}

// nobody is told that an instance will expire once it has; boundaries in pairs.
#[test]
fn a_reminder_that_is_no_longer_true_is_not_sent() {
    let jd = Reminders { at_expiry: true, ..jd() };
    let planned = planned_reminders(&facts(&jd, 0, 7));
    for (offset, last, first_not) in [
        (-1, "2024-06-20T23:59:59+08:00", "2024-06-21T00:00:00+08:00"),
        (0, "2024-06-27T23:59:59+08:00", "2024-06-28T00:00:00+08:00"),
        (6, "2024-06-27T23:59:59+08:00", "2024-06-28T00:00:00+08:00"),
    ] {
        let reminder = planned.iter().find(|reminder| reminder.offset == offset).unwrap();
        assert!(reminder.is_wanted(Policy::Manual, Outlook::Pays, at(last)));
        assert!(!reminder.is_wanted(Policy::Manual, Outlook::Pays, at(first_not)));
    }
}

// T-8
#[test]
fn reminders_beyond_all_dates_are_none() {
    let (jd, huawei) = (jd(), huawei());
    let early = ReminderFacts { end: at("1970-01-02T00:00:00+08:00"), ..facts(&jd, 0, 7) };
    assert_eq!(offsets(&early), [4, 6]);
    let late = ReminderFacts { end: at("9999-12-31T00:00:00+08:00"), ..facts(&huawei, 15, 15) };
    assert_eq!(offsets(&late)[..3], [-7, -3, -1]);
}
