//! Repeating what lost a race.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// How often an operation is tried in all.
const ATTEMPTS: u32 = 5;

/// The pause after the first attempt; it doubles after each.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// An error that may be gone if the same transaction is run again.
pub trait MaybeTransient {
    /// Whether it may.
    fn is_transient(&self) -> bool;
}

impl MaybeTransient for DbErr {
    fn is_transient(&self) -> bool {
        is_transient(self)
    }
}

/// Whether `error` says that a transaction lost a race and can be run again: serialization failure
/// (40001), deadlock (40P01), a lock not had in time (55P03), or SQLite busy.
#[must_use]
pub fn is_transient(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let sqlx::Error::Database(error) = &**error else { return false };
    // SQLite's codes are numbers; the low byte is the primary one: 5 is busy, 6 is locked.
    match error.code().as_deref() {
        Some("40001" | "40P01" | "55P03") => true,
        Some(code) if code.len() < 5 => {
            code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6))
        }
        _ => false,
    }
}

/// Runs `operation`, which is one whole transaction, until it does not fail transiently, five
/// times at most, with a short and growing pause.
pub async fn retry<T, E, Attempt>(mut operation: impl FnMut() -> Attempt) -> Result<T, E>
where
    E: MaybeTransient,
    Attempt: Future<Output = Result<T, E>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match operation().await {
            Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
            result => return result,
        }
        pause *= 2;
    }
    operation().await
}
