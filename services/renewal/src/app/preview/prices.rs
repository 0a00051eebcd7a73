//! The prices of a plan's items, and what is to be said of those that have none.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use kernel::{Money, ids::InstanceId};
use proto::{
    catalog::v1::{
        Buyer, ItemQuote, QuoteRenewalsRequest, QuoteResult, quote_renewals_request::View,
        quote_result,
    },
    convert::timestamp,
    renewal::internal::v1::OrderSnapshot,
};
use rule_engine::reason::{Reason, Refusal};

use super::{
    super::{
        Orders, bill,
        failure::{OrderError, Refused},
    },
    Planned,
};
use crate::store::accounts::KnownAccount;

/// Items of one call for prices.
pub const PRICED_AT_ONCE: usize = 1_000;

/// Why an item has no price.
const NO_PRICE: [Reason; 3] =
    [Reason::PriceNotFound, Reason::CurrencyMismatch, Reason::AmountTooLarge];

/// What has no price, and why.
pub type Unpriced = BTreeMap<InstanceId, Refusal>;

/// What the catalog said of the items.
pub enum Quoted {
    /// The price of each, in their order.
    All(Vec<ItemQuote>),
    /// Some have none.
    Without(Unpriced),
    /// The prices are of another version of the catalogs than the rules.
    OtherRules,
}

/// Who buys what in a call for many accounts: those whose currency and labels are the same are one
/// buyer.
#[derive(Debug, Default)]
pub struct Buyers {
    buyers: Vec<Buyer>,
    known: HashMap<(String, BTreeMap<String, String>), i32>,
}

impl Buyers {
    /// The number of the buyer that `account` is.
    pub fn number_of(&mut self, account: &KnownAccount) -> i32 {
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

    /// All of them, by number.
    #[must_use]
    pub fn all(&self) -> &[Buyer] {
        &self.buyers
    }
}

impl Orders {
    /// The prices of the items, in their order.
    pub(super) async fn quotes(
        &self,
        account: &KnownAccount,
        planned: &Planned,
        now: DateTime<Utc>,
    ) -> Result<Quoted, OrderError> {
        let mut quotes = Vec::with_capacity(planned.plan.items.len());
        let mut without = Unpriced::new();
        for items in planned.plan.items.chunks(PRICED_AT_ONCE) {
            let facts = items.iter().map(|item| bill::price_facts(item, &planned.world));
            let request = QuoteRenewalsRequest {
                items: facts.collect(),
                currency_code: account.settings.currency.code().to_owned(),
                account_labels: account.labels.clone(),
                as_of: Some(timestamp(now)),
                view: View::Full.into(),
                ..QuoteRenewalsRequest::default()
            };
            let answer = self.pricing.quote(request).await?;
            if answer.catalog_version != planned.catalogue.version() {
                return Ok(Quoted::OtherRules);
            }
            for (item, result) in items.iter().zip(answer.results) {
                match price_of(result) {
                    Ok(quote) => quotes.push(quote),
                    Err(refusal) => {
                        without.insert(item.instance.clone(), refusal);
                    }
                }
            }
        }
        Ok(if without.is_empty() { Quoted::All(quotes) } else { Quoted::Without(without) })
    }
}

/// The sum of what the items cost: never rounded again (M-5).
pub fn sum(quotes: &[ItemQuote], currency: kernel::Currency) -> Result<Money, OrderError> {
    let amounts = quotes.iter().map(|quote| {
        let payable = quote.payable.clone().unwrap_or_default();
        Money::try_from(payable).map_err(|_| {
            OrderError::refused(Reason::CurrencyMismatch, "An item is priced in no known currency.")
        })
    });
    let amounts = amounts.collect::<Result<Vec<_>, _>>()?;
    Money::sum(amounts, currency).map_err(|error| match error {
        kernel::MoneyError::MixedCurrencies(..) => {
            OrderError::refused(Reason::CurrencyMismatch, error.to_string())
        }
        kernel::MoneyError::Overflow => {
            OrderError::refused(Reason::AmountTooLarge, error.to_string())
        }
    })
}

/// Everything is refused because of what has no price: the weightiest reason, and all of them.
pub fn all_refused(unpriced: Unpriced) -> OrderError {
    let all: Vec<_> = unpriced.into_iter().map(|(id, why)| (id.to_string(), why)).collect();
    let first = all.iter().map(|(_, refusal)| refusal).min().cloned();
    let first = first.unwrap_or_else(|| Refusal::new(Reason::PriceNotFound, "There is no price."));
    OrderError::Refused(Box::new(Refused { first, all }))
}

/// The price of an item, or why it has none.
pub fn price_of(result: QuoteResult) -> Result<ItemQuote, Refusal> {
    let error = match result.result {
        Some(quote_result::Result::Quote(quote)) => return Ok(quote),
        Some(quote_result::Result::Error(error)) => error,
        None => proto::catalog::v1::QuoteError::default(),
    };
    let reason = NO_PRICE.into_iter().find(|reason| reason.code() == error.reason);
    let message = format!("{} has no price: {}.", result.item_id, error.message);
    let refusal = Refusal::new(reason.unwrap_or(Reason::PriceNotFound), message);
    Err(refusal.with("instance", result.item_id))
}

/// What a quote left out for want of a price, which an order of it leaves out too.
pub fn unpriced_of(quote: &OrderSnapshot) -> Unpriced {
    let refusals = quote.left_out.iter().flat_map(|one| &one.refusals);
    let unpriced = refusals.filter_map(|wire| {
        let reason = wire.reason.parse().ok().filter(|reason| NO_PRICE.contains(reason))?;
        let (message, metadata) = (wire.message.clone(), wire.metadata.clone());
        Some((metadata.get("instance")?.parse().ok()?, Refusal { reason, message, metadata }))
    });
    unpriced.collect()
}
