use serde_json::{Value, json};

use super::*;

/// The profile of a JD Cloud virtual machine, with the fields of `changes` in place of its own.
fn product(changes: &Value) -> Result<ProductProfile, serde_json::Error> {
    let mut profile = json!({
        "durations": ["1m", "2m", "3m", "6m", "1y", "3y"],
        "policies": ["MANUAL", "AUTO", "NOT_RENEW"],
        "late_start": "RENEWAL_DATE",
        "grace_days": 0,
        "retention_days": 7,
        "converts_postpaid": true,
        "unify": {"offer": "WITH_DURATION"},
        "auto_schedule": {"days_before": 7, "time": "08:00", "stop": "UNTIL_EXPIRY"},
        "reminders": {"before_expiry": [30, 15, 7, 3, 1], "after_expiry": [4, 6]},
        "money_policy": {"name": "jd", "version": 1, "rounding": "TRUNCATE"},
    });
    for (field, value) in changes.as_object().unwrap() {
        profile[field] = value.clone();
    }
    serde_json::from_value(profile)
}

fn mistakes(changes: &Value) -> Vec<String> {
    product(changes).unwrap().validate().iter().map(ToString::to_string).collect()
}

#[test]
fn a_product_that_says_no_more_than_it_must_has_the_defaults_of_the_rules() {
    let profile = product(&json!({})).unwrap();
    assert_eq!(profile.validate(), []);
    assert_eq!(profile.cycles(), profile.durations);
    assert_eq!(profile.boundary, Boundary::EndOfDay);
    assert_eq!(profile.end_shown, EndShown::LastSecond);
    assert_eq!(profile.unify.days, AllowedDays { least: 1, most: 28, last_of_month: false });
    assert_eq!(
        (profile.money_policy.divisor, profile.money_policy.odd_days),
        (30, OddDays::DaysBeyondTerm)
    );
    assert!(profile.auto_schedule.is_some_and(|schedule| schedule.last_day_retry));
}

#[test]
fn what_is_written_is_read_again() {
    let profile = product(&json!({
        "auto_cycles": ["1m"],
        "money_policy": {"name": "al", "version": 2, "rounding": "HALF_UP", "odd_days": "DAYS_BEYOND_30"},
        "end_shown": "NEXT_MIDNIGHT",
    }))
    .unwrap();
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<ProductProfile>(&text).unwrap(), profile);
}

#[test]
fn a_field_that_is_not_known_is_refused() {
    for changes in [
        json!({"grace": 3}),
        json!({"unify": {"offers": "ALONE"}}),
        json!({"policies": ["manual"]}),
        json!({"durations": ["0m"]}),
        json!({"grace_days": -1}),
    ] {
        assert!(product(&changes).is_err(), "{changes}");
    }
}

#[test]
fn every_mistake_is_named_at_once() {
    insta::assert_snapshot!(
        mistakes(&json!({
            "durations": [],
            "auto_cycles": ["2m", "2m"],
            "policies": ["AUTO"],
            "auto_schedule": null,
            "grace_days": 3651,
            "not_renewable": " ",
            "provisioner": "",
            "unify": {"offer": "AD_HOC", "automatic": true, "days": {"least": 0, "most": 28}},
            "reminders": {"before_expiry": [7, 0, 7], "after_expiry": [1, 1], "before_release": [3660]},
            "money_policy": {"name": "", "version": 0, "rounding": "HALF_UP", "divisor": 0},
        }))
        .join("\n"),
        @"
        auto_cycles: names 2 months twice
        auto_cycles: 2m is not one of the durations
        auto_cycles: 2m is not one of the durations
        policies: must allow MANUAL, which is the default
        auto_schedule: is needed where AUTO is allowed
        grace_days: must be at most 3650
        not_renewable: must say why, or be left out
        unify.days: must be a range within 1 to 28
        unify.automatic: needs ALONE or WITH_DURATION to be offered
        reminders.before_expiry: 0 is less than 1
        reminders.before_expiry: names 7 twice
        reminders.after_expiry: names 1 twice
        reminders.before_release: 3660 is more than 3657
        money_policy.name: must not be empty
        money_policy.version: counts from 1
        money_policy.divisor: must be 1 to 366 days
        provisioner: must be an address such as http://vm-console:50051, or be left out
        "
    );
}

