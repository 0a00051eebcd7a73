//! From a price list as it is written to a price book that can be asked.

use std::{collections::HashMap, sync::Arc};

use super::{
    Discount, Mistake, PriceBook, PriceEntry, PriceList, PricedProduct,
    book::{ComponentPrices, ProductPrices, Series},
};

impl PriceBook {
    /// Indexes `list` under the name `version`, or says everything that is wrong with it, in the
    /// order of the list (M-1, M-2, M-3, M-8).
    pub fn compile(version: &str, list: &PriceList) -> Result<Self, Vec<Mistake>> {
        let mistakes = list.mistakes(&|_, _| true);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let products = list
            .products
            .iter()
            .map(|product| (product.product.clone(), compile_product(product, list)))
            .collect();
        Ok(Self { version: version.into(), products })
    }
}

/// Indexes one product. The list has been checked.
fn compile_product(product: &PricedProduct, list: &PriceList) -> ProductPrices {
    let policy = &product.money_policy;
    let mut components: Vec<_> = product
        .components
        .iter()
        .map(|component| ComponentPrices { component: component.clone(), by_sku: HashMap::new() })
        .collect();
    for price in list.prices.iter().filter(|price| price.product == product.product) {
        let of_price = components.iter_mut().find(|each| each.component.name == price.component);
        if let Some(component) = of_price {
            add_price(component, price);
        }
    }
    let may_apply = |each: &&Discount| {
        each.when.products.is_empty() || each.when.products.contains(&product.product)
    };
    let mut discounts: Vec<_> =
        list.discounts.iter().filter(may_apply).cloned().map(Arc::new).collect();
    discounts.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
    ProductPrices {
        money_policy: policy.clone(),
        policy_label: format!("{}.v{}", policy.name, policy.version).into(),
        tiers: product.tiers.clone(),
        components,
        discounts,
    }
}

fn add_price(component: &mut ComponentPrices, price: &PriceEntry) {
    let all = component.by_sku.entry(price.sku.clone().unwrap_or_default()).or_default();
    let same = |each: &Series| each.region == price.region && each.currency == price.currency;
    let at = all.iter().position(same).unwrap_or_else(|| {
        let (region, currency) = (price.region.clone(), price.currency);
        all.push(Series { region, currency, versions: Vec::new() });
        all.len() - 1
    });
    let versions = &mut all[at].versions;
    let after = versions.partition_point(|&(from, _)| from <= price.effective_from);
    versions.insert(after, (price.effective_from, price.rate.clone()));
}
