//! What does the work in tests: answers pages as it is told, and remembers which it was asked for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tonic::Status;

use crate::{
    app::{Agenda, Ask, Kind, Page},
    domain::Tally,
};

type Answers = VecDeque<Result<Page, Status>>;

/// Stands in for the services.
#[derive(Debug)]
pub struct Fake {
    /// By kind and first shard; when there are none left, nothing more is due.
    answers: Mutex<BTreeMap<(&'static str, i32), Answers>>,
    asked: Mutex<Vec<(&'static str, Ask)>>,
    /// A page needs a permit to be answered.
    gate: Semaphore,
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// When things come up for the first time.
    comes_up: Mutex<BTreeSet<DateTime<Utc>>>,
    /// When things are tried again.
    retry_time: Mutex<Option<DateTime<Utc>>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
            asked: Mutex::default(),
            gate: Semaphore::new(1_000_000),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            comes_up: Mutex::default(),
            retry_time: Mutex::default(),
        }
    }
}

impl Fake {
    /// The next page of `kind` that begins at `shard` answers so.
    pub fn answer(&self, kind: &'static str, shard: i32, page: Result<Page, Status>) {
        self.answers.lock().unwrap().entry((kind, shard)).or_default().push_back(page);
    }

    /// The next pages of `kind` find so many things, and deal with all of them.
    pub fn pages(&self, kind: &'static str, shard: i32, counts: &[i64]) {
        for (index, &count) in counts.iter().enumerate() {
            let tally = Tally { due: count, done: count, ..Tally::default() };
            let more = index + 1 < counts.len();
            let cursor = if more { format!("after {index}") } else { String::new() };
            self.answer(kind, shard, Ok(Page { tally, cursor, more }));
        }
    }

    /// From now on pages wait.
    pub fn close(&self) {
        self.gate.forget_permits(1_000_000);
    }

    /// Lets so many pages pass.
    pub fn open(&self, pages: usize) {
        self.gate.add_permits(pages);
    }

    /// Something comes up at each of `times`; from `retry` on something is tried again in vain.
    pub fn comes_up(&self, times: &[DateTime<Utc>], retry: Option<DateTime<Utc>>) {
        *self.comes_up.lock().unwrap() = times.iter().copied().collect();
        *self.retry_time.lock().unwrap() = retry;
    }

    /// What comes up after `after`.
    pub fn agenda(&self, after: DateTime<Utc>) -> Agenda {
        let later = (Bound::Excluded(after), Bound::Unbounded);
        let time = self.comes_up.lock().unwrap().range(later).next().copied();
        Agenda { time, retry_time: *self.retry_time.lock().unwrap() }
    }

    /// What was asked for: kind, first shard, cursor.
    pub fn asked(&self) -> Vec<(&'static str, i32, String)> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(kind, ask)| (*kind, ask.shards.start, ask.cursor.clone())).collect()
    }

    /// Of which kinds pages were asked for, each as often.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.asked.lock().unwrap().iter().map(|(kind, _)| *kind).collect()
    }

    /// How many pages were under way at a time, at the most.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    fn page(
        self: Arc<Self>,
        kind: &'static str,
        ask: Ask,
    ) -> BoxFuture<'static, Result<Page, Status>> {
        Box::pin(async move {
            let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(under_way, Ordering::SeqCst);
            let key = (kind, ask.shards.start);
            self.asked.lock().unwrap().push((kind, ask));
            self.gate.acquire().await.unwrap().forget();
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            let answer = self.answers.lock().unwrap().get_mut(&key).and_then(VecDeque::pop_front);
            answer.unwrap_or_else(|| Ok(Page::default()))
        })
    }
}

const fn kind(name: &'static str) -> Kind {
    Kind {
        name,
        description: "a test",
        service: "nobody",
        sharded: false,
        every: 60,
        after: "",
        page: |_, _| Box::pin(async { Ok(Page::default()) }),
    }
}

/// The kinds of the tests: two that follow each other by shards, and one alone.
pub static TEST_KINDS: [Kind; 3] = [
    Kind {
        sharded: true,
        page: |services, ask| services.own.script.page("first", ask),
        ..kind("first")
    },
    Kind {
        sharded: true,
        after: "first",
        page: |services, ask| services.own.script.page("second", ask),
        ..kind("second")
    },
    Kind { page: |services, ask| services.own.script.page("alone", ask), ..kind("alone") },
];
