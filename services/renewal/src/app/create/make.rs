//! Making many orders in one transaction: those that callers ask for at the same time.

use async_trait::async_trait;
use kernel::{
    Env,
    ids::{AccountId, RequestId},
};
use platform::{database::retry, together::Work};

use crate::{
    app::settle::complete::extend,
    store::{
        Store, StoreError,
        bulk::{self, Claim, InstanceVersion},
        events::{self, Event},
        orders::{self, Order},
    },
};

/// An order that is to be made.
#[derive(Debug)]
pub struct Making {
    /// The order, as its row will be.
    pub order: Order,
    /// Its instances, at the versions that it was decided on.
    pub claims: Vec<InstanceVersion>,
}

/// Makes orders: rows, claims and events. Answers whether it did: not where somebody else has
/// claimed or changed one of the instances, or the request has made an order before.
#[derive(Debug, Clone)]
pub struct Maker {
    store: Store,
    env: Env,
}

/// Two orders of one round have no request and no instance in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A request of an account.
    Request(AccountId, RequestId),
    /// An instance of an account.
    Instance(AccountId, String),
}

impl Maker {
    /// Makes orders in `store`.
    #[must_use]
    pub const fn new(store: Store, env: Env) -> Self {
        Self { store, env }
    }

    async fn make(&self, makings: &[Making]) -> Result<Vec<bool>, StoreError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let claims: Vec<_> = makings.iter().flat_map(claims_of).collect();
        let claimed = bulk::claim(&transaction, &claims).await?;
        let had: Vec<_> = makings.iter().map(|making| claimed.contains(&making.order.id)).collect();
        let orders = makings.iter().map(|making| &making.order);
        let orders: Vec<_> = orders.filter(|order| claimed.contains(&order.id)).collect();
        if orders.is_empty() {
            return Ok(had);
        }
        if orders::insert::ordered(&transaction, &orders).await? < orders.len() {
            // Nothing is committed; the one that it is about is told alone.
            return if makings.len() == 1 { Ok(vec![false]) } else { Err(StoreError::Taken) };
        }
        let created =
            |order: &&Order| Event::new("order.created", order.account.clone()).of_order(order.id);
        let mut told: Vec<_> = orders.iter().map(created).collect();
        // W-5: there is nothing to pay.
        let paid = orders.into_iter().filter(|order| order.state.is_paid());
        told.extend(extend(&transaction, &paid.collect::<Vec<_>>(), now).await?);
        events::record(&transaction, &self.env, now, told).await?;
        transaction.commit_for(&had).await?;
        Ok(had)
    }
}

fn claims_of(making: &Making) -> impl Iterator<Item = Claim<'_>> {
    let Order { account, id, .. } = &making.order;
    let claim = |instance| Claim { account_id: account, order_id: *id, instance };
    making.claims.iter().map(claim)
}

#[async_trait]
impl Work for Maker {
    type Ask = Making;
    type Answer = bool;
    type Error = StoreError;
    type Key = Key;

    const NAME: &'static str = "maker";

    fn keys(making: &Making) -> Vec<Key> {
        let Order { account, request, .. } = &making.order;
        let request = request.iter().map(|(id, _)| Key::Request(account.clone(), *id));
        let instances = making.claims.iter();
        let instances = instances.map(|claim| Key::Instance(account.clone(), claim.id.clone()));
        request.chain(instances).collect()
    }

    async fn together(&self, makings: &[Making]) -> Result<Vec<bool>, StoreError> {
        retry(|| self.make(makings)).await
    }
}
