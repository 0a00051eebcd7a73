//! An instance as it is shown: with everything that follows from its dates (section 12, L-3).

use chrono::{DateTime, NaiveDate, Utc};
use rule_engine::{
    calendar::{last_day, shown_end},
    check::check_renewal,
    duration::TermDuration,
    group::Groups,
    instance::{Instance, World},
    lifecycle::{State, lifecycle},
    plan::Extent,
    profile::{Boundary, EndShown},
    reason::{Reason, Refusal},
};

use super::rules::Catalogue;
use crate::store::instances::Loaded;

/// An instance, and what follows from its dates at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "`expiry_shown` is the contract's word")]
pub struct Shown {
    /// The instance as it is at the instant: postpaid, if it became so at its expiry (L-4).
    pub instance: Instance,
    /// The product line that it is shown under.
    pub product_line: String,
    /// The local date of its last paid day; none without an expiry (T-4).
    pub last_day: Option<NaiveDate>,
    /// Its expiry as the product shows it; empty without one (T-4).
    pub expiry_shown: String,
    /// Where it is in its life (L-3).
    pub state: State,
    /// The first instant at which it can no longer be renewed; none without an expiry (L-1).
    pub release_time: Option<DateTime<Utc>>,
    /// Why it cannot be renewed; none if it can. Being a part of a group is no reason: the group is
    /// renewed through its primary.
    pub refusals: Vec<Refusal>,
    /// The version of its row.
    pub version: i64,
}

/// Shows instances of one world at one instant.
#[derive(Debug)]
pub struct Viewer<'w> {
    world: &'w World,
    groups: Groups<'w>,
    catalogue: &'w Catalogue,
    now: DateTime<Utc>,
}

impl<'w> Viewer<'w> {
    /// Shows instances of `world` as they are at `now`.
    #[must_use]
    pub fn new(world: &'w World, catalogue: &'w Catalogue, now: DateTime<Utc>) -> Self {
        Self { world, groups: Groups::of(world, now), catalogue, now }
    }

    /// The instance as it is shown.
    #[must_use]
    pub fn show(&self, loaded: &Loaded) -> Shown {
        let mut instance = loaded.instance.clone();
        instance.billing = instance.billing_at(self.now);
        instance.configuration = loaded.instance.configuration_at(self.now).clone();
        instance.pending = instance.pending.filter(|pending| pending.effective > self.now);
        let zone = self.world.account.zone();
        let expiry = instance.expiry();
        let rules = self
            .groups
            .get(&instance.id)
            .and_then(|group| group.lifecycle_rules(&loaded.instance, self.world));
        let life = expiry.zip(rules).map(|(expiry, rules)| lifecycle(&rules, expiry, zone));
        let (boundary, shown) = self
            .world
            .profile(&instance)
            .map_or((Boundary::Exact, EndShown::LastSecond), |profile| {
                (profile.boundary, profile.end_shown)
            });
        let expired_state =
            if instance.is_expired(self.now) { State::Retained } else { State::Active };
        Shown {
            product_line: self
                .catalogue
                .product(&instance.product)
                .map(|product| product.line.clone())
                .unwrap_or_default(),
            last_day: expiry.map(|expiry| last_day(zone, expiry)),
            expiry_shown: expiry
                .map(|expiry| shown_end(zone, expiry, boundary, shown).to_string())
                .unwrap_or_default(),
            state: match life {
                _ if instance.released => State::Released,
                Some(life) => life.state_at(self.now),
                // Without an expiry it is active; without a product it is kept, for all we know.
                None => expired_state,
            },
            release_time: life.map(|life| life.released_at),
            refusals: self.refusals(&instance),
            version: loaded.version,
            instance,
        }
    }

    /// The durations that the instance can be renewed for, the shortest first (T-1, B-4).
    #[must_use]
    pub fn durations(&self, instance: &Instance) -> Vec<TermDuration> {
        self.groups.get(&instance.id).map(|group| group.durations(self.world)).unwrap_or_default()
    }

    fn refusals(&self, instance: &Instance) -> Vec<Refusal> {
        let no_extent: Option<&Extent> = None;
        let mut refusals = check_renewal(&instance.id, no_extent, self.world, self.now);
        refusals.retain(|refusal| refusal.reason != Reason::GroupMustRenewTogether);
        refusals
    }
}
