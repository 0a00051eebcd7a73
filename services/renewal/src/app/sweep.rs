//! What sweeps over instances have in common.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Orders, failure::OrderError};
use crate::store::{
    agenda::{self, Agenda},
    due::pages::{Key, Place, Reach},
};

impl Orders {
    /// What comes up after `after` that sweeps deal with.
    pub async fn next_due(&self, after: DateTime<Utc>) -> Result<Agenda, OrderError> {
        Ok(agenda::next(self.store.reader(), after).await?)
    }
}

/// What came of a page, after which the next one goes on from a `P`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept<P = Place> {
    /// How many instances were looked at.
    pub due: u32,
    /// How many of them something was done to, or of how many the attempt was decided.
    pub done: u32,
    /// How many something was in the way of, by reason.
    pub failed: BTreeMap<String, u32>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<P>,
}

impl<P> Default for Swept<P> {
    fn default() -> Self {
        Self { due: 0, done: 0, failed: BTreeMap::new(), next: None }
    }
}

impl Swept {
    /// A page that names `keys`, which are as many as `reach` allows where more may follow.
    #[must_use]
    pub fn of(keys: &[Key], reach: &Reach) -> Self {
        let due = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        Self { due, next: Self::after(keys, reach.limit), ..Self::default() }
    }

    /// Where the page after `keys` begins, if they are as many as `limit`.
    #[must_use]
    pub fn after(keys: &[Key], limit: u32) -> Option<Place> {
        let full = u32::try_from(keys.len()).is_ok_and(|many| many >= limit);
        let last = keys.last().filter(|_| full);
        last.map(|key| Place { account: key.account_id.clone(), id: key.id.clone() })
    }
}

impl<P> Swept<P> {
    /// Notes that `reason` was in the way of so many.
    pub fn fail(&mut self, reason: &str, count: u32) {
        if count > 0 {
            *self.failed.entry(reason.to_owned()).or_default() += count;
        }
    }

    /// The same, where the next page goes on from what `mark` makes of its place.
    pub fn marked<M>(self, mark: impl FnOnce(P) -> M) -> Swept<M> {
        let Self { due, done, failed, next } = self;
        Swept { due, done, failed, next: next.map(mark) }
    }
}
