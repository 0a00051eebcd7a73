//! How far behind schedules are, for whoever watches over them.

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
pub struct Lags(Gauge<f64>);

impl Lags {
    /// Measures with `meter`.
    pub fn of(meter: &Meter) -> Self {
        let gauge = meter.f64_gauge("perennial.schedule.lag").with_unit("s");
        let about = "For how long the oldest part of a schedule is due that is not done.";
        Self(gauge.with_description(about).build())
    }

    /// Measures how things stand on `board` at `now`.
    pub(super) fn note(&self, desks: &[Desk], plans: &[Plan], board: &Board, now: DateTime<Utc>) {
        for (index, plan) in plans.iter().enumerate() {
            let kind = plan.kind.name;
            let interval = plan.interval.filter(|_| !board.paused.contains_key(kind));
            let lag = |desk: &Desk| {
                let lease = board.leases.get(&(kind.to_owned(), desk.shards.start));
                Some(domain::lag(now, interval?, &lease.cloned().unwrap_or_default()))
            };
            let parts = desks.iter().filter(|desk| desk.plans.contains(&index));
            let lag = parts.filter_map(lag).max().unwrap_or(TimeDelta::zero());
            self.0.record(lag.as_seconds_f64(), &[KeyValue::new("schedule", kind)]);
        }
    }
}
