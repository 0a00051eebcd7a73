//! The prices of a page: one call for all of its accounts.

use chrono::{DateTime, Utc};
use kernel::Money;
use proto::{
    catalog::v1::{ItemQuote, QuoteRenewalsRequest, quote_renewals_request::View},
    convert::timestamp,
};
use rule_engine::reason::Refusal;

use super::{
    super::{
        Orders, bill,
        failure::OrderError,
        preview::{Buyers, PRICED_AT_ONCE, price_of, sum},
    },
    decide::{Decided, Priced, Sorted, Try},
};
use crate::domain::attempt::Outcome;

impl Orders {
    /// Prices what is to be renewed, as of the attempt. What has no price is refused. False if the prices are of another
    /// version of the catalogs than the rules: the page is to be sorted anew (M-8). In a `forecast`, `now`
    /// may be ahead.
    pub(in crate::app) async fn priced_page(
        &self,
        sorted: &mut Sorted,
        now: DateTime<Utc>,
        forecast: bool,
    ) -> Result<bool, OrderError> {
        let mut buyers = Buyers::default();
        let mut items = Vec::new();
        let mut last = None;
        for one in &sorted.tries {
            // Neighbours are of one account.
            let buyer = match last {
                Some((account, number)) if account == &one.unit.account.id => number,
                _ => buyers.number_of(&one.unit.account),
            };
            last = Some((&one.unit.account.id, buyer));
            let facts = one.plan.items.iter().map(|item| bill::price_facts(item, &one.unit.world));
            items.extend(facts.map(|facts| proto::catalog::v1::PriceFacts { buyer, ..facts }));
        }
        if items.is_empty() {
            // Nobody is refused by rules of yesterday.
            let known = sorted.catalogue.version();
            let judged = !sorted.decided.is_empty();
            return Ok(!judged || self.rules.current().await?.version() == known);
        }
        let mut prices = Vec::with_capacity(items.len());
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(PRICED_AT_ONCE));
            let request = QuoteRenewalsRequest {
                items,
                as_of: Some(timestamp(now)),
                view: View::Full.into(),
                buyers: buyers.all().to_vec(),
                forecast,
                ..QuoteRenewalsRequest::default()
            };
            items = rest;
            let answer = self.pricing.quote(request).await?;
            if answer.catalog_version != sorted.catalogue.version() {
                return Ok(false);
            }
            prices.extend(answer.results.into_iter().map(price_of));
        }
        give(sorted, prices);
        Ok(true)
    }
}

/// Gives each try its prices; what has none is refused.
fn give(sorted: &mut Sorted, prices: Vec<Result<ItemQuote, Refusal>>) {
    let mut prices = prices.into_iter();
    for one in std::mem::take(&mut sorted.tries) {
        let own: Result<Vec<_>, _> = {
            // All of a group are taken off, whichever has no price.
            let own: Vec<_> = prices.by_ref().take(one.plan.items.len()).collect();
            own.into_iter().collect()
        };
        let payable = own.and_then(|quotes| {
            let sum = total(&quotes, &one)?;
            Ok((quotes, sum))
        });
        match payable {
            Ok((quotes, payable)) => sorted.priced.push(Priced { tried: one, quotes, payable }),
            Err(why) => {
                let outcome = Outcome::Failed;
                sorted.decided.push(Decided { unit: one.unit, outcome, why });
            }
        }
    }
}

fn total(quotes: &[ItemQuote], one: &Try) -> Result<Money, Refusal> {
    sum(quotes, one.unit.account.settings.currency).map_err(|error| match error {
        OrderError::Refused(refused) => refused.first,
        other => Refusal::new(rule_engine::reason::Reason::AmountTooLarge, other.to_string()),
    })
}
