//! By which rules, and when, all of a shard was derived anew for the last time.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::store::{StoreError, statement, values};

#[derive(Debug, FromQueryResult)]
struct Count {
    fresh: i64,
}

/// `1` and `2` shards, `3` version, `4` the earliest instant that is not too long ago.
const FRESH_SQLITE: &str = "\
SELECT COUNT(*) AS fresh FROM rebuilds
WHERE shard >= ?1 AND shard < ?2 AND rules_version = ?3 AND end_time > ?4";

const FRESH_POSTGRES: &str = "\
SELECT COUNT(*) AS fresh FROM rebuilds
WHERE shard >= $1 AND shard < $2 AND rules_version = $3 AND end_time > $4";

/// Whether all of these shards were derived by this version of the rules, less than `age` ago.
pub async fn are_fresh<C: ConnectionTrait>(
    connection: &C,
    shards: (i16, i16),
    rules_version: i64,
    age: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let since = age.map_or(i64::MIN, |age| values::micros(now - age));
    let (from, until) = shards;
    let values: [Value; 4] = [from.into(), until.into(), rules_version.into(), since.into()];
    let statement = statement(connection, FRESH_SQLITE, FRESH_POSTGRES, values);
    let row = Count::find_by_statement(statement).one(connection).await?;
    Ok(row.is_some_and(|row| row.fresh == i64::from(until - from)))
}

/// `1` shards parted by commas, `2` version, `3` now.
const NOTE_SQLITE: &str = "\
INSERT INTO rebuilds (shard, rules_version, end_time)
SELECT value, ?2, ?3 FROM json_each('[' || ?1 || ']') WHERE true
ON CONFLICT (shard) DO UPDATE
  SET rules_version = excluded.rules_version, end_time = excluded.end_time";

const NOTE_POSTGRES: &str = "\
INSERT INTO rebuilds (shard, rules_version, end_time)
SELECT shard, $2, $3 FROM unnest(string_to_array($1, ',')::smallint[]) AS r(shard) ORDER BY shard
ON CONFLICT (shard) DO UPDATE
  SET rules_version = excluded.rules_version, end_time = excluded.end_time";

/// Notes that all of these shards were derived by this version of the rules.
pub async fn note<C: ConnectionTrait>(
    connection: &C,
    shards: (i16, i16),
    rules_version: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (from, until) = shards;
    let shards = (from..until).map(|shard| shard.to_string()).collect::<Vec<_>>().join(",");
    let values: [Value; 3] = [shards.into(), rules_version.into(), values::micros(now).into()];
    connection.execute_raw(statement(connection, NOTE_SQLITE, NOTE_POSTGRES, values)).await?;
    Ok(())
}
