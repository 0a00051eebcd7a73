//! Registration of instances (I-1, I-2).

mod page;

use std::{collections::BTreeSet, sync::Arc};

use kernel::{Env, ids::OrderId};
use platform::database::retry;
use rule_engine::{reason::Reason, registration::Registration};
use sea_orm::DatabaseTransaction;

use self::page::{Known, Page};
use super::{
    cancel,
    error::{CallError, RowRefusal},
    rules::{Catalogue, Rules},
};
use crate::store::{
    Store, accounts, due,
    events::{self, Event, kinds},
    instances::{self, Lock, Named, Reach, write},
    orders::{self, Order},
};

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The instance is new.
    Created,
    /// It is another than before.
    Updated,
    /// It is as it was.
    Unchanged,
}

/// How often a page is begun anew because an order that it cancels came in between.
const ROUNDS: usize = 3;

/// The registration of instances.
#[derive(Debug, Clone)]
pub struct Registrations {
    store: Store,
    rules: Arc<Rules>,
    env: Env,
}

impl Registrations {
    /// Registers in `store` instances of the products that `rules` knows.
    #[must_use]
    pub const fn new(store: Store, rules: Arc<Rules>, env: Env) -> Self {
        Self { store, rules, env }
    }

    /// Takes product consoles' word on instances, one result for each row, in their order; a row
    /// that is refused does not stop the others (I-1). A constant number of statements, however
    /// many rows there are.
    pub async fn register(
        &self,
        rows: Vec<Registration>,
    ) -> Result<Vec<Result<Outcome, RowRefusal>>, CallError> {
        let catalogue = self.rules.current().await?;
        retry(|| self.try_register(&rows, &catalogue)).await
    }

    /// Orders are locked before instances, but which orders a page cancels is known only once its
    /// instances are read: then the page is begun anew, orders first.
    async fn try_register(
        &self,
        rows: &[Registration],
        catalogue: &Catalogue,
    ) -> Result<Vec<Result<Outcome, RowRefusal>>, CallError> {
        let mut cancelled = BTreeSet::new();
        for _ in 0..ROUNDS {
            let now = self.env.now();
            let transaction = self.store.begin().await?;
            let orders: Vec<OrderId> = cancelled.iter().copied().collect();
            let reason = Reason::ConfigurationChanged;
            let orders = orders::lock_many(&transaction, &orders).await?;
            let mut known = load(&transaction, rows, &orders).await?;
            if !orders.is_empty() {
                cancel::in_transaction(&transaction, &self.env, orders, reason, now).await?;
                known = load(&transaction, rows, &[]).await?;
            }
            let page = Page::decide(rows, &known, catalogue);
            if page.cancels.is_empty() {
                let saved = self.save(&transaction, &page, &known, catalogue, now).await?;
                // Who changes nothing is not noted.
                if saved || !cancelled.is_empty() {
                    transaction.commit().await?;
                }
                return Ok(page.results);
            }
            cancelled.extend(page.cancels);
        }
        Err(CallError::Busy)
    }

    /// Writes what a page changes, and answers whether it changes anything.
    async fn save(
        &self,
        transaction: &DatabaseTransaction,
        page: &Page,
        known: &Known,
        catalogue: &Catalogue,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<bool, CallError> {
        let terms = page.created.iter().filter_map(|one| write::first_term(one, now));
        let terms: Vec<_> = terms.collect();
        let (created, updated, others) = page.with_dues(known, catalogue, now);
        if created.is_empty() && updated.is_empty() && others.is_empty() {
            return Ok(false);
        }
        if write::insert(transaction, &created, now).await? < created.len()
            || write::update(transaction, &updated).await? < updated.len()
        {
            return Err(CallError::Busy);
        }
        due::set(transaction, &others).await?;
        write::insert_terms(transaction, &terms).await?;
        let registered = page.created.iter().map(|one| {
            Event::new(kinds::INSTANCE_REGISTERED, one.account.clone())
                .of_instance(one.id.clone(), 1)
                .with("product", &one.product)
        });
        let updated = page.updated.iter().filter(|one| page.tells(one)).map(|one| {
            Event::new(kinds::INSTANCE_UPDATED, one.instance.account.clone())
                .of_instance(one.instance.id.clone(), one.version + 1)
        });
        let told = registered.chain(updated).collect();
        events::record(transaction, &self.env, now, told).await?;
        Ok(true)
    }
}

/// Everything that deciding on `rows` needs, locked; and with it, by the same statement, whatever
/// `orders` hold.
async fn load(
    transaction: &DatabaseTransaction,
    rows: &[Registration],
    orders: &[Order],
) -> Result<Known, CallError> {
    let accounts: Vec<_> =
        rows.iter().map(|row| &row.account).collect::<BTreeSet<_>>().into_iter().collect();
    let ids: Vec<_> = rows.iter().map(|row| &row.id).collect::<BTreeSet<_>>().into_iter().collect();
    let parents = rows.iter().filter_map(|row| {
        let parent = &row.binding.as_ref()?.parent;
        Some(Named { account: &row.account, id: parent })
    });
    let held = cancel::held(orders);
    let named: Vec<_> = rows
        .iter()
        .map(|row| Named { account: &row.account, id: &row.id })
        .chain(parents)
        .chain(held.iter().map(|(account, id)| Named { account, id }))
        .collect();
    Ok(Known {
        accounts: accounts::many_locked(transaction, &accounts).await?,
        owners: instances::owners(transaction, &ids).await?,
        instances: instances::load_named(transaction, &named, Reach::Groups, Lock::ForUpdate)
            .await?,
    })
}

#[cfg(test)]
mod tests;
