//! What a document changes, and what an operator should know of it beforehand.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use kernel::{
    Currency,
    ids::{ProductId, Region},
};
use rule_engine::{
    price::{Discount, MonthlyRate, PriceEntry, PricedProduct},
    profile::ProductProfile,
};

use super::document::{Document, Product};

/// What happens to a part of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is new.
    Added,
    /// It is another.
    Changed,
    /// It is gone.
    Removed,
}

/// One difference between a catalog and a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happens.
    pub action: Action,
    /// What it is, such as `product jd-vm`.
    pub subject: String,
    /// The difference, for people; empty where the subject says it all.
    pub detail: String,
}

/// What makes a price the same price in two documents.
type PriceKey<'a> =
    (&'a ProductId, &'a str, Option<&'a str>, Option<&'a Region>, Currency, DateTime<Utc>);

/// The key of a price.
pub fn key(price: &PriceEntry) -> PriceKey<'_> {
    let PriceEntry { product, component, sku, region, currency, effective_from, .. } = price;
    (product, component, sku.as_deref(), region.as_ref(), *currency, *effective_from)
}

/// The prices of a document by their key.
pub fn by_key(document: Option<&Document>) -> BTreeMap<PriceKey<'_>, &PriceEntry> {
    let prices = document.into_iter().flat_map(|document| &document.prices.prices);
    prices.map(|price| (key(price), price)).collect()
}

/// Everything that differs: the account profile, products, prices, discounts, each by its name.
pub fn changes(before: Option<&Document>, after: &Document) -> Vec<Change> {
    let mut changes = Vec::new();
    let subject = format!("account profile {}", after.name);
    match before.map(|before| &before.account_profile) {
        None => changes.push(Change { action: Action::Added, subject, detail: String::new() }),
        Some(profile) if *profile != after.account_profile => {
            changes.push(Change { action: Action::Changed, subject, detail: String::new() });
        }
        Some(_) => {}
    }
    compare(
        &products(before),
        &products(Some(after)),
        |id| format!("product {id}"),
        product_detail,
        &mut changes,
    );
    compare(
        &by_key(before),
        &by_key(Some(after)),
        |&(product, component, sku, ..)| {
            let sku = sku.map(|sku| format!("/{sku}")).unwrap_or_default();
            format!("price {product}/{component}{sku}")
        },
        |old, new| price_detail(old.copied(), new.copied()),
        &mut changes,
    );
    compare(
        &discounts(before),
        &discounts(Some(after)),
        |id| format!("discount {id}"),
        |_, _| String::new(),
        &mut changes,
    );
    changes
}

/// Adds what differs between two sides that have names.
fn compare<K: Ord, V: PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    subject: impl Fn(&K) -> String,
    detail: impl Fn(Option<&V>, Option<&V>) -> String,
    changes: &mut Vec<Change>,
) {
    let removed = before.keys().filter(|key| !after.contains_key(key));
    for key in after.keys().chain(removed) {
        let (old, new) = (before.get(key), after.get(key));
        let action = match (old, new) {
            (None, _) => Action::Added,
            (_, None) => Action::Removed,
            (old, new) if old == new => continue,
            _ => Action::Changed,
        };
        changes.push(Change { action, subject: subject(key), detail: detail(old, new) });
    }
}

type Sold<'a> = (&'a Product, &'a PricedProduct);

fn products(document: Option<&Document>) -> BTreeMap<&ProductId, Sold<'_>> {
    let sold = document.into_iter().flat_map(|it| it.products.iter().zip(&it.prices.products));
    sold.map(|(product, priced)| (&product.id, (product, priced))).collect()
}

fn discounts(document: Option<&Document>) -> BTreeMap<&str, &Discount> {
    let discounts = document.into_iter().flat_map(|document| &document.prices.discounts);
    discounts.map(|discount| (discount.id.as_str(), discount)).collect()
}

/// Which parts of a product differ.
fn product_detail(old: Option<&Sold<'_>>, new: Option<&Sold<'_>>) -> String {
    let (Some((old, old_priced)), Some((new, new_priced))) = (old, new) else {
        return String::new();
    };
    let parts = [
        ("name", (&old.name, &old.line) != (&new.name, &new.line)),
        ("profile", old.profile != new.profile),
        ("components", old_priced.components != new_priced.components),
        ("tiers", old_priced.tiers != new_priced.tiers),
    ];
    let differing: Vec<_> = parts.iter().filter(|part| part.1).map(|part| part.0).collect();
    differing.join(", ")
}

