use super::*;
use crate::tests::cloud::{account, acme, clouds, prepaid};

fn reasons(results: Vec<Result<KnownAccount, RowRefusal>>) -> Vec<String> {
    let told = |result: Result<KnownAccount, RowRefusal>| match result {
        Ok(account) => account.etag(),
        Err(refusal) => refusal.reason.to_owned(),
    };
    results.into_iter().map(told).collect()
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_a_change_does() {
    let (clouds, _folder) = clouds("account_repeat").await;
    for cloud in clouds {
        let frozen = AccountRow { frozen: true, ..account("other") };
        let unknown = AccountRow { profile: "nowhere".to_owned(), ..account("third") };
        let rows = vec![account("acme"), frozen, unknown];
        let results = cloud.accounts.upsert(rows).await.unwrap();
        assert_eq!(reasons(results), ["v1", "v2", "PROFILE_NOT_FOUND"]);
        assert!(cloud.accounts.get(&"other".parse().unwrap()).await.unwrap().frozen);
        let third = cloud.accounts.get(&"third".parse().unwrap()).await.unwrap_err();
        assert!(matches!(third, CallError::AccountNotFound(_)));
        assert_eq!(cloud.events().await, ["account.updated"; 3]);
    }
}

/// T-4: zone and currency are fixed once the account owns an instance; the rest is not.
#[tokio::test]
async fn zone_and_currency_are_fixed_by_the_first_instance() {
    let (clouds, _folder) = clouds("zone_fixed").await;
    for cloud in clouds {
        let moved = |zone| AccountRow { zone, ..account("acme") };
        let tokyo = moved(chrono_tz::Asia::Tokyo);
        assert_eq!(reasons(cloud.accounts.upsert(vec![tokyo]).await.unwrap()), ["v2"]);
        cloud.register(vec![prepaid("i-1", "vm", "2026-03-11 00:00")]).await;

        let back = moved(chrono_tz::Asia::Shanghai);
        let dollars =
            AccountRow { currency: Currency::Usd, zone: chrono_tz::Asia::Tokyo, ..account("acme") };
        for row in [back, dollars] {
            let results = cloud.accounts.upsert(vec![row]).await.unwrap();
            assert_eq!(reasons(results), ["ACCOUNT_ZONE_FIXED"]);
        }
        let frozen = AccountRow { frozen: true, ..moved(chrono_tz::Asia::Tokyo) };
        assert_eq!(reasons(cloud.accounts.upsert(vec![frozen]).await.unwrap()), ["v3"]);
    }
}

/// U-1: settings are changed one by one, and survive the next upsert.
#[tokio::test]
async fn settings_are_changed_only_by_who_has_seen_the_latest() {
    let (clouds, _folder) = clouds("settings").await;
    for cloud in clouds {
        let day = SettingsChange {
            standard_day: Some(Some(StandardDay::day(5).unwrap())),
            ..SettingsChange::default()
        };
        let update = async |change: &SettingsChange, etag: &str| {
            cloud.accounts.update_settings(&acme(), change.clone(), etag).await
        };
        assert_eq!(update(&day, "v1").await.unwrap().etag(), "v2");
        assert!(matches!(update(&day, "v1").await, Err(CallError::EtagStale(_))));
        assert_eq!(update(&day, "").await.unwrap().etag(), "v2");
        let start = SettingsChange {
            day_meaning: Some(StandardDayMeaning::StartOfDay),
            ..SettingsChange::default()
        };
        assert_eq!(update(&start, "v2").await.unwrap().etag(), "v3");
        let last = SettingsChange {
            standard_day: Some(Some(StandardDay::LastOfMonth)),
            ..SettingsChange::default()
        };
        assert!(matches!(update(&last, "").await, Err(CallError::Settings { .. })));
        cloud.accounts.upsert(vec![account("acme")]).await.unwrap();
        let settings = cloud.accounts.get(&acme()).await.unwrap().settings;
        assert_eq!(settings.standard_day, Some(StandardDay::day(5).unwrap()));
        let none = SettingsChange { standard_day: Some(None), ..SettingsChange::default() };
        assert_eq!(update(&none, "v3").await.unwrap().settings.standard_day, None);
    }
}

/// an account overrides the day of the first attempt where a product lets it (0 to 7 here).
#[tokio::test]
async fn the_first_automatic_attempt_is_on_a_day_that_a_product_offers() {
    let (clouds, _folder) = clouds("auto_days").await;
    for cloud in clouds {
        let update = async |days| {
            let change =
                SettingsChange { auto_days_before: Some(days), ..SettingsChange::default() };
            let account = cloud.accounts.update_settings(&acme(), change, "").await;
            account.map(|account| account.settings.auto_days_before)
        };
        assert_eq!(update(Some(0)).await.unwrap(), Some(0));
        assert_eq!(update(Some(7)).await.unwrap(), Some(7));
        let refused = update(Some(8)).await.unwrap_err();
        assert_eq!(refused.to_string(), "auto_days_before is 8, and must be 0 to 7");
        assert_eq!(update(None).await.unwrap(), None);
    }
}
