//! From a price list as it is written to a price book that can be asked.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use kernel::ids::ProductId;
use rust_decimal::Decimal;

use super::{
    Bracket, Component, Discount, MonthlyRate, Off, Pays, PriceBook, PriceEntry, PriceList,
    PricedProduct, Tier,
    book::{ComponentPrices, ProductPrices, Series},
};

/// The greatest unit price, in major units.
const MAX_UNIT_PRICE: i64 = 1_000_000_000_000;

/// The most digits after the point that a unit price may have.
const MAX_PRICE_DIGITS: u32 = 8;

/// The most digits after the point that a percentage may have.
const MAX_PERCENT_DIGITS: u32 = 4;

/// Something in a price list that no price can be made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Mistake {
    /// Where it is.
    pub place: Place,
    /// What is wrong, for people.
    pub problem: String,
}

/// A place in a [`PriceList`], by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A product.
    Product(usize),
    /// A component of a product.
    Component(usize, usize),
    /// A tier of a product.
    Tier(usize, usize),
    /// A price.
    Price(usize),
    /// A discount.
    Discount(usize),
}

impl PriceBook {
    /// Indexes `list` under the name `version`, or says everything that is wrong with it, in the
    /// order of the list (M-1, M-2, M-3, M-8).
    pub fn compile(version: &str, list: &PriceList) -> Result<Self, Vec<Mistake>> {
        let mut check = Check::default();
        check.products(&list.products);
        // Of a product that is there twice the first counts, and only the second is a mistake.
        let first = list.products.iter().rev();
        let products: HashMap<_, _> = first.map(|product| (&product.product, product)).collect();
        check.prices(&list.prices, &products);
        check.unpriced(list);
        check.discounts(&list.discounts, &products);
        if !check.mistakes.is_empty() {
            check.mistakes.sort_by_key(|mistake| mistake.place);
            return Err(check.mistakes);
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

/// Collects what is wrong.
#[derive(Default)]
struct Check {
    mistakes: Vec<Mistake>,
}

impl Check {
    fn note(&mut self, place: Place, problem: impl Into<String>) {
        self.mistakes.push(Mistake { place, problem: problem.into() });
    }

    fn require(&mut self, holds: bool, place: Place, problem: &str) {
        if !holds {
            self.note(place, problem);
        }
    }

    fn products(&mut self, products: &[PricedProduct]) {
        let mut ids = HashSet::new();
        for (at, product) in products.iter().enumerate() {
            if !ids.insert(&product.product) {
                self.note(
                    Place::Product(at),
                    format!("product {} is there twice", product.product),
                );
            }
            let mut names = HashSet::new();
            for (nth, Component { name, .. }) in product.components.iter().enumerate() {
                let place = Place::Component(at, nth);
                self.require(!name.trim().is_empty(), place, "a component needs a name");
                self.require(names.insert(name), place, "the component is there twice");
            }
            let mut starts = HashSet::new();
            for (nth, tier) in product.tiers.iter().enumerate() {
                let place = Place::Tier(at, nth);
                self.tier(tier, place);
                self.require(starts.insert(tier.from), place, "the tier is there twice");
            }
        }
    }

    fn tier(&mut self, tier: &Tier, place: Place) {
        match tier.pays {
            Pays::Percent(percent) => self.percent(percent, place),
            Pays::PaysMonths(months) => {
                let most = tier.from.months();
                if months > most {
                    self.note(place, format!("{} cannot pay more than {most} months", tier.from));
                }
            }
        }
    }

    fn percent(&mut self, percent: Decimal, place: Place) {
        let inside = (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&percent);
        self.require(inside, place, "a percentage must be 0 to 100");
        let short = percent.normalize().scale() <= MAX_PERCENT_DIGITS;
        self.require(short, place, "a percentage has at most 4 digits after the point");
    }

    fn prices(&mut self, prices: &[PriceEntry], products: &HashMap<&ProductId, &PricedProduct>) {
        let mut seen = HashSet::new();
        for (at, price) in prices.iter().enumerate() {
            let place = Place::Price(at);
            self.selected(price, products, place);
            self.rate(&price.rate, place);
            let key = (
                &price.product,
                &price.component,
                &price.sku,
                &price.region,
                price.currency,
                price.effective_from,
            );
            self.require(
                seen.insert(key),
                place,
                "there is another price from the same instant on",
            );
        }
    }

    /// That the price is of something that is sold.
    fn selected(
        &mut self,
        price: &PriceEntry,
        products: &HashMap<&ProductId, &PricedProduct>,
        place: Place,
    ) {
        let Some(product) = products.get(&price.product) else {
            self.note(place, format!("there is no product {}", price.product));
            return;
        };
        let component = product.components.iter().find(|each| each.name == price.component);
        let Some(component) = component else {
            let problem = format!("{} has no component {:?}", price.product, price.component);
            self.note(place, problem);
            return;
        };
        match (&component.sku_from, &price.sku) {
            (Some(setting), None) => {
                self.note(place, format!("sku is needed: a value of the setting {setting:?}"));
            }
            (None, Some(_)) => self.note(place, "sku must be left out: nothing selects it"),
            _ => {}
        }
    }

    fn rate(&mut self, rate: &MonthlyRate, place: Place) {
        let brackets = match rate {
            MonthlyRate::Monthly(price) => return self.unit_price(*price, place),
            MonthlyRate::Brackets(brackets) => brackets,
        };
        self.require(!brackets.is_empty(), place, "there must be at least one bracket");
        let mut from = Decimal::ZERO;
        for (nth, Bracket { up_to, monthly }) in brackets.iter().enumerate() {
            self.unit_price(*monthly, place);
            let last = nth + 1 == brackets.len();
            self.require(up_to.is_some() || last, place, "only the last bracket has no up_to");
            let up_to = up_to.unwrap_or(Decimal::MAX);
            self.require(
                up_to > from,
                place,
                "each bracket must reach further than the one before",
            );
            from = up_to;
        }
    }

    fn unit_price(&mut self, price: Decimal, place: Place) {
        let inside = (Decimal::ZERO..=Decimal::from(MAX_UNIT_PRICE)).contains(&price);
        self.require(inside, place, "a price must be 0 to 1000000000000");
        let short = price.normalize().scale() <= MAX_PRICE_DIGITS;
        self.require(short, place, "a price has at most 8 digits after the point");
    }

    /// That no component is without any price.
    fn unpriced(&mut self, list: &PriceList) {
        let priced: BTreeSet<_> =
            list.prices.iter().map(|price| (&price.product, &price.component)).collect();
        for (at, product) in list.products.iter().enumerate() {
            for (nth, component) in product.components.iter().enumerate() {
                let has = priced.contains(&(&product.product, &component.name));
                self.require(has, Place::Component(at, nth), "the component has no price");
            }
        }
    }

    fn discounts(
        &mut self,
        discounts: &[Discount],
        products: &HashMap<&ProductId, &PricedProduct>,
    ) {
        let mut ids = HashSet::new();
        for (at, discount) in discounts.iter().enumerate() {
            let place = Place::Discount(at);
            self.require(!discount.id.trim().is_empty(), place, "a discount needs an id");
            self.require(ids.insert(&discount.id), place, "the discount is there twice");
            match discount.off {
                Off::PercentOff(percent) => self.percent(percent, place),
                Off::AmountOff { amount, .. } => self.unit_price(amount, place),
            }
            let window = discount.valid_from.zip(discount.valid_until);
            let open = window.is_none_or(|(from, until)| from < until);
            self.require(open, place, "valid_from must be before valid_until");
            let months = discount.when.months_at_least.zip(discount.when.months_at_most);
            let possible = months.is_none_or(|(least, most)| least <= most);
            self.require(possible, place, "months_at_least must not exceed months_at_most");
            for product in &discount.when.products {
                if !products.contains_key(product) {
                    self.note(place, format!("there is no product {product}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
