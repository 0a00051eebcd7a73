use rule_engine::profile::StandardDayMeaning;

use super::*;
use crate::tests::stores::stores;

fn account(id: &str) -> KnownAccount {
    KnownAccount {
        id: id.parse().unwrap(),
        profile: "jdcloud".to_owned(),
        labels: BTreeMap::from([("tier".to_owned(), "gold".to_owned())]),
        frozen: false,
        noted: Noted::default(),
        settings: AccountSettings {
            zone: chrono_tz::America::New_York,
            currency: Currency::Cny,
            standard_day: Some(StandardDay::LastOfMonth),
            day_meaning: StandardDayMeaning::LastDay,
            auto_follows_standard_day: true,
            auto_days_before: Some(3),
        },
        version: 1,
        create_time: "2026-03-01T00:00:00.000001Z".parse().unwrap(),
    }
}

#[tokio::test]
async fn an_account_is_read_as_it_was_written() {
    let (stores, _folder) = stores("accounts").await;
    for store in stores {
        let writer = store.database().writer();
        let accounts = [account("a"), account("b")];
        assert_eq!(save(writer, &accounts).await.unwrap(), 2);
        let get = async |id: &str| get(store.reader(), &id.parse().unwrap()).await.unwrap();
        assert_eq!(get("a").await, Some(account("a")));
        assert_eq!(get("c").await, None);

        let settings = AccountSettings {
            standard_day: Some(StandardDay::day(28).unwrap()),
            day_meaning: StandardDayMeaning::StartOfDay,
            auto_days_before: None,
            ..account("a").settings
        };
        let changed = KnownAccount { settings, frozen: true, version: 2, ..account("a") };
        assert_eq!(save(writer, std::slice::from_ref(&changed)).await.unwrap(), 1);
        // Somebody else was first: nothing is saved.
        assert_eq!(save(writer, std::slice::from_ref(&changed)).await.unwrap(), 0);
        assert_eq!(get("a").await, Some(changed));
        let known = many_locked(writer, &[&account("b").id, &account("c").id]).await.unwrap();
        assert_eq!(known.into_keys().collect::<Vec<_>>(), [account("b").id]);
        assert!(owners(writer, &[&account("a").id]).await.unwrap().is_empty());
    }
}

/// Accounts are locked in the order in which everybody else locks them.
#[tokio::test]
async fn accounts_go_byte_by_byte_on_both_databases() {
    let (stores, _folder) = stores("account_bytes").await;
    for store in stores {
        let sorted = ["A_2", "B", "a", "a-1"];
        let writer = store.database().writer();
        assert_eq!(save(writer, &sorted.map(account)).await.unwrap(), sorted.len());
        let query = account::Entity::find().order_by_asc(account::Column::Id);
        let found: Vec<_> =
            query.all(writer).await.unwrap().into_iter().map(|row| row.id).collect();
        assert_eq!(found, sorted);
    }
}
