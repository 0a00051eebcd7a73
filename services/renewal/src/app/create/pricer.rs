//! Working many orders out at once: with one query, and one call for prices, for all that callers ask
//! for at the same time.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{Env, ids::AccountId};
use platform::together::Work;
use proto::{
    catalog::v1::{PriceFacts, QuoteRenewalsRequest, quote_renewals_request::View},
    convert::timestamp,
};

use crate::{
    app::{
        Pricing, bill,
        failure::OrderError,
        preview::{
            Buyers, Facts, PRICED_AT_ONCE, Planned, Priced, Unpriced, Wanted, ids_of, planned,
            price_of, priced,
        },
        rules::{Catalogue, Rules},
    },
    store::{
        Store, StoreError,
        instances::{
            Named, Reach,
            many::{self, Holding},
        },
    },
};

/// The most instances that an order names which is worked out together with others: a larger one is
/// a batch by itself.
pub const FEW: usize = 8;

/// Works orders out by the rules that are known. Answers the instant that it took for now, and none
/// for whatever is not simply to be renewed (something refuses it, or has no price): that is worked
/// out alone, where there is time to make sure that rules and rows are of today.
#[derive(Debug, Clone)]
pub struct Pricer {
    store: Store,
    rules: Arc<Rules>,
    pricing: Arc<dyn Pricing>,
    env: Env,
}

/// What an order of some wanted instances would be, as of an instant.
pub type WorkedOut = Option<(Priced, DateTime<Utc>)>;

/// A plan that nothing stands against.
struct Ready {
    place: usize,
    facts: Facts,
    planned: Planned,
}

impl Pricer {
    /// Works out what is in `store`, by `rules` and at prices of `pricing`.
    #[must_use]
    pub const fn new(store: Store, rules: Arc<Rules>, pricing: Arc<dyn Pricing>, env: Env) -> Self {
        Self { store, rules, pricing, env }
    }

    /// Whether this can be worked out together with others.
    #[must_use]
    pub fn takes(wanted: &Wanted) -> bool {
        let selection = &wanted.selection;
        selection.ticked.is_empty() && (1..=FEW).contains(&selection.named.len())
    }

    async fn work_out(&self, wanted: &[Wanted]) -> Result<Vec<WorkedOut>, OrderError> {
        let now = self.env.now();
        let catalogue = self.rules.last_known().await?;
        let holdings = self.holdings(wanted).await?;
        let mut ready = ready(wanted, holdings, &catalogue, now);
        let mut items = 0;
        ready.retain(|one| {
            items += one.planned.plan.items.len();
            items <= PRICED_AT_ONCE
        });
        let mut answers: Vec<WorkedOut> = wanted.iter().map(|_| None).collect();
        if !ready.is_empty() {
            self.price(wanted, ready, &mut answers, now).await?;
        }
        Ok(answers)
    }

    /// The accounts of what is wanted, with their instances: of each account of one order only, so
    /// that no order is decided on what another one has loaded.
    async fn holdings(&self, wanted: &[Wanted]) -> Result<Vec<(usize, Holding)>, StoreError> {
        let mut places: BTreeMap<&AccountId, (usize, Vec<_>)> = BTreeMap::new();
        for (place, one) in wanted.iter().enumerate() {
            if let Entry::Vacant(entry) = places.entry(&one.account) {
                entry.insert((place, ids_of(&one.selection)));
            }
        }
        let named = places
            .iter()
            .flat_map(|(account, (_, ids))| ids.iter().map(move |id| Named { account, id }));
        let named: Vec<_> = named.collect();
        let reader = self.store.reader();
        let holdings = many::load_with_accounts(reader, &named, Reach::Groups).await?;
        let found = holdings.into_iter().filter_map(|holding| {
            let place = places.get(&holding.account.id)?.0;
            Some((place, holding))
        });
        Ok(found.collect())
    }

    /// Gives those of `ready` their prices that have one; none if the prices are of another version of
    /// the catalogs than the rules.
    async fn price(
        &self,
        wanted: &[Wanted],
        ready: Vec<Ready>,
        answers: &mut [WorkedOut],
        now: DateTime<Utc>,
    ) -> Result<(), OrderError> {
        let mut buyers = Buyers::default();
        let mut items = Vec::new();
        for Ready { facts, planned, .. } in &ready {
            let buyer = buyers.number_of(&facts.account);
            let facts = planned.plan.items.iter();
            let facts = facts.map(|item| bill::price_facts(item, &planned.world));
            items.extend(facts.map(|facts| PriceFacts { buyer, ..facts }));
        }
        let request = QuoteRenewalsRequest {
            items,
            as_of: Some(timestamp(now)),
            view: View::Full.into(),
            buyers: buyers.all().to_vec(),
            ..QuoteRenewalsRequest::default()
        };
        let answer = self.pricing.quote(request).await?;
        let mut results = answer.results.into_iter();
        for Ready { place, facts, planned } in ready {
            if answer.catalog_version != planned.catalogue.version() {
                return Ok(());
            }
            let own = results.by_ref().take(planned.plan.items.len()).map(price_of);
            // All of an order are taken off, whichever has no price.
            let own: Vec<_> = own.collect();
            let own = own.into_iter().collect::<Result<Vec<_>, _>>();
            let price = |quotes| priced(&wanted[place], &facts, planned, quotes).ok();
            answers[place] = own.ok().and_then(price).map(|priced| (priced, now));
        }
        Ok(())
    }
}

/// The plans that nothing stands against.
fn ready(
    wanted: &[Wanted],
    holdings: Vec<(usize, Holding)>,
    catalogue: &Arc<Catalogue>,
    now: DateTime<Utc>,
) -> Vec<Ready> {
    let ready = holdings.into_iter().filter_map(|(place, Holding { account, loaded })| {
        let facts = Facts { account, loaded };
        let selection = &wanted[place].selection;
        let planned = planned(selection, &facts, catalogue, &Unpriced::new(), now).ok()?;
        let free = planned.plan.refused.is_empty() && planned.plan.refusal.is_none();
        free.then_some(Ready { place, facts, planned })
    });
    ready.collect()
}

#[async_trait]
impl Work for Pricer {
    type Ask = Wanted;
    type Answer = WorkedOut;
    type Error = StoreError;
    type Key = ();

    const NAME: &'static str = "pricer";

    fn keys(_: &Wanted) -> Vec<()> {
        Vec::new()
    }

    async fn together(&self, wanted: &[Wanted]) -> Result<Vec<WorkedOut>, StoreError> {
        // Whoever is worked out alone hears what is wrong.
        Ok(self.work_out(wanted).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "orders are worked out one by one");
            wanted.iter().map(|_| None).collect()
        }))
    }
}

#[cfg(test)]
mod tests;
