//! A catalog as its operator writes it.

mod prices;
mod profile;
mod reader;
mod tree;

use kernel::ids::ProductId;
use rule_engine::{
    price::{Mistake as PriceMistake, Place as PricePlace, PriceBook, PriceList},
    profile::{AccountProfile, ProductProfile},
};

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
        let parsed = tree::parse(text, &mistakes)
            .and_then(|tree| read_document(&Place::top(&tree, &mistakes)));
        // Prices are checked as a whole only where each of them could be read.
        if let (Ok(parsed), true) = (&parsed, mistakes.is_empty())
            && let Err(found) = PriceBook::compile("", &parsed.document.prices)
        {
            for PriceMistake { place, problem } in found {
                mistakes.note(parsed.lines.of(place), problem);
            }
        }
        match (parsed, mistakes.sorted()) {
            (Ok(parsed), mistakes) if mistakes.is_empty() => Ok(parsed),
            (_, mistakes) => Err(mistakes),
        }
    }
}

fn read_document(place: &Place<'_>) -> Result<Parsed, Noted> {
    let fields = place.fields()?;
    let name = fields.required("catalog", Place::name);
    let account_profile = fields.required("account_profile", profile::account_profile);
    let products = fields.required("products", |place| place.list(prices::product));
    let prices = fields.optional("prices", |place| place.list(prices::price));
    let discounts = fields.optional("discounts", |place| place.list(prices::discount));
    fields.finish();

    let mut lines = Lines::default();
    let mut sold = Vec::new();
    let mut rates = Vec::new();
    for read in products? {
        lines.products.push(read.line);
        lines.components.push(read.component_lines);
        lines.tiers.push(read.tier_lines);
        sold.push(read.product);
        rates.push(read.priced);
    }
    let (price_lines, prices) = prices?.unwrap_or_default().into_iter().unzip();
    let (discount_lines, discounts) = discounts?.unwrap_or_default().into_iter().unzip();
    (lines.prices, lines.discounts) = (price_lines, discount_lines);
    let document = Document {
        name: name?,
        account_profile: account_profile?,
        products: sold,
        prices: PriceList { products: rates, prices, discounts },
    };
    Ok(Parsed { document, lines })
}

#[cfg(test)]
pub mod tests;
