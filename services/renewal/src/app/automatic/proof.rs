//! Proof that each attempt that came due was decided exactly once: what came due is derived from the
//! rules, and not from the index by which sweeps find their work.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, NaiveDate, Utc};
use kernel::ids::{AccountId, InstanceId};
use rule_engine::due::{Attempt, AttemptIdentity, AttemptKind, Decision, NextAttempt};

use super::super::{
    Orders, due::Dues, failure::OrderError, lifecycle::names, rules::Catalogue, world::world,
};
use crate::{
    domain::attempt::{Outcome, order_id},
    store::{
        Store, StoreError, accounts,
        automatic::{
            begin::known,
            proof::{self, Kept},
        },
        due::pages::{Key, Place},
        instances::{Loaded, Named, Reach, many},
        values,
    },
};

/// Instances that are looked at together.
const PAGE: u32 = 1_000;

/// What the decision of an attempt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// The next page.
    Sweep,
    /// A payment or refund of the instance or its group that is under way.
    Payment,
    /// The next local day, or an operator.
    Resumption,
    /// Nothing: there are several decisions, or there is none of what counts as decided.
    Nothing,
}

/// An attempt that came due and was not decided exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// The attempt.
    pub identity: AttemptIdentity,
    /// Since when it is due, or, where its account was parked, since that ended; none where it is not
    /// due any more.
    pub since: Option<DateTime<Utc>>,
    /// How many decisions there are of it.
    pub decisions: u32,
    /// What it waits for.
    pub waits_for: WaitsFor,
}

/// The attempts of an account's day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Count {
    /// How many were decided exactly once, by outcome.
    pub decided: BTreeMap<String, u32>,
    /// The others.
    pub others: Vec<Unsettled>,
}

impl Orders {
    /// Counts the attempts of the account's day `date`, and names those that came due and were not
    /// decided exactly once.
    pub async fn count_attempts(
        &self,
        account: &AccountId,
        date: NaiveDate,
    ) -> Result<Count, OrderError> {
        let reader = self.store.reader();
        if accounts::get(reader, account).await?.is_none() {
            return Err(OrderError::AccountNotFound(account.clone()));
        }
        let (now, catalogue) = (self.env.now(), self.rules.current().await?);
        let mut open = BTreeMap::new();
        let mut pages = Pages::of(Some(account));
        while let Some(keys) = pages.next(&self.store).await? {
            let found = unsettled(&self.store, &keys, &catalogue, now).await?;
            let of_day = found.into_iter().filter(|one| one.identity.date == date);
            open.extend(of_day.map(|one| (key_of(&one.identity), one)));
        }
        // Read after what is open: what was decided meanwhile is decided.
        let mut count = Count::default();
        for kept in proof::of_day(reader, account, date).await? {
            let identity = identity_of(&kept, account, date)?;
            let open = open.remove(&key_of(&identity));
            let decisions = u32::try_from(kept.decisions).unwrap_or_default();
            if decisions == 1 {
                *count.decided.entry(kept.outcome.unwrap_or_default()).or_default() += 1;
                continue;
            }
            let since = open.as_ref().and_then(|open| open.since);
            let waits_for = match (decisions, open) {
                (0, Some(open)) => open.waits_for,
                (0, None) => WaitsFor::Payment,
                _ => WaitsFor::Nothing,
            };
            count.others.push(Unsettled { identity, since, decisions, waits_for });
        }
        count.others.extend(open.into_values());
        Ok(count)
    }
}

/// What makes two attempts of one account's day the same.
fn key_of(identity: &AttemptIdentity) -> (InstanceId, DateTime<Utc>, AttemptKind) {
    (identity.root.clone(), identity.expiry, identity.kind)
}

fn identity_of(
    kept: &Kept,
    account: &AccountId,
    date: NaiveDate,
) -> Result<AttemptIdentity, StoreError> {
    let unreadable = || StoreError::Unreadable(format!("an attempt of {}", kept.root));
    Ok(AttemptIdentity {
        account: account.clone(),
        root: kept.root.parse().map_err(|_| unreadable())?,
        expiry: values::instant(kept.expiry)?,
        date,
        kind: AttemptKind::of(u32::try_from(kept.kind).map_err(|_| unreadable())?),
    })
}

/// Every instance that may have attempts, page by page.
pub struct Pages<'a> {
    account: Option<&'a AccountId>,
    after: Option<Place>,
}

