//! What the rules are asked with: an account, its instances, and the profiles that hold for them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rule_engine::{
    instance::{Limits, World},
    lifecycle::LifecycleRules,
};

use super::rules::Catalogue;
use crate::store::{accounts::KnownAccount, instances::Loaded};

/// The world of the account's `loaded` instances at `now`.
///
/// For what has expired, the days of grace and retention that were in force at its expiry hold
/// (L-5).
#[must_use]
pub fn world(
    account: &KnownAccount,
    loaded: &[Loaded],
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> World {
    let mut world = World::new(account.facts());
    if let Some(profile) = catalogue.account_profile(&account.profile) {
        world.limits = Limits {
            named: usize::try_from(profile.batch_limit).unwrap_or(usize::MAX),
            total: usize::try_from(profile.batch_limit_with_bound).unwrap_or(usize::MAX),
        };
    }
    for Loaded { instance, .. } in loaded {
        if let Some(product) = catalogue.product(&instance.product) {
            world.profiles.insert(instance.product.clone(), Arc::clone(&product.profile));
            if let Some(expiry) = instance.expiry().filter(|expiry| *expiry <= now) {
                let then = LifecycleRules::of(product.profile_at(expiry));
                if then != LifecycleRules::of(&product.profile) {
                    world.lifecycle_at_expiry.insert(instance.id.clone(), then);
                }
            }
        }
        world.instances.insert(instance.id.clone(), instance.clone());
    }
    world
}
