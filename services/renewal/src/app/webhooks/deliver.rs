//! Delivering: each webhook that has something to deliver is claimed by one process, which sends what
//! happened in order and keeps what was not taken as letters, to be tried again.
//!
//! What is about one instance (or one order, or one account) is a line: it is delivered one after the
//! other, and what comes after a letter waits behind it until that was taken or given up. Lines do not
//! wait for each other. A receiver that fails [`BROKEN`] times in a row, or does not answer at all, is
//! left alone for a while, and then asked with one message.
//!
//! Whatever crashes when, a message is sent again rather than not at all.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, future::join_all, stream::iter};
use outbox::{Filter, ReadError};
use platform::webhook::Secret;
use proto::renewal::v1 as pb;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use uuid::Uuid;

use super::{Message, PostError, WebhookError, Webhooks};
use crate::{
    app::events::{Wanted, content, time_of},
    domain::webhook::{BROKEN, GIVE_UP, backoff, pause},
    store::webhooks::{
        self, Webhook,
        letters::{self, Letter},
    },
};

/// Webhooks that a process delivers for at once.
pub const AT_ONCE: usize = 32;

/// Messages that are under way to one receiver at once.
const LINES_AT_ONCE: usize = 8;

/// Events that are read at once.
const CHUNK: u32 = 100;

/// Letters that may wait for one receiver before it is told nothing new.
const MOST_WAITING: usize = 1_000;

/// After so long a delivery makes room for others.
const BUDGET: Duration = Duration::from_secs(10);

/// How long a sweep waits for its deliveries: what takes longer goes on without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a sweep came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Webhooks that had something to deliver.
    pub taken: u32,
    /// Messages that were taken so far.
    pub done: u32,
    /// Messages that were not, by reason.
    pub failed: BTreeMap<&'static str, u32>,
    /// Whether more webhooks may have something to deliver.
    pub more: bool,
}

type Tally = Arc<Mutex<Delivered>>;

/// What became of a letter.
#[derive(Debug)]
enum Outcome {
    /// It was not tried.
    Left,
    Taken,
    Failed(PostError),
}

/// How a delivery to one receiver goes.
struct Course {
    webhook: Webhook,
    secrets: Vec<Secret>,
    /// It was broken when this began: one message is tried.
    probing: bool,
    failures: AtomicI32,
    until: Instant,
}

impl Course {
    fn goes_on(&self) -> bool {
        (self.probing || self.failures.load(Ordering::Relaxed) < BROKEN)
            && Instant::now() < self.until
    }

    /// Retries of what was refused before say nothing of the receiver, unless it is broken.
    fn note(&self, letter: &Letter, outcome: &Outcome) {
        match outcome {
            Outcome::Taken => self.failures.store(0, Ordering::Relaxed),
            Outcome::Failed(PostError::TimedOut) if !self.probing => {
                self.failures.fetch_max(BROKEN, Ordering::Relaxed);
            }
            Outcome::Failed(_) if letter.attempts == 0 || self.probing => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Failed(_) | Outcome::Left => {}
        }
    }
}

/// What there is to deliver.
#[derive(Debug, Default)]
struct Chunk {
    /// In order, each with whether it may be tried now.
    letters: Vec<(Letter, bool)>,
    /// The cursor behind them.
    position: String,
    /// Whether there is more.
    more: bool,
}

