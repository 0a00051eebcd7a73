//! Automatic renewals: the order that an attempt makes, and how it was decided.

use std::{fmt, str::FromStr};

use chrono::NaiveTime;
use kernel::ids::OrderId;
use rule_engine::due::{AttemptIdentity, Decision};
use sha2::{Digest as _, Sha256};

/// How an attempt to renew by itself ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Paid and extended.
    Renewed,
    /// Refused, for money or by rule.
    Failed,
    /// Something else was in the way, and a later attempt follows.
    Skipped,
    /// Nothing ran while it could have been made.
    Missed,
    /// No decision: its payment was called off because the wallet would not take it any more. The
    /// attempt is made again, under the same identity and with another payment.
    Void,
}

/// A row's outcome is none that this program knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no outcome of an attempt")]
pub struct UnknownOutcome(String);

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Renewed, Self::Failed, Self::Skipped, Self::Missed, Self::Void];

    /// Its name in rows and in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Renewed => "RENEWED",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
            Self::Missed => "MISSED",
            Self::Void => "VOID",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(name: &str) -> Result<Self, UnknownOutcome> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.name() == name);
        found.ok_or_else(|| UnknownOutcome(name.to_owned()))
    }
}

/// The id of the order of an attempt: everyone who computes it comes to the same, so that an
/// attempt is one order and one payment, however often it is made.
///
/// It is a hash behind the date of the attempt, in the form of the ids that sort by creation.
#[must_use]
pub fn order_id(attempt: &AttemptIdentity) -> OrderId {
    let digest = Sha256::new()
        .chain_update(b"perennial.attempt")
        .chain_update(attempt.to_string())
        .finalize();
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&digest[..10]);
    let midnight = attempt.date.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    let millis = u64::try_from(midnight).unwrap_or_default();
    OrderId(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
}

/// `decided` with one more decision: one for each of the expiries `ends` that still matter, the
/// latest.
#[must_use]
pub fn with_decision(
    decided: &[Decision],
    decision: Decision,
    ends: &[chrono::DateTime<chrono::Utc>],
) -> Vec<Decision> {
    let kept = decided.iter().filter(|one| one.expiry != decision.expiry);
    let kept = kept.filter(|one| ends.contains(&one.expiry)).copied();
    kept.chain([decision]).collect()
}

#[cfg(test)]
mod tests {
    use rule_engine::due::AttemptKind;

    use super::*;

    fn attempt() -> AttemptIdentity {
        AttemptIdentity {
            account: "acme".parse().unwrap(),
            root: "vm-1".parse().unwrap(),
            expiry: "2024-06-21T00:00:00+08:00".parse().unwrap(),
            date: "2024-06-20".parse().unwrap(),
            kind: AttemptKind::Scheduled,
        }
    }

    //
    #[test]
    fn an_attempt_is_one_order_however_often_it_is_made() {
        let id = order_id(&attempt());
        assert_eq!(order_id(&attempt()), id);
        let others = [
            AttemptIdentity { account: "other".parse().unwrap(), ..attempt() },
            AttemptIdentity { root: "vm-2".parse().unwrap(), ..attempt() },
            AttemptIdentity { expiry: "2024-06-20T00:00:00Z".parse().unwrap(), ..attempt() },
            AttemptIdentity { date: "2024-06-19".parse().unwrap(), ..attempt() },
            AttemptIdentity { kind: AttemptKind::Retry(1), ..attempt() },
        ];
        for other in others {
            assert_ne!(order_id(&other), id, "{other}");
        }
    }

    #[test]
    fn orders_of_attempts_sort_by_their_dates() {
        let next = AttemptIdentity { date: "2024-06-21".parse().unwrap(), ..attempt() };
        assert!(order_id(&attempt()) < order_id(&next));
        assert_eq!(order_id(&next).0.get_version_num(), 7);
    }

    #[test]
    fn of_each_expiry_the_latest_decision_is_kept() {
        let day = |day: &str| format!("{day}T00:00:00Z").parse().unwrap();
        let decision = |expiry, date: &str| Decision {
            expiry: day(expiry),
            date: date.parse().unwrap(),
            kind: AttemptKind::Scheduled,
            at: day(date),
            refused_for_money: true,
        };
        let decided = [decision("2024-05-20", "2024-05-19"), decision("2024-06-20", "2024-06-18")];
        let gone = decision("2024-04-20", "2024-04-19");
        let new = decision("2024-06-20", "2024-06-19");
        let ends = [day("2024-05-20"), day("2024-06-20")];
        let all = [decided[0], decided[1], gone];
        assert_eq!(with_decision(&all, new, &ends), [decided[0], new]);
    }

    #[test]
    fn every_outcome_has_a_name_of_its_own() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.name().parse(), Ok(outcome));
        }
        assert!("PERHAPS".parse::<Outcome>().is_err());
    }
}
