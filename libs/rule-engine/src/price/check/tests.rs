use kernel::Currency;

use super::{
    super::{Condition, DiscountKind, PriceBook},
    *,
};
use crate::profile::{MoneyPolicy, OddDays, Rounding};

fn product(id: &str) -> PricedProduct {
    PricedProduct {
        product: id.parse().unwrap(),
        money_policy: MoneyPolicy {
            name: "p".to_owned(),
            version: 1,
            rounding: Rounding::HalfUp,
            odd_days: OddDays::DaysBeyondTerm,
            divisor: 30,
        },
        components: vec![
            Component { name: "flat".to_owned(), sku_from: None, quantity_from: None },
            Component {
                name: "flavor".to_owned(),
                sku_from: Some("flavor".to_owned()),
                quantity_from: None,
            },
        ],
        tiers: vec![Tier { from: "1y".parse().unwrap(), pays: Pays::PaysMonths(12) }],
    }
}

fn price(component: &str, sku: Option<&str>, rate: MonthlyRate) -> PriceEntry {
    PriceEntry {
        product: "vm".parse().unwrap(),
        component: component.to_owned(),
        sku: sku.map(str::to_owned),
        region: None,
        currency: Currency::Cny,
        effective_from: chrono::DateTime::UNIX_EPOCH,
        rate,
    }
}

fn monthly(price: i64, scale: u32) -> MonthlyRate {
    MonthlyRate::Monthly(Decimal::new(price, scale))
}

fn discount(id: &str, off: Off) -> Discount {
    Discount {
        id: id.to_owned(),
        name: id.to_owned(),
        kind: DiscountKind::Contract,
        valid_from: None,
        valid_until: None,
        when: Condition::default(),
        off,
    }
}

fn good() -> PriceList {
    PriceList {
        products: vec![product("vm")],
        prices: vec![
            price("flat", None, monthly(MAX_UNIT_PRICE, 0)),
            price("flavor", Some("s"), monthly(1, 8)),
        ],
        discounts: vec![discount("d", Off::PercentOff(Decimal::new(1, 4)))],
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut PriceList), expected: &[&str]) {
    let mut list = good();
    change(&mut list);
    let actual: Vec<_> = match PriceBook::compile("1", &list) {
        Ok(_) => vec![],
        Err(mistakes) => {
            mistakes.iter().map(|mistake| format!("{:?}: {mistake}", mistake.place)).collect()
        }
    };
    assert_eq!(actual, expected);
}

// M-1, M-2, M-3: every mistake of a price list is named, at its place.
#[test]
fn a_price_list_without_mistakes_compiles() {
    check(|_| (), &[]);
    assert!(PriceBook::compile("7", &good()).unwrap().has(&"vm".parse().unwrap()));
    assert_eq!(PriceBook::compile("7", &good()).unwrap().version(), "7");
}

#[test]
fn products_are_checked() {
    check(
        |list| list.products.push(PricedProduct { components: vec![], ..product("vm") }),
        &["Product(1): product vm is there twice"],
    );
    check(
        |list| list.products[0].components[0].name = "flavor".to_owned(),
        &[
            "Component(0, 1): the component is there twice",
            r#"Price(0): vm has no component "flat""#,
            "Price(1): sku must be left out: nothing selects it",
        ],
    );
    check(|list| list.prices.truncate(1), &["Component(0, 1): the component has no price"]);
    check(
        |list| {
            let tier = |pays| Tier { from: "6m".parse().unwrap(), pays };
            list.products[0].tiers = vec![
                tier(Pays::PaysMonths(7)),
                tier(Pays::Percent(Decimal::new(101, 0))),
                tier(Pays::Percent(Decimal::new(-1, 0))),
            ];
        },
        &[
            "Tier(0, 0): 6 months cannot pay more than 6 months",
            "Tier(0, 1): a percentage must be 0 to 100",
            "Tier(0, 1): the tier is there twice",
            "Tier(0, 2): a percentage must be 0 to 100",
            "Tier(0, 2): the tier is there twice",
        ],
    );
}

#[test]
fn prices_are_checked() {
    let twice = |list: &mut PriceList| list.prices.push(list.prices[0].clone());
    check(twice, &["Price(2): there is another price from the same instant on"]);
    for (price, expected) in [
        (price("flat", Some("s"), monthly(1, 0)), "sku must be left out: nothing selects it"),
        (price("flavor", None, monthly(1, 0)), r#"sku is needed: a value of the setting "flavor""#),
        (price("disk", None, monthly(1, 0)), r#"vm has no component "disk""#),
        (price("flavor", Some("t"), monthly(-1, 2)), "a price must be 0 to 1000000000000"),
        (
            price("flavor", Some("t"), monthly(MAX_UNIT_PRICE * 100 + 1, 2)),
            "a price must be 0 to 1000000000000",
        ),
        (price("flavor", Some("t"), monthly(1, 9)), "a price has at most 8 digits after the point"),
        (
            price("flavor", Some("t"), MonthlyRate::Brackets(vec![])),
            "there must be at least one bracket",
        ),
    ] {
        check(|list| list.prices.push(price), &[&format!("Price(2): {expected}")]);
    }
    let bracket =
        |up_to: Option<i64>| Bracket { up_to: up_to.map(Decimal::from), monthly: Decimal::ONE };
    for (brackets, expected) in [
        (vec![bracket(Some(5)), bracket(None)], None),
        (vec![bracket(Some(5)), bracket(Some(6))], None),
        (
            vec![bracket(Some(0)), bracket(None)],
            Some("each bracket must reach further than the one before"),
        ),
        (
            vec![bracket(Some(5)), bracket(Some(5))],
            Some("each bracket must reach further than the one before"),
        ),
    ] {
        let price = price("flavor", Some("t"), MonthlyRate::Brackets(brackets));
        let expected: Vec<_> =
            expected.map(|text| format!("Price(2): {text}")).into_iter().collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        check(|list| list.prices.push(price), &expected);
    }
}

#[test]
fn discounts_are_checked() {
    check(
        |list| list.discounts.push(discount("d", Off::PercentOff(Decimal::new(1, 5)))),
        &[
            "Discount(1): the discount is there twice",
            "Discount(1): a percentage has at most 4 digits after the point",
        ],
    );
    check(
        |list| {
            let one = chrono::DateTime::UNIX_EPOCH;
            list.discounts.push(Discount {
                valid_from: Some(one),
                valid_until: Some(one),
                when: Condition {
                    products: vec!["eip".parse().unwrap()],
                    months_at_least: Some(2),
                    months_at_most: Some(1),
                    ..Condition::default()
                },
                ..discount(
                    " ",
                    Off::AmountOff { amount: Decimal::NEGATIVE_ONE, currency: Currency::Cny },
                )
            });
        },
        &[
            "Discount(1): a discount needs an id",
            "Discount(1): a price must be 0 to 1000000000000",
            "Discount(1): valid_from must be before valid_until",
            "Discount(1): months_at_least must not exceed months_at_most",
            "Discount(1): there is no product eip",
        ],
    );
}
