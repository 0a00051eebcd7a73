//! What is counted of automatic renewals, for whoever watches over them.

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Meter},
};

use crate::domain::attempt::Outcome;

/// Of a while in which every attempt that came due was decided exactly once, nothing is undecided, and
/// as many attempts are due as are decided.
#[derive(Debug, Clone)]
pub struct Meters {
    due: Counter<u64>,
    decided: Counter<u64>,
    undecided: Counter<u64>,
}

impl Meters {
    /// Counts with `meter`.
    #[must_use]
    pub fn of(meter: &Meter) -> Self {
        let counter = |name, about| {
            meter.u64_counter(name).with_unit("{attempt}").with_description(about).build()
        };
        Self {
            due: counter(
                "perennial.renewals.due",
                "Attempts to renew by itself that were due when they were looked at.",
            ),
            decided: counter(
                "perennial.renewals.decided",
                "Attempts to renew by itself that were decided, by outcome.",
            ),
            undecided: counter(
                "perennial.renewals.undecided",
                "Attempts to renew by itself that were due and not decided: they are due again.",
            ),
        }
    }

    /// Counts that `due` attempts were due, of which `decided` were decided, as was counted one by one.
    pub fn note(&self, due: u32, decided: u32) {
        self.due.add(due.into(), &[]);
        self.undecided.add(due.saturating_sub(decided).into(), &[]);
    }

    /// Counts that an attempt was decided.
    pub fn decided(&self, outcome: Outcome) {
        self.decided.add(1, &[KeyValue::new("outcome", outcome.name())]);
    }
}

#[cfg(test)]
mod tests;
