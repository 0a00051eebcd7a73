//! Which instances a catalog would release at another time than the one in force (L-5).

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use kernel::{
    Env,
    ids::{AccountId, InstanceId, ProductId},
};
use rule_engine::{
    group::Groups,
    instance::{Instance, World},
    lifecycle::lifecycle,
};

use super::{
    error::CallError,
    rebuild::load,
    rules::{Catalogue, Rules},
    sweep::Swept,
    world::world,
};
use crate::store::{
    Store,
    accounts::KnownAccount,
    due::pages::{self, Place},
    instances::Loaded,
};

/// An instance whose release would move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Whose it is.
    pub account: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// Its product.
    pub product: ProductId,
    /// Its expiry.
    pub expiry: DateTime<Utc>,
    /// When it is released by the rules in force.
    pub release: DateTime<Utc>,
    /// When it would be.
    pub would_be: DateTime<Utc>,
}

/// A page of instances, those of them whose release would move, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// By account and id.
    pub moved: Vec<Moved>,
    /// After this one; none: nothing is left.
    pub next: Option<Place>,
}

/// Looks what a catalog would do to releases.
#[derive(Debug, Clone)]
pub struct Releases {
    store: Store,
    rules: Arc<Rules>,
    env: Env,
}

impl Releases {
    /// Over the instances in `store`.
    #[must_use]
    pub const fn new(store: Store, rules: Arc<Rules>, env: Env) -> Self {
        Self { store, rules, env }
    }

    /// The instances after `after` whose release would move if the catalog `document` were applied now:
    /// at most `limit` are looked at. Of what is expired nothing moves: the rules of its expiry hold.
    pub async fn moved(
        &self,
        document: &str,
        after: &Place,
        limit: u32,
    ) -> Result<Page, CallError> {
        let now = self.env.now();
        let (current, proposed) = self.rules.proposed(document, now).await?;
        let differing: BTreeSet<_> = proposed.differing(&current).collect();
        if differing.is_empty() {
            return Ok(Page { moved: Vec::new(), next: None });
        }
        let snapshot = self.store.snapshot().await?;
        let keys = pages::unexpired(&snapshot, &differing, after, limit, now).await?;
        let found = load(&snapshot, &keys).await?;
        snapshot.commit().await?;
        let wanted: BTreeSet<_> =
            keys.iter().map(|key| (key.account_id.as_str(), key.id.as_str())).collect();
        let mut moved = Vec::new();
        for (account, loaded) in &found {
            let all = moves(account, loaded, (&current, &proposed), now);
            let named = |one: &Moved| wanted.contains(&(one.account.as_str(), one.id.as_str()));
            moved.extend(all.into_iter().filter(named));
        }
        moved.sort_by(|one, other| (&one.account, &one.id).cmp(&(&other.account, &other.id)));
        Ok(Page { moved, next: Swept::<Place>::after(&keys, limit) })
    }
}

/// Of an account's instances those whose release differs between two catalogues.
fn moves(
    account: &KnownAccount,
    loaded: &[Loaded],
    (current, proposed): (&Catalogue, &Catalogue),
    now: DateTime<Utc>,
) -> Vec<Moved> {
    let [before, after] = [current, proposed].map(|rules| world(account, loaded, rules, now));
    let released = |world: &World| {
        let groups = Groups::of(world, now);
        let release = |one: &Loaded| release(world, &groups, &one.instance);
        loaded.iter().map(release).collect::<Vec<_>>()
    };
    let both = released(&before).into_iter().zip(released(&after));
    let moved = loaded.iter().zip(both).filter_map(|(one, both)| {
        let (Some(release), Some(would_be)) = both else { return None };
        let Instance { account, id, product, .. } = &one.instance;
        (release != would_be).then(|| Moved {
            account: account.clone(),
            id: id.clone(),
            product: product.clone(),
            expiry: one.instance.expiry().unwrap_or(release),
            release,
            would_be,
        })
    });
    moved.collect()
}

/// When the instance is released by its dates.
fn release(world: &World, groups: &Groups<'_>, instance: &Instance) -> Option<DateTime<Utc>> {
    let end = instance.expiry()?;
    let rules = groups.get(&instance.id)?.lifecycle_rules(instance, world)?;
    Some(lifecycle(&rules, end, world.account.zone()).released_at)
}

#[cfg(test)]
mod tests;
