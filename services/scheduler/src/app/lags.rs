//! How far behind schedules are, for whoever watches over them.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Meter},
};

use super::{Desk, Plan};
use crate::{domain, store::Board};

/// Of each schedule that runs by itself and is not paused, how long its oldest part is due that is not
/// done.
#[derive(Debug)]
pub struct Lags {
    gauge: Gauge<f64>,
    /// How things stood when they were last seen.
    seen: Mutex<Board>,
}

impl Lags {
    /// Measures with `meter`.
    pub fn of(meter: &Meter) -> Self {
        let gauge = meter.f64_gauge("perennial.schedule.lag").with_unit("s");
        let about = "For how long the oldest part of a schedule is due that is not done.";
        Self { gauge: gauge.with_description(about).build(), seen: Mutex::default() }
    }

    /// Measures how things stand on `board` at `now`. Where nobody can see the board, nothing is done
    /// either: what was on it last becomes late.
    pub(super) fn note(
        &self,
        desks: &[Desk],
        plans: &[Plan],
        board: Option<&Board>,
        now: DateTime<Utc>,
    ) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(board) = board {
            seen.clone_from(board);
        }
        let board = &*seen;
        for (index, plan) in plans.iter().enumerate() {
            let kind = plan.kind.name;
            let interval = plan.interval.filter(|_| !board.paused.contains_key(kind));
            let lag = |desk: &Desk| {
                let lease = board.leases.get(&(kind.to_owned(), desk.shards.start));
                Some(domain::lag(now, interval?, &lease.cloned().unwrap_or_default()))
            };
            let parts = desks.iter().filter(|desk| desk.plans.contains(&index));
            let lag = parts.filter_map(lag).max().unwrap_or(TimeDelta::zero());
            self.gauge.record(lag.as_seconds_f64(), &[KeyValue::new("schedule", kind)]);
        }
    }
}
