//! What a request brings along on its way through a process: who calls, and how long an answer is
//! waited for. Whoever calls another service on its behalf needs no argument for that.

use std::time::Duration;

use tokio::{task_local, time::Instant};

use crate::identity::Caller;

task_local! {
    static CURRENT: Context;
}

/// Who asked, for what, and until when the answer is of use.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who calls.
    pub caller: Caller,
    /// When the answer is of no use any more.
    pub deadline: Instant,
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
