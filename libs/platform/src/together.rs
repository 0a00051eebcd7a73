//! The same work for many callers, done together: one transaction, with one statement per kind of
//! row, for all that came while the ones before it ran. A caller alone, who goes from queue to queue, waits for
//! nobody.

use std::{
    collections::BTreeSet,
    iter, mem,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};
use tracing::{Instrument as _, Span};

use crate::{
    context::{self, Call},
    database::{MaybeTransient, Trouble},
    telemetry::{round_span, watch_queue},
};

/// How many may wait for their turn; more wait for a place.
const MOST_WAITING: usize = 1_024;

/// How many are done together at the most.
const MOST_TOGETHER: usize = 128;

/// How long a round may take, with everything that is tried again in it.
const ROUND_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a round waits for its turn among those of other queues: one that is held up, by a lock
/// say, does not hold them up for longer.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long a round waits for callers whom the queue before has just answered: most are on their way.
const COME_WITHIN: Duration = Duration::from_millis(5);

/// Into how many parts a round falls in which one row stays locked: each part that has it waits for
/// the lock anew, so that there are to be few of them.
const PARTS_IF_LOCKED: usize = 8;

/// Work that can be done for many callers in one transaction.
#[async_trait]
pub trait Work: Clone + Send + Sync + 'static {
    /// What one caller wants done.
    type Ask: Send + Sync + 'static;
    /// What came of it.
    type Answer: Send + 'static;
    /// Why nothing came of it.
    type Error: MaybeTransient + From<Unanswered<Self::Error>> + Send + Sync + 'static;
    /// What two asks that are done together must not share.
    type Key: Ord + Send;

    /// What it is called where its rounds are traced and measured.
    const NAME: &'static str;

    /// The keys of an ask.
    fn keys(ask: &Self::Ask) -> Vec<Self::Key>;

    /// Does everything that is asked for, or nothing of it, and answers in the same order.
    async fn together(&self, asks: &[Self::Ask]) -> Result<Vec<Self::Answer>, Self::Error>;
}

/// Why an ask has no answer of its own.
#[derive(Debug)]
pub enum Unanswered<E> {
    /// The transaction that it shared with others failed.
    Together(Arc<E>),
    /// Its round took too long or hit a bug: whether it was done is known by its ids.
    NoOutcome,
}

/// What is done together, and its keys.
type Round<W> = (BTreeSet<<W as Work>::Key>, Vec<Waiting<W>>);

#[derive(Debug)]
struct Waiting<W: Work> {
    ask: W::Ask,
    /// For whose sake it is asked, to be noted with what is done for it.
    calls: Vec<Arc<Call>>,
    /// Where it was asked for.
    span: Span,
    answer: oneshot::Sender<Result<W::Answer, W::Error>>,
}

/// The turns that rounds of several queues take, which callers go through one after the other. Whoever
/// waits for a turn meets others who do, and a round does not begin before those have come whom the
/// queue before has just answered: callers stay together from queue to queue, in few large rounds,
/// which cost less than many small ones.
#[derive(Debug, Clone)]
pub struct Turns {
    free: Arc<Semaphore>,
    /// One for each queue.
    coming: Arc<[watch::Sender<Coming>]>,
    started: Arc<AtomicUsize>,
}

/// How many callers the queue before has answered so far, and how many of them have come: both only grow.
#[derive(Debug)]
struct Coming {
    answered: u64,
    come: u64,
    /// Whoever has not come by then is not waited for.
    until: Instant,
}

impl Turns {
    /// So many rounds at a time, of so many queues. They are started in the order in which callers go
    /// through them; who leaves the last one may come back to the first.
    #[must_use]
    pub fn new(at_once: usize, queues: usize) -> Self {
        let nobody = || watch::Sender::new(Coming { answered: 0, come: 0, until: Instant::now() });
        Self {
            free: Arc::new(Semaphore::new(at_once)),
            coming: iter::repeat_with(nobody).take(queues).collect(),
            started: Arc::default(),
        }
    }

