//! Refunds against their payments and their entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::Money;
use platform::{
    audit::{Finding, MOST},
    database::Backend,
};
use rule_engine::voucher::ItemParts;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbErr,
    EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    prelude::Uuid,
};

use super::{Survey, page_by_page, rows};
use crate::{
    domain::{LedgerAccount, Outcome, Payment, Refund},
    store::{
        StoreError,
        bulk::{Column, ENTRIES_OF_REFUNDS},
        entity::{payment, refund, refunded_item},
        rows::{PENDING, micros},
    },
};

const PARTS: &str = "a refund gives back what the payment's parts say, each once (O-6)";
const BOOKED: &str = "the entries of a refund are what it gives back (V-5)";
const SILENT: &str = "a channel says within a week what became of a refund (O-6)";

#[derive(Debug, FromQueryResult)]
struct Moved {
    refund_id: Uuid,
    debit: String,
    credit: String,
    total: i64,
}

/// What each ledger account gained.
type Gains = BTreeMap<String, i64>;

/// The refunds that give back something else than was paid, or than was booked.
pub async fn check(survey: Survey<'_>) -> Result<Vec<Finding>, StoreError> {
    page_by_page(survey, |after| look(survey, after)).await
}

async fn look(survey: Survey<'_>, after: Uuid) -> Result<Option<(Uuid, Vec<Finding>)>, StoreError> {
    let Survey { transaction, backend, .. } = survey;
    let mut findings = Vec::new();
    let query = refund::Entity::find();
    let columns = [refund::Column::Account, refund::Column::RefundId];
    let page = rows(survey, query, columns, after).await?;
    let Some(last) = page.last() else { return Ok(None) };
    let last = last.refund_id;
    let payments = payments(transaction, &page).await?;
    let items = items(transaction, &page).await?;
    let mut gains = gains(transaction, backend, &page).await?;
    for row in page {
        let id = row.refund_id;
        let subject = format!("{} refund {id}", row.account);
        let (amount, gains) = (row.amount, gains.remove(&id).unwrap_or_default());
        let off = match Refund::try_from(row) {
            Ok(refund) => off(&refund, amount, &payments, items.get(&id), &gains),
            Err(error) => Some((PARTS, error.to_string())),
        };
        let finding = off.map(|(invariant, found)| Finding { invariant, subject, found });
        findings.extend(finding);
    }
    Ok(Some((last, findings)))
}

/// The refunds that channels were asked for at `since` or before and have not answered, those that
/// have waited longest first. Nothing is off with them, but somebody has to ask the channel.
pub async fn silent(
    transaction: &DatabaseTransaction,
    account: Option<&str>,
    since: DateTime<Utc>,
) -> Result<Vec<Finding>, StoreError> {
    let of_account = account.map(|account| refund::Column::Account.eq(account));
    let rows = refund::Entity::find()
        .filter(Condition::all().add_option(of_account))
        .filter(refund::Column::State.eq(PENDING))
        .filter(refund::Column::CreatedUs.lte(micros(since)))
        .order_by_asc(refund::Column::CreatedUs)
        .order_by_asc(refund::Column::RefundId)
        .limit(MOST as u64)
        .all(transaction)
        .await?;
    let notice = |row: refund::Model| {
        let refund = Refund::try_from(row)?;
        let (channel, amount) = refund.asked.as_ref().expect("a channel is asked");
        let amount = Money::new(*amount, refund.currency);
        let found = format!("{channel} was asked for {amount} at {}", refund.create_time);
        let subject = format!("{} refund {}", refund.account, refund.id);
        Ok(Finding { invariant: SILENT, subject, found })
    };
    rows.into_iter().map(notice).collect()
}

async fn payments(
    transaction: &DatabaseTransaction,
    page: &[refund::Model],
) -> Result<HashMap<Uuid, Payment>, StoreError> {
    let rows = payment::Entity::find()
        .filter(payment::Column::PaymentId.is_in(page.iter().map(|row| row.payment_id)))
        .all(transaction)
        .await?;
    rows.into_iter().map(|row| Ok((row.payment_id, row.try_into()?))).collect()
}

