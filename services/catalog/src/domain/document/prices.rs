//! Products, prices and discounts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{Currency, ids::ProductId};
use rule_engine::{
    duration::TermDuration,
    price::{
        Bracket, Component, Condition, Discount, DiscountKind, MonthlyRate, Off, Pays, PriceEntry,
        PricedProduct, Tier,
    },
};
use rust_decimal::Decimal;

use super::{
    Product,
    profile::{no_product_profile, product_profile},
    reader::Place,
};

/// A product, and how it is priced.
pub fn product(place: &Place<'_>) -> (Product, PricedProduct) {
    let fields = place.fields();
    let product = Product {
        id: fields.required("id", no_product(), Place::parsed),
        name: fields.required("name", String::new(), Place::string),
        line: fields.required("line", String::new(), Place::string),
        profile: fields
            .required("profile", no_product_profile(), |place| Ok(product_profile(place))),
    };
    let priced = PricedProduct {
        product: product.id.clone(),
        money_policy: product.profile.money_policy.clone(),
        components: fields.or("components", Vec::new(), |place| place.every(component)),
        tiers: fields.or("tiers", Vec::new(), |place| place.every(tier)),
    };
    fields.finish();
    (product, priced)
}

/// Stands in for one that cannot be read.
fn no_product() -> ProductId {
    "unread".parse().expect("a plain name")
}

fn component(place: &Place<'_>) -> Component {
    let fields = place.fields();
    let component = Component {
        name: fields.required("name", String::new(), Place::name),
        sku_from: fields.optional("sku_from", Place::string),
        quantity_from: fields.optional("quantity_from", Place::string),
    };
    fields.finish();
    component
}

fn tier(place: &Place<'_>) -> Tier {
    let fields = place.fields();
    let from = fields.required("from", TermDuration::ONE_MONTH, Place::parsed);
    let percent = fields.optional("percent", Place::decimal).map(Pays::Percent);
    let months = fields.optional("pays_months", Place::number).map(Pays::PaysMonths);
    fields.either(["percent", "pays_months"]);
    fields.finish();
    Tier { from, pays: percent.or(months).unwrap_or(Pays::Percent(Decimal::ZERO)) }
}

/// A price.
pub fn price(place: &Place<'_>) -> PriceEntry {
    let fields = place.fields();
    let price = PriceEntry {
        product: fields.required("product", no_product(), Place::parsed),
        component: fields.required("component", String::new(), Place::string),
        sku: fields.optional("sku", Place::string),
        region: fields.optional("region", Place::parsed),
        currency: fields.required("currency", Currency::Cny, Place::parsed),
        effective_from: fields.required(
            "effective_from",
            DateTime::<Utc>::UNIX_EPOCH,
            Place::instant,
        ),
        rate: {
            let monthly = fields.optional("monthly", Place::decimal).map(MonthlyRate::Monthly);
            let brackets = fields.optional("brackets", |place| place.every(bracket));
            let rate = monthly.or(brackets.map(MonthlyRate::Brackets));
            rate.unwrap_or(MonthlyRate::Monthly(Decimal::ZERO))
        },
    };
    fields.either(["monthly", "brackets"]);
    fields.finish();
    price
}

fn bracket(place: &Place<'_>) -> Bracket {
    let fields = place.fields();
    let bracket = Bracket {
        up_to: fields.optional("up_to", Place::decimal),
        monthly: fields.required("monthly", Decimal::ZERO, Place::decimal),
    };
    fields.finish();
    bracket
}

/// A discount.
pub fn discount(place: &Place<'_>) -> Discount {
    let fields = place.fields();
    let discount = Discount {
        id: fields.required("id", String::new(), Place::name),
        name: fields.required("name", String::new(), Place::string),
        kind: fields.required("kind", DiscountKind::Promotion, Place::named),
        valid_from: fields.optional("valid_from", Place::instant),
        valid_until: fields.optional("valid_until", Place::instant),
        when: fields.or("when", Condition::default(), |place| Ok(condition(place))),
        off: {
            let percent = fields.optional("percent_off", Place::decimal).map(Off::PercentOff);
            let amount = fields.optional("amount_off", |place| Ok(amount_off(place)));
            percent.or(amount).unwrap_or(Off::PercentOff(Decimal::ZERO))
        },
    };
    fields.either(["percent_off", "amount_off"]);
    fields.finish();
    discount
}

fn amount_off(place: &Place<'_>) -> Off {
    let fields = place.fields();
    let amount = fields.required("amount", Decimal::ZERO, Place::decimal);
    let currency = fields.required("currency", Currency::Cny, Place::parsed);
    fields.finish();
    Off::AmountOff { amount, currency }
}

fn condition(place: &Place<'_>) -> Condition {
    let fields = place.fields();
    let condition = Condition {
        products: fields.or("products", Vec::new(), |place| place.list(Place::parsed)),
        regions: fields.or("regions", Vec::new(), |place| place.list(Place::parsed)),
        durations: fields.or("durations", Vec::new(), |place| place.list(Place::parsed)),
        months_at_least: fields.optional("months_at_least", Place::number),
        months_at_most: fields.optional("months_at_most", Place::number),
        order_kinds: fields.or("order_kinds", Vec::new(), |place| place.list(Place::named)),
        account_labels: fields.or("account_labels", BTreeMap::new(), |place| {
            Ok(place.fields().each(|place| place.list(Place::string)).collect())
        }),
    };
    fields.finish();
    condition
}
