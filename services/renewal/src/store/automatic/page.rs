//! Which instances a page is of.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::{Deserialize, Serialize};

use crate::store::{StoreError, statement, values};

/// Where a sweep has got to: before the account that is first due after this place.
///
/// Accounts are taken in the order of what of them is due first, shard by shard. What is done is no
/// longer due, so the place only keeps what cannot be done now from being looked at again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The shard.
    pub shard: i32,
    /// When the first of the account is due.
    pub due_time: i64,
    /// The account.
    pub account: String,
    /// Its instances are done up to this one, in their order; none: all are.
    pub within: Option<Within>,
}

/// The place of an instance among those of its account: by expiry, then id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// Its expiry.
    pub paid_until: i64,
    /// Its id.
    pub id: String,
}

/// What is to be taken.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The first shard.
    pub from: i32,
    /// The one after the last.
    pub until: i32,
    /// What is due by then, in microseconds.
    pub now: i64,
    /// After this place; none: from the first on.
    pub after: Option<Place>,
    /// How many instances at the most.
    pub limit: usize,
}

/// An instance that may be due.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Found {
    /// Whose it is.
    pub account_id: String,
    /// The instance.
    pub id: String,
    /// Its expiry.
    pub paid_until: i64,
}

/// What a page is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// By account, then expiry, then id; of each account all that are due, unless it fills the page
    /// alone.
    pub found: Vec<Found>,
    /// Where the next page goes on; none: nothing is left.
    pub next: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
struct Seed {
    shard: i16,
    due_time: i64,
    account_id: String,
}

impl Seed {
    fn place(&self, within: Option<Within>) -> Place {
        let Self { shard, due_time, account_id } = self.clone();
        Place { shard: shard.into(), due_time, account: account_id, within }
    }
}

/// `1` and `2` shards, the second not in it, `3` now, `4` to `6` the place, `7` whether its account
/// is still open, `8` the limit. One shard after the other, in the order of the index: what the
/// limit leaves is not read.
const SEEDS_SQLITE: &str = "\
WITH RECURSIVE shards(shard) AS (
  SELECT ?1 UNION ALL SELECT shard + 1 FROM shards WHERE shard + 1 < ?2)
SELECT i.shard, i.due_time, i.account_id FROM shards s CROSS JOIN instances i
WHERE i.shard = s.shard AND i.due_time <= ?3 AND i.policy = 'AUTO'
  AND (s.shard > ?4 OR (i.due_time, i.account_id) > (?5, ?6)
    OR ?7 AND i.due_time = ?5 AND i.account_id = ?6)
LIMIT ?8";

const SEEDS_POSTGRES: &str = "\
SELECT d.shard, d.due_time, d.account_id FROM generate_series($1::int, $2::int - 1) AS s(shard)
CROSS JOIN LATERAL (
  SELECT i.shard, i.due_time, i.account_id FROM instances i
  WHERE i.shard = s.shard AND i.due_time <= $3 AND i.policy = 'AUTO'
    AND (s.shard > $4 OR (i.due_time, i.account_id) > ($5, $6)
      OR $7 AND i.due_time = $5 AND i.account_id = $6)
  ORDER BY i.shard, i.due_time, i.account_id, i.id LIMIT $8) AS d
LIMIT $8";

/// `1` accounts in order, `2` now, `3` and `4` where the first one goes on, `5` the limit.
const FOUND_SQLITE: &str = "\
SELECT i.account_id, i.id, i.paid_until FROM jsonb_each(?1) AS a CROSS JOIN instances i
WHERE i.account_id = a.value AND i.due_time <= ?2 AND i.policy = 'AUTO'
  AND i.paid_until IS NOT NULL
  AND (a.key > 0 OR (i.paid_until, i.id) > (?3, ?4))
ORDER BY a.key, i.paid_until, i.id LIMIT ?5";