impl<'a> Pages<'a> {
    /// Those of one account, or of all.
    #[must_use]
    pub fn of(account: Option<&'a AccountId>) -> Self {
        Self { account, after: Some(Place::default()) }
    }

    /// The next page; none: that was the last one.
    pub async fn next(&mut self, store: &Store) -> Result<Option<Vec<Key>>, StoreError> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let keys = proof::candidates(store.reader(), self.account, &after, PAGE).await?;
        let place = |key: &Key| Place { account: key.account_id.clone(), id: key.id.clone() };
        self.after = keys.last().map(place);
        Ok(Some(keys).filter(|keys| !keys.is_empty()))
    }
}

/// Those attempts of the instances `keys` that are due at `now` and undecided, and those that count as
/// decided without a decision.
pub async fn unsettled(
    store: &Store,
    keys: &[Key],
    catalogue: &Arc<Catalogue>,
    now: DateTime<Utc>,
) -> Result<Vec<Unsettled>, StoreError> {
    let named = names(keys)?;
    let found: BTreeSet<_> = named.iter().map(|(account, id)| (account, id)).collect();
    let named: Vec<_> = named.iter().map(|(account, id)| Named { account, id }).collect();
    let (mut unsettled, mut noted) = (Vec::new(), Vec::new());
    for holding in many::load_with_accounts(store.reader(), &named, Reach::Groups).await? {
        let account = &holding.account;
        let world = world(account, &holding.loaded, catalogue, now);
        let dues = Dues::of(&world, account, catalogue, now);
        for one in &holding.loaded {
            if found.contains(&(&account.id, &one.instance.id)) {
                let parked = account.noted.parked.as_ref().map(|(until, _)| *until);
                unsettled.extend(open(one, &dues, parked, now));
                noted.extend(one.recorded.decided.iter().map(|decision| noted_of(one, decision)));
            }
        }
    }
    // Decisions are written with their notes, and read after them.
    let ids: Vec<_> = noted.iter().map(order_id).collect();
    let known = known(store.reader(), &ids).await?;
    let is_decided = |id| {
        let outcome = known.get(id).and_then(|known| known.outcome);
        outcome.is_some_and(|outcome| outcome != Outcome::Void)
    };
    let missing = noted.into_iter().zip(&ids).filter(|(_, id)| !is_decided(id));
    unsettled.extend(missing.map(|(identity, _)| Unsettled {
        identity,
        since: None,
        decisions: 0,
        waits_for: WaitsFor::Nothing,
    }));
    Ok(unsettled)
}

/// The attempt to renew `one` that is due and undecided. Where its account was parked, nobody could decide
/// it until then.
fn open(
    one: &Loaded,
    dues: &Dues<'_>,
    parked: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Unsettled> {
    let facts = dues.facts(one)?;
    let (expiry, date, kind, at) = match facts.automatic()?.next(now) {
        NextAttempt::Due(Attempt { expiry, date, kind, at, .. }) => (expiry, date, kind, at),
        NextAttempt::Missed { expiry, date, at } => (expiry, date, AttemptKind::Scheduled, at),
        NextAttempt::Later(_) | NextAttempt::Never => return None,
    };
    let mut members = dues.group(&one.instance.id)?.members();
    let is_paid = |order: rule_engine::instance::OpenOrder| !order.unpaid;
    let waits_for = if members.any(|member| member.instance.open_order.is_some_and(is_paid)) {
        WaitsFor::Payment
    } else if parked.is_some_and(|until| now < until) {
        WaitsFor::Resumption
    } else {
        WaitsFor::Sweep
    };
    let (account, root) = (one.instance.account.clone(), one.instance.id.clone());
    let identity = AttemptIdentity { account, root, expiry, date, kind };
    let since = parked.filter(|until| *until <= now).map_or(at, |until| at.max(until));
    Some(Unsettled { identity, since: Some(since), decisions: 0, waits_for })
}

/// The attempt that `decision`, which `one` has noted, has decided.
fn noted_of(one: &Loaded, decision: &Decision) -> AttemptIdentity {
    AttemptIdentity {
        account: one.instance.account.clone(),
        root: one.instance.id.clone(),
        expiry: decision.expiry,
        date: decision.date,
        kind: decision.kind,
    }
}

#[cfg(test)]
mod tests;
