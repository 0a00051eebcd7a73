//! How often one caller may call.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use super::Caller;

/// How many callers are remembered; beyond, those who could call as often as they like are forgotten.
const MOST: usize = 10_000;

/// A bucket for each caller: full with the calls of two seconds, and filled again as time passes.
#[derive(Debug)]
pub(super) struct Buckets {
    limiter: Option<DefaultKeyedRateLimiter<String>>,
    clock: DefaultClock,
}

impl Buckets {
    /// So many calls a second for each caller; 0: any number.
    pub(super) fn new(per_second: u32) -> Self {
        let limiter = NonZeroU32::new(per_second).map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::new(2).unwrap_or(rate));
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        Self { limiter, clock: DefaultClock::default() }
    }

    /// Takes a call out of `caller`'s bucket, or says when there will be one. Services of the suite act
    /// for others, whose calls were counted already.
    pub(super) fn take(&self, caller: &Caller) -> Result<(), Duration> {
        let Some(limiter) = self.limiter.as_ref().filter(|_| !caller.is_service()) else {
            return Ok(());
        };
        if limiter.len() > MOST {
            limiter.retain_recent();
        }
        let taken = limiter.check_key(&caller.subject().to_owned());
        taken.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}
