use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use kernel::env::{Clock as _, ManualClock};
use platform::database::retry;

use super::*;
use crate::{
    app::events::Limits,
    store::events::{Event, record},
    tests::{cloud::at, stores::stores},
};

/// What a stream has, and how it behaves.
#[derive(Debug, Default)]
struct Stream {
    messages: Vec<Message>,
    away: bool,
    /// Takes no more than so many.
    room: Option<usize>,
    /// Takes them, and answers nothing.
    mute: bool,
}

#[derive(Debug, Default)]
struct Fake(Mutex<Stream>);

impl Fake {
    fn set(&self, change: impl FnOnce(&mut Stream)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn ids(&self) -> Vec<String> {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.messages.iter().map(|message| message.id.clone()).collect()
    }
}

#[async_trait]
impl Bus for Fake {
    async fn end(&self) -> Result<End, BusError> {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stream.away {
            return Err(BusError::Unreachable("away".to_owned()));
        }
        let sequence = u64::try_from(stream.messages.len()).unwrap();
        Ok(End { sequence, id: stream.messages.last().map(|message| message.id.clone()) })
    }

    async fn publish(&self, after: u64, messages: Vec<Message>) -> (usize, Option<BusError>) {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let had = stream.messages.len();
        if u64::try_from(had).unwrap() != after {
            return (0, Some(BusError::NotTaken("wrong last sequence".to_owned())));
        }
        let room = stream.room.map_or(messages.len(), |room| room.saturating_sub(had));
        let (all, room) = (messages.len(), room.min(messages.len()));
        stream.messages.extend(messages.into_iter().take(room));
        match (stream.mute, room < all) {
            (true, _) => (0, Some(BusError::Unreachable("mute".to_owned()))),
            (_, true) => (room, Some(BusError::NotTaken("full".to_owned()))),
            _ => (room, None),
        }
    }
}

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    stream: Arc<Fake>,
    publisher: Publisher,
}

impl World {
    fn of(store: Store) -> Self {
        let clock = ManualClock::at(at("2026-03-01 00:00"));
        let env = Env::with_clock(Arc::clone(&clock) as _);
        let stream = Arc::new(Fake::default());
        let events = Events::new(store.clone(), Limits::default());
        let bus = Some(Arc::clone(&stream) as _);
        let publisher = Publisher::new(store.clone(), events, bus, env);
        Self { store, clock, stream, publisher }
    }

    async fn happen(&self, count: usize) {
        let write = async || {
            let transaction = self.store.begin().await?;
            let account = "acme".parse().unwrap();
            let events = vec![Event::new("account.updated", account); count];
            let now = at("2026-03-01 00:00");
            record(&transaction, &Env::system(), now, events).await?;
            transaction.commit().await.map_err(StoreError::from)
        };
        retry(write).await.unwrap();
    }

    /// Publishes until nothing is left, and demands that the stream has everything once and in order. On
    /// PostgreSQL, events wait for whatever transaction of the server began before them.
    async fn has_everything(&self, count: usize) {
        for _ in 0..2_000 {
            self.publisher.publish().await.unwrap();
            if self.stream.ids().len() >= count {
                break;
            }
        }
        let all = self.publisher.events.list(&Wanted::default(), "", 10_000).await.unwrap();
        let all: Vec<_> = all.events.into_iter().map(|event| event.event_id).collect();
        assert_eq!((self.stream.ids(), all.len()), (all.clone(), count));
    }
}

#[tokio::test]
async fn events_are_published_once_and_in_order() {
    let (stores, _folder) = stores("publish").await;
    for store in stores {
        let world = World::of(store);
        world.happen(3).await;
        world.has_everything(3).await;
        world.happen(usize::try_from(WINDOW).unwrap() * 2 + 1).await;
        world.has_everything(1_004).await;
        assert_eq!(world.publisher.publish().await.unwrap(), Published::default());
        let body = world.stream.0.lock().unwrap().messages[0].body.clone();
        let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(told["specversion"], "1.0");
        assert_eq!(told["type"], "perennial.renewal.account.updated");
        assert_eq!(told["subject"], "accounts/acme");
        assert_eq!(told["data"]["account_id"], "acme");
        assert_eq!(told["time"], "2026-02-28T16:00:00.000000Z");
    }
}

