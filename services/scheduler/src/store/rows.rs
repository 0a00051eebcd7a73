//! Rows to values.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::StoreError;
use crate::domain;

/// An instant as it is kept.
pub fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// An instant that was kept.
pub fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// Counts by reason as they are kept.
pub fn json(failed: &BTreeMap<String, i64>) -> String {
    serde_json::json!(failed).to_string()
}

#[derive(Debug, FromQueryResult)]
pub struct Lease {
    pub kind: String,
    pub shard: i32,
    until_us: i64,
    done_us: i64,
    failed_us: i64,
}

impl From<Lease> for domain::Lease {
    fn from(row: Lease) -> Self {
        Self { until: time(row.until_us), done: time(row.done_us), failed: time(row.failed_us) }
    }
}

#[derive(Debug, FromQueryResult)]
pub struct Waiting {
    pub kind: String,
    pub shard: i32,
    pub planned_us: i64,
}

#[derive(Debug, FromQueryResult)]
pub struct Paused {
    pub kind: String,
    pub paused_us: i64,
}

#[derive(Debug, FromQueryResult)]
pub struct Count {
    pub count: i64,
}

#[derive(Debug, FromQueryResult)]
pub struct Tally {
    due: i64,
    done: i64,
    failed: String,
}

impl TryFrom<Tally> for domain::Tally {
    type Error = StoreError;

    fn try_from(row: Tally) -> Result<Self, StoreError> {
        let failed = serde_json::from_str(&row.failed);
        let failed = failed.map_err(StoreError::unreadable)?;
        Ok(Self { due: row.due, done: row.done, failed })
    }
}

#[derive(Debug, FromQueryResult)]
pub struct Part {
    kind: String,
    shard: i32,
    planned_us: i64,
    asked: bool,
    state: String,
    attempts: i32,
    holder: String,
    started_us: Option<i64>,
    ended_us: Option<i64>,
    shards: i32,
    shards_done: i32,
    due: i64,
    done: i64,
    failed: String,
    error: String,
}

impl TryFrom<Part> for domain::Part {
    type Error = StoreError;

    fn try_from(row: Part) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.kind,
            planned: time(row.planned_us),
            shards: row.shard..row.shard + row.shards,
            shards_done: row.shards_done,
            asked: row.asked,
            state: row.state.parse().map_err(StoreError::Unreadable)?,
            holder: row.holder,
            attempts: row.attempts,
            started: row.started_us.map(time),
            ended: row.ended_us.map(time),
            tally: Tally { due: row.due, done: row.done, failed: row.failed }.try_into()?,
            error: row.error,
        })
    }
}
