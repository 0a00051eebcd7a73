//! Prices that have been in force do not change (M-8).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::ids::ProductId;
use rule_engine::price::PriceEntry;

use super::{
    difference::{by_key, key},
    document::{Document, Lines},
};

/// A price in force would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The line of the document; none where the price is missing from it.
    pub line: Option<usize>,
    /// The product.
    pub product: ProductId,
    /// What would happen, for people.
    pub problem: String,
}

/// The prices that each product had when it was last part of a catalog. A product that is not in
/// here has had none, and may begin with prices of the past.
pub type Remembered = BTreeMap<ProductId, Vec<PriceEntry>>;

/// Every price in force at `now` that `after` would change, remove, or add for the past (M-8).
pub fn frozen(
    remembered: &Remembered,
    after: &Document,
    lines: &Lines,
    now: DateTime<Utc>,
) -> Vec<Frozen> {
    let mut found = Vec::new();
    let past = |price: &&PriceEntry| price.effective_from <= now;
    for (at, price) in after.prices.prices.iter().enumerate().filter(|(_, price)| past(price)) {
        let Some(before) = remembered.get(&price.product).filter(|before| !before.is_empty())
        else {
            continue;
        };
        let problem = match before.iter().find(|old| key(old) == key(price)) {
            Some(old) if old.rate == price.rate => continue,
            Some(_) => "is in force and cannot change; add a price that begins later",
            None => "would begin in the past; let it begin later",
        };
        let line = lines.prices.get(at).copied();
        found.push(self::problem(price, line, problem));
    }
    let new = by_key(Some(after));
    for product in &after.products {
        let before = remembered.get(&product.id).into_iter().flatten();
        for old in before.filter(past).filter(|old| !new.contains_key(&key(old))) {
            found.push(problem(old, None, "has been in force and cannot be removed"));
        }
    }
    found
}

fn problem(price: &PriceEntry, line: Option<usize>, problem: &str) -> Frozen {
    let PriceEntry { product, component, sku, effective_from, .. } = price;
    let sku = sku.as_ref().map(|sku| format!("/{sku}")).unwrap_or_default();
    let from = effective_from.to_rfc3339();
    let problem = format!("the price {product}/{component}{sku} from {from} {problem} (M-8)");
    Frozen { line, product: product.clone(), problem }
}

#[cfg(test)]
mod tests;
