//! What a ledger adds up to over a span of time.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use kernel::ids::{AccountId, RefundId};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QueryResult, QuerySelect as _, Statement,
};

use super::{
    Part, Rows, Store, StoreError,
    entity::{entry, refund},
};
use crate::domain::{Entry, Refund, Side};

/// What moved between two kinds of ledger accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub debit: Side,
    pub credit: Side,
    /// How many entries.
    pub count: i64,
    /// What they add up to, in minor units.
    pub amount: i64,
}

/// Entries of an account: booked within `times`, in microseconds since 1970, and numbered up to
/// `last`.
#[derive(Debug, Clone)]
pub struct Span<'a> {
    pub account: &'a AccountId,
    pub times: Range<i64>,
    pub last: i64,
}

/// The kind of ledger account that the column `{}` names.
const KIND: &str = "CASE WHEN {} = 'cash' THEN 'cash'
    WHEN {} LIKE 'hold:%:cash' THEN 'held cash'
    WHEN {} LIKE 'voucher:%' THEN 'voucher'
    WHEN {} LIKE 'hold:%' THEN 'held voucher'
    WHEN {} LIKE 'external:channel:%' THEN 'channel'
    WHEN {} LIKE 'external:%' THEN 'deposits'
    WHEN {} LIKE 'issued:%' THEN 'issued'
    WHEN {} LIKE 'revenue:%' THEN 'revenue'
    WHEN {} LIKE 'forfeited:%' THEN 'forfeited'
    WHEN {} LIKE 'void:%' THEN 'void'
    WHEN {} LIKE 'expired:%' THEN 'expired'
    WHEN {} LIKE 'refund:%' THEN 'refund'
    ELSE '' END";

/// What [`KIND`] says.
fn side(text: &str) -> Result<Side, StoreError> {
    Ok(match text {
        "cash" => Side::Cash,
        "held cash" => Side::HeldCash,
        "voucher" => Side::Voucher,
        "held voucher" => Side::HeldVoucher,
        "channel" => Side::Channel,
        "deposits" => Side::Deposits,
        "issued" => Side::Issued,
        "revenue" => Side::Revenue,
        "forfeited" => Side::Forfeited,
        "void" => Side::Void,
        "expired" => Side::Expired,
        "refund" => Side::Refund,
        _ => return Err(StoreError::unreadable("an entry of an unknown ledger account")),
    })
}

impl Store {
    /// Refunds of `account`, each with all of its entries, oldest first.
    pub async fn refunds(
        &self,
        account: &AccountId,
        ids: &BTreeSet<RefundId>,
    ) -> Result<BTreeMap<RefundId, (Refund, Vec<Entry>)>, StoreError> {
        let named = || ids.iter().map(|id| id.0);
        let rows = refund::Entity::find()
            .filter(refund::Column::RefundId.is_in(named()))
            .all(self.database.reader())
            .await?;
        let mut refunds = BTreeMap::new();
        for row in rows {
            refunds.insert(RefundId(row.refund_id), (Refund::try_from(row)?, Vec::new()));
        }
        let entries = entry::Entity::find()
            .filter(entry::Column::Account.eq(account.as_str()))
            .filter(entry::Column::PaymentId.is_in(refunds.values().map(|(it, _)| it.payment.0)))
            .filter(entry::Column::RefundId.is_in(named()))
            .order_by_asc(entry::Column::Number)
            .all(self.database.reader())
            .await?;
        for row in entries {
            let entry = Entry::try_from(row)?;
            let refund = entry.about.refund.and_then(|id| refunds.get_mut(&id));
            if let Some((_, entries)) = refund {
                entries.push(entry);
            }
        }
        Ok(refunds)
    }

    /// A moment that several questions are about.
    pub async fn moment(&self) -> Result<Moment, StoreError> {
        Ok(Moment(self.database.begin_snapshot().await?))
    }
}

/// A view of the rows that does not change.
#[derive(Debug)]
pub struct Moment(DatabaseTransaction);

impl Moment {
    /// What the entries of `span` add up to, by the kinds of accounts that they leave and enter.
    pub async fn sums(&self, span: &Span<'_>) -> Result<Vec<Sum>, StoreError> {
        let kind = |column| KIND.replace("{}", column);
        let query = format!(
            "SELECT {} AS left_kind, {} AS entered_kind, COUNT(*) AS many,
                 CAST(SUM(amount) AS bigint) AS total
             FROM entries
             WHERE account = $1 AND created_us >= $2 AND created_us < $3 AND number <= $4
             GROUP BY 1, 2",
            kind("debit"),
            kind("credit"),
        );
        let values = [
            span.account.as_str().into(),
            span.times.start.into(),
            span.times.end.into(),
            span.last.into(),
        ];
        let backend = self.0.get_database_backend();
        let rows = Statement::from_sql_and_values(backend, query, values);
        self.0.query_all_raw(rows).await?.iter().map(sum).collect()
    }

    /// The entries of an account that were booked within `times`, oldest first.
    pub async fn entries(
        &self,
        account: &AccountId,
        times: &Range<i64>,
        part: Part<i64>,
    ) -> Result<Rows<Entry>, StoreError> {
        let rows = entry::Entity::find()
            .filter(entry::Column::Account.eq(account.as_str()))
            .filter(entry::Column::CreatedUs.gte(times.start))
            .filter(entry::Column::CreatedUs.lt(times.end))
            .filter(entry::Column::Number.gt(part.after.unwrap_or_default()))
            .order_by_asc(entry::Column::Number)
            .offset((part.skip > 0).then_some(part.skip))
            .limit(part.size + 1)
            .all(&self.0)
            .await?;
        let more = rows.len() as u64 > part.size;
        let size = usize::try_from(part.size).unwrap_or(usize::MAX);
        let items = rows.into_iter().take(size).map(Entry::try_from).collect::<Result<_, _>>()?;
        Ok(Rows { items, more, total: None })
    }
}

fn sum(row: &QueryResult) -> Result<Sum, StoreError> {
    let (debit, credit): (String, String) =
        (row.try_get("", "left_kind")?, row.try_get("", "entered_kind")?);
    let (count, amount) = (row.try_get("", "many")?, row.try_get("", "total")?);
    Ok(Sum { debit: side(&debit)?, credit: side(&credit)?, count, amount })
}
