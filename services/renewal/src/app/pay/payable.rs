//! Whether an order can be paid at an instant, and what its payment appends (O-8).

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, OrderId};
use platform::database::Write;
use proto::renewal::internal::v1::PlannedTerm;
use rule_engine::{
    plan::{Item, Selection, replan},
    reason::Refusal,
};
use sea_orm::DatabaseTransaction;

use super::{check_free, overdue, passes};
use crate::{
    app::{
        Orders, bill, cancel,
        failure::OrderError,
        preview::{Facts, ids_of, reach_of},
        rules::Catalogue,
        world::world,
    },
    domain::order::State,
    store::{
        accounts,
        instances::{self, Lock},
        orders::{self, Order},
    },
    wire::refusal_message,
};

/// An order whose payment may begin: locked, and so is what this was decided on.
#[derive(Debug)]
pub struct Payable {
    /// Where everything is locked.
    pub transaction: Write,
    /// The order.
    pub order: Order,
    /// What it was decided on.
    pub facts: Facts,
    /// What the payment appends, one for each item.
    pub terms: Vec<PlannedTerm>,
}

impl Orders {
    /// The order, if its payment may begin at `now`; why not, if it can no longer be paid: then it has
    /// ended.
    pub(in crate::app) async fn payable(
        &self,
        account: &AccountId,
        id: OrderId,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<Result<Payable, Refusal>, OrderError> {
        let transaction = self.store.begin().await?;
        let order = orders::lock(&transaction, account, id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(id))?;
        check_free(&order)?;
        let (facts, at_payment) = judged(&transaction, &order, catalogue, now).await?;
        match at_payment {
            Ok(terms) => Ok(Ok(Payable { transaction, order, facts, terms })),
            Err(refusal) if passes(refusal.reason) => Err(refusal.into()),
            Err(refusal) => {
                let why = Some(refusal_message(refusal.clone()));
                cancel::end(&transaction, &self.env, &mut order, State::Expired, why, now).await?;
                transaction.commit().await?;
                Ok(Err(refusal))
            }
        }
    }
}

/// What paying the order at `now` would append, or why it can no longer be paid (O-8); with the
/// facts that this was decided on, locked.
pub async fn judged(
    transaction: &DatabaseTransaction,
    order: &Order,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<(Facts, Result<Vec<PlannedTerm>, Refusal>), OrderError> {
    let selection = bill::stored_selection(order.snapshot.selection.as_ref())?;
    let facts = locked_facts(transaction, order, &selection).await?;
    let at_payment = if order.is_overdue(now) {
        Err(overdue(order, facts.account.settings.zone))
    } else {
        terms(order, &selection, &facts, catalogue, now)?
    };
    Ok((facts, at_payment))
}

/// What is decided on at the payment: the order's instances and what is bound to them, locked.
async fn locked_facts(
    transaction: &DatabaseTransaction,
    order: &Order,
    selection: &Selection,
) -> Result<Facts, OrderError> {
    let account = accounts::get(transaction, &order.account).await?;
    let account = account.ok_or_else(|| OrderError::AccountNotFound(order.account.clone()))?;
    let mut ids = ids_of(selection);
    // What has left its group since the order was made is still on the order.
    ids.extend(order.instances().filter_map(|id| id.parse().ok()));
    ids.sort();
    ids.dedup();
    let reach = reach_of(selection);
    let loaded = instances::load(transaction, &order.account, &ids, reach, Lock::ForUpdate);
    Ok(Facts { account, loaded: loaded.await? })
}

/// The terms that paying the order at `now` appends, in the order of its items, or why it can no
/// longer be paid (O-8).
fn terms(
    order: &Order,
    selection: &Selection,
    facts: &Facts,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<Result<Vec<PlannedTerm>, Refusal>, OrderError> {
    let items: Vec<Item> = order.snapshot.items.iter().map(bill::item).collect::<Result<_, _>>()?;
    let mut world = world(&facts.account, &facts.loaded, catalogue, now);
    // Limits held when the order was made.
    (world.limits.named, world.limits.total) = (usize::MAX, usize::MAX);
    Ok(replan(order.id, selection, &items, &world, now).map(|replanned| {
        let items = replanned.items.iter();
        items.map(|item| bill::planned_term(item, &world, now)).collect()
    }))
}
