//! Webhooks and their letters: who is told, and what could not be told yet.
//!
//! Only whoever has the claim of a webhook delivers for it and changes its letters; a claim runs out by
//! itself. The names of columns are the same on both databases, and so are the statements but for how
//! they name their values.

pub mod letters;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::ids::AccountId;
use platform::{database::Backend, request::RequestDigest};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait,
    DatabaseTransaction, DbErr, EntityTrait as _, ExprTrait as _, FromQueryResult as _,
    IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    SqlErr, Statement, Value, sea_query::Expr,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{StoreError, backend_of, entity::webhook, locked, values};

/// How long a claim lasts unless it is renewed.
const CLAIM: TimeDelta = TimeDelta::seconds(60);

/// What messages are signed with. Its text is never shown but once, to who made it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    /// As receivers know it: `whsec_…`.
    pub secret: String,
    /// In microseconds; none: it is the newest and signs until another is made.
    pub until: Option<i64>,
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningSecret").field("until", &self.until).finish_non_exhaustive()
    }
}

/// A receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Made of the request id that it was made with.
    pub id: Uuid,
    /// Whose events; none: everybody's.
    pub account: Option<AccountId>,
    /// Where the receiver is.
    pub url: String,
    /// Types of events; empty: all.
    pub types: Vec<String>,
    /// What makes two requests for it the same.
    pub digest: Vec<u8>,
    /// What messages are signed with, the newest first.
    pub secrets: Vec<SigningSecret>,
    /// The cursor behind the last event that was delivered or is among the letters.
    pub position: String,
    /// Failures in a row.
    pub failures: i32,
    /// Why the last attempt failed; empty: it did not.
    pub error: String,
    /// Not before.
    pub next_attempt: DateTime<Utc>,
    /// Which claim it is.
    pub claim: i64,
    /// The place of the next letter.
    pub next_place: i64,
    /// When the receiver last said yes.
    pub last_success: Option<DateTime<Utc>>,
    /// When it was made.
    pub create_time: DateTime<Utc>,
}

impl Webhook {
    /// Whether it was made by the request with this digest.
    #[must_use]
    pub fn was_made_by(&self, digest: RequestDigest) -> bool {
        digest.matches(&self.digest)
    }

    /// The secrets that sign at `now`.
    pub fn signing(&self, now: DateTime<Utc>) -> impl Iterator<Item = &SigningSecret> {
        let now = values::micros(now);
        self.secrets.iter().filter(move |secret| secret.until.is_none_or(|end| end > now))
    }

    fn row(&self) -> webhook::Model {
        webhook::Model {
            id: self.id,
            account_id: self.account.as_ref().map(ToString::to_string).unwrap_or_default(),
            url: self.url.clone(),
            types: values::to_json(&self.types),
            digest: self.digest.clone(),
            secrets: values::to_json(&self.secrets),
            position: self.position.clone(),
            failures: self.failures,
            error: self.error.clone(),
            next_attempt: values::micros(self.next_attempt),
            claim: self.claim,
            claimed_until: 0,
            next_place: self.next_place,
            last_success: self.last_success.map(values::micros),
            create_time: values::micros(self.create_time),
        }
    }
}

fn read(row: webhook::Model) -> Result<Webhook, StoreError> {
    let account = (!row.account_id.is_empty()).then(|| row.account_id.parse());
    let account = account.transpose();
    Ok(Webhook {
        id: row.id,
        account: account.map_err(|_| StoreError::Unreadable(format!("webhook {}", row.id)))?,
        url: row.url,
        types: values::from_json(&row.types)?,
        digest: row.digest,
        secrets: values::from_json(&row.secrets)?,
        position: row.position,
        failures: row.failures,
        error: row.error,
        next_attempt: values::instant(row.next_attempt)?,
        claim: row.claim,
        next_place: row.next_place,
        last_success: row.last_success.map(values::instant).transpose()?,
        create_time: values::instant(row.create_time)?,
    })
}

/// A statement whose text names its values `$1`, `$2`, as both databases understand it.
fn statement<C: ConnectionTrait>(
    connection: &C,
    text: &str,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    let backend = backend_of(connection);
    let text = match backend {
        Backend::Postgres => text.to_owned(),
        Backend::Sqlite => text.replace('$', "?"),
    };
    Statement::from_sql_and_values(backend.dialect(), text, values)
}

/// Keeps a new webhook. False if its id is taken.
pub async fn insert<C: ConnectionTrait>(
    connection: &C,
    webhook: &Webhook,
) -> Result<bool, StoreError> {
    match webhook.row().into_active_model().insert(connection).await {
        Ok(_) => Ok(true),
        Err(error) => match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(false),
            _ => Err(error.into()),
        },
    }
}

/// The webhook, if there is one.
pub async fn get<C: ConnectionTrait>(
    connection: &C,
    id: Uuid,
) -> Result<Option<Webhook>, StoreError> {
    webhook::Entity::find_by_id(id).one(connection).await?.map(read).transpose()
}

/// The webhook, if there is one; it stays as it is until the transaction ends.
pub async fn get_locked(
    transaction: &DatabaseTransaction,
    id: Uuid,
) -> Result<Option<Webhook>, StoreError> {
    let query = locked(transaction, webhook::Entity::find_by_id(id));
    query.one(transaction).await?.map(read).transpose()
}

