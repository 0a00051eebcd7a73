//! Correcting an expiry (I-2).

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use kernel::{
    Env,
    ids::{AccountId, InstanceId, RequestId},
};
use platform::{database::retry, request::RequestDigest, status::Replayed};
use rule_engine::{
    group::Groups,
    instance::Billing,
    profile::Boundary,
    reason::{Reason, Refusal},
    registration::{Correction, correct_expiry},
    term::Lease,
};
use sea_orm::DatabaseTransaction;

use super::{
    deliver::entitlement::changes,
    due::rederive,
    error::CallError,
    rules::{Catalogue, Rules},
    view::{Shown, Viewer},
    world::world,
};
use crate::store::{
    Store,
    accounts::{self, KnownAccount},
    deliveries, due,
    events::{self, Event, kinds},
    instances::{self, Loaded, Lock, Reach, terms, write},
    requests::{self, Reserved},
};

/// Name of the call under which its request ids are kept.
const METHOD: &str = "CorrectExpiry";

/// An expiry as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Names the call (O-3).
    pub request: RequestId,
    /// What makes two requests the same.
    pub digest: RequestDigest,
    /// Whose it is.
    pub account: AccountId,
    /// The instance.
    pub id: InstanceId,
    /// The expiry.
    pub expiry: DateTime<Utc>,
    /// Why, for the audit.
    pub why: String,
}

/// Corrects expiries.
#[derive(Debug, Clone)]
pub struct Corrections {
    store: Store,
    rules: Arc<Rules>,
    env: Env,
}

impl Corrections {
    /// Corrects expiries of instances in `store`.
    #[must_use]
    pub const fn new(store: Store, rules: Arc<Rules>, env: Env) -> Self {
        Self { store, rules, env }
    }

    /// Makes the expiry of an instance what it should be: a later one appends a term without
    /// a price, an earlier one shortens the last term (I-2). Members that share the term are
    /// corrected together (B-4).
    ///
    /// A repeat of the request answers with the instance as it is now (O-3).
    pub async fn correct(&self, wanted: &Wanted) -> Result<Replayed<Shown>, CallError> {
        let catalogue = self.rules.current().await?;
        retry(|| self.try_correct(wanted, &catalogue)).await
    }

    async fn try_correct(
        &self,
        wanted: &Wanted,
        catalogue: &Catalogue,
    ) -> Result<Replayed<Shown>, CallError> {
        let not_found = || CallError::InstanceNotFound(wanted.id.clone());
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let account = accounts::get(&transaction, &wanted.account).await?.ok_or_else(not_found)?;
        let loaded = load(&transaction, wanted).await?;
        if !loaded.iter().any(|one| one.instance.id == wanted.id) {
            return Err(not_found());
        }
        let Wanted { account: owner, request, digest, .. } = wanted;
        let made = wanted.id.as_str();
        match requests::reserve(&transaction, owner, METHOD, *request, *digest, made, now).await? {
            Reserved::Other => return Err(CallError::RequestIdReused),
            Reserved::Again(_) => {
                let shown =
                    show(&account, &loaded, wanted, catalogue, now).ok_or_else(not_found)?;
                return Ok(Replayed::Again(shown));
            }
            Reserved::New => {}
        }
        self.apply(&transaction, &account, &loaded, wanted, catalogue, now).await?;
        let loaded = load(&transaction, wanted).await?;
        let shown = show(&account, &loaded, wanted, catalogue, now).ok_or_else(not_found)?;
        transaction.commit().await?;
        Ok(Replayed::First(shown))
    }

