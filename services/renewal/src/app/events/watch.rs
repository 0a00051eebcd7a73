//! Telling events as they come.
//!
//! A watch is pulled by whoever reads it: while nobody pulls, nothing is read and nothing is kept.
//! One task per process looks whether anything has happened, however many watch, and only while
//! somebody does.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use outbox::ReadError;
use platform::serve::Stopping;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use super::{Events, Wanted};
use crate::store::{Store, events::Page};

/// The most events of one message.
const BATCH: u32 = 100;

/// How often somebody looks, how long a watch is silent at the most, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Between two looks whether anything has happened.
    pub look: Duration,
    /// After so long without events a watch gives a sign of life.
    pub heartbeat: Duration,
    /// The most watches at once.
    pub most: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { look: Duration::from_millis(250), heartbeat: Duration::from_secs(15), most: 1_000 }
    }
}

/// Where a watch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After a cursor; the empty one stands before the oldest event.
    After(String),
    /// With what happens from now on.
    Now,
}

/// There are as many watches as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("as many watches are open at this server as there may be; try again, or elsewhere")]
pub struct TooManyWatchers;

/// What all watches share.
#[derive(Debug, Clone)]
pub(super) struct Watching {
    newest: Arc<Newest>,
    places: Arc<Semaphore>,
    limits: Limits,
}

impl Watching {
    pub(super) fn new(store: Store, limits: Limits) -> Self {
        let newest = Newest { cursor: watch::Sender::new(String::new()), wanted: Arc::default() };
        let newest = Arc::new(newest);
        let wanted = Arc::clone(&newest.wanted);
        tokio::spawn(follow(Arc::downgrade(&newest), wanted, store, limits.look));
        let places = usize::try_from(limits.most).unwrap_or(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { newest, places, limits }
    }
}

/// The cursor behind the newest event, while somebody wants to know.
#[derive(Debug)]
struct Newest {
    cursor: watch::Sender<String>,
    wanted: Arc<Notify>,
}

impl Drop for Newest {
    fn drop(&mut self) {
        self.wanted.notify_one();
    }
}

async fn follow(newest: Weak<Newest>, wanted: Arc<Notify>, store: Store, pause: Duration) {
    while let Some(newest) = newest.upgrade() {
        if newest.cursor.receiver_count() == 0 {
            drop(newest);
            wanted.notified().await;
            continue;
        }
        match outbox::newest(store.database()).await {
            Ok(cursor) => {
                newest.cursor.send_if_modified(|known| {
                    let changed = *known != cursor;
                    *known = cursor;
                    changed
                });
            }
            Err(error) => tracing::warn!(%error, "nobody can tell whether anything has happened"),
        }
        drop(newest);
        tokio::time::sleep(pause).await;
    }
}

/// Events as they come.
#[derive(Debug)]
pub struct Watch {
    events: Events,
    wanted: Wanted,
    cursor: String,
    newest: watch::Receiver<String>,
    stopping: Stopping,
    /// When the next sign of life is due.
    due: Instant,
    _place: OwnedSemaphorePermit,
}

impl Events {
    /// Tells the events that are `wanted` as they come, until the server is `stopping`. Refuses a
    /// cursor that has expired at once.
    pub async fn watch(
        &self,
        wanted: Wanted,
        start: Start,
        stopping: Stopping,
    ) -> Result<Result<Watch, TooManyWatchers>, ReadError> {
        let Ok(place) = Arc::clone(&self.watching.places).try_acquire_owned() else {
            return Ok(Err(TooManyWatchers));
        };
        let database = self.store.database();
        let cursor = match start {
            Start::Now => outbox::newest(database).await?,
            Start::After(cursor) => {
                outbox::check(database, &cursor).await?;
                cursor
            }
        };
        let newest = self.watching.newest.cursor.subscribe();
        self.watching.newest.wanted.notify_one();
        let (events, due) = (self.clone(), Instant::now());
        Ok(Ok(Watch { events, wanted, cursor, newest, stopping, due, _place: place }))
    }
}

impl Watch {
    /// The next events, or a sign of life without any: the first comes at once. None: the server is
    /// stopping, or the last call failed.
    pub async fn next(&mut self) -> Option<Result<Page, ReadError>> {
        let page = self.page().await.transpose()?;
        self.due = Instant::now() + self.events.watching.limits.heartbeat;
        Some(page)
    }

    async fn page(&mut self) -> Result<Option<Page>, ReadError> {
        loop {
            if self.due <= Instant::now() {
                let next = self.cursor.clone();
                return Ok(Some(Page { events: Vec::new(), next, more: false }));
            }
            // What happens while this looks is a reason to look again.
            self.newest.mark_unchanged();
            let page = self.events.look(&self.wanted, &self.cursor, BATCH).await?;
            self.cursor.clone_from(&page.next);
            if !page.events.is_empty() {
                return Ok(Some(page));
            }
            if page.more {
                continue;
            }
            tokio::select! {
                biased;
                () = self.stopping.stopped() => return Ok(None),
                () = tokio::time::sleep_until(self.due) => {}
                changed = self.newest.changed() => if changed.is_err() { return Ok(None) },
            }
        }
    }
}