/// At most `limit` webhooks with an id above `after`, by id: those of `account`, or everybody's.
pub async fn list<C: ConnectionTrait>(
    connection: &C,
    account: Option<&AccountId>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Webhook>, StoreError> {
    let mut query = webhook::Entity::find().order_by_asc(webhook::Column::Id).limit(limit);
    if let Some(account) = account {
        query = query.filter(webhook::Column::AccountId.eq(account.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(webhook::Column::Id.gt(after));
    }
    query.all(connection).await?.into_iter().map(read).collect()
}

/// How many webhooks [`list`] has in all.
pub async fn total<C: ConnectionTrait>(
    connection: &C,
    account: Option<&AccountId>,
) -> Result<u64, StoreError> {
    match account {
        Some(_) => count(connection, account).await,
        None => Ok(webhook::Entity::find().count(connection).await?),
    }
}

/// How many webhooks tell of `account`; none: how many tell of everybody.
pub async fn count<C: ConnectionTrait>(
    connection: &C,
    account: Option<&AccountId>,
) -> Result<u64, StoreError> {
    let account = account.map(AccountId::as_str).unwrap_or_default();
    let query = webhook::Entity::find().filter(webhook::Column::AccountId.eq(account));
    Ok(query.count(connection).await?)
}

/// Forgets a webhook and its letters. False if there was none.
pub async fn delete(transaction: &DatabaseTransaction, id: Uuid) -> Result<(), StoreError> {
    webhook::Entity::delete_by_id(id).exec(transaction).await?;
    letters::delete_all(transaction, id).await
}

/// Replaces what a webhook signs with.
pub async fn save_secrets<C: ConnectionTrait>(
    connection: &C,
    id: Uuid,
    secrets: &[SigningSecret],
) -> Result<(), StoreError> {
    let row = webhook::ActiveModel {
        id: Set(id),
        secrets: Set(values::to_json(&secrets)),
        ..Default::default()
    };
    row.update(connection).await?;
    Ok(())
}

/// Has a webhook tried again at `now`, as if nothing had failed.
pub async fn wake<C: ConnectionTrait>(
    connection: &C,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = webhook::ActiveModel {
        id: Set(id),
        failures: Set(0),
        next_attempt: Set(values::micros(now)),
        ..Default::default()
    };
    row.update(connection).await?;
    Ok(())
}

/// $1 now, $2 the newest cursor, $3 limit. Of letters, the first of each line counts: those behind it
/// wait for it.
const DUE: &str = "
    SELECT * FROM webhooks w
    WHERE w.next_attempt <= $1 AND w.claimed_until <= $1
        AND (w.position <> $2 OR EXISTS (
            SELECT 1 FROM webhook_letters l
            WHERE l.webhook_id = w.id AND l.dead_time IS NULL AND l.next_attempt <= $1
                AND NOT EXISTS (
                    SELECT 1 FROM webhook_letters h
                    WHERE h.webhook_id = l.webhook_id AND h.line = l.line
                        AND h.dead_time IS NULL AND h.place < l.place)))
    ORDER BY w.claimed_until, w.id LIMIT $3";

/// Claims at most `limit` webhooks that have something to deliver at `now` and that nobody else has
/// claimed: those first that were left alone longest. `newest` is the cursor behind all that has
/// happened.
pub async fn take(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    newest: &str,
    limit: usize,
) -> Result<Vec<Webhook>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let text = format!("{DUE}{}", backend_of(transaction).for_update_skip_locked());
    let due = [values::micros(now).into(), newest.into(), limit.into()];
    let due = webhook::Model::find_by_statement(statement(transaction, &text, due));
    let due = due.all(transaction).await?;
    let ids: Vec<_> = due.iter().map(|row| row.id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let claim = webhook::Entity::update_many()
        .col_expr(webhook::Column::Claim, Expr::col(webhook::Column::Claim).add(1))
        .col_expr(webhook::Column::ClaimedUntil, Expr::value(values::micros(now + CLAIM)))
        .filter(webhook::Column::Id.is_in(ids));
    claim.exec(transaction).await?;
    let claimed = due.into_iter().map(|row| read(webhook::Model { claim: row.claim + 1, ..row }));
    claimed.collect()
}

/// Keeps how far a delivery has come; gives the claim back if it is the `end`, and renews it
/// otherwise. False if the claim is another's, or the webhook is gone: roll back.
pub async fn keep(
    transaction: &DatabaseTransaction,
    webhook: &Webhook,
    now: DateTime<Utc>,
    end: bool,
) -> Result<bool, StoreError> {
    let until = if end { now } else { now + CLAIM };
    let success = webhook.last_success.map(values::micros);
    let kept = webhook::Entity::update_many()
        .col_expr(webhook::Column::Position, Expr::value(webhook.position.clone()))
        .col_expr(webhook::Column::Failures, Expr::value(webhook.failures))
        .col_expr(webhook::Column::Error, Expr::value(webhook.error.clone()))
        .col_expr(webhook::Column::NextAttempt, Expr::value(values::micros(webhook.next_attempt)))
        .col_expr(webhook::Column::NextPlace, Expr::value(webhook.next_place))
        .col_expr(webhook::Column::LastSuccess, Expr::value(success))
        .col_expr(webhook::Column::ClaimedUntil, Expr::value(values::micros(until)))
        .filter(webhook::Column::Id.eq(webhook.id))
        .filter(webhook::Column::Claim.eq(webhook.claim));
    Ok(kept.exec(transaction).await?.rows_affected > 0)
}

fn unreadable(id: Uuid, error: impl std::fmt::Display) -> DbErr {
    DbErr::Type(format!("letter {id}: {error}"))
}
