//! Repeating what lost a race.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr, sqlx};
use tonic::Code;

use crate::status::{BUSY, INTERNAL, SERVICE_UNAVAILABLE};

/// How often an operation is tried in all.
const ATTEMPTS: u32 = 5;

/// The pause after the first attempt; it doubles after each.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// What running the same transaction again may change about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    Lasting,
    /// A race was lost: serialization failure (40001), deadlock (40P01), or SQLite busy. It is run
    /// again at once.
    LostRace,
    /// Somebody keeps a row locked (55P03), which has cost seconds already: the caller is to come
    /// again later.
    Locked,
    /// There is no connection: nothing that would be asked now can be done.
    Unreachable,
}

impl Trouble {
    /// What a caller is told of a database's failure: whether to repeat the call.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::LostRace | Self::Locked => Code::Aborted,
            Self::Unreachable => Code::Unavailable,
            Self::Lasting => Code::Internal,
        }
    }

    /// The reason that goes with the [`code`](Trouble::code).
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::LostRace | Self::Locked => BUSY,
            Self::Unreachable => SERVICE_UNAVAILABLE,
            Self::Lasting => INTERNAL,
        }
    }
}

/// An error that may be gone if the same transaction is run again.
pub trait MaybeTransient {
    /// What running it again may change.
    fn trouble(&self) -> Trouble;

    /// Whether the caller may come again with the same.
    fn is_transient(&self) -> bool {
        matches!(self.trouble(), Trouble::LostRace | Trouble::Locked)
    }
}

impl MaybeTransient for DbErr {
    fn trouble(&self) -> Trouble {
        let (Self::Exec(RuntimeErr::SqlxError(error))
        | Self::Query(RuntimeErr::SqlxError(error))
        | Self::Conn(RuntimeErr::SqlxError(error))) = self
        else {
            let unreachable = matches!(self, Self::ConnectionAcquire(_) | Self::Conn(_));
            return if unreachable { Trouble::Unreachable } else { Trouble::Lasting };
        };
        match &**error {
            sqlx::Error::Database(error) => trouble_of(error.code().as_deref().unwrap_or_default()),
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Trouble::Unreachable
            }
            _ => Trouble::Lasting,
        }
    }
}

/// What a code of either database says.
fn trouble_of(code: &str) -> Trouble {
    match code {
        "40001" | "40P01" => Trouble::LostRace,
        "55P03" => Trouble::Locked,
        // Shutting down, or ended by the operator: the connection is gone. No connection is left.
        "57P01" | "57P02" | "57P03" | "53300" => Trouble::Unreachable,
        // SQLite's codes are numbers; the low byte is the primary one: 5 is busy, 6 is locked.
        code if code.len() < 5 => match code.parse::<u32>().map(|code| code & 0xff) {
            Ok(5 | 6) => Trouble::LostRace,
            // The file cannot be opened.
            Ok(14) => Trouble::Unreachable,
            _ => Trouble::Lasting,
        },
        _ => Trouble::Lasting,
    }
}

/// Runs `operation`, which is one whole transaction, until it does not fail by a lost race, five
/// times at most, with a short and growing pause.
pub async fn retry<T, E, Attempt>(mut operation: impl FnMut() -> Attempt) -> Result<T, E>
where
    E: MaybeTransient,
    Attempt: Future<Output = Result<T, E>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match operation().await {
            Err(error) if error.trouble() == Trouble::LostRace => {
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
        pause *= 2;
    }
    operation().await
}