    /// The next turn, or none where it takes too long.
    async fn next(&self) -> Option<OwnedSemaphorePermit> {
        timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()
    }

    /// The place of a queue that is started now.
    fn place(&self) -> Place {
        let place = self.started.fetch_add(1, Ordering::Relaxed);
        Place { turns: self.clone(), place }
    }
}

/// The place of one queue among those that share turns.
#[derive(Debug, Clone)]
struct Place {
    turns: Turns,
    place: usize,
}

impl Place {
    /// The next turn, once those have come whom the queue before has answered, or have had the time to,
    /// if there is room for more than `waiting`.
    async fn turn(&self, waiting: usize) -> Option<OwnedSemaphorePermit> {
        if waiting < MOST_TOGETHER {
            self.all_have_come().await;
        }
        self.turns.next().await
    }

    /// Those who come to this queue, or to one so many behind it; nobody follows one that is alone.
    fn coming(&self, behind: usize) -> Option<&watch::Sender<Coming>> {
        let coming = &self.turns.coming;
        coming.get((self.place + behind) % coming.len().max(1))
    }

    /// So many callers are answered now.
    fn answered(&self, callers: usize) {
        let Some(coming) = self.coming(1) else { return };
        coming.send_if_modified(|coming| {
            let now = Instant::now();
            if coming.until < now {
                coming.come = coming.answered;
            }
            coming.answered += callers as u64;
            coming.until = now + COME_WITHIN;
            false
        });
    }

    /// A caller asks: one of those, or somebody who comes instead.
    fn asked(&self) {
        let Some(coming) = self.coming(0) else { return };
        coming.send_if_modified(|coming| {
            let expected = coming.come < coming.answered;
            coming.come += u64::from(expected);
            expected
        });
    }

    /// Waits for those whom the queue before has answered until now. Whoever is answered later is for a
    /// later round, and whoever has not come in time is waited for no more.
    async fn all_have_come(&self) {
        let Some(coming) = self.coming(0) else { return };
        let mut come = coming.subscribe();
        let (all, until) = {
            let now = come.borrow();
            (now.answered, now.until)
        };
        if timeout_at(until, come.wait_for(|coming| coming.come >= all)).await.is_err() {
            coming.send_if_modified(|coming| {
                coming.come = coming.come.max(all);
                false
            });
        }
    }
}

/// The way to the task that does the work. Clones lead to the same task.
#[derive(Debug)]
pub struct Queue<W: Work> {
    way: mpsc::Sender<Waiting<W>>,
    place: Place,
}

impl<W: Work> Clone for Queue<W> {
    fn clone(&self) -> Self {
        Self { way: self.way.clone(), place: self.place.clone() }
    }
}

impl<W: Work> Queue<W> {
    /// Starts the task; it ends with the last clone.
    pub fn start(work: W) -> Self {
        Self::start_among(&Turns::new(1, 0), work)
    }

    /// The same, for one of several queues that share `turns`.
    pub fn start_among(turns: &Turns, work: W) -> Self {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        let queue = sender.downgrade();
        watch_queue(W::NAME, move || {
            let queue = queue.upgrade()?;
            Some(queue.max_capacity() - queue.capacity())
        });
        let place = turns.place();
        tokio::spawn(run(place.clone(), work, receiver));
        Self { way: sender, place }
    }

    /// Has `ask` done when its turn comes. It is done even if the caller no longer waits.
    ///
    /// An ask that fails, or whose row somebody keeps locked, fails alone; all fail together only
    /// where the database cannot do anything for now.
    pub async fn ask(&self, ask: W::Ask) -> Result<W::Answer, W::Error> {
        let (answer, outcome) = oneshot::channel();
        let span = Span::current();
        let waiting = Waiting { ask, calls: context::calls(), span, answer };
        self.way.send(waiting).await.map_err(|_| Unanswered::NoOutcome)?;
        self.place.asked();
        outcome.await.unwrap_or_else(|_| Err(Unanswered::NoOutcome.into()))
    }
}

