use super::*;

#[test]
fn money_keeps_its_amount_and_currency() {
    let money = Money::new(-1_05, Currency::Cny);
    assert_eq!(Money::try_from(pb::Money::from(money)), Ok(money));
    let gold = pb::Money { minor_units: 1, currency_code: "XAU".to_owned() };
    assert_eq!(Money::try_from(gold), Err(WireError::UnknownCurrency("XAU".to_owned())));
}

#[test]
fn decimals_keep_every_digit() {
    for text in ["136.50", "-0.00305", "0", "123456789012.123456"] {
        let decimal = Decimal::try_from(pb::Decimal { value: text.to_owned() }).unwrap();
        assert_eq!(pb::Decimal::from(decimal).value, text);
    }
    let long = format!("0.{}", "1".repeat(40));
    for bad in ["", "1e3", "x", "1,5", "NaN", &long, &"9".repeat(1 << 20)] {
        let read = Decimal::try_from(pb::Decimal { value: bad.to_owned() });
        assert_eq!(read, Err(WireError::InvalidDecimal), "{}", &bad[..bad.len().min(50)]);
    }
}

// T-8
#[test]
fn dates_are_days_of_the_years_1970_to_9999() {
    let read = |year, month, day| NaiveDate::try_from(pb::Date { year, month, day });
    for (year, month, day) in [(1970, 1, 1), (2024, 2, 29), (9999, 12, 31)] {
        let date = read(year, month, day).unwrap();
        assert_eq!(pb::Date::from(date), pb::Date { year, month, day });
    }
    for (year, month, day) in [(2023, 2, 29), (2024, 0, 1), (2024, 13, 1), (2024, 1, -1)] {
        assert_eq!(read(year, month, day), Err(WireError::InvalidDate));
    }
    for year in [i32::MIN, 1969, 10_000, i32::MAX] {
        assert_eq!(read(year, 1, 1), Err(WireError::DateOutOfRange));
    }
}

// T-8
#[test]
fn instants_are_whole_microseconds_of_the_years_1970_to_9999() {
    let read = |seconds, nanos| instant(Timestamp { seconds, nanos });
    let cut = read(0, 1_999).unwrap();
    assert_eq!(timestamp(cut), Timestamp { seconds: 0, nanos: 1_000 });
    assert!(read(253_402_300_799, 999_999_999).is_ok());
    for seconds in [i64::MIN, -1, 253_402_300_800, i64::MAX] {
        assert_eq!(read(seconds, 0), Err(WireError::DateOutOfRange));
    }
    for nanos in [-1, 1_000_000_000] {
        assert_eq!(read(0, nanos), Err(WireError::InvalidTimestamp));
    }
}

// T-1
#[test]
fn durations_are_a_positive_number_of_months_or_years() {
    for text in ["1m", "9m", "3y", "2147483647m"] {
        assert_eq!(text.parse::<pb::TermDuration>().unwrap().short().unwrap(), text);
    }
    for bad in ["", "m", "0m", "-1m", "1", "1d", "99999999999m", "1.5y"] {
        assert_eq!(bad.parse::<pb::TermDuration>(), Err(WireError::InvalidDuration), "{bad}");
    }
    for (unit, count) in [(0, 1), (1, 0), (2, -1), (77, 1)] {
        assert_eq!(pb::TermDuration { unit, count }.short(), Err(WireError::InvalidDuration));
    }
}

#[test]
fn what_is_not_there_is_required() {
    assert_eq!(required(Some(1)), Ok(1));
    assert_eq!(required::<i32>(None), Err(WireError::Missing));
}
