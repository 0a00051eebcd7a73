//! Orders: insert, lock, change their state, list.

pub mod bulk;
pub mod insert;
pub mod list;

use std::fmt;

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, OrderId, PaymentId, RefundId, RequestId},
};
use prost::Message;
use proto::{
    renewal::{
        internal::v1::{OrderSnapshot, SnapshotItem},
        v1::Refusal,
    },
    wallet::v1::{Payment, VoucherChoice},
};
use rule_engine::due::{AttemptIdentity, AttemptKind};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _,
    FromQueryResult as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _, Select,
};

use super::{StoreError, entity::order, statement, values};
use crate::domain::{
    attempt::Outcome,
    order::{State, refund_id},
};

/// An order as it stands in its row.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Whose it is.
    pub account: AccountId,
    /// Its id.
    pub id: OrderId,
    /// Grows by one with each change of the row.
    pub version: i64,
    /// Where it is in its life.
    pub state: State,
    /// What is to be paid. Frozen.
    pub payable: Money,
    /// The request that made it, and what makes two requests the same (O-3). Frozen.
    pub request: Option<(RequestId, Vec<u8>)>,
    /// What it renews, and what it was priced with (O-7).
    pub snapshot: OrderSnapshot,
    /// Which vouchers may pay the payment under way or done: what the payer chose, or what the
    /// profile said at the payment instant.
    pub vouchers: Option<VoucherChoice>,
    /// The payment under way or done.
    pub payment_id: Option<PaymentId>,
    /// How many payments were begun.
    pub pay_number: i32,
    /// The request of the payment under way.
    pub pay_request: Option<RequestId>,
    /// The payment instant of the payment under way or done (O-8).
    pub payment_time: Option<DateTime<Utc>>,
    /// How the last payment ended.
    pub payment: Option<Payment>,
    /// Why it ended without being paid.
    pub ended_why: Option<Refusal>,
    /// The refund under way (O-6).
    pub refund_id: Option<RefundId>,
    /// When it was made.
    pub create_time: DateTime<Utc>,
    /// The first instant at which it can no longer be paid.
    pub expire_time: DateTime<Utc>,
    /// When `Advance` is to look at it; none: never again.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// How often `Advance` has taken it since its state last changed.
    pub attempts: i32,
    /// The automatic attempt that it is of; none: somebody ordered it.
    pub attempt: Option<Attempt>,
}

/// An automatic attempt, and how it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What makes it the same.
    pub identity: AttemptIdentity,
    /// How it ended; none while its payment is under way.
    pub outcome: Option<Outcome>,
    /// Why it was not renewed.
    pub reason: Option<String>,
    /// When it is tried again, as far as was known when it was decided.
    pub retry_time: Option<DateTime<Utc>>,
}

impl Order {
    /// An order of `account` that awaits its payment from `now` to `expire_time`; nothing is on it yet.
    #[must_use]
    pub fn new(
        account: AccountId,
        id: OrderId,
        payable: Money,
        now: DateTime<Utc>,
        expire_time: DateTime<Utc>,
    ) -> Self {
        Self {
            account,
            id,
            version: 1,
            state: State::PendingPayment,
            payable,
            request: None,
            snapshot: OrderSnapshot::default(),
            vouchers: None,
            payment_id: None,
            pay_number: 0,
            pay_request: None,
            payment_time: None,
            payment: None,
            ended_why: None,
            refund_id: None,
            create_time: now,
            expire_time,
            next_attempt_at: Some(expire_time),
            attempts: 0,
            attempt: None,
        }
    }

    /// Whether it awaited its payment for too long at `now`.
    #[must_use]
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.state == State::PendingPayment && now >= self.expire_time
    }

    /// Whether a channel is asked for its payment, or was when it ended (W-4).
    #[must_use]
    pub const fn has_checkout(&self) -> bool {
        let unpaid =
            matches!(self.state, State::PendingPayment | State::Cancelled | State::Expired);
        unpaid && self.payment_id.is_some() && self.snapshot.refunds.is_empty()
    }

    /// Its state once it is paid: completed, unless consoles are to acknowledge what it gives (O-5).
    #[must_use]
    pub fn state_once_paid(&self) -> State {
        let planned =
            |item: &SnapshotItem| item.planned.as_ref().is_some_and(|term| term.delivered);
        if self.snapshot.items.iter().any(planned) { State::Paid } else { State::Completed }
    }

    /// The items whose money was given back, or is not known to be yet: what was taken back.
    pub fn taken_back(&self) -> impl Iterator<Item = &str> {
        let refunds = self.snapshot.refunds.iter();
        refunds.flat_map(|refund| refund.instance_ids.iter().map(String::as_str))
    }

    /// The id that its next refund has, whoever begins it.
    #[must_use]
    pub fn next_refund(&self) -> RefundId {
        let refunds = i32::try_from(self.snapshot.refunds.len()).unwrap_or(i32::MAX);
        refund_id(self.payment_id, self.id, refunds.saturating_add(1))
    }

    /// The instances on it, in its order.
    pub fn instances(&self) -> impl Iterator<Item = &str> {
        let items = self.snapshot.items.iter().filter_map(|item| item.item.as_ref());
        items.map(|item| item.instance_id.as_str())
    }
}

