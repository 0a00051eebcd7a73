//! The prices of a page: one call for all of its accounts.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use kernel::Money;
use proto::{
    catalog::v1::{Buyer, ItemQuote, QuoteRenewalsRequest, quote_renewals_request::View},
    convert::timestamp,
};
use rule_engine::reason::Refusal;

use super::{
    super::{
        Orders, bill,
        failure::OrderError,
        preview::{price_of, sum},
    },
    decide::{Decided, Priced, Sorted, Try},
};
use crate::domain::attempt::Outcome;

/// Items of one call for prices.
const PRICED_AT_ONCE: usize = 1_000;

/// Who buys what: accounts whose currency and labels are the same are one buyer.
#[derive(Default)]
struct Buyers {
    buyers: Vec<Buyer>,
    known: HashMap<(String, BTreeMap<String, String>), i32>,
}

impl Buyers {
    fn number_of(&mut self, one: &Try) -> i32 {
        let account = &one.unit.account;
        let key = (account.settings.currency.code().to_owned(), account.labels.clone());
        if let Some(number) = self.known.get(&key) {
            return *number;
        }
        let number = i32::try_from(self.buyers.len()).unwrap_or(i32::MAX);
        let (currency_code, account_labels) = key.clone();
        self.buyers.push(Buyer { currency_code, account_labels });
        self.known.insert(key, number);
        number
    }
}

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
                _ => buyers.number_of(one),
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
                buyers: buyers.buyers.clone(),
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
