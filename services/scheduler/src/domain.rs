//! When something runs, and what a run comes to.

use std::{collections::BTreeMap, fmt, ops::Range, str::FromStr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

/// Shards of the accounts: each account belongs to one of them for good.
pub const SHARDS: i32 = 64;

/// How long a lease lasts that nobody renews. It is renewed each third of that.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

/// How long after a failure the same planned time is tried again.
pub const RETRY: TimeDelta = TimeDelta::seconds(60);

/// How a part of a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It came to its end.
    Done,
    /// Its schedule was paused meanwhile.
    Stopped,
    /// A page failed.
    Failed,
    /// Its scheduler died, or was cut off for longer than a lease lasts.
    Abandoned,
    /// It was asked for, and nobody has begun it.
    Waiting,
    /// Somebody is at it.
    Running,
}

impl State {
    const ALL: [Self; 6] =
        [Self::Done, Self::Stopped, Self::Failed, Self::Abandoned, Self::Waiting, Self::Running];

    /// As it is kept.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "DONE",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
            Self::Abandoned => "ABANDONED",
            Self::Waiting => "WAITING",
            Self::Running => "RUNNING",
        }
    }

    /// Whether nothing more comes of it.
    pub const fn has_ended(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let state = Self::ALL.into_iter().find(|state| state.name() == text);
        state.ok_or_else(|| format!("{text:?} is not the state of a run"))
    }
}

/// What was found and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many things were looked at because they were due.
    pub due: i64,
    /// How many of them were dealt with.
    pub done: i64,
    /// How many were not, by reason.
    pub failed: BTreeMap<String, i64>,
}

impl Tally {
    /// Counts `other` in.
    pub fn add(&mut self, other: Self) {
        self.due += other.due;
        self.done += other.done;
        for (reason, count) in other.failed {
            *self.failed.entry(reason).or_default() += count;
        }
    }
}

/// What of a run one scheduler carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub kind: String,
    /// When it was planned for, or asked for.
    pub planned: DateTime<Utc>,
    /// Empty where it does not go by shards.
    pub shards: Range<i32>,
    pub shards_done: i32,
    pub asked: bool,
    pub state: State,
    pub holder: String,
    pub attempts: i32,
    pub started: Option<DateTime<Utc>>,
    pub ended: Option<DateTime<Utc>>,
    pub tally: Tally,
    /// Why it failed, in words for people.
    pub error: String,
}

/// Which run: its schedule, and when it was planned for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId {
    pub kind: String,
    pub planned: DateTime<Utc>,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind, self.planned.timestamp_micros())
    }
}

impl FromStr for RunId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.rsplit_once('-').and_then(|(kind, planned)| {
            let planned = DateTime::from_timestamp_micros(planned.parse().ok()?)?;
            Some(Self { kind: kind.to_owned(), planned })
        });
        parts.filter(|id| id.to_string() == text).ok_or("is not the id of a run")
    }
}

/// One run of a schedule: its parts, of which there is one at least, by shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: RunId,
    pub parts: Vec<Part>,
}

