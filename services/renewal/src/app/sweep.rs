//! What sweeps over instances have in common.

use std::collections::BTreeMap;

use crate::store::due::pages::{Key, Place, Reach};

/// What came of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many instances were looked at.
    pub due: u32,
    /// How many of them something was done to.
    pub done: u32,
    /// How many something was in the way of, by reason.
    pub failed: BTreeMap<&'static str, u32>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<Place>,
}

impl Swept {
    /// A page that names `keys`, which are as many as `reach` allows where more may follow.
    #[must_use]
    pub fn of(keys: &[Key], reach: &Reach) -> Self {
        let due = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let last = keys.last().filter(|_| due >= reach.limit);
        let next = last.map(|key| Place { account: key.account_id.clone(), id: key.id.clone() });
        Self { due, next, ..Self::default() }
    }

    /// Notes that `reason` was in the way of so many.
    pub fn fail(&mut self, reason: &'static str, count: u32) {
        if count > 0 {
            *self.failed.entry(reason).or_insert(0) += count;
        }
    }
}
