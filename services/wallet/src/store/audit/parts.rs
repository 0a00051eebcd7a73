//! The parts of payments against their entries.

use std::collections::{BTreeMap, HashMap};

use platform::{
    audit::{Finding, MOST},
    database::Backend,
};
use rule_engine::voucher::ItemParts;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _,
    FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _, prelude::Uuid,
};

use crate::{
    domain::LedgerAccount,
    store::{
        StoreError,
        bulk::{Column, ENTRIES_OF_PAYMENTS},
        entity::payment,
        rows::{SUCCEEDED, read_parts},
    },
};

const INVARIANT: &str = "the parts of a payment are what each source paid of it (V-4)";

/// Payments looked at at a time.
const PAGE: u64 = 500;

#[derive(Debug, FromQueryResult)]
struct Taken {
    payment_id: Uuid,
    debit: String,
    total: i64,
}

/// What each source paid, by the source's name in the ledger.
type BySource = BTreeMap<String, i64>;

/// The payments whose parts are not what their entries say, or do not add up to their amount.
pub async fn check(
    transaction: &DatabaseTransaction,
    backend: Backend,
) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let mut after = Uuid::nil();
    loop {
        let page = payment::Entity::find()
            .filter(payment::Column::State.eq(SUCCEEDED))
            .filter(payment::Column::PaymentId.gt(after))
            .order_by_asc(payment::Column::PaymentId)
            .limit(PAGE)
            .all(transaction)
            .await?;
        let Some(last) = page.last() else { return Ok(findings) };
        after = last.payment_id;
        let mut taken = taken(transaction, backend, &page).await?;
        for row in page {
            let entries = taken.remove(&row.payment_id).unwrap_or_default();
            if let Some(found) = off(&row, &entries) {
                let subject = format!("{} payment {}", row.account, row.payment_id);
                findings.push(Finding { invariant: INVARIANT, subject, found });
            }
        }
        if findings.len() >= MOST {
            return Ok(findings);
        }
    }
}

async fn taken(
    transaction: &DatabaseTransaction,
    backend: Backend,
    page: &[payment::Model],
) -> Result<HashMap<Uuid, BySource>, StoreError> {
    let (accounts, ids) = page.iter().map(|row| (row.account.clone(), row.payment_id)).unzip();
    let columns = vec![Column::Text(accounts), Column::Id(ids)];
    let statement = ENTRIES_OF_PAYMENTS.over(backend, columns, Vec::new());
    let rows = transaction.query_all_raw(statement).await?;
    let rows = rows.iter().map(|row| Taken::from_query_result(row, ""));
    let mut taken: HashMap<Uuid, BySource> = HashMap::new();
    for row in rows.collect::<Result<Vec<_>, DbErr>>()? {
        taken.entry(row.payment_id).or_default().insert(row.debit, row.total);
    }
    Ok(taken)
}

/// What is off with `row`, if anything is.
fn off(row: &payment::Model, entries: &BySource) -> Option<String> {
    let parts = match read_parts(&row.parts) {
        Ok(parts) => by_source(&parts),
        Err(error) => return Some(error.to_string()),
    };
    let amount = row.amount.unwrap_or_default();
    let total: i64 = parts.values().sum();
    if total != amount {
        return Some(format!("amount {amount}, parts {total}"));
    }
    (parts != *entries).then(|| format!("parts {parts:?}, entries {entries:?}"))
}

fn by_source(items: &[ItemParts]) -> BySource {
    let mut sources = BySource::new();
    for item in items {
        let vouchers = item.vouchers.iter().map(|&(id, part)| (LedgerAccount::Voucher(id), part));
        for (source, part) in vouchers.chain([(LedgerAccount::Cash, item.cash)]) {
            if part != 0 {
                *sources.entry(source.to_string()).or_default() += part;
            }
        }
    }
    sources
}
