use kernel::{Env, ids::AccountId};
use platform::{database::retry, serve::Stopping};
use tokio_util::sync::CancellationToken;

use super::{watch::Watch, *};
use crate::{
    store::events::{Event, record},
    tests::{
        cloud::{at, clouds, prepaid},
        stores::stores,
    },
};

/// Looks all the time; a sign of life after a moment.
const QUICK: Limits = Limits {
    look: std::time::Duration::from_millis(5),
    heartbeat: std::time::Duration::from_millis(50),
    most: 9,
};

/// Looks all the time; no sign of life but the first.
const SILENT: Limits = Limits { heartbeat: std::time::Duration::from_hours(1), ..QUICK };

fn account(name: &str) -> AccountId {
    name.parse().unwrap()
}

async fn happen(store: &Store, kind: &'static str, account_id: &str) {
    let write = async || {
        let transaction = store.begin().await?;
        let event = Event::new(kind, account(account_id));
        record(&transaction, &Env::system(), at("2026-03-01 00:00"), vec![event]).await?;
        transaction.commit().await.map_err(StoreError::from)
    };
    retry(write).await.unwrap();
}

async fn watched(events: &Events, wanted: Wanted, start: Start) -> Watch {
    events.watch(wanted, start, Stopping::default()).await.unwrap().unwrap()
}

/// The next events, whatever signs of life come before.
async fn next(watch: &mut Watch) -> Page {
    loop {
        let page = watch.next().await.unwrap().unwrap();
        if !page.events.is_empty() {
            return page;
        }
    }
}

fn kinds(page: &Page) -> Vec<&str> {
    page.events.iter().map(|event| event.r#type.as_str()).collect()
}

#[tokio::test]
async fn a_watch_first_gives_a_sign_of_life_and_then_what_happens() {
    let (stores, _folder) = stores("watch").await;
    for store in stores {
        let events = Events::new(store.clone(), SILENT);
        happen(&store, "before", "acme").await;
        let mut watch = watched(&events, Wanted::default(), Start::After(String::new())).await;

        let alive = watch.next().await.unwrap().unwrap();
        assert_eq!((alive.events.len(), alive.next.as_str()), (0, ""));
        assert_eq!(kinds(&next(&mut watch).await), ["before"]);
        let (page, ()) = tokio::join!(next(&mut watch), happen(&store, "after", "acme"));
        assert_eq!(kinds(&page), ["after"]);
    }
}

#[tokio::test]
async fn a_watch_goes_on_where_an_earlier_one_was_left() {
    let (stores, _folder) = stores("resume").await;
    for store in stores {
        let events = Events::new(store.clone(), SILENT);
        for kind in ["one", "two", "three"] {
            happen(&store, kind, "acme").await;
        }
        let mut told = Vec::new();
        let mut cursor = String::new();
        while told.len() < 3 {
            let start = Start::After(cursor.clone());
            let mut watch = watched(&events, Wanted::default(), start).await;
            let page = next(&mut watch).await;
            told.extend(page.events.iter().map(|event| event.r#type.clone()));
            cursor = page.next;
        }
        assert_eq!(told, ["one", "two", "three"]);
    }
}

#[tokio::test]
async fn a_watch_from_now_on_does_not_tell_what_was() {
    let (stores, _folder) = stores("from_now").await;
    for store in stores {
        let events = Events::new(store.clone(), SILENT);
        happen(&store, "before", "acme").await;
        // Transactions of other databases of the same server hold events back for a while.
        while events.list(&Wanted::default(), "", 9).await.unwrap().events.is_empty() {}
        let mut watch = watched(&events, Wanted::default(), Start::Now).await;
        happen(&store, "after", "acme").await;
        assert_eq!(kinds(&next(&mut watch).await), ["after"]);
    }
}

#[tokio::test]
async fn a_watch_tells_what_is_wanted_and_its_signs_of_life_go_on_all_the_same() {
    let (clouds, _folder) = clouds("watch_filter").await;
    for cloud in clouds {
        let events = Events::new(cloud.store.clone(), QUICK);
        cloud.register(vec![prepaid("i-1", "vm", "2026-03-11 00:00")]).await;
        let of = |product: &str| Wanted { product: Some(product.to_owned()), ..Wanted::default() };
        let mut mine = watched(&events, of("vm"), Start::After(String::new())).await;
        assert_eq!(kinds(&next(&mut mine).await), ["instance.registered"]);

        let filter = Filter { account: Some("acme".to_owned()), kinds: vec!["late".to_owned()] };
        let wanted = Wanted { filter, product: None };
        let mut late = watched(&events, wanted, Start::After(String::new())).await;
        let mut none = watched(&events, of("no-such"), Start::After(String::new())).await;
        happen(&cloud.store, "late", "other").await;
        happen(&cloud.store, "late", "acme").await;
        let told = next(&mut late).await;
        assert_eq!((kinds(&told), told.events[0].account_id.as_str()), (vec!["late"], "acme"));
        // Nothing is told, and yet the reader is brought to where all the others are.
        loop {
            let page = none.next().await.unwrap().unwrap();
            assert_eq!(page.events, []);
            if page.next == told.next {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_nobody_and_is_told_page_by_page() {
    let (stores, _folder) = stores("slow").await;
    for store in stores {
        let events = Events::new(store.clone(), SILENT);
        let mut slow = watched(&events, Wanted::default(), Start::After(String::new())).await;
        let mut quick = watched(&events, Wanted::default(), Start::After(String::new())).await;
        let many = vec![Event::new("many", account("acme")); 250];
        let transaction = store.begin().await.unwrap();
        record(&transaction, &Env::system(), at("2026-03-01 00:00"), many).await.unwrap();
        transaction.commit().await.unwrap();

        for watch in [&mut quick, &mut slow] {
            let mut sizes = Vec::new();
            while sizes.iter().sum::<usize>() < 250 {
                sizes.push(next(watch).await.events.len());
            }
            assert_eq!(sizes, [100, 100, 50]);
        }
    }
}

#[tokio::test]
async fn a_watch_ends_when_the_server_stops() {
    let (stores, _folder) = stores("stops").await;
    for store in stores {
        let events = Events::new(store, SILENT);
        let stop = CancellationToken::new();
        let watch = events.watch(Wanted::default(), Start::Now, Stopping::from(stop.clone())).await;
        let mut watch = watch.unwrap().unwrap();
        watch.next().await.unwrap().unwrap();
        let (end, ()) = tokio::join!(watch.next(), async { stop.cancel() });
        assert!(end.is_none());
    }
}

#[tokio::test]
async fn events_are_forgotten_when_they_are_older_than_they_are_kept() {
    let (stores, _folder) = stores("forgotten").await;
    for store in stores {
        let events = Events::new(store.clone(), SILENT);
        for kind in ["one", "two", "three"] {
            happen(&store, kind, "acme").await;
        }
        let day = at("2026-03-31 00:00");
        assert_eq!(events.purge(day, 30, 9).await.unwrap(), 0);
        let later = day + TimeDelta::microseconds(1);
        assert_eq!(events.purge(later, 30, 1).await.unwrap(), 1);
        assert_eq!(events.purge(later, 30, 9).await.unwrap(), 1, "the newest is kept");
    }
}