fn price_detail(old: Option<&PriceEntry>, new: Option<&PriceEntry>) -> String {
    let Some(any) = new.or(old) else { return String::new() };
    let mut detail = match (old, new) {
        (Some(old), Some(new)) => format!("{} → {}", rate(&old.rate), rate(&new.rate)),
        _ => rate(&any.rate),
    };
    let from = any.effective_from.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let region = any.region.as_ref().map_or("all regions", Region::as_str);
    // Writing to a string does not fail.
    let _ = write!(detail, " {} a month in {region} from {from}", any.currency);
    detail
}

fn rate(rate: &MonthlyRate) -> String {
    match rate {
        MonthlyRate::Monthly(price) => price.normalize().to_string(),
        MonthlyRate::Brackets(brackets) => {
            let text = brackets.iter().map(|bracket| match bracket.up_to {
                Some(up_to) => format!("{} up to {up_to}", bracket.monthly.normalize()),
                None => format!("{} beyond", bracket.monthly.normalize()),
            });
            text.collect::<Vec<_>>().join(", ")
        }
    }
}

/// The rules of the products that are in both, where they differ.
pub fn profiles(before: Option<&Document>, after: &Document) -> Vec<(ProductId, ProductProfile)> {
    let old = products(before);
    let differing = after.products.iter().filter(|product| {
        old.get(&product.id).is_some_and(|(before, _)| before.profile != product.profile)
    });
    differing.map(|product| (product.id.clone(), product.profile.clone())).collect()
}

/// What `after` does to customers that an operator should know beforehand (L-5, P-3, M-8).
pub fn impacts(before: Option<&Document>, after: &Document, now: DateTime<Utc>) -> Vec<String> {
    let mut impacts = Vec::new();
    let new = products(Some(after));
    for (id, (old, _)) in products(before) {
        match new.get(id) {
            None => impacts.push(format!(
                "{id} is removed: its instances can no longer be renewed, and have no price"
            )),
            Some((new, _)) => profile_impacts(id, &old.profile, &new.profile, &mut impacts),
        }
    }
    close_changes(after, now, &mut impacts);
    impacts
}

fn profile_impacts(
    id: &ProductId,
    old: &ProductProfile,
    new: &ProductProfile,
    impacts: &mut Vec<String>,
) {
    let (was, will) = (old.renewable_days(), new.renewable_days());
    if was != will {
        impacts.push(format!(
            "{id}: instances that expire from now on are released {} days after their last day \
             instead of {} (L-5)",
            u64::from(will) + 1,
            u64::from(was) + 1,
        ));
    }
    for cycle in old.cycles().iter().filter(|cycle| !new.cycles().contains(cycle)) {
        impacts.push(format!(
            "{id}: automatic renewals with a cycle of {cycle} will fail with TERM_NOT_OFFERED (P-3)"
        ));
    }
    for policy in old.policies.iter().filter(|policy| !new.policies.contains(policy)) {
        impacts.push(format!("{id}: the policy {policy} can no longer be set (P-1)"));
    }
    if new.not_renewable.is_some() && old.not_renewable.is_none() {
        impacts.push(format!("{id}: no instance of it can be renewed any more"));
    }
    if new.discontinued && !old.discontinued {
        impacts.push(format!("{id}: AUTO can no longer be newly set (P-8)"));
    }
}

/// Two changes of one price within a month are seldom meant: only the newest in force counts.
fn close_changes(after: &Document, now: DateTime<Utc>, impacts: &mut Vec<String>) {
    let mut last: Option<&PriceEntry> = None;
    for price in by_key(Some(after)).into_values() {
        let follows = last.filter(|last| {
            key(&PriceEntry { effective_from: price.effective_from, ..(*last).clone() })
                == key(price)
        });
        if let Some(last) = follows
            && last.effective_from > now
            && price.effective_from - last.effective_from < TimeDelta::days(31)
        {
            impacts.push(format!(
                "{}/{}: two prices begin within 31 days; the newest in force is charged (M-8)",
                price.product, price.component,
            ));
        }
        last = Some(price);
    }
}

#[cfg(test)]
mod tests;