/// The order, if the account has it.
pub async fn find<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    id: OrderId,
) -> Result<Option<Order>, StoreError> {
    let row = order::Entity::find_by_id((account.to_string(), id.0)).one(connection).await?;
    row.as_ref().map(read).transpose()
}

/// The order, if the account has it; it stays as it is until the transaction ends.
pub async fn lock<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    id: OrderId,
) -> Result<Option<Order>, StoreError> {
    let query = order::Entity::find_by_id((account.to_string(), id.0));
    super::locked(transaction, query).one(transaction).await?.as_ref().map(read).transpose()
}

/// The orders with these ids, whosever they are; they stay as they are until the transaction ends.
/// No ids are no statement.
pub async fn lock_many<C: ConnectionTrait>(
    transaction: &C,
    ids: &[OrderId],
) -> Result<Vec<Order>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = super::locked(transaction, named(ids)).all(transaction).await?;
    rows.iter().map(read).collect()
}

/// The orders with these ids, whosever they are. No ids are no statement.
pub async fn many<C: ConnectionTrait>(
    connection: &C,
    ids: &[OrderId],
) -> Result<Vec<Order>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    named(ids).all(connection).await?.iter().map(read).collect()
}

fn named(ids: &[OrderId]) -> Select<order::Entity> {
    order::Entity::find()
        .filter(order::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .order_by_asc(order::Column::AccountId)
        .order_by_asc(order::Column::Id)
}

/// The order that a request of the account made, if it made one (O-3).
pub async fn of_request<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    request: RequestId,
) -> Result<Option<Order>, StoreError> {
    let query = order::Entity::find()
        .filter(order::Column::AccountId.eq(account.as_str()))
        .filter(order::Column::RequestId.eq(request.0));
    query.one(connection).await?.as_ref().map(read).transpose()
}

/// Saves a changed order, whose version is the one that it was loaded at, and tells whether it did:
/// not if somebody else has changed it meanwhile. One statement, which also locks the row.
pub async fn save<C: ConnectionTrait>(
    transaction: &C,
    order: &mut Order,
) -> Result<bool, StoreError> {
    let loaded = order.version;
    order.version += 1;
    let mut row = row(order).into_active_model().reset_all();
    // The key, and what is frozen, stay.
    for column in [
        order::Column::AccountId,
        order::Column::Id,
        order::Column::Payable,
        order::Column::Currency,
        order::Column::InstanceIds,
        order::Column::RequestId,
        order::Column::RequestDigest,
        order::Column::CreateTime,
        order::Column::ExpireTime,
    ] {
        row.not_set(column);
    }
    let saved = order::Entity::update_many()
        .set(row)
        .filter(order::Column::AccountId.eq(order.account.as_str()))
        .filter(order::Column::Id.eq(order.id.0))
        .filter(order::Column::Version.eq(loaded))
        .exec(transaction)
        .await?;
    Ok(saved.rows_affected == 1)
}

const TAKE_DUE_SQLITE: &str = "\
UPDATE orders SET attempts = attempts + 1, version = version + 1,
  next_attempt_at = ?1 + 1000000 * CASE WHEN state = 'PENDING_PAYMENT' THEN 10
    WHEN attempts < 10 THEN min(60, 1 << attempts) ELSE 300 END
WHERE (account_id, id) IN (
  SELECT account_id, id FROM orders WHERE next_attempt_at <= ?1
  ORDER BY next_attempt_at, account_id, attempt_expiry, attempt_root LIMIT ?2)
RETURNING *";

const TAKE_DUE_POSTGRES: &str = "\
UPDATE orders SET attempts = attempts + 1, version = version + 1,
  next_attempt_at = $1 + 1000000::bigint
    * CASE WHEN state = 'PENDING_PAYMENT' THEN 10
      WHEN attempts < 10 THEN least(60, 1 << attempts) ELSE 300 END
WHERE (account_id, id) IN (
  SELECT account_id, id FROM orders WHERE next_attempt_at <= $1
  ORDER BY next_attempt_at, account_id, attempt_expiry, attempt_root LIMIT $2
  FOR UPDATE SKIP LOCKED)
RETURNING *";

