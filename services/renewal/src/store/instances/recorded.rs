//! What sweeps recorded of an instance.

use chrono::{DateTime, NaiveDate, Utc};
use rule_engine::{
    due::{AttemptKind, Decision},
    lifecycle::State,
};
use serde::{Deserialize, Serialize};

use crate::store::{StoreError, entity::instance, values};

/// What sweeps recorded of an instance. No rule of renewal depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The state that was last recorded, with its event (L-3).
    pub state: State,
    /// Of what its users were reminded.
    pub reminded: Reminded,
    /// The latest automatic decision for each expiry that still matters; on the primary of its
    /// group.
    pub decided: Vec<Decision>,
    /// The earliest instant at which anything of it is due.
    pub due_time: Option<DateTime<Utc>>,
}

impl Default for Recorded {
    fn default() -> Self {
        Self {
            state: State::Active,
            reminded: Reminded::default(),
            decided: Vec::new(),
            due_time: None,
        }
    }
}

impl Recorded {
    pub(super) fn read(row: &instance::Model) -> Result<Self, StoreError> {
        Ok(Self {
            state: values::word(&row.state)?,
            reminded: row.reminded.as_deref().map(Reminded::read).transpose()?.unwrap_or_default(),
            decided: row.decided.as_deref().map(read_decisions).transpose()?.unwrap_or_default(),
            due_time: row.due_time.map(values::instant).transpose()?,
        })
    }
}

/// Of how many expiries it is known which reminders were dealt with: a refund brings back the one
/// before, and must not have its users reminded again.
const EXPIRIES: usize = 4;

/// Which reminders of an instance were dealt with: the last offset of each of its latest expiries
///
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminded(Vec<(i64, i32, Option<i64>)>);

impl Reminded {
    fn read(text: &str) -> Result<Self, StoreError> {
        values::from_json(text)
    }

    /// The last offset that was dealt with for the expiry `end`.
    #[must_use]
    pub fn of(&self, end: DateTime<Utc>) -> Option<i32> {
        let end = values::micros(end);
        self.0.iter().find(|(expiry, ..)| *expiry == end).map(|(_, offset, _)| *offset)
    }

    /// The price in minor units, other than the one before, of which users were told for the expiry
    /// `end`.
    #[must_use]
    pub fn told_price(&self, end: DateTime<Utc>) -> Option<i64> {
        let end = values::micros(end);
        self.0.iter().find(|(expiry, ..)| *expiry == end).and_then(|(.., price)| *price)
    }

    /// Notes that the reminder at `offset` of the expiry `end` was dealt with, and those before it; and
    /// the price that users were told of with it, if they were.
    #[must_use]
    pub fn with(mut self, end: DateTime<Utc>, offset: i32, price: Option<i64>) -> Self {
        let price = price.or_else(|| self.told_price(end));
        let end = values::micros(end);
        self.0.retain(|(expiry, ..)| *expiry != end);
        self.0.push((end, offset, price));
        let old = self.0.len().saturating_sub(EXPIRIES);
        self.0.drain(..old);
        self
    }

    /// As its column holds it.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| values::to_json(&self.0))
    }
}

/// A decision as its column holds it.
#[derive(Debug, Serialize, Deserialize)]
struct DecisionRow {
    expiry: i64,
    date: NaiveDate,
    retry: u32,
    at: i64,
    for_money: bool,
}

fn read_decisions(text: &str) -> Result<Vec<Decision>, StoreError> {
    let rows: Vec<DecisionRow> = values::from_json(text)?;
    let decision = |row: DecisionRow| {
        Ok(Decision {
            expiry: values::instant(row.expiry)?,
            date: row.date,
            kind: AttemptKind::of(row.retry),
            at: values::instant(row.at)?,
            refused_for_money: row.for_money,
        })
    };
    rows.into_iter().map(decision).collect()
}

/// Decisions as their column holds them; none for none.
#[must_use]
pub fn decisions_text(decided: &[Decision]) -> Option<String> {
    let row = |decision: &Decision| DecisionRow {
        expiry: values::micros(decision.expiry),
        date: decision.date,
        retry: decision.kind.number(),
        at: values::micros(decision.at),
        for_money: decision.refused_for_money,
    };
    let rows: Vec<_> = decided.iter().map(row).collect();
    (!rows.is_empty()).then(|| values::to_json(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn decisions_are_read_as_they_were_written() {
        let decision = |kind, refused_for_money| Decision {
            expiry: at("2026-03-11T00:00:00Z"),
            date: "2026-03-10".parse().unwrap(),
            kind,
            at: at("2026-03-10T00:00:01.000002Z"),
            refused_for_money,
        };
        let decided =
            [decision(AttemptKind::Scheduled, true), decision(AttemptKind::Retry(2), false)];
        assert_eq!(read_decisions(&decisions_text(&decided).unwrap()).unwrap(), decided);
        assert_eq!(decisions_text(&[]), None);
    }

    // one per (instance, expiry, offset), also where a refund brings an expiry back.
    #[test]
    fn what_was_dealt_with_is_known_of_the_latest_expiries() {
        let day = |day: i64| at("2026-03-01T00:00:00Z") + chrono::TimeDelta::days(day);
        let mut reminded = Reminded::default();
        for (number, offset, price) in [(1, -7, Some(5)), (2, -30, None), (1, -3, None)] {
            reminded = reminded.with(day(number), offset, price);
        }
        let read = Reminded::read(&reminded.text().unwrap()).unwrap();
        assert_eq!(
            (read.of(day(1)), read.of(day(2)), read.of(day(3))),
            (Some(-3), Some(-30), None)
        );
        assert_eq!((read.told_price(day(1)), read.told_price(day(2))), (Some(5), None));
        for number in 3..=6 {
            reminded = reminded.with(day(number), 0, None);
        }
        assert_eq!((reminded.of(day(1)), reminded.of(day(3))), (None, Some(0)));
    }
}
