//! Publishing: what happened goes to a stream of NATS JetStream, in the order in which it is read from the
//! outbox, by one process at a time.
//!
//! The stream knows best what it has. Whoever begins asks for its last event, and goes on behind it where
//! that stands in what comes next: so a crash between publishing and keeping the position tells nothing
//! twice, however long it lasts. Each event names the number that it must get in the stream, so that
//! nothing follows what the stream has not taken, and whoever was overtaken by another gets in nothing.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::Env;
use outbox::ReadError;
use platform::fault::{Fault, point};
use proto::renewal::v1 as pb;
use serde_json::json;
use tokio::time::Instant;

use super::events::{Events, Wanted, content, time_of};
use crate::store::{
    Store, StoreError,
    events::Page,
    publications::{self, Publication},
};

/// The stream.
pub const STREAM: &str = "PERENNIAL";

/// Events under way at once: as many are read, published and acknowledged before the position is kept. The
/// stream is ahead of the position by one window at the most, so that its last event is in the next one.
const WINDOW: u32 = 500;

/// After so many events a call leaves the rest to the next.
const MOST: u32 = 5_000;

/// After so long a call leaves the rest to the next, and well before its claim runs out.
const BUDGET: Duration = Duration::from_secs(10);

/// A message of the stream: an event as CloudEvents 1.0 have it, in the structured mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event's id, which is that of the CloudEvent too.
    pub id: String,
    /// Where it is published.
    pub subject: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why the stream did not take something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// There is no connection, or no answer.
    #[error("NATS could not be reached: {0}")]
    Unreachable(String),
    /// It said no.
    #[error("NATS did not take it: {0}")]
    NotTaken(String),
}

impl BusError {
    /// In one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "UNREACHABLE",
            Self::NotTaken(_) => "NOT_TAKEN",
        }
    }
}

/// How far the stream has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct End {
    /// The number of its last message; 0: it has had none.
    pub sequence: u64,
    /// The id of its last message, while it is there.
    pub id: Option<String>,
}

/// The stream.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync {
    /// How far it has come. Makes it if it is not there.
    async fn end(&self) -> Result<End, BusError>;

    /// Publishes `messages` behind the message `after`, in order, and tells how many it has for sure, from
    /// the first on, and why not all of them.
    async fn publish(&self, after: u64, messages: Vec<Message>) -> (usize, Option<BusError>);
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// Events that were to be published.
    pub due: u32,
    /// Those that the stream has.
    pub done: u32,
    /// Those that it has not, by reason.
    pub failed: BTreeMap<&'static str, u32>,
    /// Whether there are more.
    pub more: bool,
}

/// Publishes what happens. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Publisher {
    store: Store,
    events: Events,
    bus: Option<Arc<dyn Bus>>,
    /// Whether the last call failed: it is told once, and not by each call.
    failing: Arc<AtomicBool>,
    env: Env,
}

impl Publisher {
    /// Publishes what `events` tells to `bus`, if there is one.
    #[must_use]
    pub fn new(store: Store, events: Events, bus: Option<Arc<dyn Bus>>, env: Env) -> Self {
        Self { store, events, bus, failing: Arc::default(), env }
    }

    /// Publishes what is there, or a good deal of it, unless somebody else does.
    pub async fn publish(&self) -> Result<Published, StoreError> {
        let mut all = Published::default();
        let Some(bus) = &self.bus else { return Ok(all) };
        let writer = self.store.database().writer();
        let position = publications::position(self.store.reader(), STREAM).await?;
        if position == outbox::newest(self.store.database()).await? {
            return Ok(all);
        }
        let Some(mut claimed) = publications::take(writer, STREAM, self.env.now()).await? else {
            return Ok(all);
        };
        let until = Instant::now() + BUDGET;
        let mut end = bus.end().await;
        loop {
            let page = self.next(&claimed.position).await?;
            let failure = self.window(bus.as_ref(), &page, &mut end, &mut claimed, &mut all).await;
            all.more = page.more && failure.is_none();
            let over = !all.more || all.due >= MOST || Instant::now() >= until;
            let now = self.env.now();
            let kept = publications::keep(writer, STREAM, &claimed, now, over).await?;
            self.note(failure);
            if over || !kept {
                return Ok(all);
            }
        }
    }

