//! The last terms of an instance, and what a correction does to them (I-2).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, InstanceId, OrderId, RefundId, RequestId};
use rule_engine::{calendar::DayOfMonth, instance::Instance, term::Term};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    Loaded,
    write::{self, NewTerm, TermKind},
};
use crate::store::{StoreError, entity::term, values};

/// How many terms a correction looks back at.
const LOOK_BACK: u64 = 100;

/// The end of an instance's terms, as a correction to some expiry finds it.
#[derive(Debug)]
pub struct Tail {
    /// Adjustments that begin at or after that expiry, latest first. They were not paid for, so the
    /// correction may undo them.
    undone: Vec<term::Model>,
    /// The last live term before these; none if the instance never was prepaid.
    last: Option<term::Model>,
}

/// The end of the instance's terms, for a correction of its expiry to `expiry`.
pub async fn tail<C: ConnectionTrait>(
    connection: &C,
    instance: &Instance,
    expiry: DateTime<Utc>,
) -> Result<Tail, StoreError> {
    let query = term::Entity::find()
        .filter(term::Column::AccountId.eq(instance.account.as_str()))
        .filter(term::Column::InstanceId.eq(instance.id.as_str()))
        .filter(term::Column::ReversedBy.is_null())
        .order_by_desc(term::Column::StartTime)
        .limit(LOOK_BACK);
    let mut undone = Vec::new();
    let adjustment = values::text_of(&TermKind::Adjustment);
    for term in query.all(connection).await? {
        if term.kind != adjustment || term.start_time < values::micros(expiry) {
            return Ok(Tail { undone, last: Some(term) });
        }
        undone.push(term);
    }
    Ok(Tail { undone, last: None })
}

impl Tail {
    /// The term that the correction appends to, or shortens.
    pub fn last(&self) -> Result<Option<Term>, StoreError> {
        let Some(row) = &self.last else { return Ok(None) };
        let unreadable = || StoreError::Unreadable(format!("a term of {}", row.instance_id));
        let anchor = u32::try_from(row.anchor).map_err(|_| unreadable())?;
        Ok(Some(Term {
            start: values::instant(row.start_time)?,
            end: values::instant(row.end_time)?,
            anchor: DayOfMonth::try_from(anchor).map_err(|_| unreadable())?,
        }))
    }

    /// Marks the last term as shortened to `term`, and what came after it as undone by `request`.
    pub async fn shorten<C: ConnectionTrait>(
        &self,
        connection: &C,
        term: Term,
        request: RequestId,
    ) -> Result<(), StoreError> {
        for row in &self.undone {
            let reversed = Expr::value(Some(request.0));
            self.update(connection, row, [(term::Column::ReversedBy, reversed)]).await?;
        }
        let Some(row) = &self.last else { return Ok(()) };
        let end = values::micros(term.end);
        if row.end_time == end {
            return Ok(());
        }
        let anchor = i32::try_from(term.anchor.get()).unwrap_or(row.anchor);
        let columns = [
            (term::Column::EndTime, Expr::value(end)),
            (term::Column::ShortenedFrom, Expr::value(row.shortened_from.or(Some(row.end_time)))),
            (term::Column::Anchor, Expr::value(anchor)),
        ];
        self.update(connection, row, columns).await
    }

    async fn update<C: ConnectionTrait>(
        &self,
        connection: &C,
        row: &term::Model,
        columns: impl IntoIterator<Item = (term::Column, Expr)>,
    ) -> Result<(), StoreError> {
        let mut update = term::Entity::update_many()
            .filter(term::Column::AccountId.eq(row.account_id.as_str()))
            .filter(term::Column::InstanceId.eq(row.instance_id.as_str()))
            .filter(term::Column::InstanceVersion.eq(row.instance_version));
        for (column, value) in columns {
            update = update.col_expr(column, value);
        }
        update.exec(connection).await?;
        Ok(())
    }
}

/// The last live term of each of the account's instances `ids` that has one from `from` on: its
/// first instant, and the order that appended it.
pub async fn last_from<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    ids: &[InstanceId],
    from: DateTime<Utc>,
) -> Result<HashMap<String, (DateTime<Utc>, Option<OrderId>)>, StoreError> {
    let query = term::Entity::find()
        .select_only()
        .columns([term::Column::InstanceId, term::Column::StartTime, term::Column::OrderId])
        .filter(term::Column::AccountId.eq(account.as_str()))
        .filter(term::Column::InstanceId.is_in(ids.iter().map(InstanceId::as_str)))
        .filter(term::Column::ReversedBy.is_null())
        .filter(term::Column::StartTime.gte(values::micros(from)))
        .order_by_asc(term::Column::StartTime);
    let rows: Vec<(String, i64, Option<Uuid>)> = query.into_tuple().all(connection).await?;
    let last = |(id, start, order): (String, i64, Option<Uuid>)| {
        Ok((id, (values::instant(start)?, order.map(OrderId))))
    };
    // Of several the latest is kept.
    rows.into_iter().map(last).collect()
}

/// Marks the live terms that the order appended to the instances `ids` as taken back by `refund`,
/// and answers how many there were (O-1, O-6): they stay as rows, and free their places.
pub async fn reverse<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    order: OrderId,
    ids: &[InstanceId],
    refund: RefundId,
) -> Result<usize, StoreError> {
    let update = term::Entity::update_many()
        .col_expr(term::Column::ReversedBy, Expr::value(Some(refund.0)))
        .filter(term::Column::AccountId.eq(account.as_str()))
        .filter(term::Column::InstanceId.is_in(ids.iter().map(InstanceId::as_str)))
        .filter(term::Column::OrderId.eq(order.0))
        .filter(term::Column::ReversedBy.is_null());
    let reversed = update.exec(transaction).await?.rows_affected;
    Ok(usize::try_from(reversed).unwrap_or(usize::MAX))
}

/// Marks the live adjustments of the instance that begin at `from` or later as undone by `refund`:
/// nobody paid for them.
pub async fn undo_adjustments<C: ConnectionTrait>(
    transaction: &C,
    account: &AccountId,
    id: &InstanceId,
    from: DateTime<Utc>,
    refund: RefundId,
) -> Result<(), StoreError> {
    term::Entity::update_many()
        .col_expr(term::Column::ReversedBy, Expr::value(Some(refund.0)))
        .filter(term::Column::AccountId.eq(account.as_str()))
        .filter(term::Column::InstanceId.eq(id.as_str()))
        .filter(term::Column::Kind.eq(values::text_of(&TermKind::Adjustment)))
        .filter(term::Column::StartTime.gte(values::micros(from)))
        .filter(term::Column::ReversedBy.is_null())
        .exec(transaction)
        .await?;
    Ok(())
}

/// Appends a term of kind `ADJUSTMENT`, which costs nothing, to the instance's.
pub async fn adjust<C: ConnectionTrait>(
    connection: &C,
    loaded: &Loaded,
    term: Term,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = NewTerm {
        account_id: &loaded.instance.account,
        instance_id: &loaded.instance.id,
        instance_version: loaded.version + 1,
        start_time: values::micros(term.start),
        end_time: values::micros(term.end),
        anchor: term.anchor.get(),
        kind: TermKind::Adjustment,
        create_time: values::micros(now),
    };
    write::insert_terms(connection, &[row]).await
}
