use chrono::TimeDelta;
use platform::status::ApiError as _;
use tonic::Code;

use super::*;
use crate::{app::SchedulerError, domain::Run, tests::stores};

const HOUR: TimeDelta = TimeDelta::hours(1);

fn now() -> DateTime<Utc> {
    "2026-03-01T01:00:00Z".parse().unwrap()
}

fn job(planned: DateTime<Utc>) -> Job {
    Job { kind: "alone", planned, shards: 0..0, asked: false }
}

async fn run(store: &Store, planned: DateTime<Utc>, at: DateTime<Utc>) -> Part {
    let id = RunId { kind: "alone".to_owned(), planned };
    store.run(&id, at).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_lease_has_one_holder_until_it_ends() {
    let (stores, _folder) = stores("one_holder").await;
    for store in stores {
        let first = store.claim(&job(now()), "a", now()).await.unwrap().unwrap();
        let end = now() + LEASE;
        let just_before = end - TimeDelta::microseconds(1);
        assert_eq!(store.claim(&job(now()), "b", just_before).await.unwrap(), None);
        assert_eq!(store.claim(&job(now() + HOUR), "a", just_before).await.unwrap(), None);
        assert_eq!(run(&store, now(), just_before).await.state, State::Running);
        assert_eq!(run(&store, now(), end).await.state, State::Abandoned);

        assert_eq!(store.renew(&first, now() + LEASE / 3).await.unwrap(), Standing::Held);
        assert_eq!(store.claim(&job(now()), "b", end).await.unwrap(), None);
        let second = store.claim(&job(now()), "b", end + LEASE).await.unwrap().unwrap();
        assert!(second.epoch > first.epoch);
        let taken = run(&store, now(), end + LEASE).await;
        assert_eq!((taken.attempts, taken.holder.as_str()), (2, "b"));
    }
}

#[tokio::test]
async fn whoever_was_taken_over_changes_nothing_any_more() {
    let (stores, _folder) = stores("taken_over").await;
    for store in stores {
        let first = store.claim(&job(now()), "a", now()).await.unwrap().unwrap();
        let tally = Tally { due: 5, done: 4, failed: BTreeMap::from([("BUSY".to_owned(), 1)]) };
        assert_eq!(store.progress(&first, &tally, 0).await.unwrap(), Standing::Held);

        let later = now() + LEASE;
        let second = store.claim(&job(now()), "b", later).await.unwrap().unwrap();
        assert_eq!(second.tally, tally, "what was done stays counted");
        assert_eq!(store.renew(&first, later).await.unwrap(), Standing::Lost);
        assert_eq!(store.progress(&first, &Tally::default(), 0).await.unwrap(), Standing::Lost);
        store.finish(&first, State::Failed, "late", later).await.unwrap();

        let kept = run(&store, now(), later).await;
        assert_eq!((kept.state, kept.tally, kept.error.as_str()), (State::Running, tally, ""));
        let lease = store.board().await.unwrap().leases.remove(&("alone".to_owned(), 0)).unwrap();
        assert_eq!((lease.until, lease.failed), (later + LEASE, DateTime::UNIX_EPOCH));
        store.finish(&second, State::Done, "", later).await.unwrap();
        assert_eq!(run(&store, now(), later).await.state, State::Done);
    }
}

#[tokio::test]
async fn what_is_done_is_not_begun_again() {
    let (stores, _folder) = stores("done").await;
    for store in stores {
        for (state, again) in [(State::Stopped, true), (State::Failed, true), (State::Done, false)]
        {
            let claim = store.claim(&job(now()), "a", now()).await.unwrap().unwrap();
            store.finish(&claim, state, "", now()).await.unwrap();
            let lease = store.board().await.unwrap().leases[&("alone".to_owned(), 0)].clone();
            assert!(!lease.is_taken(now()));
            assert_eq!(lease.done == now(), state == State::Done);
            assert_eq!(lease.failed == now(), state == State::Failed);
            if !again {
                assert_eq!(store.claim(&job(now()), "a", now()).await.unwrap(), None);
                // The attempt has not taken the lease.
                let after = store.board().await.unwrap().leases[&("alone".to_owned(), 0)].clone();
                assert_eq!(after, lease);
            }
        }
    }
}

#[tokio::test]
async fn what_is_asked_for_twice_before_it_begins_is_one_run() {
    let (stores, _folder) = stores("asked_twice").await;
    for store in stores {
        let parts = [0..32, 32..64];
        let ask = async || store.ask("alone", &parts, now()).await.unwrap();
        let first = ask().await;
        assert_eq!(ask().await, first);
        let (one, other) = tokio::join!(ask(), ask());
        assert_eq!((&one, &other), (&first, &first));

        let shards = parts[0].clone();
        let begun = Job { kind: "alone", planned: first.planned, shards, asked: true };
        let claim = store.claim(&begun, "a", now()).await.unwrap().unwrap();
        let second = ask().await;
        assert_ne!(second, first, "a part of it has begun");
        store.finish(&claim, State::Failed, "why", now()).await.unwrap();
        assert_eq!(store.claim(&begun, "a", now()).await.unwrap(), None, "it is begun once");
        assert_eq!(Run::all(store.run(&first, now()).await.unwrap())[0].state(), State::Running);
    }
}

#[tokio::test]
async fn those_who_ask_at_the_same_moment_get_a_run() {
    let (stores, _folder) = stores("asked_at_once").await;
    for store in stores {
        let parts = crate::domain::parts(4);
        // No two clocks say the same.
        let at = |caller| now() + TimeDelta::microseconds(caller);
        let asks = (0..8).map(|caller| store.ask("alone", &parts, at(caller)));
        let ids = futures::future::try_join_all(asks).await.unwrap();
        assert!(ids.iter().all(|id| id == &ids[0]), "{ids:?}");
        assert_eq!(store.run(&ids[0], now()).await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn old_runs_are_forgotten_but_not_the_latest() {
    let (stores, _folder) = stores("purge").await;
    for store in stores {
        // One an hour, of which every other one found something.
        for hour in 0..6 {
            let at = now() + HOUR * hour;
            let claim = store.claim(&job(at), "a", at).await.unwrap().unwrap();
            let tally = Tally { due: i64::from(hour % 2), ..Tally::default() };
            store.progress(&claim, &tally, 0).await.unwrap();
            store.finish(&claim, State::Done, "", at).await.unwrap();
        }
        let hours = async || {
            let wanted = Wanted { kind: None, after: None, skip: 0, size: 100 };
            let parts = store.list(&wanted, now()).await.unwrap();
            parts.iter().map(|part| (part.planned - now()).num_hours()).collect::<Vec<_>>()
        };
        let purge = async |before: i32, idle: i32| {
            store.purge(now() + HOUR * before, now() + HOUR * idle, 100).await.unwrap()
        };
        assert_eq!(purge(0, 0).await, 0);
        assert_eq!((purge(0, 3).await, hours().await), (2, vec![5, 4, 3, 1]));
        assert_eq!((purge(2, 3).await, hours().await), (1, vec![5, 4, 3]));
        assert_eq!((purge(100, 100).await, hours().await), (2, vec![5]));
        assert_eq!(store.latest(now()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let (stores, _folder) = stores("lists").await;
    for store in stores {
        for (index, kind) in ["b", "a", "b", "a"].into_iter().enumerate() {
            let planned = now() + HOUR * i32::try_from(index / 2).unwrap();
            let job = Job { kind, ..job(planned) };
            let claim = store.claim(&job, "a", now()).await.unwrap().unwrap();
            store.finish(&claim, State::Done, "", now()).await.unwrap();
        }
        let page = async |kind, after, skip| {
            let wanted = Wanted { kind, after, skip, size: 3 };
            let runs = Run::all(store.list(&wanted, now()).await.unwrap());
            runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
        };
        let id = |kind: &str, hours| RunId { kind: kind.to_owned(), planned: now() + HOUR * hours };
        let first = page(None, None, 0).await;
        assert_eq!(first, [id("b", 1), id("a", 1), id("b", 0)]);
        assert_eq!(page(None, first.last().cloned(), 0).await, [id("a", 0)]);
        assert_eq!(page(None, None, 3).await, [id("a", 0)]);
        assert_eq!(page(Some("a"), None, 0).await, [id("a", 1), id("a", 0)]);
        assert_eq!(page(Some("a"), Some(id("a", 1)), 0).await, [id("a", 0)]);
        assert_eq!(
            (store.count(None).await.unwrap(), store.count(Some("a")).await.unwrap()),
            (4, 2)
        );
    }
}

#[tokio::test]
async fn a_database_that_nobody_reaches_is_to_be_asked_again() {
    let (stores, _folder) = stores("unreachable").await;
    for store in stores {
        store.database.clone().close().await;
        let error = SchedulerError::from(store.board().await.unwrap_err());
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, "SERVICE_UNAVAILABLE"));
    }
}
