//! Setting renewal policies (P-1 to P-8).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::{
    Env,
    ids::{AccountId, InstanceId},
};
use platform::database::retry;
use rule_engine::{
    instance::World,
    policy::{PolicyResult, PolicyState, PolicyWish, set_policies},
    reason::{Reason, Refusal},
};

use super::{
    due::rederive,
    error::{CallError, RowRefusal},
    rules::{Catalogue, Rules},
    world::world,
};
use crate::store::{
    Store, accounts, due,
    events::{self, Event, kinds},
    instances::{self, Loaded, Lock, Reach, write},
};

/// What became of the policy of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySet {
    /// What holds now; none of what has no expiry.
    pub policy: PolicyState,
    /// The policy that it had before.
    pub before: PolicyState,
    /// The other instances of its group that were set with it (P-7).
    pub set_along: Vec<InstanceId>,
}

/// What became of each instance of a batch, in the order asked for.
pub type PolicyResults = Vec<(InstanceId, Result<PolicySet, RowRefusal>)>;

/// Sets policies.
#[derive(Debug, Clone)]
pub struct Policies {
    store: Store,
    rules: Arc<Rules>,
    env: Env,
}

impl Policies {
    /// Sets policies of instances in `store`, of the products that `rules` knows.
    #[must_use]
    pub const fn new(store: Store, rules: Arc<Rules>, env: Env) -> Self {
        Self { store, rules, env }
    }

    /// Sets the policy of the account's instances `ids`, each with its whole group (P-6, P-7). A
    /// constant number of statements, however many there are.
    pub async fn set(
        &self,
        account: &AccountId,
        ids: &[InstanceId],
        wish: PolicyWish,
    ) -> Result<PolicyResults, CallError> {
        let catalogue = self.rules.current().await?;
        retry(|| self.try_set(account, ids, wish, &catalogue)).await
    }

    async fn try_set(
        &self,
        account: &AccountId,
        ids: &[InstanceId],
        wish: PolicyWish,
        catalogue: &Catalogue,
    ) -> Result<PolicyResults, CallError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let known = accounts::get(&transaction, account).await?;
        let known = known.ok_or_else(|| CallError::AccountNotFound(account.clone()))?;
        let loaded =
            instances::load(&transaction, account, ids, Reach::Groups, Lock::ForUpdate).await?;
        let world = world(&known, &loaded, catalogue, now);
        within_limits(ids, &world)?;
        refuse_duplicates(ids)?;
        let results = set_policies(ids, wish, &world, now)?;

        let mut changed = changed(&results, &loaded);
        let others = rederive(&known, &loaded, &mut changed, catalogue, now);
        let told_of_all =
            |results: Vec<_>| results.into_iter().map(|result| told_of(result, &world)).collect();
        if changed.is_empty() && others.is_empty() {
            // Nothing is committed: who changes nothing is not noted.
            return Ok(told_of_all(results));
        }
        if write::update(&transaction, &changed).await? < changed.len() {
            return Err(CallError::Busy);
        }
        due::set(&transaction, &others).await?;
        let told = changed.iter().map(|one| {
            let instance = &one.instance;
            Event::new(kinds::INSTANCE_POLICY_CHANGED, account.clone())
                .of_instance(instance.id.clone(), one.version + 1)
                .with("policy", instance.policy.policy())
        });
        events::record(&transaction, &self.env, now, told.collect()).await?;
        transaction.commit().await?;
        Ok(told_of_all(results))
    }
}

/// `TOO_MANY_INSTANCES`, if more ids are named than one operation may have (B-1).
pub fn within_limits(ids: &[InstanceId], world: &World) -> Result<(), Refusal> {
    let limit = world.limits.named;
    if ids.len() <= limit {
        return Ok(());
    }
    let message = format!("At most {limit} instances may be named; these are {}.", ids.len());
    let refusal = Refusal::new(Reason::TooManyInstances, message);
    Err(refusal.with("limit", limit).with("count", ids.len()))
}

/// `DUPLICATE_INSTANCE`, if an id is named twice (B-1).
fn refuse_duplicates(ids: &[InstanceId]) -> Result<(), CallError> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<_> = ids.iter().filter(|id| !seen.insert(*id)).collect();
    let refusals: Vec<_> = twice
        .into_iter()
        .map(|id| {
            let message = format!("{id} is named twice.");
            Refusal::new(Reason::DuplicateInstance, message).with("instance", id)
        })
        .collect();
    if refusals.is_empty() { Ok(()) } else { Err(CallError::Refused(refusals)) }
}

/// The instances whose policy is another than before, each once, by id.
fn changed(results: &[PolicyResult], loaded: &[Loaded]) -> Vec<Loaded> {
    let wanted: BTreeMap<_, _> = results
        .iter()
        .flat_map(|result| result.outcome.iter().flatten())
        .map(|change| (&change.instance, change.policy))
        .collect();
    let changed = loaded.iter().filter_map(|one| {
        let policy = *wanted.get(&one.instance.id)?;
        let mut one = one.clone();
        (one.instance.policy != policy).then(|| {
            one.instance.policy = policy;
            one
        })
    });
    changed.collect()
}

fn told_of(
    PolicyResult { id, outcome }: PolicyResult,
    world: &World,
) -> (InstanceId, Result<PolicySet, RowRefusal>) {
    let before = world.instance(&id).map(|instance| instance.policy).unwrap_or_default();
    let outcome = outcome.map(|changes| PolicySet {
        policy: changes
            .iter()
            .find(|change| change.instance == id)
            .map_or(before, |change| change.policy),
        before,
        set_along: changes
            .into_iter()
            .map(|change| change.instance)
            .filter(|other| *other != id)
            .collect(),
    });
    let outcome = outcome.map_err(|refusals| {
        RowRefusal::weightiest(refusals)
            .unwrap_or_else(|| Refusal::new(Reason::PolicyNotAllowed, "It cannot be set.").into())
    });
    (id, outcome)
}

#[cfg(test)]
mod tests;
