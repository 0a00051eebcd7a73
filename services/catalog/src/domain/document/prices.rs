//! Products, prices and discounts.

use std::collections::BTreeMap;

use kernel::ids::ProductId;
use rule_engine::{
    price::{
        Bracket, Component, Condition, Discount, MonthlyRate, Off, Pays, PriceEntry, PricedProduct,
        Tier,
    },
    profile::{MoneyPolicy, OddDays, Rounding},
};

use super::{
    Product,
    profile::product_profile,
    reader::{Fields, Noted, Place},
};

/// A product, and where its parts are.
pub struct ReadProduct {
    /// What it is, if all of that could be read.
    pub product: Result<Product, Noted>,
    /// How it is priced.
    pub priced: PricedProduct,
    pub line: usize,
    pub component_lines: Vec<usize>,
    pub tier_lines: Vec<usize>,
}

/// A product.
pub fn product(place: &Place<'_>) -> Result<ReadProduct, Noted> {
    let fields = place.fields()?;
    let id = fields.required("id", Place::parsed);
    let name = fields.required("name", Place::string);
    let line = fields.required("line", Place::string);
    let profile = fields.required("profile", product_profile);
    let components = fields.optional("components", |place| place.list(component));
    let tiers = fields.optional("tiers", |place| place.list(tier));
    fields.finish();

    let (component_lines, components) = components?.unwrap_or_default().into_iter().unzip();
    let (tier_lines, tiers) = tiers?.unwrap_or_default().into_iter().unzip();
    let id: ProductId = id?;
    // Prices are checked even where the profile could not be read; nothing is priced with this.
    let unread = MoneyPolicy {
        name: String::new(),
        version: 0,
        rounding: Rounding::HalfUp,
        odd_days: OddDays::DaysBeyondTerm,
        divisor: 30,
    };
    let money_policy = profile.as_ref().map_or(unread, |profile| profile.money_policy.clone());
    let priced = PricedProduct { product: id.clone(), money_policy, components, tiers };
    let product = name.and_then(|name| Ok(Product { id, name, line: line?, profile: profile? }));
    Ok(ReadProduct { product, priced, line: place.line(), component_lines, tier_lines })
}

fn component(place: &Place<'_>) -> Result<(usize, Component), Noted> {
    let fields = place.fields()?;
    let name = fields.required("name", Place::name);
    let sku_from = fields.optional("sku_from", Place::string);
    let quantity_from = fields.optional("quantity_from", Place::string);
    fields.finish();
    let component = Component { name: name?, sku_from: sku_from?, quantity_from: quantity_from? };
    Ok((place.line(), component))
}

fn tier(place: &Place<'_>) -> Result<(usize, Tier), Noted> {
    let fields = place.fields()?;
    let from = fields.required("from", Place::parsed);
    let percent = fields.optional("percent", Place::decimal);
    let months = fields.optional("pays_months", Place::number);
    let pays = one_of(place, &fields, ["percent", "pays_months"], || {
        Ok(match (percent?, months?) {
            (Some(percent), _) => Some(Pays::Percent(percent)),
            (None, months) => months.map(Pays::PaysMonths),
        })
    });
    fields.finish();
    Ok((place.line(), Tier { from: from?, pays: pays? }))
}

/// The value of the one field of `names` that is there.
fn one_of<T>(
    place: &Place<'_>,
    fields: &Fields<'_>,
    names: [&str; 2],
    value: impl FnOnce() -> Result<Option<T>, Noted>,
) -> Result<T, Noted> {
    let [first, second] = names;
    let problem = || place.wrong(format!("needs either {first} or {second}"));
    if fields.has(first) == fields.has(second) {
        return Err(problem());
    }
    value()?.ok_or_else(problem)
}