impl Run {
    /// Puts `parts`, sorted by run, together to runs.
    pub fn all(parts: Vec<Part>) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for part in parts {
            let id = RunId { kind: part.kind.clone(), planned: part.planned };
            match runs.last_mut() {
                Some(run) if run.id == id => run.parts.push(part),
                _ => runs.push(Self { id, parts: vec![part] }),
            }
        }
        runs
    }

    /// How it stands: `Waiting` before its first part has begun, `Running` until its last one has
    /// ended, and then as the worst of them.
    pub fn state(&self) -> State {
        let states = || self.parts.iter().map(|part| part.state);
        let worst = states().max().unwrap_or(State::Done);
        let some_began = states().any(|state| state != State::Waiting);
        if worst == State::Waiting && some_began { State::Running } else { worst }
    }

    /// When its first part began.
    pub fn started(&self) -> Option<DateTime<Utc>> {
        self.parts.iter().filter_map(|part| part.started).min()
    }

    /// When its last part ended.
    pub fn ended(&self) -> Option<DateTime<Utc>> {
        let ended = self.parts.iter().filter_map(|part| part.ended).max();
        ended.filter(|_| self.state().has_ended())
    }

    /// What all parts found and did.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.parts.iter().for_each(|part| tally.add(part.tally.clone()));
        tally
    }

    /// How many shards it goes through, and how many it is through with.
    pub fn shards(&self) -> (i32, i32) {
        let all = self.parts.iter().map(|part| part.shards.end - part.shards.start).sum();
        (all, self.parts.iter().map(|part| part.shards_done).sum())
    }

    /// How many things it has looked at per second until `now`, and how long it will still take at
    /// that rate, where that can be told.
    pub fn pace(&self, now: DateTime<Utc>) -> (f64, Option<Duration>) {
        let until = self.ended().unwrap_or(now);
        let elapsed = self.started().and_then(|started| (until - started).to_std().ok());
        let Some(elapsed) = elapsed.filter(|elapsed| !elapsed.is_zero()) else {
            return (0.0, None);
        };
        // More than 2^53 things take longer than clocks run.
        #[expect(clippy::cast_precision_loss, reason = "a count of what was done")]
        let rate = self.tally().due as f64 / elapsed.as_secs_f64();
        let (all, done) = self.shards();
        let left = (done > 0 && !self.state().has_ended())
            .then(|| elapsed.mul_f64(f64::from(all - done) / f64::from(done)));
        (rate, left)
    }
}

/// Who is at a part of a schedule, and how its last runs went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    /// When it ends unless it is renewed; the beginning of time where nobody has it.
    pub until: DateTime<Utc>,
    /// The planned time of the last run that was done.
    pub done: DateTime<Utc>,
    /// When the last run failed; the beginning of time where it did not.
    pub failed: DateTime<Utc>,
}

impl Lease {
    /// Whether somebody has it at `now`. One that ends later than any can was taken by a clock that
    /// was ahead, and counts for nothing.
    pub fn is_taken(&self, now: DateTime<Utc>) -> bool {
        self.until > now && self.until <= now + LEASE * 10
    }
}

/// What is to be done about a part of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// It is due, but somebody is at it, or it failed just now.
    Later,
    /// It is due, as of this planned time.
    Now(DateTime<Utc>),
}

/// The latest planned time of a schedule at `now`: planned times are whole intervals since 1970, the
/// same for every scheduler. One that comes late finds the latest, and so runs once for all it missed.
pub fn planned(now: DateTime<Utc>, interval: Duration) -> DateTime<Utc> {
    let interval = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1);
    let micros = now.timestamp_micros();
    DateTime::from_timestamp_micros(micros - micros.rem_euclid(interval)).unwrap_or(now)
}

/// What is to be done at `now` about a part of a schedule with this `interval` and `lease`.
pub fn next(now: DateTime<Utc>, interval: Duration, lease: &Lease) -> Next {
    let due = planned(now, interval);
    // Not "at `due` or later": a clock that was ahead for a while must not stop a schedule.
    if planned(lease.done, interval) == due {
        return Next::Nothing;
    }
    let failed = planned(lease.failed, interval) == due && now - lease.failed < RETRY;
    if lease.is_taken(now) || failed { Next::Later } else { Next::Now(due) }
}

/// How long a part of a schedule with this `interval` and `lease` has been due at `now`: since the
/// first planned time that was not done. One that was never done is due since the latest one.
pub fn lag(now: DateTime<Utc>, interval: Duration, lease: &Lease) -> TimeDelta {
    let (due, done) = (planned(now, interval), planned(lease.done, interval));
    if done >= due {
        return TimeDelta::zero();
    }
    let since = if lease.done == DateTime::UNIX_EPOCH { due } else { done + interval };
    now - since
}

/// The shards of the accounts in so many parts, as even as can be.
pub fn parts(count: u8) -> Vec<Range<i32>> {
    let count = i32::from(count).clamp(1, SHARDS);
    (0..count).map(|part| SHARDS * part / count..SHARDS * (part + 1) / count).collect()
}

#[cfg(test)]
mod tests;