impl Webhooks {
    /// Delivers for at most `limit` webhooks. Those that take long are not waited for.
    pub async fn deliver(&self, limit: u32) -> Result<Delivered, WebhookError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let places = std::iter::repeat_with(|| Arc::clone(&self.places).try_acquire_owned().ok());
        let places: Vec<_> = places.take(limit).map_while(|place| place).collect();
        if places.is_empty() {
            return Ok(Delivered::default());
        }
        let newest = outbox::newest(self.store.database()).await?;
        let transaction = self.store.begin().await?;
        let taken = webhooks::take(&transaction, self.env.now(), &newest, places.len()).await?;
        transaction.commit().await?;
        let tally = Tally::default();
        {
            let mut all = tally.lock().unwrap_or_else(PoisonError::into_inner);
            all.taken = u32::try_from(taken.len()).unwrap_or(u32::MAX);
            all.more = taken.len() == places.len();
        }
        let deliveries = taken.into_iter().zip(places).map(|(webhook, place)| {
            let (this, tally) = (self.clone(), Arc::clone(&tally));
            let delivery = async move {
                this.run(webhook, tally).await;
                drop(place);
            };
            tokio::spawn(delivery.in_current_span())
        });
        // Whoever fails says so itself; its claim runs out.
        let _ = timeout(PATIENCE, join_all(deliveries)).await;
        let told = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(told)
    }

    async fn run(&self, mut webhook: Webhook, tally: Tally) {
        let until = Instant::now() + BUDGET;
        loop {
            match self.chunk(&mut webhook, until, &tally).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(webhook.id = %webhook.id, %error, "a delivery failed");
                    break;
                }
            }
        }
    }

    /// Delivers a chunk, and tells whether to go on.
    async fn chunk(
        &self,
        webhook: &mut Webhook,
        until: Instant,
        tally: &Tally,
    ) -> Result<bool, WebhookError> {
        let now = self.env.now();
        let probing = webhook.failures >= BROKEN;
        let Chunk { letters, position, more } = self.next(webhook, probing, now).await?;
        let nothing = letters.is_empty();
        let secrets = webhook.signing(now).filter_map(|it| it.secret.parse().ok());
        let course = Course {
            secrets: secrets.collect(),
            probing,
            failures: webhook.failures.into(),
            until,
            webhook: webhook.clone(),
        };
        let dealt = self.send(letters, &course, now).await;
        let failures = course.failures.into_inner();
        // Lines that fail at the same time are one failure more, and not eight.
        webhook.failures = if probing { failures } else { failures.min(BROKEN) };
        webhook.position = position;
        if let Some(wait) = pause(webhook.failures).filter(|_| !nothing) {
            webhook.next_attempt = now + wait;
        }
        let broken = webhook.failures >= BROKEN;
        let end = broken || Instant::now() >= until || (nothing && !more);
        self.keep(webhook, dealt, end, tally).await.map(|kept| kept && !end)
    }

    /// What is due of the letters, and what is new.
    async fn next(
        &self,
        webhook: &mut Webhook,
        probing: bool,
        now: DateTime<Utc>,
    ) -> Result<Chunk, WebhookError> {
        let reader = self.store.reader();
        let limit = if probing { 1 } else { CHUNK };
        let due = letters::due(reader, webhook.id, now, limit).await?;
        let full = due.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut blocked, waiting) = letters::lines(reader, webhook.id).await?;
        let mut chunk =
            Chunk { position: webhook.position.clone(), more: full, ..Chunk::default() };
        for letter in &due {
            blocked.remove(&letter.line());
        }
        chunk.letters.extend(due.into_iter().map(|letter| (letter, true)));
        if full || waiting >= MOST_WAITING {
            return Ok(chunk);
        }
        let filter = Filter {
            account: webhook.account.as_ref().map(ToString::to_string),
            kinds: webhook.types.clone(),
        };
        let wanted = Wanted { filter, product: None };
        let page = match self.events.list(&wanted, &webhook.position, limit).await {
            Err(ReadError::CursorExpired(_)) => {
                tracing::error!(
                    webhook.id = %webhook.id,
                    "events were forgotten before a webhook was told: it goes on with the oldest"
                );
                self.events.list(&wanted, "", limit).await?
            }
            page => page?,
        };
        chunk.letters.extend(page.events.into_iter().map(|event| {
            let letter = Letter::new(event, now);
            let free = !blocked.contains(&letter.line());
            (letter, free)
        }));
        chunk.position = page.next;
        chunk.more |= page.more;
        Ok(chunk)
    }

    /// Sends letters, line by line, some lines at once, each line until one of its letters fails.
    async fn send(
        &self,
        letters: Vec<(Letter, bool)>,
        course: &Course,
        now: DateTime<Utc>,
    ) -> Vec<(Letter, Outcome)> {
        let mut lines: BTreeMap<String, Vec<(usize, Letter)>> = BTreeMap::new();
        let mut dealt = Vec::with_capacity(letters.len());
        for (place, (letter, free)) in letters.into_iter().enumerate() {
            if free {
                lines.entry(letter.line()).or_default().push((place, letter));
            } else {
                dealt.push((place, letter, Outcome::Left));
            }
        }
        let lines = lines.into_values().map(|line| self.send_line(line, course, now));
        let at_once = if course.probing { 1 } else { LINES_AT_ONCE };
        let mut sent = iter(lines).buffer_unordered(at_once);
        while let Some(line) = sent.next().await {
            dealt.extend(line);
        }
        dealt.sort_by_key(|(place, ..)| *place);
        dealt.into_iter().map(|(_, letter, outcome)| (letter, outcome)).collect()
    }

    async fn send_line(
        &self,
        line: Vec<(usize, Letter)>,
        course: &Course,
        now: DateTime<Utc>,
    ) -> Vec<(usize, Letter, Outcome)> {
        let mut dealt = Vec::with_capacity(line.len());
        let mut open = true;
        for (place, letter) in line {
            let outcome = if open && course.goes_on() {
                let message = message(&letter.event, &course.secrets, now);
                match self.receivers.post(&course.webhook.url, message).await {
                    Ok(()) => Outcome::Taken,
                    Err(error) => Outcome::Failed(error),
                }
            } else {
                Outcome::Left
            };
            open = matches!(outcome, Outcome::Taken);
            course.note(&letter, &outcome);
            dealt.push((place, letter, outcome));
        }
        dealt
    }

    /// Keeps what became of letters; false if somebody else delivers by now.
    async fn keep(
        &self,
        webhook: &mut Webhook,
        dealt: Vec<(Letter, Outcome)>,
        end: bool,
        tally: &Tally,
    ) -> Result<bool, WebhookError> {
        let now = self.env.now();
        let (mut taken, mut kept) = (Vec::new(), Vec::new());
        for (mut letter, outcome) in dealt {
            count(tally, &outcome);
            match outcome {
                Outcome::Taken => {
                    webhook.last_success = Some(now);
                    webhook.error.clear();
                    let id = letter.event.event_id.parse::<Uuid>().ok();
                    taken.extend(id.filter(|_| letter.place.is_some()));
                    continue;
                }
                Outcome::Failed(error) => {
                    webhook.error = error.to_string();
                    fail(&mut letter, &error, now);
                }
                Outcome::Left if letter.place.is_some() => continue,
                Outcome::Left => {}
            }
            letter.place.get_or_insert_with(|| {
                webhook.next_place += 1;
                webhook.next_place - 1
            });
            kept.push(letter);
        }
        let transaction = self.store.begin().await?;
        if !webhooks::keep(&transaction, webhook, now, end).await? {
            return Ok(false);
        }
        letters::delete(&transaction, webhook.id, taken).await?;
        letters::save(&transaction, webhook.id, &kept).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

fn count(tally: &Tally, outcome: &Outcome) {
    let mut all = tally.lock().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Outcome::Taken => all.done += 1,
        Outcome::Failed(error) => *all.failed.entry(error.word()).or_default() += 1,
        Outcome::Left => {}
    }
}

fn fail(letter: &mut Letter, error: &PostError, now: DateTime<Utc>) {
    let first = *letter.first_attempt.get_or_insert(now);
    letter.attempts += 1;
    letter.error = error.to_string();
    letter.next_attempt = now + backoff(letter.attempts);
    letter.dead_time = (now - first >= GIVE_UP).then_some(now);
}

/// An event as Standard Webhooks have it.
fn message(event: &pb::Event, secrets: &[Secret], now: DateTime<Utc>) -> Message {
    let body = json!({
        "type": event.r#type,
        "timestamp": time_of(event, now),
        "data": content(event),
    });
    let (body, timestamp) = (body.to_string().into_bytes(), now.timestamp());
    let sign = |secret: &Secret| secret.sign(&event.event_id, timestamp, &body);
    let signatures = secrets.iter().map(sign).collect::<Vec<_>>().join(" ");
    Message { id: event.event_id.clone(), timestamp, signatures, body }
}

#[cfg(test)]
mod tests;