/// A price.
pub fn price(place: &Place<'_>) -> Result<(usize, PriceEntry), Noted> {
    let fields = place.fields()?;
    let product = fields.required("product", Place::parsed);
    let component = fields.required("component", Place::string);
    let sku = fields.optional("sku", Place::string);
    let region = fields.optional("region", Place::parsed);
    let currency = fields.required("currency", Place::parsed);
    let effective_from = fields.required("effective_from", Place::instant);
    let monthly = fields.optional("monthly", Place::decimal);
    let brackets = fields.optional("brackets", |place| place.list(bracket));
    let rate = one_of(place, &fields, ["monthly", "brackets"], || {
        Ok(match (monthly?, brackets?) {
            (Some(monthly), _) => Some(MonthlyRate::Monthly(monthly)),
            (None, brackets) => brackets.map(MonthlyRate::Brackets),
        })
    });
    fields.finish();
    let price = PriceEntry {
        product: product?,
        component: component?,
        sku: sku?,
        region: region?,
        currency: currency?,
        effective_from: effective_from?,
        rate: rate?,
    };
    Ok((place.line(), price))
}

fn bracket(place: &Place<'_>) -> Result<Bracket, Noted> {
    let fields = place.fields()?;
    let up_to = fields.optional("up_to", Place::decimal);
    let monthly = fields.required("monthly", Place::decimal);
    fields.finish();
    Ok(Bracket { up_to: up_to?, monthly: monthly? })
}

/// A discount.
pub fn discount(place: &Place<'_>) -> Result<(usize, Discount), Noted> {
    let fields = place.fields()?;
    let id = fields.required("id", Place::name);
    let name = fields.required("name", Place::string);
    let kind = fields.required("kind", Place::named);
    let valid_from = fields.optional("valid_from", Place::instant);
    let valid_until = fields.optional("valid_until", Place::instant);
    let when = fields.optional("when", condition);
    let percent = fields.optional("percent_off", Place::decimal);
    let amount = fields.optional("amount_off", amount_off);
    let off = one_of(place, &fields, ["percent_off", "amount_off"], || {
        Ok(match (percent?, amount?) {
            (Some(percent), _) => Some(Off::PercentOff(percent)),
            (None, amount) => amount,
        })
    });
    fields.finish();
    let discount = Discount {
        id: id?,
        name: name?,
        kind: kind?,
        valid_from: valid_from?,
        valid_until: valid_until?,
        when: when?.unwrap_or_default(),
        off: off?,
    };
    Ok((place.line(), discount))
}

fn amount_off(place: &Place<'_>) -> Result<Off, Noted> {
    let fields = place.fields()?;
    let amount = fields.required("amount", Place::decimal);
    let currency = fields.required("currency", Place::parsed);
    fields.finish();
    Ok(Off::AmountOff { amount: amount?, currency: currency? })
}

fn condition(place: &Place<'_>) -> Result<Condition, Noted> {
    let fields = place.fields()?;
    let products = fields.optional("products", |place| place.list(Place::parsed));
    let regions = fields.optional("regions", |place| place.list(Place::parsed));
    let durations = fields.optional("durations", |place| place.list(Place::parsed));
    let months_at_least = fields.optional("months_at_least", Place::number);
    let months_at_most = fields.optional("months_at_most", Place::number);
    let order_kinds = fields.optional("order_kinds", |place| place.list(Place::named));
    let account_labels = fields.optional("account_labels", labels);
    fields.finish();
    Ok(Condition {
        products: products?.unwrap_or_default(),
        regions: regions?.unwrap_or_default(),
        durations: durations?.unwrap_or_default(),
        months_at_least: months_at_least?,
        months_at_most: months_at_most?,
        order_kinds: order_kinds?.unwrap_or_default(),
        account_labels: account_labels?.unwrap_or_default(),
    })
}

fn labels(place: &Place<'_>) -> Result<BTreeMap<String, Vec<String>>, Noted> {
    let all = place.fields()?.each(|place| place.list(Place::string))?;
    Ok(all.into_iter().collect())
}
