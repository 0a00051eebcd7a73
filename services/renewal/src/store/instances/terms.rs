//! The last terms of an instance, and what a correction does to them (I-2).

use chrono::{DateTime, Utc};
use kernel::ids::RequestId;
use rule_engine::{calendar::DayOfMonth, instance::Instance, term::Term};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, sea_query::Expr,
};

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
