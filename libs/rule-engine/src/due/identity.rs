//! What makes two attempts the same, and how one ended.

use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use kernel::ids::{AccountId, InstanceId};

/// Whether an attempt is one of the schedule, or another on its last day (A-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttemptKind {
    /// One of the schedule.
    Scheduled,
    /// The so-manieth retry of its date, from 1.
    Retry(u32),
}

impl AttemptKind {
    /// As a number: 0 is of the schedule, others say which retry.
    #[must_use]
    pub const fn of(number: u32) -> Self {
        if number == 0 { Self::Scheduled } else { Self::Retry(number) }
    }

    /// The number that [`of`](Self::of) reads.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Scheduled => 0,
            Self::Retry(number) => number,
        }
    }

    pub(super) const fn next_retry(self) -> Self {
        match self {
            Self::Scheduled => Self::Retry(1),
            Self::Retry(number) => Self::Retry(number.saturating_add(1)),
        }
    }
}

/// What makes two runs the same attempt: of one identity, one charge (A-2).
///
/// It is written as text to be hashed. A manual renewal in between moves the expiry, so that the
/// pending attempt matches nothing any more:
///
/// ```
/// use rule_engine::due::{AttemptIdentity, AttemptKind};
/// let identity = AttemptIdentity {
///     account: "acme".parse()?,
///     root: "vm-1".parse()?,
///     expiry: "2024-06-21T00:00:00+08:00".parse()?,
///     date: "2024-06-20".parse()?,
///     kind: AttemptKind::Retry(2),
/// };
/// assert_eq!(identity.to_string(), "acme/vm-1/2024-06-20T16:00:00.000000Z/2024-06-20/2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptIdentity {
    /// The account.
    pub account: AccountId,
    /// The instance, or the root of its group.
    pub root: InstanceId,
    /// The expiry that the attempt would move.
    pub expiry: DateTime<Utc>,
    /// The date of the planned run, not of the actual one.
    pub date: NaiveDate,
    /// Scheduled, or which retry.
    pub kind: AttemptKind,
}

impl fmt::Display for AttemptIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expiry = self.expiry.to_rfc3339_opts(SecondsFormat::Micros, true);
        write!(f, "{}/{}/{expiry}/{}/", self.account, self.root, self.date)?;
        match self.kind {
            AttemptKind::Scheduled => f.write_str("scheduled"),
            AttemptKind::Retry(number) => write!(f, "{number}"),
        }
    }
}

/// How an attempt ended: renewed, refused, or given up as missed. A technical failure is no
/// decision (A-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The expiry that the attempt was for.
    pub expiry: DateTime<Utc>,
    /// The date of the attempt.
    pub date: NaiveDate,
    /// Scheduled, or which retry.
    pub kind: AttemptKind,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// There was too little money: more may come.
    pub refused_for_money: bool,
}

/// The latest of the decisions for `expiry`.
pub(super) fn latest_decision(decisions: &[Decision], expiry: DateTime<Utc>) -> Option<&Decision> {
    let of_expiry = decisions.iter().filter(|decision| decision.expiry == expiry);
    of_expiry.max_by_key(|decision| (decision.date, decision.kind))
}