    /// Corrects every instance that shares the term.
    async fn apply(
        &self,
        transaction: &DatabaseTransaction,
        account: &KnownAccount,
        loaded: &[Loaded],
        wanted: &Wanted,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<(), CallError> {
        let world = world(account, loaded, catalogue, now);
        let groups = Groups::of(&world, now);
        let core: BTreeSet<_> = groups
            .get(&wanted.id)
            .map(|group| group.core().map(|member| &member.id).collect())
            .unwrap_or_default();
        // A forced child has an end of its own.
        let sharing = |one: &&Loaded| {
            let id = &one.instance.id;
            *id == wanted.id || (core.contains(&wanted.id) && core.contains(id))
        };
        let (mut corrected, mut told) = (Vec::new(), Vec::new());
        for one in loaded.iter().filter(sharing) {
            let group = groups.get(&one.instance.id);
            let rules = group.and_then(|group| group.lifecycle_rules(&one.instance, &world));
            let boundary = rules.map_or_else(Boundary::default, |rules| rules.boundary);
            let zone = account.settings.zone;
            let changed = correct_one(transaction, (boundary, zone), one, wanted, now).await?;
            let Some(changed) = changed else { continue };
            let before = one.instance.expiry().map(|expiry| expiry.to_rfc3339());
            told.push(
                Event::new(kinds::INSTANCE_EXPIRY_CORRECTED, account.id.clone())
                    .of_instance(changed.instance.id.clone(), changed.version + 1)
                    .with("before", before.unwrap_or_default())
                    .with("after", wanted.expiry.to_rfc3339())
                    .with("why", &wanted.why),
            );
            corrected.push(changed);
        }
        let others = rederive(account, loaded, &mut corrected, catalogue, now);
        if write::update(transaction, &corrected).await? < corrected.len() {
            return Err(CallError::Busy);
        }
        due::set(transaction, &others).await?;
        let corrected = corrected.iter().map(|one| (&one.instance, one.version + 1));
        deliveries::note(transaction, &changes(catalogue, corrected), now).await?;
        events::record(transaction, &self.env, now, told).await?;
        Ok(())
    }
}

/// The instance with its corrected expiry, whose terms are corrected; none if nothing changed.
async fn correct_one(
    transaction: &DatabaseTransaction,
    (boundary, zone): (Boundary, Tz),
    one: &Loaded,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<Option<Loaded>, CallError> {
    let id = &one.instance.id;
    if one.instance.released {
        let message = format!("{id} is released.");
        let refusal = Refusal::new(Reason::InstanceReleased, message);
        return Err(refusal.with("instance", id).into());
    }
    let mut instance = one.instance.clone();
    // What became postpaid at its expiry has none, whatever the scheduler has done (L-4).
    instance.billing = instance.billing_at(now);
    let tail = terms::tail(transaction, &instance, wanted.expiry).await?;
    let last = tail.last()?;
    if let (Billing::Prepaid(lease), Some(last)) = (&mut instance.billing, last) {
        // The anchor of an adjustment that is undone goes with it.
        lease.anchor = last.anchor;
    }
    let correction = correct_expiry(&instance, last, wanted.expiry, boundary, zone)
        .map_err(|refusal| refusal.with("instance", id))?;
    let term = match correction {
        Correction::Nothing => return Ok(None),
        Correction::Adjustment(term) => {
            terms::adjust(transaction, one, term, now).await?;
            term
        }
        Correction::Shortened(term) => {
            tail.shorten(transaction, term, wanted.request).await?;
            term
        }
    };
    instance.billing = Billing::Prepaid(Lease { end: term.end, anchor: term.anchor });
    Ok(Some(one.with(instance)))
}

async fn load(
    transaction: &DatabaseTransaction,
    wanted: &Wanted,
) -> Result<Vec<Loaded>, CallError> {
    let ids = std::slice::from_ref(&wanted.id);
    let account = &wanted.account;
    Ok(instances::load(transaction, account, ids, Reach::Groups, Lock::ForUpdate).await?)
}

fn show(
    account: &KnownAccount,
    loaded: &[Loaded],
    wanted: &Wanted,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Option<Shown> {
    let world = world(account, loaded, catalogue, now);
    let own = loaded.iter().find(|one| one.instance.id == wanted.id)?;
    Some(Viewer::new(&world, catalogue, now).show(own))
}

#[cfg(test)]
mod tests;
