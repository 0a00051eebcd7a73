//! What is wrong with a price list.

use std::collections::{HashMap, HashSet};

use kernel::ids::ProductId;
use rust_decimal::Decimal;

use super::{
    Bracket, Component, Discount, MonthlyRate, Off, Pays, PriceEntry, PriceList, PricedProduct,
    Tier,
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
    /// The path of the field there, such as `brackets[1].monthly`; empty for the whole of it.
    pub field: String,
    /// What is wrong, for people.
    pub problem: String,
}

/// A place in a [`PriceList`], by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The list itself; its fields are `products`, `prices` and `discounts`.
    List,
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

impl PriceList {
    /// Everything that is wrong with the list, in its order (M-1, M-2, M-3, M-8).
    ///
    /// `known` says whether a field of a place could be read, whole. What could not has a stand-in
    /// that is no mistake by itself; nothing is said that depends on it.
    #[must_use]
    pub fn mistakes(&self, known: &dyn Fn(Place, &str) -> bool) -> Vec<Mistake> {
        let mut check = Check { list: self, known, products: HashMap::new(), mistakes: Vec::new() };
        check.products();
        check.prices();
        check.unpriced();
        check.discounts();
        check.mistakes.sort_by_key(|mistake| mistake.place);
        check.mistakes
    }
}

/// Collects what is wrong.
struct Check<'a> {
    list: &'a PriceList,
    known: &'a dyn Fn(Place, &str) -> bool,
    /// Those whose ids are known. Of one that is there twice the first counts, and only the second
    /// is a mistake.
    products: HashMap<&'a ProductId, (usize, &'a PricedProduct)>,
    mistakes: Vec<Mistake>,
}

impl<'a> Check<'a> {
    fn note(&mut self, place: Place, field: impl Into<String>, problem: impl Into<String>) {
        self.mistakes.push(Mistake { place, field: field.into(), problem: problem.into() });
    }

    fn require(&mut self, holds: bool, place: Place, field: &str, problem: &str) {
        if !holds {
            self.note(place, field, problem);
        }
    }

    fn knows(&self, place: Place, fields: &[&str]) -> bool {
        fields.iter().all(|field| (self.known)(place, field))
    }

    fn products(&mut self) {
        let list = self.list;
        for (at, product) in list.products.iter().enumerate() {
            let place = Place::Product(at);
            if self.knows(place, &["id"]) {
                if self.products.contains_key(&product.product) {
                    self.note(place, "id", format!("product {} is there twice", product.product));
                }
                self.products.entry(&product.product).or_insert((at, product));
            }
            self.components(at, &product.components);
            self.tiers(at, &product.tiers);
        }
    }

    fn components(&mut self, at: usize, components: &[Component]) {
        let mut names = HashSet::new();
        for (nth, Component { name, .. }) in components.iter().enumerate() {
            let place = Place::Component(at, nth);
            if self.knows(place, &["name"]) {
                self.require(!name.trim().is_empty(), place, "name", "a component needs a name");
                self.require(names.insert(name), place, "name", "the component is there twice");
            }
        }
    }

    fn tiers(&mut self, at: usize, tiers: &[Tier]) {
        let mut starts = HashSet::new();
        for (nth, tier) in tiers.iter().enumerate() {
            let place = Place::Tier(at, nth);
            let knows_from = self.knows(place, &["from"]);
            match tier.pays {
                Pays::Percent(percent) => self.percent(percent, place, "percent"),
                Pays::PaysMonths(months) => {
                    let most = tier.from.months();
                    if knows_from && months > most {
                        let problem = format!("{} cannot pay more than {most} months", tier.from);
                        self.note(place, "pays_months", problem);
                    }
                }
            }
            if knows_from {
                self.require(starts.insert(tier.from), place, "from", "the tier is there twice");
            }
        }
    }

    fn percent(&mut self, percent: Decimal, place: Place, field: &str) {
        let inside = (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&percent);
        self.require(inside, place, field, "a percentage must be 0 to 100");
        let short = percent.normalize().scale() <= MAX_PERCENT_DIGITS;
        let problem = "a percentage has at most 4 digits after the point";
        self.require(short, place, field, problem);
    }

    fn prices(&mut self) {
        const KEY: [&str; 6] =
            ["product", "component", "sku", "region", "currency", "effective_from"];
        let mut seen = HashSet::new();
        for (at, price) in self.list.prices.iter().enumerate() {
            let place = Place::Price(at);
            self.selected(price, place);
            self.rate(&price.rate, place);
            let key = (
                &price.product,
                &price.component,
                &price.sku,
                &price.region,
                price.currency,
                price.effective_from,
            );
            if self.knows(place, &KEY) {
                let problem = "there is another price from the same instant on";
                self.require(seen.insert(key), place, "effective_from", problem);
            }
        }
    }

    /// The product of a place, if it is known which; one that is not there is noted.
    fn product(
        &mut self,
        id: &ProductId,
        place: Place,
        field: &str,
    ) -> Option<(usize, &'a PricedProduct)> {
        let found = self.products.get(id).copied();
        let products = self.list.products.len();
        if found.is_none()
            && self.lists(Place::List, "products", products)
            && (0..products).all(|at| self.knows(Place::Product(at), &["id"]))
        {
            self.note(place, field, format!("there is no product {id}"));
        }
        found
    }

