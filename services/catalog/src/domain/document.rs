//! A catalog as its operator writes it.

mod prices;
mod profile;
mod reader;
mod tree;

use kernel::ids::ProductId;
use rule_engine::{
    price::{Place as PricePlace, PriceList},
    profile::{AccountProfile, ProductProfile},
};

use self::reader::{Mistakes, Place};

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
    /// Of each price.
    pub prices: Vec<usize>,
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
    /// there twice are mistakes. What cannot be read hides nothing of the rest, and makes nothing
    /// wrong that is not.
    pub fn read(text: &str) -> Result<Self, Vec<Mistake>> {
        let mistakes = Mistakes::default();
        let tree = tree::parse(text, &mistakes);
        let parsed = tree.map(|tree| read_document(&Place::top(&tree, &mistakes)));
        match (parsed, mistakes.sorted()) {
            (Ok(parsed), mistakes) if mistakes.is_empty() => Ok(parsed),
            (_, mistakes) => Err(mistakes),
        }
    }
}

/// What the document says, with stand-ins for what could not be read, which has been noted.
fn read_document(place: &Place<'_>) -> Parsed {
    fn with_line<T>(read: fn(&Place<'_>) -> T) -> impl Fn(&Place<'_>) -> (usize, T) {
        move |place| (place.line(), read(place))
    }
    let fields = place.fields();
    let name = fields.required("catalog", String::new(), Place::name);
    let account_profile =
        fields.required("account_profile", profile::no_account_profile(), |place| {
            Ok(profile::account_profile(place))
        });
    let products =
        fields.required("products", Vec::new(), |place| place.every(with_line(prices::product)));
    let prices = fields.or("prices", Vec::new(), |place| place.every(with_line(prices::price)));
    let discounts = fields.or("discounts", Vec::new(), |place| place.every(prices::discount));
    fields.finish();

    let (product_lines, products): (_, Vec<_>) = products.into_iter().unzip();
    let (products, rates) = products.into_iter().unzip();
    let (price_lines, prices) = prices.into_iter().unzip();
    let prices = PriceList { products: rates, prices, discounts };
    for mistake in
        prices.mistakes(&|part, field| place.all_read() || place.is_read(&path(part, field)))
    {
        let line = place.line_of(&path(mistake.place, &mistake.field));
        place.mistakes().note(line, mistake.problem);
    }
    Parsed {
        document: Document { name, account_profile, products, prices },
        lines: Lines { products: product_lines, prices: price_lines },
    }
}

/// Where a part of the prices is in a document.
fn path(place: PricePlace, field: &str) -> String {
    let place = match place {
        PricePlace::List => return field.to_owned(),
        PricePlace::Product(at) => format!("products[{at}]"),
        PricePlace::Component(at, nth) => format!("products[{at}].components[{nth}]"),
        PricePlace::Tier(at, nth) => format!("products[{at}].tiers[{nth}]"),
        PricePlace::Price(at) => format!("prices[{at}]"),
        PricePlace::Discount(at) => format!("discounts[{at}]"),
    };
    if field.is_empty() { place } else { format!("{place}.{field}") }
}

#[cfg(test)]
pub mod tests;
