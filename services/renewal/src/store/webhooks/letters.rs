//! Letters: events that a receiver has not taken yet, and those that it never took.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use prost::Message as _;
use proto::renewal::v1 as pb;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::{statement, unreadable};
use crate::store::{StoreError, entity::webhook_letter as letter, values};

/// An event that a receiver has not taken yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Its place among the letters of the receiver; none: it is none yet.
    pub place: Option<i64>,
    /// The event.
    pub event: pb::Event,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first tried.
    pub first_attempt: Option<DateTime<Utc>>,
    /// Not before.
    pub next_attempt: DateTime<Utc>,
    /// Why the last attempt failed.
    pub error: String,
    /// Since when it is not tried any more.
    pub dead_time: Option<DateTime<Utc>>,
}

impl Letter {
    /// A letter that was never tried.
    #[must_use]
    pub const fn new(event: pb::Event, now: DateTime<Utc>) -> Self {
        Self {
            place: None,
            event,
            attempts: 0,
            first_attempt: None,
            next_attempt: now,
            error: String::new(),
            dead_time: None,
        }
    }

    /// What it is about: letters of one line are delivered one after the other.
    #[must_use]
    pub fn line(&self) -> String {
        let pb::Event { instance_id, order_id, account_id, .. } = &self.event;
        match (instance_id.as_str(), order_id.as_str()) {
            ("", "") => format!("account {account_id}"),
            ("", order) => format!("order {order}"),
            (instance, _) => format!("instance {instance}"),
        }
    }

    fn row(&self, webhook: Uuid) -> Result<letter::Model, StoreError> {
        let id = &self.event.event_id;
        let event_id = id.parse().map_err(|_| StoreError::Unreadable(format!("event {id}")))?;
        Ok(letter::Model {
            webhook_id: webhook,
            event_id,
            place: self.place.unwrap_or_default(),
            line: self.line(),
            event: self.event.encode_to_vec(),
            attempts: self.attempts,
            first_attempt: self.first_attempt.map(values::micros),
            next_attempt: values::micros(self.next_attempt),
            error: self.error.clone(),
            dead_time: self.dead_time.map(values::micros),
        })
    }
}

fn read(row: letter::Model) -> Result<Letter, StoreError> {
    let event = pb::Event::decode(row.event.as_slice());
    Ok(Letter {
        place: Some(row.place),
        event: event.map_err(|error| unreadable(row.event_id, error))?,
        attempts: row.attempts,
        first_attempt: row.first_attempt.map(values::instant).transpose()?,
        next_attempt: values::instant(row.next_attempt)?,
        error: row.error,
        dead_time: row.dead_time.map(values::instant).transpose()?,
    })
}

/// $1 webhook, $2 now, $3 limit.
const DUE: &str = "
    SELECT l.* FROM webhook_letters l
    WHERE l.webhook_id = $1 AND l.dead_time IS NULL
        AND (SELECT h.next_attempt FROM webhook_letters h
             WHERE h.webhook_id = l.webhook_id AND h.line = l.line AND h.dead_time IS NULL
             ORDER BY h.place LIMIT 1) <= $2
    ORDER BY l.place LIMIT $3";