    /// Whether a field of which `count` elements are known is a list at all, and not one that
    /// could not be read.
    fn lists(&self, place: Place, field: &str, count: usize) -> bool {
        count > 0 || self.knows(place, &[field])
    }

    /// That the price is of something that is sold.
    fn selected(&mut self, price: &PriceEntry, place: Place) {
        if !self.knows(place, &["product"]) {
            return;
        }
        let Some((at, product)) = self.product(&price.product, place, "product") else { return };
        if !self.knows(place, &["component"]) {
            return;
        }
        let named = |nth| self.knows(Place::Component(at, nth), &["name"]);
        let components = &product.components;
        let found = (0..components.len())
            .find(|&nth| components[nth].name == price.component && named(nth));
        let Some(nth) = found else {
            if self.lists(Place::Product(at), "components", components.len())
                && (0..components.len()).all(named)
            {
                let problem = format!("{} has no component {:?}", price.product, price.component);
                self.note(place, "component", problem);
            }
            return;
        };
        if self.knows(place, &["sku"]) && self.knows(Place::Component(at, nth), &["sku_from"]) {
            self.sku(price, &components[nth], place);
        }
    }

    fn sku(&mut self, price: &PriceEntry, component: &Component, place: Place) {
        match (&component.sku_from, &price.sku) {
            (Some(setting), None) => {
                let problem = format!("sku is needed: a value of the setting {setting:?}");
                self.note(place, "", problem);
            }
            (None, Some(_)) => {
                self.note(place, "sku", "sku must be left out: nothing selects it");
            }
            _ => {}
        }
    }

    fn rate(&mut self, rate: &MonthlyRate, place: Place) {
        let brackets = match rate {
            MonthlyRate::Monthly(price) => return self.unit_price(*price, place, "monthly"),
            MonthlyRate::Brackets(brackets) => brackets,
        };
        self.require(!brackets.is_empty(), place, "brackets", "there must be at least one bracket");
        let mut from = Decimal::ZERO;
        for (nth, Bracket { up_to, monthly }) in brackets.iter().enumerate() {
            let field = |name| format!("brackets[{nth}].{name}");
            self.unit_price(*monthly, place, &field("monthly"));
            if !self.knows(place, &[&field("up_to")]) {
                continue;
            }
            let last = nth + 1 == brackets.len();
            let problem = "only the last bracket has no up_to";
            self.require(up_to.is_some() || last, place, &field("up_to"), problem);
            let Some(up_to) = *up_to else { continue };
            let problem = "each bracket must reach further than the one before";
            self.require(up_to > from, place, &field("up_to"), problem);
            from = up_to;
        }
    }

    fn unit_price(&mut self, price: Decimal, place: Place, field: &str) {
        let inside = (Decimal::ZERO..=Decimal::from(MAX_UNIT_PRICE)).contains(&price);
        self.require(inside, place, field, "a price must be 0 to 1000000000000");
        let short = price.normalize().scale() <= MAX_PRICE_DIGITS;
        let problem = "a price has at most 8 digits after the point";
        self.require(short, place, field, problem);
    }

    /// That no component is without any price. A price that does not say what of may be meant for
    /// any.
    fn unpriced(&mut self) {
        let list = self.list;
        if !self.lists(Place::List, "prices", list.prices.len()) {
            return;
        }
        let mut priced = HashSet::new();
        for (at, price) in list.prices.iter().enumerate() {
            let component = Some(price.component.as_str());
            let component = component.filter(|_| self.knows(Place::Price(at), &["component"]));
            let product = Some(&price.product);
            let product = product.filter(|_| self.knows(Place::Price(at), &["product"]));
            priced.insert((product, component));
        }
        for (at, product) in list.products.iter().enumerate() {
            for (nth, component) in product.components.iter().enumerate() {
                let place = Place::Component(at, nth);
                let (id, name) = (Some(&product.product), Some(component.name.as_str()));
                let keys = [(id, name), (id, None), (None, name), (None, None)];
                let knows = self.knows(place, &["name"]) && self.knows(Place::Product(at), &["id"]);
                let has = !knows || keys.iter().any(|key| priced.contains(key));
                self.require(has, place, "", "the component has no price");
            }
        }
    }

    fn discounts(&mut self) {
        let mut ids = HashSet::new();
        for (at, discount) in self.list.discounts.iter().enumerate() {
            let place = Place::Discount(at);
            if self.knows(place, &["id"]) {
                let named = !discount.id.trim().is_empty();
                self.require(named, place, "id", "a discount needs an id");
                self.require(ids.insert(&discount.id), place, "id", "the discount is there twice");
            }
            match discount.off {
                Off::PercentOff(percent) => self.percent(percent, place, "percent_off"),
                Off::AmountOff { amount, .. } => {
                    self.unit_price(amount, place, "amount_off.amount");
                }
            }
            self.condition(discount, place);
        }
    }

    fn condition(&mut self, discount: &Discount, place: Place) {
        let window = discount.valid_from.zip(discount.valid_until);
        let open = window.is_none_or(|(from, until)| from < until);
        self.require(open, place, "valid_from", "valid_from must be before valid_until");
        let months = discount.when.months_at_least.zip(discount.when.months_at_most);
        let possible = months.is_none_or(|(least, most)| least <= most);
        let problem = "months_at_least must not exceed months_at_most";
        self.require(possible, place, "when.months_at_least", problem);
        for product in &discount.when.products {
            self.product(product, place, "when.products");
        }
    }
}

#[cfg(test)]
mod tests;