const FOUND_POSTGRES: &str = "\
SELECT i.account_id, i.id, i.paid_until
FROM (SELECT account, place
  FROM json_array_elements_text($1::json) WITH ORDINALITY AS r(account, place)
  LIMIT (SELECT NULL::bigint)) a
JOIN instances i ON i.account_id = a.account AND i.due_time <= $2
WHERE i.policy = 'AUTO' AND i.paid_until IS NOT NULL
  AND (a.place > 1 OR (i.paid_until, i.id) > ($3, $4))
ORDER BY a.place, i.paid_until, i.id LIMIT $5";

/// The next page of what may be due to be renewed by itself. Two statements.
pub async fn next<C: ConnectionTrait>(connection: &C, wanted: &Wanted) -> Result<Page, StoreError> {
    let seeds = seeds(connection, wanted).await?;
    let mut met = HashSet::new();
    let firsts = seeds.iter().filter(|seed| met.insert(seed.account_id.as_str()));
    let firsts: Vec<&Seed> = firsts.collect();
    let Some(first) = firsts.first() else { return Ok(Page { found: Vec::new(), next: None }) };
    let within = wanted.after.as_ref().filter(|after| after.account == first.account_id);
    let within = within.and_then(|after| after.within.clone());
    let mut found = found(connection, wanted, &firsts, within).await?;
    if found.len() <= wanted.limit {
        let more = seeds.len() >= wanted.limit;
        let next = seeds.last().filter(|_| more).map(|last| last.place(None));
        return Ok(Page { found, next });
    }
    found.truncate(wanted.limit);
    let cut = found.last().map(|last| last.account_id.clone()).unwrap_or_default();
    let place = firsts.iter().position(|first| first.account_id == cut).unwrap_or_default();
    let next = if let Some(before) = place.checked_sub(1) {
        // It does not fit beside the others: the next page begins with it.
        found.retain(|one| one.account_id != cut);
        firsts[before].place(None)
    } else {
        let last = found.last().cloned();
        let within = last.map(|one| Within { paid_until: one.paid_until, id: one.id });
        first.place(within)
    };
    Ok(Page { found, next: Some(next) })
}

async fn seeds<C: ConnectionTrait>(
    connection: &C,
    wanted: &Wanted,
) -> Result<Vec<Seed>, StoreError> {
    let after = wanted.after.as_ref();
    let values = [
        after.map_or(wanted.from, |after| after.shard.clamp(wanted.from, wanted.until)).into(),
        wanted.until.into(),
        wanted.now.into(),
        after.map_or(-1, |after| after.shard).into(),
        after.map_or(i64::MIN, |after| after.due_time).into(),
        after.map(|after| after.account.clone()).unwrap_or_default().into(),
        after.is_some_and(|after| after.within.is_some()).into(),
        i64::try_from(wanted.limit).unwrap_or(i64::MAX).into(),
    ];
    let statement = statement(connection, SEEDS_SQLITE, SEEDS_POSTGRES, values);
    Ok(Seed::find_by_statement(statement).all(connection).await?)
}

/// One more than the limit tells that there are more.
async fn found<C: ConnectionTrait>(
    connection: &C,
    wanted: &Wanted,
    firsts: &[&Seed],
    within: Option<Within>,
) -> Result<Vec<Found>, StoreError> {
    let accounts: Vec<_> = firsts.iter().map(|seed| &seed.account_id).collect();
    let Within { paid_until, id } =
        within.unwrap_or(Within { paid_until: i64::MIN, id: String::new() });
    let most = i64::try_from(wanted.limit).unwrap_or(i64::MAX - 1) + 1;
    let values = [
        values::to_json(&accounts).into(),
        wanted.now.into(),
        paid_until.into(),
        id.into(),
        most.into(),
    ];
    let statement = statement(connection, FOUND_SQLITE, FOUND_POSTGRES, values);
    Ok(Found::find_by_statement(statement).all(connection).await?)
}