/// At most `limit` letters of the lines whose first letter is due at `now`, in order.
pub async fn due<C: ConnectionTrait>(
    connection: &C,
    webhook: Uuid,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<Letter>, StoreError> {
    let wanted = [webhook.into(), values::micros(now).into(), i64::from(limit).into()];
    let due = letter::Model::find_by_statement(statement(connection, DUE, wanted));
    due.all(connection).await?.into_iter().map(read).collect()
}

#[derive(Debug, FromQueryResult)]
struct Line {
    line: String,
}

/// The lines in which a letter waits, and how many letters wait.
pub async fn lines<C: ConnectionTrait>(
    connection: &C,
    webhook: Uuid,
) -> Result<(HashSet<String>, usize), StoreError> {
    let waiting = letter::Entity::find()
        .select_only()
        .column(letter::Column::Line)
        .filter(letter::Column::WebhookId.eq(webhook))
        .filter(letter::Column::DeadTime.is_null());
    let waiting = waiting.into_model::<Line>().all(connection).await?;
    let count = waiting.len();
    Ok((waiting.into_iter().map(|row| row.line).collect(), count))
}

/// Keeps letters as they are now; new ones have their places by now.
pub async fn save<C: ConnectionTrait>(
    transaction: &C,
    webhook: Uuid,
    letters: &[Letter],
) -> Result<(), StoreError> {
    use letter::Column::{
        Attempts, DeadTime, Error, EventId, FirstAttempt, NextAttempt, WebhookId,
    };
    if letters.is_empty() {
        return Ok(());
    }
    let rows = letters.iter().map(|letter| letter.row(webhook)).collect::<Result<Vec<_>, _>>()?;
    let rows = rows.into_iter().map(sea_orm::IntoActiveModel::into_active_model);
    let mut changed = OnConflict::columns([WebhookId, EventId]);
    changed.update_columns([Attempts, FirstAttempt, NextAttempt, Error, DeadTime]);
    letter::Entity::insert_many(rows)
        .on_conflict(changed)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Forgets letters that were taken.
pub async fn delete<C: ConnectionTrait>(
    transaction: &C,
    webhook: Uuid,
    events: Vec<Uuid>,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let taken = letter::Entity::delete_many()
        .filter(letter::Column::WebhookId.eq(webhook))
        .filter(letter::Column::EventId.is_in(events));
    taken.exec(transaction).await?;
    Ok(())
}

/// Forgets all letters of a webhook.
pub async fn delete_all<C: ConnectionTrait>(
    transaction: &C,
    webhook: Uuid,
) -> Result<(), StoreError> {
    let all = letter::Entity::delete_many().filter(letter::Column::WebhookId.eq(webhook));
    all.exec(transaction).await?;
    Ok(())
}

/// At most `limit` dead letters whose place is above `after`, in order.
pub async fn dead<C: ConnectionTrait>(
    connection: &C,
    webhook: Uuid,
    after: i64,
    limit: u64,
) -> Result<Vec<Letter>, StoreError> {
    let dead = letter::Entity::find()
        .filter(letter::Column::WebhookId.eq(webhook))
        .filter(letter::Column::DeadTime.is_not_null())
        .filter(letter::Column::Place.gt(after))
        .order_by_asc(letter::Column::Place)
        .limit(limit);
    dead.all(connection).await?.into_iter().map(read).collect()
}

/// Has dead letters tried again at `now`, those of `events` (none: all), and tells how many.
pub async fn revive<C: ConnectionTrait>(
    transaction: &C,
    webhook: Uuid,
    events: &[Uuid],
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    use letter::Column::{Attempts, DeadTime, EventId, FirstAttempt, NextAttempt, WebhookId};
    let mut dead = letter::Entity::update_many()
        .col_expr(DeadTime, Expr::value(None::<i64>))
        .col_expr(FirstAttempt, Expr::value(None::<i64>))
        .col_expr(Attempts, Expr::value(0))
        .col_expr(NextAttempt, Expr::value(values::micros(now)))
        .filter(WebhookId.eq(webhook))
        .filter(DeadTime.is_not_null());
    if !events.is_empty() {
        dead = dead.filter(EventId.is_in(events.iter().copied()));
    }
    Ok(dead.exec(transaction).await?.rows_affected)
}

/// Forgets dead letters of all webhooks that died before `horizon`, and tells how many.
pub async fn purge<C: ConnectionTrait>(
    connection: &C,
    horizon: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let old =
        letter::Entity::delete_many().filter(letter::Column::DeadTime.lt(values::micros(horizon)));
    Ok(old.exec(connection).await?.rows_affected)
}

/// How many letters wait, and how many are dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Those that are still tried.
    pub waiting: i64,
    /// Those that are not.
    pub dead: i64,
}

#[derive(Debug, FromQueryResult)]
struct CountRow {
    webhook_id: Uuid,
    waiting: i64,
    dead: i64,
}

/// How many letters each of `webhooks` has; those that have none are left out.
pub async fn counts<C: ConnectionTrait>(
    connection: &C,
    webhooks: &[Uuid],
) -> Result<HashMap<Uuid, Counts>, StoreError> {
    use letter::Column::{DeadTime, WebhookId};
    let dead = DeadTime.count();
    let rows = letter::Entity::find()
        .select_only()
        .column(WebhookId)
        .column_as(letter::Column::EventId.count(), "waiting")
        .column_as(dead, "dead")
        .filter(WebhookId.is_in(webhooks.iter().copied()))
        .group_by(WebhookId);
    let rows = rows.into_model::<CountRow>().all(connection).await?;
    let counts = |row: CountRow| {
        let CountRow { webhook_id, waiting, dead } = row;
        (webhook_id, Counts { waiting: waiting - dead, dead })
    };
    Ok(rows.into_iter().map(counts).collect())
}
