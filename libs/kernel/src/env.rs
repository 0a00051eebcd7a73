//! The two things that a service may not decide for itself: what time it is, and what a new thing
//! is called.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use uuid::Uuid;

/// Tells the current time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current time in UTC, whole microseconds (what both databases keep).
    fn now(&self) -> DateTime<Utc>;
}

/// Names new things.
pub trait IdSource: fmt::Debug + Send + Sync {
    /// An id that this source has not given before, sortable by creation.
    fn next_id(&self) -> Uuid;
}

/// Everything outside a service that makes two runs of it differ.
///
/// Cloning is cheap, and clones share their sources.
#[derive(Debug, Clone)]
pub struct Env {
    /// Read once per request, so that one request sees one time.
    pub clock: Arc<dyn Clock>,
    /// Asked once for each thing made.
    pub ids: Arc<dyn IdSource>,
}

impl Env {
    /// The real world.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), ids: Arc::new(RandomIds) }
    }

    /// The time that `clock` says, and real ids.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..Self::system() }
    }

    /// The current time; see [`Clock::now`].
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A new id; see [`IdSource::next_id`].
    #[must_use]
    pub fn next_id(&self) -> Uuid {
        self.ids.next_id()
    }
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the real time enters")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

#[derive(Debug)]
struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is where randomness enters")]
    fn next_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that says `now` until it is moved.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(now)))
    }

    /// Moves the time forward by `by`, or back where `by` is negative.
    pub fn advance(&self, by: TimeDelta) {
        *self.lock() += by;
    }

    /// Sets the time.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.lock() = now;
    }

    fn lock(&self) -> MutexGuard<'_, DateTime<Utc>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.lock()
    }
}

/// Ids 1, 2, 3 …, so that two runs name the same things alike.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl IdSource for SequentialIds {
    fn next_id(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_it_is_moved() {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH);
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
        clock.advance(TimeDelta::seconds(5));
        assert_eq!(clock.now().timestamp(), 5);
    }

    #[test]
    fn the_system_clock_says_whole_microseconds() {
        assert_eq!(Env::system().now().timestamp_subsec_nanos() % 1000, 0);
    }

    #[test]
    fn ids_sort_by_creation() {
        let env = Env::system();
        let (first, second) = (env.next_id(), env.next_id());
        assert!(first < second);
    }
}
