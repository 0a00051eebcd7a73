//! The parts of payments against their entries.

use std::collections::{BTreeMap, HashMap};

use platform::{audit::Finding, database::Backend};
use rule_engine::voucher::Coverage;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _,
    FromQueryResult, QueryFilter as _, prelude::Uuid,
};

use super::{Survey, page_by_page, rows};
use crate::{
    domain::LedgerAccount,
    store::{
        StoreError,
        bulk::{Column, ENTRIES_OF_PAYMENTS},
        entity::payment,
        rows::{PENDING, SUCCEEDED, read_coverage},
    },
};

const TAKEN: &str = "the parts of a payment are what each source paid of it (V-4)";
const HELD: &str = "what is held for a payment is what its parts say (W-3)";

#[derive(Debug, FromQueryResult)]
struct Moved {
    payment_id: Uuid,
    debit: String,
    credit: String,
    total: i64,
}

/// What each source paid, by the source's name in the ledger.
type BySource = BTreeMap<String, i64>;

/// The payments whose parts are not what their entries say, or do not add up to their amount.
pub async fn check(survey: Survey<'_>) -> Result<Vec<Finding>, StoreError> {
    page_by_page(survey, |after| look(survey, after)).await
}

async fn look(survey: Survey<'_>, after: Uuid) -> Result<Option<(Uuid, Vec<Finding>)>, StoreError> {
    let Survey { transaction, backend, .. } = survey;
    let mut findings = Vec::new();
    let query = payment::Entity::find().filter(payment::Column::State.is_in([SUCCEEDED, PENDING]));
    let columns = [payment::Column::Account, payment::Column::PaymentId];
    let page = rows(survey, query, columns, after).await?;
    let Some(last) = page.last() else { return Ok(None) };
    let last = last.payment_id;
    let mut moved = moved(transaction, backend, &page).await?;
    for row in page {
        let entries = moved.remove(&row.payment_id).unwrap_or_default();
        if let Some((invariant, found)) = off(&row, &entries) {
            let subject = format!("{} payment {}", row.account, row.payment_id);
            findings.push(Finding { invariant, subject, found });
        }
    }
    Ok(Some((last, findings)))
}

async fn moved(
    transaction: &DatabaseTransaction,
    backend: Backend,
    page: &[payment::Model],
) -> Result<HashMap<Uuid, Vec<Moved>>, StoreError> {
    let (accounts, ids) = page.iter().map(|row| (row.account.clone(), row.payment_id)).unzip();
    let columns = vec![Column::Text(accounts), Column::Id(ids)];
    let statement = ENTRIES_OF_PAYMENTS.over(backend, columns, Vec::new());
    let rows = transaction.query_all_raw(statement).await?;
    let rows = rows.iter().map(|row| Moved::from_query_result(row, ""));
    let mut moved: HashMap<Uuid, Vec<Moved>> = HashMap::new();
    for row in rows.collect::<Result<Vec<_>, DbErr>>()? {
        moved.entry(row.payment_id).or_default().push(row);
    }
    Ok(moved)
}

/// What is off with `row`, if anything is.
fn off(row: &payment::Model, entries: &[Moved]) -> Option<(&'static str, String)> {
    let coverage = match read_coverage(&row.parts, &row.vouchers) {
        Ok(coverage) => coverage,
        Err(error) => return Some((TAKEN, error.to_string())),
    };
    let parts = paid(row, &coverage);
    let amount = row.amount.unwrap_or_default();
    let total: i64 = parts.values().sum();
    if total != amount {
        return Some((TAKEN, format!("amount {amount}, parts {total}")));
    }
    if row.state == PENDING {
        let (parts, held) = (frozen(&coverage), held(entries));
        return (parts != held).then(|| (HELD, format!("parts {parts:?}, entries {held:?}")));
    }
    let taken = taken(entries);
    (parts != taken).then(|| (TAKEN, format!("parts {parts:?}, entries {taken:?}")))
}

/// What each source pays of the items.
fn paid(row: &payment::Model, coverage: &Coverage) -> BySource {
    let mut sources = BySource::new();
    let mut add = |source: String, part| {
        if part != 0 {
            *sources.entry(source).or_default() += part;
        }
    };
    for item in &coverage.items {
        for &(id, part) in &item.vouchers {
            add(LedgerAccount::Voucher(id).to_string(), part);
        }
        add(LedgerAccount::Cash.to_string(), item.cash);
        let channel = row.channel.as_deref().unwrap_or_default();
        add(format!("external:channel:{channel}"), item.channel);
    }
    sources
}

/// What is set aside of each source, with what single-use vouchers would forfeit.
fn frozen(coverage: &Coverage) -> BySource {
    let vouchers = coverage.vouchers.iter();
    let vouchers =
        vouchers.map(|it| (LedgerAccount::Voucher(it.voucher).to_string(), it.paid + it.forfeited));
    let cash = (LedgerAccount::Cash.to_string(), coverage.cash);
    vouchers.chain([cash]).filter(|&(_, part)| part != 0).collect()
}

/// What the entries took for the order from each source, out of what was held or not.
fn taken(entries: &[Moved]) -> BySource {
    let mut sources = BySource::new();
    for entry in entries.iter().filter(|entry| entry.credit.starts_with("revenue:")) {
        let source = source_of_hold(&entry.debit).unwrap_or(&entry.debit);
        *sources.entry(source.to_owned()).or_default() += entry.total;
    }
    sources
}

/// What the entries hold of each source.
fn held(entries: &[Moved]) -> BySource {
    let mut sources = BySource::new();
    for entry in entries {
        let gained = source_of_hold(&entry.credit).map(|source| (source, entry.total));
        let lost = source_of_hold(&entry.debit).map(|source| (source, -entry.total));
        for (source, total) in gained.into_iter().chain(lost) {
            *sources.entry(source.to_owned()).or_default() += total;
        }
    }
    sources
}

/// The source of what is held in the ledger account `name`, if something is.
fn source_of_hold(name: &str) -> Option<&str> {
    name.strip_prefix("hold:").and_then(|rest| rest.split_once(':')).map(|(_, source)| source)
}

#[cfg(test)]
mod tests;
