//! The chain of hashes through each ledger, from its first entry to its head, and what was written
//! down of it in events (W-2).

use std::collections::BTreeMap;

use platform::{
    audit::Finding,
    database::{Backend, hexadecimal},
};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Bounds, Survey, page_by_page, rows};
use crate::{
    domain::{Hash, Link},
    store::{
        StoreError,
        anchors::Anchor,
        bulk::{ANCHORS, Column},
        entity::{entry, wallet},
    },
};

const CHAIN: &str = "the hashes of the ledger are one chain up to its head (W-2)";
const ANCHORED: &str = "the ledger is the one that was anchored (W-2)";

/// Where the ledgers are not what was booked: of each, the first entry that is off.
pub async fn check(survey: Survey<'_>) -> Result<Vec<Finding>, StoreError> {
    page_by_page(survey, |after| look(survey, after)).await
}

async fn look(
    survey: Survey<'_>,
    after: String,
) -> Result<Option<(String, Vec<Finding>)>, StoreError> {
    let Survey { transaction, backend, bounds, .. } = survey;
    let mut findings = Vec::new();
    let query = wallet::Entity::find();
    let columns = [wallet::Column::Account, wallet::Column::Account];
    let page = rows(survey, query, columns, after).await?;
    let Some(last) = page.last() else { return Ok(None) };
    let last = last.account.clone();
    for walk in walk(transaction, backend, page, bounds).await?.into_values() {
        findings.extend(walk.end());
    }
    Ok(Some((last, findings)))
}

/// Follows the chains of some wallets.
async fn walk(
    transaction: &DatabaseTransaction,
    backend: Backend,
    wallets: Vec<wallet::Model>,
    bounds: Bounds,
) -> Result<BTreeMap<String, Walk>, StoreError> {
    let mut walks: BTreeMap<_, _> =
        wallets.into_iter().map(|row| (row.account.clone(), Walk::new(row))).collect();
    let names = vec![Column::Text(walks.keys().cloned().collect())];
    let anchors = ANCHORS.over(backend, names, Vec::new());
    for row in transaction.query_all_raw(anchors).await? {
        let (account, payload): (String, Vec<u8>) =
            (row.try_get("", "account")?, row.try_get("", "payload")?);
        let anchor: Anchor = serde_json::from_slice(&payload).map_err(StoreError::unreadable)?;
        let walk = walks.get_mut(&account).expect("only these were asked for");
        walk.anchors.insert(anchor.number, anchor.hash);
    }
    let (Some((first, _)), Some((last, _))) = (walks.first_key_value(), walks.last_key_value())
    else {
        return Ok(walks);
    };
    let (mut at, last) = ((first.clone(), i64::MIN), last.clone());
    loop {
        let further = Condition::any().add(entry::Column::Account.gt(at.0.as_str())).add(
            Condition::all()
                .add(entry::Column::Account.eq(at.0.as_str()))
                .add(entry::Column::Number.gt(at.1)),
        );
        let page = entry::Entity::find()
            .filter(entry::Column::Account.between(at.0.as_str(), last.as_str()))
            .filter(further)
            .order_by_asc(entry::Column::Account)
            .order_by_asc(entry::Column::Number)
            .limit(bounds.entries)
            .all(transaction)
            .await?;
        let Some(newest) = page.last() else { return Ok(walks) };
        at = (newest.account.clone(), newest.number);
        for row in &page {
            if let Some(walk) = walks.get_mut(&row.account) {
                walk.step(row);
            }
        }
    }
}

/// One chain, as far as it was followed.
#[derive(Debug)]
struct Walk {
    wallet: wallet::Model,
    anchors: BTreeMap<i64, String>,
    number: i64,
    head: Hash,
    off: Option<Finding>,
}

impl Walk {
    const fn new(wallet: wallet::Model) -> Self {
        Self { wallet, anchors: BTreeMap::new(), number: 0, head: Hash::NONE, off: None }
    }

    fn step(&mut self, row: &entry::Model) {
        if self.off.is_some() {
            return;
        }
        self.number += 1;
        if row.number != self.number {
            return self.note(CHAIN, format!("is missing; entry {} follows", row.number));
        }
        self.head = self.head.then(&Link {
            account: &row.account,
            number: row.number,
            debit: &row.debit,
            credit: &row.credit,
            amount: row.amount,
            currency: &row.currency,
            ids: [row.payment_id, row.order_id, row.refund_id],
            note: &row.note,
            at_us: row.created_us,
        });
        if row.hash != self.head.0 {
            return self.note(CHAIN, "is not what was booked".to_owned());
        }
        if self.anchors.remove(&self.number).is_some_and(|hash| hash != hexadecimal(&self.head.0)) {
            self.note(ANCHORED, "or one before it is another than was anchored".to_owned());
        }
    }

    /// What is off with the whole of it, if anything is.
    fn end(mut self) -> Option<Finding> {
        if self.off.is_none() && self.wallet.head != self.head.0 {
            self.number += 1;
            self.note(CHAIN, "or the head is not what it was".to_owned());
        }
        if let (None, Some((&number, _))) = (&self.off, self.anchors.last_key_value()) {
            self.number = number;
            self.note(ANCHORED, "was anchored and is not there".to_owned());
        }
        self.off
    }

    fn note(&mut self, invariant: &'static str, found: String) {
        let subject = format!("{} entry {}", self.wallet.account, self.number);
        self.off = Some(Finding { invariant, subject, found });
    }
}

#[cfg(test)]
mod tests;