/// What the stream has taken, and nobody knows, is not published again; however long it has been.
#[tokio::test]
async fn what_the_stream_has_is_not_published_again() {
    let (stores, _folder) = stores("publish_again").await;
    for store in stores {
        let world = World::of(store);
        world.happen(3).await;
        world.has_everything(3).await;
        world.stream.set(|stream| stream.mute = true);
        world.happen(5).await;
        for _ in 0..2_000 {
            let published = world.publisher.publish().await.unwrap();
            if published.due > 0 {
                assert_eq!((published.done, published.failed["UNREACHABLE"]), (0, published.due));
                break;
            }
        }
        world.stream.set(|stream| stream.mute = false);
        world.clock.set(world.clock.now() + TimeDelta::days(3));
        world.has_everything(8).await;
    }
}

/// Nothing follows what was not taken.
#[tokio::test]
async fn what_is_not_taken_comes_first_the_next_time() {
    let (stores, _folder) = stores("publish_full").await;
    for store in stores {
        let world = World::of(store);
        world.stream.set(|stream| stream.room = Some(2));
        world.happen(5).await;
        let mut published = Published::default();
        while published.due == 0 {
            published = world.publisher.publish().await.unwrap();
        }
        assert_eq!((published.due, published.done, published.failed["NOT_TAKEN"]), (5, 2, 3));
        assert!(!published.more, "nothing more can be done now");
        world.stream.set(|stream| stream.away = true);
        let published = world.publisher.publish().await.unwrap();
        assert_eq!((published.due, published.done, published.failed["UNREACHABLE"]), (3, 0, 3));
        world.stream.set(|stream| {
            *stream = Stream { messages: stream.messages.clone(), ..Stream::default() }
        });
        world.has_everything(5).await;
    }
}

#[tokio::test]
async fn one_process_publishes_at_a_time() {
    let (stores, _folder) = stores("publish_claim").await;
    for store in stores {
        let world = World::of(store);
        world.happen(1).await;
        let writer = world.store.database().writer();
        let now = world.clock.now();
        let claimed =
            publications::take(writer, STREAM, now).await.unwrap().expect("nobody has it");
        assert_eq!(publications::take(writer, STREAM, now).await.unwrap(), None);
        assert_eq!(world.publisher.publish().await.unwrap(), Published::default());
        // Whoever had it has died.
        world.clock.set(now + TimeDelta::minutes(1));
        world.has_everything(1).await;
        let kept = publications::keep(writer, STREAM, &claimed, now, true).await.unwrap();
        assert!(!kept, "it was overtaken");
        assert!(!publications::position(writer, STREAM).await.unwrap().is_empty());
    }
}

/// Events that are forgotten are lost to the stream; what is left goes on.
#[tokio::test]
async fn a_stream_that_was_left_behind_goes_on_with_the_oldest() {
    let (stores, _folder) = stores("publish_behind").await;
    for store in stores {
        let world = World::of(store);
        world.happen(2).await;
        world.has_everything(2).await;
        world.happen(2).await;
        let later = at("2026-03-02 00:00");
        outbox::purge(world.store.database(), later, 3).await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..2_000 {
            world.publisher.publish().await.unwrap();
            ids = world.stream.ids();
            if ids.len() > 2 {
                break;
            }
        }
        let left = world.publisher.events.list(&Wanted::default(), "", 10).await.unwrap();
        assert_eq!((ids.len(), left.events.len()), (3, 1));
        assert_eq!(ids.last(), Some(&left.events[0].event_id));
    }
}

#[test]
fn a_message_says_on_which_trace_it_belongs_if_it_was_traced() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (trace_parent, told) in [("", None), (parent, Some(parent))] {
        let event = pb::Event { trace_parent: trace_parent.to_owned(), ..pb::Event::default() };
        let message = message(&event, DateTime::UNIX_EPOCH);
        let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(body.get("traceparent").and_then(|parent| parent.as_str()), told);
    }
}
