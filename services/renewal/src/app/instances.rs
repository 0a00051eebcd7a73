//! Reading instances, and whether they may be renewed (section 12).

use std::{collections::BTreeSet, sync::Arc};

use kernel::{
    Env,
    ids::{AccountId, InstanceId},
};
use rule_engine::{
    check::check_renewal,
    duration::TermDuration,
    group::{Groups, bound_to},
    instance::World,
    plan::Extent,
    reason::{Reason, Refusal},
};

use super::{
    error::CallError,
    listing::{self, Search},
    rules::{Catalogue, Rules},
    view::{Shown, Viewer},
    world::world,
};
use crate::store::{
    Store, StoreError,
    accounts::{self, KnownAccount},
    entity::term,
    instances::{
        self, Lock, Reach,
        list::{self, Part, Position},
    },
};

/// The most terms that are shown of an instance.
const MOST_TERMS: u64 = 100;

/// An instance with all that is to know of it.
#[derive(Debug, Clone)]
pub struct Detail {
    /// The instance.
    pub instance: Shown,
    /// The durations that it can be renewed for, the shortest first.
    pub durations: Vec<TermDuration>,
    /// What is bound to it, and what it is bound to, by id.
    pub bound: Vec<Shown>,
    /// Its live terms, latest first.
    pub terms: Vec<term::Model>,
    /// Whose it is.
    pub account: KnownAccount,
}

/// A part of a list of instances.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The instances.
    pub instances: Vec<Shown>,
    /// The position of the last one, if more follow.
    pub next: Option<Position>,
    /// How many there are in all, where that was asked.
    pub total: Option<u64>,
}

/// Whether several instances may be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// Of each instance, in the order asked for, every reason why not.
    pub refusals: Vec<(InstanceId, Vec<Refusal>)>,
    /// The durations that all of them offer, the shortest first.
    pub durations: Vec<TermDuration>,
}

/// The operations that read instances.
#[derive(Debug, Clone)]
pub struct Instances {
    store: Store,
    rules: Arc<Rules>,
    env: Env,
}

impl Instances {
    /// Reads instances from `store`, of the products that `rules` knows.
    #[must_use]
    pub const fn new(store: Store, rules: Arc<Rules>, env: Env) -> Self {
        Self { store, rules, env }
    }

    /// An instance of the account, with the durations on offer, what is bound to it, and its terms.
    pub async fn get(&self, account: &AccountId, id: &InstanceId) -> Result<Detail, CallError> {
        let not_found = || CallError::InstanceNotFound(id.clone());
        let now = self.env.now();
        let catalogue = self.rules.current().await?;
        let snapshot = self.store.database().begin_snapshot().await?;
        let known = accounts::get(&snapshot, account).await?.ok_or_else(not_found)?;
        let named = std::slice::from_ref(id);
        let loaded = instances::load(&snapshot, account, named, Reach::All, Lock::None).await?;
        let terms = instances::live_terms(&snapshot, account, id, MOST_TERMS).await?;
        snapshot.commit().await?;

        let world = world(&known, &loaded, &catalogue, now);
        let viewer = Viewer::new(&world, &catalogue, now);
        let own = loaded.iter().find(|one| one.instance.id == *id).ok_or_else(not_found)?;
        let mut near: BTreeSet<_> =
            bound_to(id, &world, now).into_iter().map(|bound| bound.id).collect();
        near.extend(own.instance.binding.iter().map(|binding| binding.parent.clone()));
        near.remove(id);
        let bound = loaded.iter().filter(|one| near.contains(&one.instance.id));
        Ok(Detail {
            instance: viewer.show(own),
            durations: viewer.durations(&own.instance),
            bound: bound.map(|one| viewer.show(one)).collect(),
            terms,
            account: known,
        })
    }

    /// A part of the account's instances that are searched for, by expiry (none last), then id.
    /// A constant number of statements, however many rows there are.
    pub async fn list(
        &self,
        account: &AccountId,
        search: Search,
        part: Part,
        with_total: bool,
    ) -> Result<Listed, CallError> {
        let now = self.env.now();
        let catalogue = self.rules.current().await?;
        let snapshot = self.store.database().begin_snapshot().await?;
        let known = accounts::get(&snapshot, account).await?;
        let known = known.ok_or_else(|| CallError::AccountNotFound(account.clone()))?;
        let wanted = listing::wanted(search, known.settings.zone, &catalogue, now);
        // One row more than wanted tells whether there are more.
        let size = usize::try_from(part.limit).unwrap_or(usize::MAX);
        let more = Part { limit: part.limit.saturating_add(1), ..part };
        let mut positions = list::list(&snapshot, account, &wanted, &more).await?;
        let next = (positions.len() > size).then(|| positions[size - 1].clone());
        positions.truncate(size);
        let total =
            if with_total { Some(list::count(&snapshot, account, &wanted).await?) } else { None };
        let ids = positions.into_iter().map(|position| position.id.parse());
        let ids: Vec<InstanceId> = ids
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::Unreadable("the id of an instance".to_owned()))?;
        let loaded = instances::load(&snapshot, account, &ids, Reach::Groups, Lock::None).await?;
        snapshot.commit().await?;

        let world = world(&known, &loaded, &catalogue, now);
        let viewer = Viewer::new(&world, &catalogue, now);
        let find = |id: &InstanceId| {
            let place = loaded.binary_search_by(|one| one.instance.id.cmp(id)).ok()?;
            Some(viewer.show(&loaded[place]))
        };
        Ok(Listed { instances: ids.iter().filter_map(find).collect(), next, total })
    }

    /// Whether the account's instances may be renewed, for `duration` if one is given, with every
    /// reason why not (section 5).
    pub async fn check(
        &self,
        account: &AccountId,
        ids: &[InstanceId],
        duration: Option<TermDuration>,
    ) -> Result<Checks, CallError> {
        let now = self.env.now();
        let (world, _) = self.world(account, ids, now).await?;
        super::policies::within_limits(ids, &world)?;
        let extent = duration.map(Extent::Duration);
        let check = |id: &InstanceId| check_renewal(id, extent.as_ref(), &world, now);
        Ok(Checks {
            refusals: ids.iter().map(|id| (id.clone(), check(id))).collect(),
            durations: offered_by_all(ids, &world, now),
        })
    }

    async fn world(
        &self,
        account: &AccountId,
        ids: &[InstanceId],
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(World, Arc<Catalogue>), CallError> {
        let catalogue = self.rules.current().await?;
        let snapshot = self.store.database().begin_snapshot().await?;
        let known = accounts::get(&snapshot, account).await?;
        let known = known.ok_or_else(|| CallError::AccountNotFound(account.clone()))?;
        let loaded = instances::load(&snapshot, account, ids, Reach::Groups, Lock::None).await?;
        snapshot.commit().await?;
        Ok((world(&known, &loaded, &catalogue, now), catalogue))
    }
}

/// The durations that the groups of all of `ids` offer, the shortest first (B-1). What is unknown,
/// or not renewed at all, does not count.
fn offered_by_all(
    ids: &[InstanceId],
    world: &World,
    now: chrono::DateTime<chrono::Utc>,
) -> Vec<TermDuration> {
    let groups = Groups::of(world, now);
    let offers = ids.iter().filter_map(|id| {
        let group = groups.get(id)?;
        let refused = check_renewal(&group.primary().id, None, world, now)
            .iter()
            .any(|refusal| refusal.reason == Reason::ProductNotRenewable);
        (!refused).then(|| group.durations(world).into_iter().collect::<BTreeSet<_>>())
    });
    let all = offers.reduce(|all, offered| &all & &offered);
    all.unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests;
