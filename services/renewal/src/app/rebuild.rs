//! Deriving anew when instances are due: the net under every transaction that should have.

use std::sync::Arc;

use chrono::TimeDelta;
use sea_orm::DatabaseTransaction;

use super::{
    Orders,
    due::{Dues, redue},
    failure::OrderError,
    lifecycle::{by_account, names},
    rules::Catalogue,
    sweep::Swept,
    world::world,
};
use crate::store::{
    StoreError, accounts,
    due::{
        self, Redue,
        pages::{self, Key, Reach},
        rebuilds,
    },
    instances::{self, Lock, Named, Reach as Groups},
};

/// How long after the last time everything is derived anew, though no rules have changed.
const DAILY: TimeDelta = TimeDelta::hours(24);

/// What was off where an instance would have been looked at too late.
const TOO_LATE: &str = "DUE_TOO_LATE";

/// Which page, and by which version of the rules the first one was derived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuild {
    /// The page.
    pub reach: Reach,
    /// The version of the first page; none: this is the first.
    pub version: Option<i64>,
    /// Whatever was derived when.
    pub always: bool,
}

impl Orders {
    /// Derives anew when the instances of a page are due, and writes what differs: where the rules
    /// have changed since the shards were derived for the last time, once a day, and whenever it is
    /// told to. What would have been looked at too late is told in the log. Answers also with the
    /// version of the rules, to go on with.
    pub async fn rebuild_due(&self, wanted: &Rebuild) -> Result<(Swept, i64), OrderError> {
        let now = self.env.now();
        let Rebuild { reach, version, always } = wanted;
        let catalogue = self.rules.current().await?;
        let version = version.unwrap_or(catalogue.version());
        let reader = self.store.reader();
        let first = reach.after.account.is_empty();
        let fresh = rebuilds::are_fresh(reader, reach.shards, version, Some(DAILY), now);
        if first && !always && fresh.await? {
            return Ok((Swept::default(), version));
        }
        // By other rules other times are no mistake.
        let same_rules = catalogue.version() == version
            && rebuilds::are_fresh(reader, reach.shards, version, None, now).await?;
        let keys = pages::all(reader, reach).await?;
        let mut swept = Swept::of(&keys, reach);
        let (differing, late) = self.differing(&keys, &catalogue).await?;
        if same_rules {
            swept.fail(TOO_LATE, u32::try_from(late.len()).unwrap_or(u32::MAX));
            for one in late {
                tracing::error!(account = %one.account_id, instance = %one.id, due = ?one.due_time,
                    "an instance would have been looked at too late");
            }
        }
        if !differing.is_empty() || swept.next.is_none() {
            let transaction = self.store.begin().await?;
            let done = due::set(&transaction, &differing).await?;
            swept.done = u32::try_from(done).unwrap_or(u32::MAX);
            if swept.next.is_none() {
                rebuilds::note(&transaction, reach.shards, version, now).await?;
            }
            transaction.commit().await?;
        }
        Ok((swept, version))
    }

    /// The instances that are due at another time than their rows say, and which of them would have
    /// been looked at too late.
    async fn differing(
        &self,
        keys: &[Key],
        catalogue: &Arc<Catalogue>,
    ) -> Result<(Vec<Redue>, Vec<Redue>), OrderError> {
        let (mut differing, mut late) = (Vec::new(), Vec::new());
        if keys.is_empty() {
            return Ok((differing, late));
        }
        let now = self.env.now();
        let snapshot = self.store.snapshot().await?;
        let found = load(&snapshot, keys).await?;
        snapshot.commit().await?;
        for (account, loaded) in &found {
            let world = world(account, loaded, catalogue, now);
            let dues = Dues::of(&world, account, catalogue, now);
            for one in loaded {
                let time = dues.time(one);
                let known = one.recorded.due_time;
                if time == known {
                    continue;
                }
                let redue = redue(one, time);
                // What is due by now is found, whenever it should have been.
                let found = known.is_some_and(|known| known <= now);
                if !found && time.is_some_and(|time| known.is_none_or(|known| time < known)) {
                    late.push(redue.clone());
                }
                differing.push(redue);
            }
        }
        Ok((differing, late))
    }
}

/// The instances that a page names with the groups that they are in, by account.
pub async fn load(
    snapshot: &DatabaseTransaction,
    keys: &[Key],
) -> Result<Vec<(accounts::KnownAccount, Vec<instances::Loaded>)>, StoreError> {
    let named = names(keys)?;
    let named: Vec<_> = named.iter().map(|(account, id)| Named { account, id }).collect();
    let loaded = instances::load_named(snapshot, &named, Groups::Groups, Lock::None).await?;
    let mut loaded = by_account(loaded);
    let owners: Vec<_> = loaded.keys().cloned().collect();
    let accounts = accounts::many(snapshot, &owners.iter().collect::<Vec<_>>()).await?;
    let pair = |account: accounts::KnownAccount| {
        let own = loaded.remove(&account.id)?;
        Some((account, own))
    };
    Ok(accounts.into_values().filter_map(pair).collect())
}

#[cfg(test)]
mod tests;
