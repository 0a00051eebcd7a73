use proto::r#type::v1::{RenewalPolicy, Setting as WireSetting, TermDuration as WireDuration};

use super::*;

fn fields(bad: BadRequest) -> Vec<String> {
    let status = bad.into_status();
    platform::status::bad_fields(&status).into_iter().map(|(field, _)| field).collect()
}

fn wish(setting: &pb::RenewalSetting) -> Result<PolicyWish, Vec<String>> {
    let mut bad = BadRequest::default();
    match policy_wish(&mut bad, Some(setting)) {
        Some(wish) if bad.is_empty() => Ok(wish),
        _ => Err(fields(bad)),
    }
}

/// P-3: cycle and count go with AUTO only, and are read or refused, never ignored.
#[test]
fn a_policy_is_read_with_all_that_belongs_to_it() {
    let setting = |policy: RenewalPolicy, cycle: Option<&str>, left| pb::RenewalSetting {
        policy: policy.into(),
        auto_cycle: cycle.map(|text| text.parse().unwrap()),
        auto_remaining: left,
    };
    let auto = RenewalPolicy::Auto;
    let preset = PolicyWish::Auto { cycle: None, remaining: None };
    assert_eq!(wish(&setting(auto, None, None)), Ok(preset));
    let yearly = PolicyWish::Auto {
        cycle: Some("1y".parse().unwrap()),
        remaining: Some(99.try_into().unwrap()),
    };
    assert_eq!(wish(&setting(auto, Some("1y"), Some(99))), Ok(yearly));
    for left in [0, -1, 100, i32::MIN, i32::MAX] {
        let fields = wish(&setting(auto, None, Some(left))).unwrap_err();
        assert_eq!(fields, ["renewal.auto_remaining"]);
    }
    let manual = wish(&setting(RenewalPolicy::Manual, Some("1m"), Some(1))).unwrap_err();
    assert_eq!(manual, ["renewal.auto_cycle", "renewal.auto_remaining"]);
    let unknown = pb::RenewalSetting { policy: 99, ..setting(auto, None, Some(0)) };
    assert_eq!(wish(&unknown).unwrap_err(), ["renewal.policy", "renewal.auto_remaining"]);
    for wish in [PolicyWish::NotRenew, PolicyWish::PostpaidAfterExpiry] {
        let policy = policy_message(wish.policy());
        assert_eq!(self::wish(&setting(policy, None, None)), Ok(wish));
    }
    let mut bad = BadRequest::default();
    assert_eq!(policy_wish(&mut bad, None), None);
    assert_eq!(fields(bad), ["renewal"]);
}

/// T-1: a duration is a small number of months or years, and comes back as it went.
#[test]
fn durations_that_mean_nothing_are_refused() {
    for text in ["1m", "12m", "1y"] {
        let wire: WireDuration = text.parse().unwrap();
        assert_eq!(duration_message(duration(wire).unwrap()), wire);
    }
    for (unit, count) in [(1, 0), (1, -1), (2, i32::MAX), (0, 1), (9, 1)] {
        assert!(duration(WireDuration { unit, count }).is_err(), "{unit} {count}");
    }
}

#[test]
fn text_is_short_and_has_nothing_that_no_database_keeps() {
    assert!(text("名".repeat(66)).is_ok());
    for bad in ["x".repeat(201), "a\0b".to_owned(), "a\nb".to_owned(), "x".repeat(1 << 20)] {
        assert!(text(bad).is_err());
    }
    assert!(required_text(" ".to_owned()).is_err());
    let many = (0..51).map(|n| (n.to_string(), String::new())).collect();
    assert!(labels(many).is_err());
    assert!(labels(BTreeMap::from([(String::new(), String::new())])).is_err());
}

#[test]
fn a_configuration_names_each_setting_once() {
    let setting = |name: &str| WireSetting { name: name.to_owned(), value: "1".to_owned() };
    let read = |names: &[&str]| {
        let settings = names.iter().map(|name| setting(name)).collect();
        configuration(Some(types::Configuration { settings }))
    };
    let wire = configuration_message(&read(&["b", "a"]).unwrap());
    assert_eq!(wire.settings, [setting("b"), setting("a")]);
    assert_eq!(read(&["a", "b", "a"]).unwrap_err(), "names a twice");
    assert!(read(&[""]).is_err());
    assert_eq!(configuration(None), Ok(Configuration::default()));
}
