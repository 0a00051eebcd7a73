use super::*;

fn duration(text: &str) -> TermDuration {
    text.parse().unwrap()
}

#[test]
fn durations_read_and_write_alike() {
    for (text, months, for_people) in [
        ("1m", 1, "1 month"),
        ("9m", 9, "9 months"),
        ("12m", 12, "12 months"),
        ("1y", 12, "1 year"),
        ("3y", 36, "3 years"),
        ("999y", 11_988, "999 years"),
    ] {
        assert_eq!(duration(text).months(), months);
        assert_eq!(duration(text).to_string(), for_people);
        assert_eq!(duration(text).short(), text);
    }
}

#[test]
fn anything_else_is_no_duration() {
    let huge = "9".repeat(1 << 20) + "m";
    for bad in [
        "", "m", "0m", "-1m", "+1m", "01m", " 1m", "1 m", "1M", "1d", "1000m", "1.5y", "六m", &huge,
    ] {
        assert_eq!(bad.parse::<TermDuration>(), Err(InvalidDuration), "{bad:.20}");
    }
    assert_eq!(TermDuration::new(TermUnit::Year, 0), Err(InvalidDuration));
    assert_eq!(TermDuration::new(TermUnit::Year, u32::MAX), Err(InvalidDuration));
}

// T-1: months and years are different units.
#[test]
fn twelve_months_come_before_one_year_and_are_not_it() {
    let mut durations = ["1y", "13m", "2m", "12m"].map(duration);
    durations.sort();
    assert_eq!(durations, ["2m", "12m", "1y", "13m"].map(duration));
}
