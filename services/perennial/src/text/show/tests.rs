use super::*;

fn cny(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "CNY".to_owned() }
}

#[test]
fn money_reads_as_people_write_it() {
    assert_eq!(money(Some(&cny(672_00))), "CNY 672.00");
    assert_eq!(money(Some(&cny(-5))), "CNY -0.05");
    assert_eq!(money(None), "-");
    let unknown = Money { minor_units: 7, currency_code: "XAU".to_owned() };
    assert_eq!(money(Some(&unknown)), "XAU 7 (minor units)");
}

#[test]
fn exact_amounts_keep_every_digit_and_have_two_at_least() {
    for (value, text) in [
        ("236.6", "236.60"),
        ("560", "560.00"),
        ("-0.00305", "-0.00305"),
        ("19.83305", "19.83305"),
        ("100.000", "100.00"),
        ("what?", "what?"),
    ] {
        assert_eq!(exact(Some(&Decimal { value: value.to_owned() })), text);
    }
}

#[test]
fn instants_are_shown_in_the_zone_that_was_asked_for() {
    let midnight = prost_types::Timestamp { seconds: 1_533_168_000, nanos: 0 };
    assert_eq!(instant(Some(&midnight), chrono_tz::Asia::Shanghai), "2018-08-02 08:00:00");
    assert_eq!(instant(Some(&midnight), chrono_tz::UTC), "2018-08-02 00:00:00");
    assert_eq!(instant(None, chrono_tz::UTC), "-");
}

#[test]
fn durations_are_singular_and_plural() {
    let months = |count| TermDuration { unit: Unit::Month.into(), count };
    let years = |count| TermDuration { unit: Unit::Year.into(), count };
    assert_eq!(duration(Some(&months(1))), "1 month");
    assert_eq!(duration(Some(&years(3))), "3 years");
    assert_eq!(durations(&[months(1), months(9), years(1)]), "1m 9m 1y");
    assert_eq!(durations(&[]), "-");
}

#[test]
fn a_span_says_its_odd_days() {
    let one_month = TermDuration { unit: Unit::Month.into(), count: 1 };
    let whole =
        PricedSpan { duration: Some(one_month), whole_months: 0, odd_days: 0, total_days: 30 };
    assert_eq!(span(&whole), "1 month");
    assert_eq!(span(&PricedSpan { odd_days: 22, ..whole }), "1 month + 22 days");
    let to_a_date = PricedSpan { duration: None, whole_months: 0, odd_days: 1, total_days: 1 };
    assert_eq!(span(&to_a_date), "0 months + 1 day");
}

#[test]
fn words_lose_the_prefix_that_all_of_them_have() {
    assert_eq!(word("RENEWAL_POLICY_AUTO", "RENEWAL_POLICY_"), "AUTO");
    assert_eq!(word("STATE_UNSPECIFIED", "STATE_"), "-");
}