/// The items that refunds have taken for themselves.
async fn items(
    transaction: &DatabaseTransaction,
    page: &[refund::Model],
) -> Result<HashMap<Uuid, BTreeSet<String>>, StoreError> {
    let rows = refunded_item::Entity::find()
        .filter(refunded_item::Column::RefundId.is_in(page.iter().map(|row| row.refund_id)))
        .all(transaction)
        .await?;
    let mut items: HashMap<Uuid, BTreeSet<String>> = HashMap::new();
    for row in rows {
        items.entry(row.refund_id).or_default().insert(row.instance);
    }
    Ok(items)
}

async fn gains(
    transaction: &DatabaseTransaction,
    backend: Backend,
    page: &[refund::Model],
) -> Result<HashMap<Uuid, Gains>, StoreError> {
    let columns = vec![
        Column::Text(page.iter().map(|row| row.account.clone()).collect()),
        Column::Id(page.iter().map(|row| row.payment_id).collect()),
        Column::Id(page.iter().map(|row| row.refund_id).collect()),
    ];
    let statement = ENTRIES_OF_REFUNDS.over(backend, columns, Vec::new());
    let rows = transaction.query_all_raw(statement).await?;
    let rows = rows.iter().map(|row| Moved::from_query_result(row, ""));
    let mut gains: HashMap<Uuid, Gains> = HashMap::new();
    for row in rows.collect::<Result<Vec<_>, DbErr>>()? {
        let gains = gains.entry(row.refund_id).or_default();
        *gains.entry(row.debit).or_default() -= row.total;
        *gains.entry(row.credit).or_default() += row.total;
    }
    Ok(gains)
}

/// What is off with `refund`, if anything is.
fn off(
    refund: &Refund,
    amount: i64,
    payments: &HashMap<Uuid, Payment>,
    items: Option<&BTreeSet<String>>,
    gains: &Gains,
) -> Option<(&'static str, String)> {
    let paid = match payments.get(&refund.payment.0).map(|payment| &payment.outcome) {
        Some(Outcome::Succeeded(coverage)) => &coverage.items,
        _ => return Some((PARTS, "the payment took nothing".to_owned())),
    };
    let back: Vec<ItemParts> = refund.items.iter().map(as_paid).collect();
    if let Some(part) = back.iter().find(|part| !paid.contains(part)) {
        return Some((PARTS, format!("{part:?} was not paid")));
    }
    let named: BTreeSet<_> = back.iter().map(|part| part.instance.to_string()).collect();
    if named.len() != back.len() || items != Some(&named) || amount != refund.amount() {
        return Some((PARTS, format!("{amount} for {named:?}, which has taken {items:?}")));
    }
    let expected = expected(refund);
    let gains = gains.iter().filter(|(_, gained)| **gained != 0);
    let gains: Gains = gains.map(|(name, &gained)| (name.clone(), gained)).collect();
    (gains != expected).then(|| (BOOKED, format!("parts {expected:?}, entries {gains:?}")))
}

/// The parts as the payment had them.
fn as_paid(item: &crate::domain::RefundedItem) -> ItemParts {
    ItemParts {
        instance: item.instance.clone(),
        vouchers: item.vouchers.iter().map(|it| (it.voucher, it.amount)).collect(),
        cash: item.cash,
        channel: item.channel + item.channel_to_cash,
    }
}

/// What each ledger account gains by `refund`.
fn expected(refund: &Refund) -> Gains {
    let mut gains = Gains::new();
    let mut add = |account: LedgerAccount, gained: i64| {
        *gains.entry(account.to_string()).or_default() += gained;
    };
    for item in &refund.items {
        for it in &item.vouchers {
            let back =
                if it.void { LedgerAccount::Void } else { LedgerAccount::Voucher }(it.voucher);
            add(back, it.amount + it.forfeit_returned);
            add(LedgerAccount::Forfeited(it.voucher), -it.forfeit_returned);
        }
        add(LedgerAccount::Cash, item.cash + item.channel_to_cash);
        if let Some((channel, _)) = &refund.asked {
            let out = LedgerAccount::Channel(channel.clone());
            let out = if refund.pending { LedgerAccount::Refund(refund.id) } else { out };
            add(out, item.channel);
        }
    }
    add(LedgerAccount::Revenue(refund.order), -refund.amount());
    gains.retain(|_, gained| *gained != 0);
    gains
}
