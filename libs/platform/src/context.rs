//! What a request brings along on its way through a process: who calls, and how long an answer is
//! waited for. Whoever calls another service on its behalf needs no argument for that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{task_local, time::Instant};

use crate::identity::Caller;

task_local! {
    static CURRENT: Context;
    static TOGETHER: Vec<Vec<Arc<Call>>>;
}

/// Who asked, for what, and until when the answer is of use.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who calls.
    pub caller: Caller,
    /// When the answer is of no use any more.
    pub deadline: Instant,
    /// The call, where it is to be noted with what it changes.
    pub call: Option<Arc<Call>>,
}

/// A call of somebody who is known, as it is noted with what it changes.
#[derive(Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// What is called: its path.
    pub method: &'static str,
    /// Whose things it is about; empty: nobody's, or many's.
    pub account: String,
    /// By what repeats of it are known; empty where they do no harm.
    pub request: String,
    /// When it came.
    pub time: DateTime<Utc>,
    /// Whether it was noted, in a transaction that stands.
    pub noted: AtomicBool,
}

impl Call {
    pub(crate) fn is_noted(&self) -> bool {
        self.noted.load(Ordering::Relaxed)
    }

    pub(crate) fn set_noted(&self) {
        self.noted.store(true, Ordering::Relaxed);
    }
}

impl Context {
    /// Of the request that this task answers; none where it answers none, as in tasks that do the work
    /// of many.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Does `work` in this context.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

/// The calls for whose sake this task works, of those that are to be noted: several where it does the
/// work of many.
#[must_use]
pub fn calls() -> Vec<Arc<Call>> {
    TOGETHER.try_with(|asks| asks.concat()).unwrap_or_else(|_| current().into_iter().collect())
}

/// Of [`calls`] those for whom something was done: `done` says so of each that the work is done for, or,
/// where it is that of one call, of each part of it.
#[must_use]
pub fn calls_of(done: &[bool]) -> Vec<Arc<Call>> {
    let of_asks = |asks: &Vec<Vec<Arc<Call>>>| {
        let asks = asks.iter().zip(done).filter(|(_, done)| **done);
        asks.flat_map(|(calls, _)| calls.clone()).collect()
    };
    TOGETHER
        .try_with(of_asks)
        .unwrap_or_else(|_| current().into_iter().filter(|_| done.contains(&true)).collect())
}

fn current() -> Option<Arc<Call>> {
    CURRENT.try_with(|context| context.call.clone()).ok().flatten()
}

/// Does `work` for the sake of calls, those of each of its parts.
pub async fn for_all<F: Future>(calls: Vec<Vec<Arc<Call>>>, work: F) -> F::Output {
    TOGETHER.scope(calls, work).await
}

/// How long the answer of the request that this task answers is still waited for.
#[must_use]
pub fn time_left() -> Option<Duration> {
    let deadline = CURRENT.try_with(|context| context.deadline).ok()?;
    Some(deadline.saturating_duration_since(Instant::now()))
}

/// What a caller that sends `text` as its `grpc-timeout` is ready to wait; nothing where it makes no
/// sense.
#[must_use]
pub fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(request: &str) -> Arc<Call> {
        Arc::new(Call {
            caller: Caller::everybody(),
            method: "/x",
            account: String::new(),
            request: request.to_owned(),
            time: DateTime::UNIX_EPOCH,
            noted: AtomicBool::new(false),
        })
    }

    fn requests(calls: &[Arc<Call>]) -> Vec<&str> {
        calls.iter().map(|call| call.request.as_str()).collect()
    }

    #[tokio::test]
    async fn of_those_who_ask_together_only_those_are_noted_for_whom_something_was_done() {
        let asks = vec![vec![call("a")], Vec::new(), vec![call("b")], vec![call("c")]];
        for_all(asks, async {
            assert_eq!(requests(&calls()), ["a", "b", "c"]);
            assert_eq!(requests(&calls_of(&[true, true, false, true])), ["a", "c"]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_call_of_many_parts_is_noted_where_something_was_done_for_one() {
        let (caller, deadline) = (Caller::everybody(), Instant::now());
        let alone = Context { caller, deadline, call: Some(call("a")) };
        alone
            .scope(async {
                assert_eq!(requests(&calls()), ["a"]);
                assert_eq!(requests(&calls_of(&[false, true])), ["a"]);
                assert!(calls_of(&[false, false]).is_empty());
            })
            .await;
        assert!(calls().is_empty(), "nobody asks");
    }

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        for (text, wanted) in [
            ("1H", Some(Duration::from_hours(1))),
            ("2M", Some(Duration::from_mins(2))),
            ("30S", Some(Duration::from_secs(30))),
            ("1500m", Some(Duration::from_millis(1_500))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("0n", Some(Duration::ZERO)),
            ("", None),
            ("S", None),
            ("10", None),
            ("-1S", None),
            ("100000000S", None),
            ("10ſ", None),
        ] {
            assert_eq!(timeout(text), wanted, "{text:?}");
        }
    }
}
