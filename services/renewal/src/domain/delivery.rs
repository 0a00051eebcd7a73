//! When consoles are told what their instances are entitled to (O-5).

use chrono::TimeDelta;
use kernel::ids::{AccountId, InstanceId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// How often in a row a console may leave its calls without an answer before it is paused.
const PATIENCE: i32 = 3;

/// How long something may stay undelivered before somebody is alerted.
pub const LATE: TimeDelta = TimeDelta::hours(1);

/// The id of the state of an instance that has this version: the same whenever it is told.
#[must_use]
pub fn delivery_id(account: &AccountId, id: &InstanceId, version: i64) -> Uuid {
    let digest = Sha256::new()
        .chain_update(b"perennial.delivery")
        .chain_update(account.as_str())
        .chain_update([0])
        .chain_update(id.as_str())
        .chain_update([0])
        .chain_update(version.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// How long to wait before something is tried again that has failed `failures` times: 1 s, doubling,
/// 5 minutes at the most.
#[must_use]
pub fn backoff(failures: i32) -> TimeDelta {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0).min(9);
    TimeDelta::seconds((1 << doublings).min(300))
}

/// How often in a row a console has not answered that had not `before` and now did not `calls` times
/// at once: calls that were made together pause it once.
#[must_use]
pub fn failures(before: i32, calls: i32) -> i32 {
    if before >= PATIENCE { before.saturating_add(1) } else { (before + calls).min(PATIENCE) }
}

/// How long a console is left alone after so many failures in a row; none: not at all.
#[must_use]
pub fn pause(failures: i32) -> Option<TimeDelta> {
    (failures >= PATIENCE).then(|| backoff(failures - PATIENCE + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    // O-5
    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits =
            [0, 1, 2, 3, 8, 9, 10, i32::MAX].map(|failures| backoff(failures).num_seconds());
        assert_eq!(waits, [1, 1, 2, 4, 128, 256, 300, 300]);
    }

    // O-5
    #[test]
    fn a_console_is_paused_after_three_failures_in_a_row_however_many_calls_they_were() {
        assert_eq!([failures(0, 1), failures(1, 1), failures(2, 8), failures(0, 8)], [1, 2, 3, 3]);
        assert_eq!([failures(3, 1), failures(i32::MAX, 1)], [4, i32::MAX]);
        let pauses = [2, 3, 4, 12].map(|failures| pause(failures).map(|wait| wait.num_seconds()));
        assert_eq!(pauses, [None, Some(1), Some(2), Some(300)]);
    }

    // O-5
    #[test]
    fn each_state_of_each_instance_has_an_id_of_its_own() {
        let id = |account: &str, id: &str, version| {
            delivery_id(&account.parse().unwrap(), &id.parse().unwrap(), version)
        };
        let ids = [id("a", "b", 1), id("a", "b", 2), id("a", "c", 1), id("b", "b", 1)];
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!((different.len(), id("a", "b", 1)), (4, ids[0]));
    }
}
