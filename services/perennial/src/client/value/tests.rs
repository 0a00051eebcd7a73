use super::*;

#[test]
fn amounts_are_read_to_the_minor_unit_and_never_rounded() {
    for (text, minor) in [
        ("CNY 100.00", Ok(100_00)),
        ("100 CNY", Ok(100_00)),
        ("CNY 1000.5", Ok(1_000_50)),
        ("CNY 1,5", Err("must be an amount with its currency, such as \"CNY 100.00\"")),
        ("CNY 1_0", Err("must be an amount with its currency, such as \"CNY 100.00\"")),
        ("CNY 1e3", Err("must be an amount with its currency, such as \"CNY 100.00\"")),
        ("CNY -0.01", Ok(-1)),
        ("JPY 500", Ok(500)),
        ("CNY 0.001", Err("must have at most 2 digits after the point")),
        ("JPY 0.5", Err("must have at most 0 digits after the point")),
        ("100.00", Err("must be an amount with its currency, such as \"CNY 100.00\"")),
        ("XAU 1", Err("must be an amount with its currency, such as \"CNY 100.00\"")),
    ] {
        let read = money(text).map(|amount| amount.minor_units);
        assert_eq!(read.as_ref().map_err(String::as_str), minor.as_ref().map_err(|e| *e), "{text}");
    }
}

#[test]
fn a_time_without_an_offset_is_of_the_zone() {
    let shanghai = chrono_tz::Asia::Shanghai;
    for (text, seconds) in [
        ("2018-08-02T10:00:00+08:00", 1_533_175_200),
        ("2018-08-02 10:00:00", 1_533_175_200),
        ("2018-08-02T10:00", 1_533_175_200),
        ("2018-08-02", 1_533_139_200),
    ] {
        assert_eq!(instant(text, shanghai).map(|time| time.seconds), Ok(seconds), "{text}");
    }
    assert!(instant("yesterday", shanghai).is_err());
}

#[test]
fn a_setting_has_a_name_and_may_have_an_empty_value() {
    assert_eq!(pair("flavor=g.n2=x"), Ok(("flavor".to_owned(), "g.n2=x".to_owned())));
    assert_eq!(pair("note="), Ok(("note".to_owned(), String::new())));
    assert!(pair("=x").is_err());
    assert!(pair("flavor").is_err());
}