/// Takes at most `limit` orders whose next step is due at `now`: nobody else takes them before their
/// next attempt, 1 s to 5 min later ([`backoff`](crate::domain::order::backoff)); what awaits a
/// channel is asked about every 10 s. One statement. A
/// row that cannot be read is an error of its own and does not keep the others.
pub async fn take_due<C: ConnectionTrait>(
    connection: &C,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<Result<Order, StoreError>>, StoreError> {
    let values = [values::micros(now).into(), i64::from(limit).into()];
    let statement = statement(connection, TAKE_DUE_SQLITE, TAKE_DUE_POSTGRES, values);
    let rows = order::Model::find_by_statement(statement).all(connection).await?;
    Ok(rows.iter().map(read).collect())
}

/// The message that `bytes` hold.
pub fn decode<M: Message + Default>(
    bytes: &[u8],
    what: &str,
    id: impl fmt::Display,
) -> Result<M, StoreError> {
    M::decode(bytes).map_err(|error| StoreError::Unreadable(format!("{what} {id} ({error})")))
}

/// The row of an order.
fn row(order: &Order) -> order::Model {
    let attempt = order.attempt.as_ref();
    let identity = attempt.map(|attempt| &attempt.identity);
    order::Model {
        account_id: order.account.to_string(),
        id: order.id.0,
        version: order.version,
        state: order.state.name().to_owned(),
        payable: order.payable.minor(),
        currency: order.payable.currency().code().to_owned(),
        instance_ids: values::to_json(&order.instances().collect::<Vec<_>>()),
        request_id: order.request.as_ref().map(|(id, _)| id.0),
        request_digest: order.request.as_ref().map(|(_, digest)| digest.clone()),
        snapshot: order.snapshot.encode_to_vec(),
        vouchers: order.vouchers.as_ref().map(Message::encode_to_vec),
        payment_id: order.payment_id.map(|id| id.0),
        pay_number: order.pay_number,
        pay_request: order.pay_request.map(|id| id.0),
        payment_time: order.payment_time.map(values::micros),
        payment: order.payment.as_ref().map(Message::encode_to_vec),
        ended_why: order.ended_why.as_ref().map(Message::encode_to_vec),
        refund_id: order.refund_id.map(|id| id.0),
        create_time: values::micros(order.create_time),
        expire_time: values::micros(order.expire_time),
        next_attempt_at: order.next_attempt_at.map(values::micros),
        attempts: order.attempts,
        attempt_root: identity.map(|identity| identity.root.to_string()),
        attempt_expiry: identity.map(|identity| values::micros(identity.expiry)),
        attempt_date: identity.map(|identity| identity.date.to_string()),
        attempt_kind: identity
            .map(|identity| i32::try_from(identity.kind.number()).unwrap_or(i32::MAX)),
        outcome: attempt.and_then(|attempt| attempt.outcome).map(|it| it.name().to_owned()),
        outcome_reason: attempt.and_then(|attempt| attempt.reason.clone()),
        retry_time: attempt.and_then(|attempt| attempt.retry_time).map(values::micros),
    }
}

fn read(row: &order::Model) -> Result<Order, StoreError> {
    let id = OrderId(row.id);
    let unreadable = |what: &str| StoreError::Unreadable(format!("the {what} of order {id}"));
    let currency = row.currency.parse().map_err(|_| unreadable("currency"))?;
    Ok(Order {
        account: row.account_id.parse().map_err(|_| unreadable("account"))?,
        id,
        version: row.version,
        state: row.state.parse().map_err(|_| unreadable("state"))?,
        payable: Money::new(row.payable, currency),
        request: row.request_id.map(RequestId).zip(row.request_digest.clone()),
        snapshot: decode(&row.snapshot, "the snapshot of order", id)?,
        vouchers: message(row.vouchers.as_deref(), id)?,
        payment_id: row.payment_id.map(PaymentId),
        pay_number: row.pay_number,
        pay_request: row.pay_request.map(RequestId),
        payment_time: row.payment_time.map(values::instant).transpose()?,
        payment: message(row.payment.as_deref(), id)?,
        ended_why: message(row.ended_why.as_deref(), id)?,
        refund_id: row.refund_id.map(RefundId),
        create_time: values::instant(row.create_time)?,
        expire_time: values::instant(row.expire_time)?,
        next_attempt_at: row.next_attempt_at.map(values::instant).transpose()?,
        attempts: row.attempts,
        attempt: attempt(row)?,
    })
}

fn attempt(row: &order::Model) -> Result<Option<Attempt>, StoreError> {
    let Some(root) = &row.attempt_root else { return Ok(None) };
    let unreadable = || StoreError::Unreadable(format!("the attempt of order {}", row.id));
    let kind = row.attempt_kind.and_then(|kind| u32::try_from(kind).ok()).ok_or_else(unreadable)?;
    let identity = AttemptIdentity {
        account: row.account_id.parse().map_err(|_| unreadable())?,
        root: root.parse().map_err(|_| unreadable())?,
        expiry: values::instant(row.attempt_expiry.ok_or_else(unreadable)?)?,
        date: row.attempt_date.as_deref().and_then(|it| it.parse().ok()).ok_or_else(unreadable)?,
        kind: AttemptKind::of(kind),
    };
    let outcome = row.outcome.as_deref().map(str::parse).transpose();
    Ok(Some(Attempt {
        identity,
        outcome: outcome.map_err(|_| unreadable())?,
        reason: row.outcome_reason.clone(),
        retry_time: row.retry_time.map(values::instant).transpose()?,
    }))
}

fn message<M: Message + Default>(
    bytes: Option<&[u8]>,
    id: OrderId,
) -> Result<Option<M>, StoreError> {
    bytes.map(|bytes| decode(bytes, "a message of order", id)).transpose()
}