    /// The events after `position`; the oldest there are, if that is forgotten.
    async fn next(&self, position: &str) -> Result<Page, StoreError> {
        let everything = Wanted::default();
        let page = match self.events.list(&everything, position, WINDOW).await {
            Err(ReadError::CursorExpired(_)) => {
                tracing::error!(
                    "events were forgotten before they were published: it goes on with the oldest"
                );
                self.events.list(&everything, "", WINDOW).await
            }
            page => page,
        };
        page.map_err(|error| match error {
            ReadError::Database(error) => error.into(),
            ReadError::CursorExpired(error) => StoreError::Unreadable(error.to_string()),
        })
    }

    /// Publishes what the stream does not have of `page`, and moves the position behind what it has.
    async fn window(
        &self,
        bus: &dyn Bus,
        page: &Page,
        end: &mut Result<End, BusError>,
        claimed: &mut Publication,
        all: &mut Published,
    ) -> Option<BusError> {
        let due = count(page.events.len());
        all.due += due;
        let taken = match end {
            Ok(end) => push(bus, &page.events, end, self.env.now()).await,
            Err(error) => (0, Some(error.clone())),
        };
        let (taken, failure) = taken;
        all.done += count(taken);
        if let Some(error) = &failure {
            *all.failed.entry(error.word()).or_default() += due - count(taken);
        }
        if taken == page.events.len() {
            claimed.position.clone_from(&page.next);
        } else if let Some(last) = taken.checked_sub(1).and_then(|last| page.events.get(last)) {
            let id = last.event_id.parse();
            claimed.position = outbox::cursor_at(id.expect("an id of the outbox"));
        }
        if taken > 0 {
            point(Fault::AfterPublish);
        }
        failure
    }

    fn note(&self, failure: Option<BusError>) {
        let failed = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !failed => tracing::warn!(%error, "events wait to be published"),
            None if failed => tracing::info!("events are published again"),
            _ => {}
        }
    }
}

/// Publishes those of `events` that are not in the stream yet, which has come to `end`. Tells how many of
/// them it has, from the first on.
async fn push(
    bus: &dyn Bus,
    events: &[pb::Event],
    end: &mut End,
    now: DateTime<Utc>,
) -> (usize, Option<BusError>) {
    let last = end.id.take();
    let had = events.iter().position(|event| Some(&event.event_id) == last.as_ref());
    let had = had.map_or(0, |place| place + 1);
    let messages: Vec<_> = events[had..].iter().map(|event| message(event, now)).collect();
    if messages.is_empty() {
        return (had, None);
    }
    let (taken, failure) = bus.publish(end.sequence, messages).await;
    end.sequence += u64::try_from(taken).expect("a window is small");
    (had + taken, failure)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a window is small")
}

/// An event as a message.
fn message(event: &pb::Event, now: DateTime<Utc>) -> Message {
    let kind = format!("perennial.renewal.{}", event.r#type);
    let mut body = json!({
        "specversion": "1.0",
        "id": event.event_id,
        "source": "/perennial/renewal",
        "type": kind,
        "subject": subject(event),
        "time": time_of(event, now),
        "datacontenttype": "application/json",
        "data": content(event),
    });
    // The extension of CloudEvents for traces.
    if !event.trace_parent.is_empty() {
        body["traceparent"] = event.trace_parent.clone().into();
    }
    Message { id: event.event_id.clone(), subject: kind, body: body.to_string().into_bytes() }
}

/// What an event is about.
fn subject(event: &pb::Event) -> String {
    let account = &event.account_id;
    match (event.instance_id.as_str(), event.order_id.as_str()) {
        ("", "") => format!("accounts/{account}"),
        ("", order) => format!("accounts/{account}/orders/{order}"),
        (instance, _) => format!("accounts/{account}/instances/{instance}"),
    }
}

#[cfg(test)]
mod tests;