#[test]
fn limits_come_in_pairs() {
    for (good, bad) in [
        (json!({"max_total_months": 1}), json!({"max_total_months": 0})),
        (json!({"provisioner": "http://vm:1"}), json!({"provisioner": "vm:1"})),
        (json!({"provisioner": "http://[::1]:1"}), json!({"provisioner": "http://:1"})),
        (json!({"retention_days": 3650}), json!({"retention_days": 3651})),
        (
            json!({"auto_schedule": {"days_before": 9, "time": "00:00", "stop": "ONE_DAY"}}),
            json!({"auto_schedule": {"days_before": 10, "time": "00:00", "stop": "ONE_DAY"}}),
        ),
        (
            json!({"unify": {"days": {"least": 1, "most": 28, "last_of_month": true}}}),
            json!({"unify": {"days": {"least": 1, "most": 29}}}),
        ),
        (
            json!({"reminders": {"after_expiry": [7], "before_release": [6]}}),
            json!({"reminders": {"after_expiry": [8]}}),
        ),
        (
            json!({"auto_schedule": {"days_before": 7, "time": "03:00", "stop": "UNTIL_SUSPENSION", "account_override": {"least": 0, "most": 7}}}),
            json!({"auto_schedule": {"days_before": 7, "time": "03:00", "stop": "UNTIL_SUSPENSION", "account_override": {"least": 8, "most": 7}}}),
        ),
    ] {
        assert_eq!(mistakes(&good), Vec::<String>::new(), "{good}");
        assert_eq!(mistakes(&bad).len(), 1, "{bad}");
    }
}

// V-2, M-6: what an account profile says when it says little.
#[test]
fn an_account_profile_has_the_defaults_of_the_rules() {
    let profile: AccountProfile = serde_json::from_value(json!({"vouchers": {
        "manual": {"strategy": "CHOSEN_BY_USER", "max_per_payment": 1},
        "automatic": {"strategy": "NEAREST_EXPIRY_THEN_LARGEST"},
    }}))
    .unwrap();
    assert_eq!(profile.validate(), []);
    assert_eq!((profile.unpaid_order_days, profile.quote_hold_minutes), (15, 15));
    assert_eq!((profile.batch_limit, profile.batch_limit_with_bound), (100, 1_000));
    assert_eq!(profile.vouchers.automatic.max_per_payment, None);

    let bad = AccountProfile {
        vouchers: VoucherRules { automatic: profile.vouchers.manual.clone(), ..profile.vouchers },
        quote_hold_minutes: 0,
        batch_limit: 1_001,
        ..profile
    };
    let fields: Vec<_> = bad.validate().into_iter().map(|mistake| mistake.field).collect();
    assert_eq!(
        fields,
        [
            "vouchers.automatic.strategy",
            "quote_hold_minutes",
            "batch_limit",
            "batch_limit_with_bound"
        ]
    );
}

// U-1: day 1 to 28 or the last of the month, which cannot be combined with START_OF_DAY.
#[test]
fn a_standard_day_is_a_number_or_the_last_of_the_month() {
    let settings = |changes: Value| {
        let mut settings = json!({"zone": "Asia/Shanghai", "currency": "CNY"});
        for (field, value) in changes.as_object().unwrap() {
            settings[field] = value.clone();
        }
        serde_json::from_value::<AccountSettings>(settings)
    };
    for good in [
        json!({}),
        json!({"standard_day": 1}),
        json!({"standard_day": 28}),
        json!({"standard_day": "LAST_OF_MONTH"}),
    ] {
        assert_eq!(settings(good).unwrap().validate(), []);
    }
    for bad in [
        json!({"standard_day": 0}),
        json!({"standard_day": 29}),
        json!({"standard_day": "LAST"}),
        json!({"zone": "Mars/Base"}),
    ] {
        assert!(settings(bad).is_err());
    }
    let bad = settings(
        json!({"standard_day": "LAST_OF_MONTH", "day_meaning": "START_OF_DAY", "auto_days_before": 10}),
    );
    assert_eq!(bad.unwrap().validate().len(), 2);
}

// "An account may override n where the product allows it (HW 0–7)."
#[test]
fn an_account_chooses_among_the_days_that_its_products_offer() {
    let range = |least, most| DayRange { least, most };
    let problem = |days, offered: &[DayRange]| {
        check_auto_days(days, offered).map_err(|mistake| mistake.problem)
    };
    let offered = [range(0, 1), range(5, 7), range(0, 1)];
    for (days, may) in [(0, true), (1, true), (2, false), (4, false), (5, true), (8, false)] {
        assert_eq!(problem(days, &offered).is_ok(), may, "{days}");
    }
    let refused = problem(2, &offered).unwrap_err();
    assert_eq!(refused, "is 2, and must be 0 to 1 or 5 to 7");
    let nowhere = "cannot be chosen: none of its products lets an account do so";
    assert_eq!(problem(7, &[]).unwrap_err(), nowhere);
}