/// One round at a time: what comes meanwhile makes the next one larger, and larger rounds cost less.
async fn run<W: Work>(place: Place, work: W, mut incoming: mpsc::Receiver<Waiting<W>>) {
    let mut come = Vec::new();
    while let Some(first) = incoming.recv().await {
        let _turn = place.turn(1 + incoming.len()).await;
        come.push(first);
        while come.len() < MOST_TOGETHER
            && let Ok(waiting) = incoming.try_recv()
        {
            come.push(waiting);
        }
        for round in rounds(mem::take(&mut come)) {
            // In a task of its own, so that a bug fails one round and nobody after it.
            let (own, work) = (place.clone(), work.clone());
            let span = round_span(W::NAME, round.iter().map(|waiting| &waiting.span));
            let taken = async move { timeout(ROUND_TIMEOUT, take(&own, &work, round)).await };
            match tokio::spawn(taken.instrument(span)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => tracing::error!("a round was given up after {ROUND_TIMEOUT:?}"),
                Err(error) => tracing::error!(%error, "a round failed"),
            }
        }
    }
}

/// Parts what has come so that no two of a round share a key; what does comes in its order.
fn rounds<W: Work>(come: Vec<Waiting<W>>) -> Vec<Vec<Waiting<W>>> {
    let mut rounds: Vec<Round<W>> = Vec::new();
    for waiting in come {
        let keys = W::keys(&waiting.ask);
        let last = rounds.iter().rposition(|(taken, _)| keys.iter().any(|key| taken.contains(key)));
        let place = last.map_or(0, |last| last + 1);
        if place == rounds.len() {
            rounds.push(<_>::default());
        }
        let (taken, round) = &mut rounds[place];
        taken.extend(keys);
        round.push(waiting);
    }
    rounds.into_iter().map(|(_, round)| round).collect()
}

/// Does a round. Where it fails for one of its asks, which is not told, its parts are done one by
/// one.
async fn take<W: Work>(own: &Place, work: &W, round: Vec<Waiting<W>>) {
    let (mut asks, mut calls, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for waiting in round {
        asks.push(waiting.ask);
        calls.push(waiting.calls);
        answers.push(Some(waiting.answer));
    }
    let mut answer = |place: usize, outcome| {
        if let Some(caller) = answers[place].take() {
            // Nobody may be waiting any more, and that is fine: what was done is stored.
            caller.send(outcome).ok();
        }
    };
    let mut parts = Vec::from([Range { start: 0, end: asks.len() }]);
    while let Some(part) = parts.pop() {
        let whose = calls[part.clone()].to_vec();
        match context::for_all(whose, work.together(&asks[part.clone()])).await {
            Ok(done) => {
                own.answered(part.len());
                part.zip(done).for_each(|(place, done)| answer(place, Ok(done)));
            }
            Err(error) if part.len() == 1 => answer(part.start, Err(error)),
            Err(error) => match error.trouble() {
                Trouble::LostRace | Trouble::Unreachable => {
                    let error = Arc::new(error);
                    let shared = || Err(Unanswered::Together(Arc::clone(&error)).into());
                    part.for_each(|place| answer(place, shared()));
                }
                Trouble::Locked => parts.extend(split(part, PARTS_IF_LOCKED)),
                Trouble::Lasting => parts.extend(split(part, 2)),
            },
        }
    }
}

/// `part` in at most `parts` parts of about one size, the first one last.
fn split(part: Range<usize>, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let size = part.len().div_ceil(parts);
    let part_at = move |start: usize| start..(start + size).min(part.end);
    part.clone().step_by(size).map(part_at).collect::<Vec<_>>().into_iter().rev()
}

#[cfg(test)]
mod tests;
