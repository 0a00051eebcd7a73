use platform::status::bad_fields;

use super::*;

fn fields(status: &Status) -> Vec<String> {
    bad_fields(status).into_iter().map(|(field, _)| field).collect()
}

fn account() -> pb::Account {
    pb::Account {
        account_id: "acme".to_owned(),
        profile: "jdcloud".to_owned(),
        currency_code: "CNY".to_owned(),
        ..pb::Account::default()
    }
}

#[test]
fn every_bad_field_of_every_account_is_named_at_once() {
    let row = account_rows(vec![account()]).unwrap().remove(0);
    assert_eq!(row.zone, Shanghai);
    let bad = pb::Account {
        account_id: String::new(),
        profile: String::new(),
        currency_code: "XAU".to_owned(),
        time_zone: "Mars/Olympus".to_owned(),
        ..account()
    };
    let status = account_rows(vec![account(), bad, account()]).unwrap_err();
    assert_eq!(
        fields(&status),
        [
            "accounts[1].account_id",
            "accounts[1].profile",
            "accounts[1].currency_code",
            "accounts[1].time_zone",
            "accounts[2].account_id",
        ]
    );
    assert_eq!(fields(&account_rows(Vec::new()).unwrap_err()), ["accounts"]);
}

/// U-1: what the mask names is taken or cleared, what it does not name stays.
#[test]
fn the_mask_says_which_settings_change() {
    let settings = pb::AccountSettings {
        standard_day: Some(pb::StandardDay { day: Some(Day::LastOfMonth(true)) }),
        auto_days_before: None,
        auto_follows_standard_day: true,
        day_meaning: 0,
    };
    let change = |paths: &[&str], settings: &pb::AccountSettings| {
        let mut bad = BadRequest::default();
        let paths: Vec<_> = paths.iter().map(|&path| path.to_owned()).collect();
        let change = settings_change(&mut bad, &paths, settings);
        if bad.is_empty() { Ok(change) } else { Err(fields(&bad.into_status())) }
    };
    let expected = SettingsChange {
        standard_day: Some(Some(StandardDay::LastOfMonth)),
        auto_days_before: Some(None),
        ..SettingsChange::default()
    };
    assert_eq!(change(&["standard_day", "auto_days_before"], &settings), Ok(expected));
    assert_eq!(change(&[], &settings), Err(vec!["update_mask".to_owned()]));
    let bad = pb::AccountSettings {
        standard_day: Some(pb::StandardDay { day: Some(Day::DayOfMonth(29)) }),
        day_meaning: 9,
        auto_days_before: Some(-1),
        ..settings
    };
    let all = ["standard_day", "day_meaning", "auto_days_before", "nonsense"];
    let expected = [
        "settings.standard_day",
        "settings.day_meaning",
        "settings.auto_days_before",
        "update_mask",
    ];
    assert_eq!(change(&all, &bad), Err(expected.map(str::to_owned).to_vec()));
}
