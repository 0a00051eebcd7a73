//! Pages of what is due: keys only, and nothing is locked.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::ids::ProductId;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::{StoreError, statement, values};

/// An instance that a page names.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Key {
    /// Whose it is.
    pub account_id: String,
    /// The instance.
    pub id: String,
    /// The order that held it when the page was read.
    pub open_order_id: Option<Uuid>,
}

/// The place in the order of (account, id) after which a page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The account; empty: from the start.
    pub account: String,
    /// The instance.
    pub id: String,
}

/// Which instances a page is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The shards, from the first to the one before the second.
    pub shards: (i16, i16),
    /// It begins after this.
    pub after: Place,
    /// How many at the most.
    pub limit: u32,
}

/// `1` shards parted by commas, `2` due until, `3` expired until, `4` and `5` after, `6` limit.
const DUE_SQLITE: &str = "\
SELECT account_id, id, open_order_id FROM instances INDEXED BY instances_due
WHERE shard IN (SELECT value FROM json_each('[' || ?1 || ']')) AND due_time <= ?2
  AND (?3 IS NULL OR paid_until <= ?3) AND (account_id, id) > (?4, ?5)
ORDER BY account_id, id LIMIT ?6";

const DUE_POSTGRES: &str = "\
SELECT account_id, id, open_order_id FROM instances
WHERE shard = ANY (string_to_array($1, ',')::smallint[]) AND due_time <= $2
  AND ($3::bigint IS NULL OR paid_until <= $3) AND (account_id, id) > ($4, $5)
ORDER BY account_id, id LIMIT $6";

/// Instances of which anything is due at `now`, by account and id; only expired ones, if `expired`.
pub async fn due<C: ConnectionTrait>(
    connection: &C,
    reach: &Reach,
    expired: bool,
    now: DateTime<Utc>,
) -> Result<Vec<Key>, StoreError> {
    let now = values::micros(now);
    let values: [Value; 6] = [
        shards(reach).into(),
        now.into(),
        expired.then_some(now).into(),
        reach.after.account.as_str().into(),
        reach.after.id.as_str().into(),
        i64::from(reach.limit).into(),
    ];
    let statement = statement(connection, DUE_SQLITE, DUE_POSTGRES, values);
    Ok(Key::find_by_statement(statement).all(connection).await?)
}

/// `1` shards parted by commas, `2` and `3` after, `4` limit.
const ALL_SQLITE: &str = "\
SELECT account_id, id, open_order_id FROM instances
WHERE shard IN (SELECT value FROM json_each('[' || ?1 || ']')) AND (account_id, id) > (?2, ?3)
ORDER BY account_id, id LIMIT ?4";

const ALL_POSTGRES: &str = "\
SELECT account_id, id, open_order_id FROM instances
WHERE shard = ANY (string_to_array($1, ',')::smallint[]) AND (account_id, id) > ($2, $3)
ORDER BY account_id, id LIMIT $4";

/// Instances whether or not anything is due, by account and id.
pub async fn all<C: ConnectionTrait>(
    connection: &C,
    reach: &Reach,
) -> Result<Vec<Key>, StoreError> {
    let values: [Value; 4] = [
        shards(reach).into(),
        reach.after.account.as_str().into(),
        reach.after.id.as_str().into(),
        i64::from(reach.limit).into(),
    ];
    let statement = statement(connection, ALL_SQLITE, ALL_POSTGRES, values);
    Ok(Key::find_by_statement(statement).all(connection).await?)
}

/// `1` products, `2` now, `3` and `4` after, `5` limit.
const UNEXPIRED_SQLITE: &str = "\
SELECT account_id, id, open_order_id FROM instances
WHERE (product_id IN (SELECT value FROM jsonb_each(?1)) OR binding = 'STRONG')
  AND NOT released AND paid_until > ?2 AND (account_id, id) > (?3, ?4)
ORDER BY account_id, id LIMIT ?5";

const UNEXPIRED_POSTGRES: &str = "\
SELECT account_id, id, open_order_id FROM instances
WHERE (product_id IN (SELECT jsonb_array_elements_text($1::jsonb)) OR binding = 'STRONG')
  AND NOT released AND paid_until > $2 AND (account_id, id) > ($3, $4)
ORDER BY account_id, id LIMIT $5";

/// Instances of `products` that are not expired at `now`, by account and id, and those that may share the
/// rules of one (B-4).
pub async fn unexpired<C: ConnectionTrait>(
    connection: &C,
    products: &BTreeSet<&ProductId>,
    after: &Place,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<Vec<Key>, StoreError> {
    let values: [Value; 5] = [
        values::to_json(products).into(),
        values::micros(now).into(),
        after.account.as_str().into(),
        after.id.as_str().into(),
        i64::from(limit).into(),
    ];
    let statement = statement(connection, UNEXPIRED_SQLITE, UNEXPIRED_POSTGRES, values);
    Ok(Key::find_by_statement(statement).all(connection).await?)
}

/// One by one: an index begins with the shard, and what is due lies together in each.
fn shards(reach: &Reach) -> String {
    let (from, until) = reach.shards;
    (from..until).map(|shard| shard.to_string()).collect::<Vec<_>>().join(",")
}
