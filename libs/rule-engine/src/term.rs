//! The terms that renewals pay for.

use serde::{Deserialize, Serialize};

use crate::duration::TermDuration;

/// What of a term is priced: whole months, and days beyond them (M-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricedSpan {
    /// The duration that was chosen; absent where only a date was.
    pub duration: Option<TermDuration>,
    /// The whole months that fit where no duration was chosen, may be 0; else the duration's.
    pub whole_months: u32,
    /// The days beyond them: 0 for a plain renewal.
    pub odd_days: u32,
    /// All days that are added, from the first one after the last day before to the new last day.
    pub total_days: u32,
}
