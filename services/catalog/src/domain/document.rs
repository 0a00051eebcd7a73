//! A catalog as its operator writes it.

mod prices;
mod profile;
mod reader;
mod tree;

use chrono::{DateTime, Utc};
use kernel::{Currency, ids::ProductId};
use rule_engine::{
    price::{
        Mistake as PriceMistake, MonthlyRate, Place as PricePlace, PriceBook, PriceEntry, PriceList,
    },
    profile::{AccountProfile, ProductProfile},
};
use rust_decimal::Decimal;

use self::reader::{Mistakes, Noted, Place};

/// Something in a document that a catalog cannot be made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, for people.
    pub problem: String,
}

/// One vendor's products, rules and prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The catalog's name, which is also that of its account profile.
    pub name: String,
    /// How its accounts are treated.
    pub account_profile: AccountProfile,
    /// What is sold, in the order of the document.
    pub products: Vec<Product>,
    /// How it is priced; `prices.products` are `products`, in the same order.
    pub prices: PriceList,
}

/// A kind of instance, with its rules of renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id, unique over all catalogs.
    pub id: ProductId,
    /// Its name, for people.
    pub name: String,
    /// The product line that it is shown under.
    pub line: String,
    /// Its rules of renewal.
    pub profile: ProductProfile,
}

/// Where the parts of a document are in its text.
#[derive(Debug, Default)]
pub struct Lines {
    /// Of each product.
    pub products: Vec<usize>,
    components: Vec<Vec<usize>>,
    tiers: Vec<Vec<usize>>,
    /// Of each price.
    pub prices: Vec<usize>,
    discounts: Vec<usize>,
}

impl Lines {
    fn of(&self, place: PricePlace) -> usize {
        let nested = |lines: &[Vec<usize>], at: usize, nth: usize| {
            lines.get(at).and_then(|lines| lines.get(nth)).copied()
        };
        let line = match place {
            PricePlace::Product(at) => self.products.get(at).copied(),
            PricePlace::Component(at, nth) => nested(&self.components, at, nth),
            PricePlace::Tier(at, nth) => nested(&self.tiers, at, nth),
            PricePlace::Price(at) => self.prices.get(at).copied(),
            PricePlace::Discount(at) => self.discounts.get(at).copied(),
        };
        line.unwrap_or(1)
    }
}

/// A document without mistakes.
#[derive(Debug)]
pub struct Parsed {
    /// What it says.
    pub document: Document,
    /// Where it says so.
    pub lines: Lines,
}

impl Parsed {
    /// Reads a document, or names every mistake in it, by line. Unknown fields and fields that are
    /// there twice are mistakes.
    pub fn read(text: &str) -> Result<Self, Vec<Mistake>> {
        let mistakes = Mistakes::default();
        let tree = tree::parse(text, &mistakes);
        let read = tree.and_then(|tree| read_document(&Place::top(&tree, &mistakes)));
        let parsed = read.and_then(|read| read.checked(&mistakes));
        match (parsed, mistakes.sorted()) {
            (Ok(parsed), mistakes) if mistakes.is_empty() => Ok(parsed),
            (_, mistakes) => Err(mistakes),
        }
    }
}

/// What of a document could be read.
struct Read {
    name: Result<String, Noted>,
    account_profile: Result<AccountProfile, Noted>,
    products: Vec<Result<Product, Noted>>,
    prices: PriceList,
    lines: Lines,
    /// Whether each product could be read as far as prices ask for it.
    knows_products: bool,
    /// Whether each price could be read.
    knows_prices: bool,
}

fn read_document(place: &Place<'_>) -> Result<Read, Noted> {
    let fields = place.fields()?;
    let name = fields.required("catalog", Place::name);
    let account_profile = fields.required("account_profile", profile::account_profile);
    let products = fields.required("products", |place| place.readable(prices::product));
    let prices = fields.optional("prices", |place| place.readable(prices::price));
    let discounts = fields.optional("discounts", |place| place.readable(prices::discount));
    fields.finish();

    let mut lines = Lines::default();
    let mut sold = Vec::new();
    let mut rates = Vec::new();
    let mut knows_products = products.is_ok();
    for read in products.unwrap_or_default() {
        let Ok(read) = read else {
            knows_products = false;
            continue;
        };
        lines.products.push(read.line);
        lines.components.push(read.component_lines);
        lines.tiers.push(read.tier_lines);
        sold.push(read.product);
        rates.push(read.priced);
    }
    let prices = prices.map(Option::unwrap_or_default);
    let knows_prices = prices.as_ref().is_ok_and(|prices| prices.iter().all(Result::is_ok));
    let prices = prices.unwrap_or_default().into_iter().flatten();
    let discounts = discounts.ok().flatten().unwrap_or_default().into_iter().flatten();
    let (price_lines, prices) = prices.unzip();
    let (discount_lines, discounts) = discounts.unzip();
    (lines.prices, lines.discounts) = (price_lines, discount_lines);
    let prices = PriceList { products: rates, prices, discounts };
    Ok(Read { name, account_profile, products: sold, prices, lines, knows_products, knows_prices })
}

impl Read {
    /// The document, with its prices checked as a whole: as far as that does not only repeat what
    /// has been noted of a part.
    fn checked(mut self, mistakes: &Mistakes) -> Result<Parsed, Noted> {
        if self.knows_products {
            let unread = if self.knows_prices { Vec::new() } else { self.stand_ins() };
            let prices = self.prices.prices.len();
            self.prices.prices.extend(unread);
            for PriceMistake { place, problem } in
                PriceBook::compile("", &self.prices).err().unwrap_or_default()
            {
                mistakes.note(self.lines.of(place), problem);
            }
            self.prices.prices.truncate(prices);
        }
        let products: Result<_, _> = self.products.into_iter().collect();
        let document = Document {
            name: self.name?,
            account_profile: self.account_profile?,
            products: products?,
            prices: self.prices,
        };
        Ok(Parsed { document, lines: self.lines })
    }

    /// A price for every component: one that could not be read may be meant for it.
    fn stand_ins(&self) -> Vec<PriceEntry> {
        let all = self.prices.products.iter().flat_map(|priced| {
            priced.components.iter().map(|component| PriceEntry {
                product: priced.product.clone(),
                component: component.name.clone(),
                sku: component.sku_from.clone(),
                region: None,
                currency: Currency::Cny,
                effective_from: DateTime::<Utc>::MAX_UTC,
                rate: MonthlyRate::Monthly(Decimal::ZERO),
            })
        });
        all.collect()
    }
}

#[cfg(test)]
pub mod tests;
