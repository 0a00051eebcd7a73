use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{
    Currency,
    ids::{ProductId, Region},
};
use proptest::prelude::*;

use super::{
    super::{
        Bracket, Condition, DiscountKind, LineKind, Off, Pays, PriceEntry, PriceList,
        PricedProduct, order_total,
    },
    *,
};
use crate::{configuration::Configuration, kind::OrderKind, profile::Rounding, reason::Reason};

const START: &str = "2018-01-01T00:00:00+08:00";

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// `12.5` for every unit, or graduated `5:23 *:80`: 23 for each up to 5, 80 for each beyond.
fn rate(text: &str) -> MonthlyRate {
    if !text.contains(':') {
        return MonthlyRate::Monthly(decimal(text));
    }
    let bracket = |text: &str| {
        let (up_to, monthly) = text.split_once(':').unwrap();
        Bracket { up_to: (up_to != "*").then(|| decimal(up_to)), monthly: decimal(monthly) }
    };
    MonthlyRate::Brackets(text.split(' ').map(bracket).collect())
}

fn price(component: &str, monthly: &str) -> PriceEntry {
    PriceEntry {
        product: "vm".parse().unwrap(),
        component: component.to_owned(),
        sku: None,
        region: None,
        currency: Currency::Cny,
        effective_from: instant(START),
        rate: rate(monthly),
    }
}

fn tier(from: &str, pays: Pays) -> Tier {
    Tier { from: from.parse().unwrap(), pays }
}

fn percent(from: &str, percent: u32) -> Tier {
    tier(from, Pays::Percent(percent.into()))
}

/// A product `vm` that costs `monthly` for each component, half up, days beyond the term.
fn list(monthly: &[&str]) -> PriceList {
    let name = |at: usize| format!("part{at}");
    let component = |at| Component { name: name(at), sku_from: None, quantity_from: None };
    PriceList {
        products: vec![PricedProduct {
            product: "vm".parse().unwrap(),
            money_policy: MoneyPolicy {
                name: "test".to_owned(),
                version: 1,
                rounding: Rounding::HalfUp,
                odd_days: OddDays::DaysBeyondTerm,
                divisor: 30,
            },
            components: (0..monthly.len()).map(component).collect(),
            tiers: Vec::new(),
        }],
        prices: monthly
            .iter()
            .enumerate()
            .map(|(at, price)| self::price(&name(at), price))
            .collect(),
        discounts: Vec::new(),
    }
}

fn with_tiers(mut list: PriceList, tiers: Vec<Tier>) -> PriceList {
    list.products[0].tiers = tiers;
    list
}

fn with_policy(mut list: PriceList, rounding: Rounding, odd_days: OddDays) -> PriceList {
    let policy = &mut list.products[0].money_policy;
    (policy.rounding, policy.odd_days) = (rounding, odd_days);
    list
}

/// `6m`, `1y+22/52` (odd days, all days), or without a duration `2+5/66` (whole months).
fn span(text: &str) -> PricedSpan {
    let (term, days) = text.split_once('+').unwrap_or((text, "0/0"));
    let (odd_days, total_days) = days.split_once('/').unwrap();
    let duration: Option<TermDuration> = term.parse().ok();
    PricedSpan {
        duration,
        whole_months: duration.map_or_else(|| term.parse().unwrap(), TermDuration::months),
        odd_days: odd_days.parse().unwrap(),
        total_days: total_days.parse().unwrap(),
    }
}

/// What the facts of a test are, unless it says otherwise.
struct Asked {
    product: ProductId,
    region: Region,
    configuration: Configuration,
    labels: BTreeMap<String, String>,
    currency: Currency,
    as_of: DateTime<Utc>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            product: "vm".parse().unwrap(),
            region: "cn-north-1".parse().unwrap(),
            configuration: Configuration::default(),
            labels: BTreeMap::new(),
            currency: Currency::Cny,
            as_of: instant("2024-06-01T00:00:00+08:00"),
        }
    }
}

impl Asked {
    fn of(settings: &[(&str, &str)]) -> Self {
        Self { configuration: settings.iter().copied().collect(), ..Self::default() }
    }

    fn facts(&self, span: PricedSpan) -> PriceFacts<'_> {
        PriceFacts {
            product: &self.product,
            region: &self.region,
            configuration: &self.configuration,
            currency: self.currency,
            span,
            order_kind: OrderKind::Renewal,
            account_labels: &self.labels,
            as_of: self.as_of,
        }
    }

    /// The payable without its currency, or why there is none.
    fn price(&self, list: &PriceList, of: &str) -> String {
        let book = PriceBook::compile("test.1", list).unwrap();
        match book.quote(&self.facts(span(of))) {
            Ok(quote) => quote.payable.to_string().split_once(' ').unwrap().1.to_owned(),
            Err(refused) => refused.to_string(),
        }
    }
}

#[track_caller]
fn check(list: &PriceList, cases: &[(&str, &str)]) {
    for (of, expected) in cases {
        assert_eq!(Asked::default().price(list, of), *expected, "{of}");
    }
}

/// The bill as a customer reads it.
fn bill(asked: &Asked, list: &PriceList, of: &str) -> String {
    let book = PriceBook::compile("test.1", list).unwrap();
    let quote = book.quote(&asked.facts(span(of))).unwrap();
    let lines = quote
        .lines()
        .into_iter()
        .map(|line| format!("{} = {} [{}]\n", line.text, line.amount, line.rules.join(" ")));
    let marks = format!("{} {}", quote.price_version, quote.money_policy);
    format!(
        "{}payable {} of list {} ({marks})",
        lines.collect::<String>(),
        quote.payable,
        quote.list_price()
    )
}

// M-2: tiers are matched downward within their unit.
#[test]
fn tiers_are_per_unit_and_matched_downward() {
    let tiers = vec![percent("6m", 88), percent("1y", 83), percent("2y", 70), percent("3y", 50)];
    let hw = with_tiers(list(&["100"]), tiers);
    check(
        &hw,
        &[
            ("1m", "100.00"),
            ("5m", "500.00"),
            ("6m", "528.00"),
            ("9m", "792.00"),
            ("11m", "968.00"),
            ("12m", "1056.00"),
            ("1y", "996.00"),
            ("2y", "1680.00"),
            ("3y", "1800.00"),
            ("4y", "2400.00"),
        ],
    );
}

// M-2: "1 year pays 10 months"; next to it 11 months cost more.
#[test]
fn a_year_may_pay_ten_months() {
    let jd = with_tiers(list(&["56"]), vec![tier("1y", Pays::PaysMonths(10))]);
    check(&jd, &[("1y", "560.00"), ("11m", "616.00"), ("12m", "672.00"), ("2y", "1120.00")]);
    insta::assert_snapshot!(bill(&Asked::default(), &jd, "1y"), @"
    part0: 56 × 1 × 12 months = 672 [M-1 M-2]
    1 year pays 10 months: 672 × 10 ÷ 12 = -112 [M-2]
    payable CNY 560.00 of list 672 (test.1 test.v1)
    ");
}

// M-4: to a date, by the days beyond the term or the days beyond thirty.
#[test]
fn odd_days_are_fractions_of_a_month() {
    let beyond_term = list(&["136.5"]);
    check(&beyond_term, &[("1m+22/52", "236.60"), ("3m+22/113", "509.60"), ("0+10/10", "45.50")]);

    let large = list(&["159.5"]);
    check(&large, &[("1m+28/59", "308.37"), ("1+28/59", "308.37")]);
    let truncated = with_policy(large.clone(), Rounding::Truncate, OddDays::DaysBeyondTerm);
    check(&truncated, &[("1m+28/59", "308.36")]);

    let beyond_30 = with_policy(large, Rounding::HalfUp, OddDays::DaysBeyond30);
    check(
        &beyond_30,
        &[
            ("1m+28/59", "313.68"),
            ("1+28/59", "313.68"),
            ("0+10/10", "53.17"),
            // A plain renewal has no odd days, however long its month is.
            ("1m+0/31", "159.50"),
            // Never below the term price: February and a day are 29 days, but a month.
            ("1m+1/29", "164.82"),
            // Two months and more count the days beyond the term.
            ("3m+22/113", "595.47"),
        ],
    );
    insta::assert_snapshot!(bill(&Asked::default(), &beyond_30, "1m+28/59"), @"
    59 days: 159.5 + 159.5 × 29/30 = 313.683333333333 [M-4]
    rounded half up to 2 digits (test.v1) = -0.003333333333 [M-5 M-9]
    payable CNY 313.68 of list 313.683333333333 (test.1 test.v1)
    ");
}

// M-4: the odd days have no tier, and a divisor of the product's own counts.
#[test]
fn odd_days_have_no_tier() {
    let mut list = with_tiers(list(&["90"]), vec![percent("6m", 50), percent("2m", 80)]);
    check(&list, &[("6m+10/190", "300.00"), ("2+10/70", "174.00"), ("1+10/40", "120.00")]);
    list.products[0].money_policy.divisor = 31;
    check(&list, &[("1m+31/61", "180.00"), ("1m+10/40", "119.03")]);
}

// M-5: the item is rounded once; 47.60 + 19.83305 truncated is 67.43, and 0.00305 are erased.
#[test]
fn an_item_is_rounded_once() {
    let ks = with_policy(list(&["47.60", "19.83305"]), Rounding::Truncate, OddDays::DaysBeyondTerm);
    insta::assert_snapshot!(bill(&Asked::default(), &ks, "1m"), @"
    part0: 47.6 × 1 × 1 month = 47.6 [M-1 M-2]
    part1: 19.83305 × 1 × 1 month = 19.83305 [M-1 M-2]
    truncated to 2 digits (test.v1) = -0.00305 [M-5 M-9]
    payable CNY 67.43 of list 67.43305 (test.1 test.v1)
    ");
    let book = PriceBook::compile("test.1", &ks).unwrap();
    let asked = Asked::default();
    let quote = book.quote(&asked.facts(span("1m"))).unwrap();
    assert_eq!(quote.rounding_difference(), decimal("-0.00305"));

    let thirds =
        with_policy(list(&["10", "10", "10"]), Rounding::Truncate, OddDays::DaysBeyondTerm);
    check(&thirds, &[("0+1/1", "1.00")]);
}

// M-5: half up, and never bankers' rounding.
#[test]
fn halves_are_rounded_up() {
    for (monthly, payable) in
        [("0.005", "0.01"), ("0.015", "0.02"), ("0.025", "0.03"), ("0.0049", "0.00")]
    {
        check(&list(&[monthly]), &[("1m", payable)]);
    }
}

// M-5: every currency has its own minor unit.
#[test]
fn the_minor_unit_is_the_currencys() {
    for (currency, expected) in [(Currency::Jpy, "JPY 101"), (Currency::Kwd, "KWD 100.500")] {
        let mut list = list(&["100.5"]);
        list.prices[0].currency = currency;
        let book = PriceBook::compile("test.1", &list).unwrap();
        let asked = Asked { currency, ..Asked::default() };
        assert_eq!(book.quote(&asked.facts(span("1m"))).unwrap().payable.to_string(), expected);
    }
}

/// A virtual machine with a flavor, a system disk by size, and graduated bandwidth.
fn machine() -> PriceList {
    let component = |name: &str, sku_from: Option<&str>, quantity_from: Option<&str>| Component {
        name: name.to_owned(),
        sku_from: sku_from.map(str::to_owned),
        quantity_from: quantity_from.map(str::to_owned),
    };
    let mut list = list(&[]);
    list.products[0].components = vec![
        component("flavor", Some("flavor"), None),
        component("disk", Some("disk_type"), Some("disk_gb")),
        component("bandwidth", None, Some("mbps")),
    ];
    let of = |component: &str, sku: &str, monthly: &str| PriceEntry {
        sku: Some(sku.to_owned()),
        ..price(component, monthly)
    };
    list.prices = vec![
        of("flavor", "g.n2.medium", "136.5"),
        of("flavor", "g.n2.large", "242.25"),
        of("disk", "ssd", "0.7"),
        price("bandwidth", "5:23 *:80"),
    ];
    list
}

// M-1: components × quantities, graduated ones bracket by bracket; what is absent costs nothing.
#[test]
fn a_configuration_costs_what_its_components_do() {
    let list = machine();
    for (settings, expected) in [
        (&[("flavor", "g.n2.medium")][..], "136.50"),
        (&[("flavor", "g.n2.medium"), ("image", "linux")], "136.50"),
        (&[("flavor", "g.n2.large"), ("disk_type", "ssd"), ("disk_gb", "40")], "270.25"),
        (&[("flavor", "g.n2.large"), ("mbps", "5")], "357.25"),
        (&[("flavor", "g.n2.large"), ("mbps", "8")], "597.25"),
        (&[("flavor", "g.n2.large"), ("mbps", "0")], "242.25"),
        (&[("image", "linux")], "nothing in the configuration has a price"),
        (&[("flavor", "g.n9")], "flavor has no price in force for g.n9"),
        (
            &[("flavor", "g.n2.large"), ("mbps", "-1")],
            "setting \"mbps\" must be a number from 0 to 1000000000 with at most 6 digits after the point",
        ),
    ] {
        assert_eq!(Asked::of(settings).price(&list, "1m"), expected, "{settings:?}");
    }
    let asked = Asked::of(&[("flavor", "g.n2.large"), ("mbps", "8")]);
    insta::assert_snapshot!(bill(&asked, &list, "2m"), @"
    flavor g.n2.large: 242.25 × 1 × 2 months = 484.5 [M-1 M-2]
    bandwidth: 23 × 5 × 2 months = 230 [M-1 M-2]
    bandwidth: 80 × 3 × 2 months = 480 [M-1 M-2]
    payable CNY 1194.50 of list 1194.5 (test.1 test.v1)
    ");
}

#[test]
fn a_quantity_beyond_the_last_bracket_has_no_price() {
    let mut list = machine();
    list.prices[3].rate = rate("5:23 10:80");
    let of = |mbps| Asked::of(&[("flavor", "g.n2.large"), ("mbps", mbps)]).price(&list, "1m");
    assert_eq!(of("10"), "757.25");
    assert_eq!(of("10.5"), "bandwidth has no price in force for any unit");
}

// M-8: the newest version in force wins, also of two changes between two renewals.
#[test]
fn the_newest_price_in_force_wins() {
    let mut list = list(&["100"]);
    let from = |instant: &str, monthly: &str| PriceEntry {
        effective_from: self::instant(instant),
        ..price("part0", monthly)
    };
    list.prices.extend([from("2024-06-15T00:00:00Z", "80"), from("2024-06-10T00:00:00Z", "120")]);
    for (as_of, expected) in [
        ("2017-12-31T15:59:59Z", "part0 has no price in force for any unit"),
        ("2017-12-31T16:00:00Z", "100.00"),
        ("2024-06-09T23:59:59Z", "100.00"),
        ("2024-06-10T00:00:00Z", "120.00"),
        ("2024-06-14T23:59:59Z", "120.00"),
        ("2024-06-15T00:00:00Z", "80.00"),
        ("2034-06-15T00:00:00Z", "80.00"),
    ] {
        let asked = Asked { as_of: instant(as_of), ..Asked::default() };
        assert_eq!(asked.price(&list, "1m"), expected, "{as_of}");
    }
}

// M-1: the exact region wins, once it has a price in force.
#[test]
fn a_region_of_its_own_wins() {
    let mut list = list(&["100"]);
    list.prices.push(PriceEntry {
        region: Some("cn-north-1".parse().unwrap()),
        effective_from: instant("2024-01-01T00:00:00Z"),
        ..price("part0", "90")
    });
    for (region, as_of, expected) in [
        ("cn-north-1", "2024-06-01T00:00:00Z", "90.00"),
        ("cn-north-1", "2023-06-01T00:00:00Z", "100.00"),
        ("cn-south-1", "2024-06-01T00:00:00Z", "100.00"),
    ] {
        let region = region.parse().unwrap();
        let asked = Asked { region, as_of: instant(as_of), ..Asked::default() };
        assert_eq!(asked.price(&list, "1m"), expected);
    }
}

// W-6: prices are never converted.
#[test]
fn another_currency_has_no_price() {
    let asked = Asked { currency: Currency::Usd, ..Asked::default() };
    let book = PriceBook::compile("test.1", &list(&["100"])).unwrap();
    let refused = book.quote(&asked.facts(span("1m"))).unwrap_err();
    assert_eq!(refused.to_string(), "part0 has no price in USD");
    assert_eq!(refused.reason(), Some(Reason::CurrencyMismatch));
}

#[test]
fn an_unknown_product_has_no_price() {
    let asked = Asked { product: "eip".parse().unwrap(), ..Asked::default() };
    assert_eq!(asked.price(&list(&["1"]), "1m"), "there is no product eip");
    assert_eq!(PriceRefused::NothingPriced.reason(), Some(Reason::PriceNotFound));
}

// W-5: a product that prices nothing is free.
#[test]
fn a_product_without_components_is_free() {
    check(&list(&[]), &[("1y", "0.00")]);
}

fn discount(id: &str, kind: DiscountKind, off: Off) -> Discount {
    Discount {
        id: id.to_owned(),
        name: format!("{id} offer"),
        kind,
        valid_from: None,
        valid_until: None,
        when: Condition::default(),
        off,
    }
}

fn percent_off(percent: u32) -> Off {
    Off::PercentOff(percent.into())
}

fn amount_off(amount: &str, currency: Currency) -> Off {
    Off::AmountOff { amount: decimal(amount), currency }
}

/// The id of the discount taken and the payable.
fn taken(asked: &Asked, discounts: &[Discount], of: &str) -> String {
    let list = PriceList { discounts: discounts.to_vec(), ..list(&["100"]) };
    let book = PriceBook::compile("test.1", &list).unwrap();
    let quote = book.quote(&asked.facts(span(of))).unwrap();
    let id = quote.discount.as_ref().map_or("none", |applied| &applied.discount.id);
    format!("{id} {}", quote.payable)
}

// M-3: the one that leaves the least; tie: contract before promotion, then the id.
#[test]
fn the_single_best_discount_is_taken() {
    use DiscountKind::{Contract, Promotion};

    let ten = discount("a", Promotion, percent_off(10));
    let twenty = discount("b", Promotion, percent_off(20));
    let contract = discount("z", Contract, percent_off(20));
    let smaller = discount("y", Contract, percent_off(5));
    let fixed = discount("c", Promotion, amount_off("30", Currency::Cny));
    let dollars = discount("d", Promotion, amount_off("90", Currency::Usd));
    let nothing = discount("e", Contract, percent_off(0));
    for (discounts, of, expected) in [
        (vec![], "1m", "none CNY 100.00"),
        (vec![&ten], "1m", "a CNY 90.00"),
        (vec![&ten, &twenty, &smaller], "1m", "b CNY 80.00"),
        (vec![&ten, &twenty, &contract], "1m", "z CNY 80.00"),
        (vec![&twenty, &fixed], "1m", "c CNY 70.00"),
        (vec![&twenty, &fixed], "3m", "b CNY 240.00"),
        (vec![&twenty, &dollars], "1m", "b CNY 80.00"),
        (vec![&dollars], "1m", "none CNY 100.00"),
        (vec![&nothing], "1m", "none CNY 100.00"),
        // Odd days are discounted too, a fixed amount never below nothing.
        (vec![&ten], "1m+15/46", "a CNY 135.00"),
        (vec![&fixed], "0+3/3", "c CNY 0.00"),
    ] {
        let discounts: Vec<_> = discounts.into_iter().cloned().collect();
        assert_eq!(taken(&Asked::default(), &discounts, of), expected);
    }
    let (b, c) =
        (discount("b", Promotion, percent_off(5)), discount("c", Promotion, percent_off(5)));
    assert_eq!(taken(&Asked::default(), &[c, b], "1m"), "b CNY 95.00");
}

// M-3: list, tier on the months, discount on all of it, rounding.
#[test]
fn a_bill_reads_in_the_order_of_its_making() {
    let mut list = with_tiers(list(&["99.99"]), vec![percent("6m", 88)]);
    list.discounts.push(discount(
        "spring",
        DiscountKind::Promotion,
        Off::PercentOff(decimal("7.5")),
    ));
    insta::assert_snapshot!(bill(&Asked::default(), &list, "6m+7/191"), @"
    part0: 99.99 × 1 × 6 months = 599.94 [M-1 M-2]
    88 %: 599.94 × 0.88 = -71.9928 [M-2]
    odd days: 99.99 × 7/30 = 23.331 [M-4]
    spring offer (spring): 7.5 % off = -41.345865 [M-3]
    rounded half up to 2 digits (test.v1) = -0.002335 [M-5 M-9]
    payable CNY 509.93 of list 623.271 (test.1 test.v1)
    ");
}

// M-3: a discount has a window and a condition over product, region, term, kind and labels.
#[test]
fn a_discount_asks_for_what_its_condition_says() {
    let window = |from: Option<&str>, until: Option<&str>| Discount {
        valid_from: from.map(instant),
        valid_until: until.map(instant),
        ..discount("d", DiscountKind::Promotion, percent_off(10))
    };
    let when = |when: Condition| Discount { when, ..window(None, None) };
    let now = "2024-06-01T00:00:00+08:00";
    let label = |value: &str| BTreeMap::from([("tier".to_owned(), vec![value.to_owned()])]);
    let kinds = |kind| Condition { order_kinds: vec![kind], ..Condition::default() };
    let durations = |duration: &str| Condition {
        durations: vec![duration.parse().unwrap()],
        ..Condition::default()
    };
    let regions =
        |region: &str| Condition { regions: vec![region.parse().unwrap()], ..Condition::default() };
    let months = |least, most| Condition {
        months_at_least: least,
        months_at_most: most,
        ..Condition::default()
    };
    let asked = Asked {
        labels: BTreeMap::from([("tier".to_owned(), "gold".to_owned())]),
        ..Asked::default()
    };
    for (discount, applies) in [
        (window(Some(now), None), true),
        (window(Some("2024-06-01T00:00:01+08:00"), None), false),
        (window(None, Some("2024-06-01T00:00:01+08:00")), true),
        (window(None, Some(now)), false),
        (when(Condition { products: vec!["vm".parse().unwrap()], ..Condition::default() }), true),
        (when(regions("cn-north-1")), true),
        (when(regions("cn-south-1")), false),
        (when(durations("1y")), true),
        (when(durations("12m")), false),
        (when(months(Some(12), Some(12))), true),
        (when(months(Some(13), None)), false),
        (when(months(None, Some(11))), false),
        (when(kinds(OrderKind::Renewal)), true),
        (when(kinds(OrderKind::Conversion)), false),
        (when(Condition { account_labels: label("gold"), ..Condition::default() }), true),
        (when(Condition { account_labels: label("silver"), ..Condition::default() }), false),
    ] {
        let list = PriceList { discounts: vec![discount.clone()], ..list(&["100"]) };
        let book = PriceBook::compile("test.1", &list).unwrap();
        let quote = book.quote(&asked.facts(span("1y"))).unwrap();
        assert_eq!(quote.discount.is_some(), applies, "{discount:?}");
    }
    // M-7: the price calculator has no account, hence no label.
    let gold = when(Condition { account_labels: label("gold"), ..Condition::default() });
    assert_eq!(taken(&Asked::default(), &[gold], "1m"), "none CNY 100.00");
}

// M-5: what does not fit is refused, in an item and in a sum.
#[test]
fn amounts_that_do_not_fit_are_refused() {
    let list = {
        let mut list = machine();
        list.prices[3].rate = rate("1000000000000");
        list
    };
    let of = |mbps: &str| Asked::of(&[("mbps", mbps)]).price(&list, "1m");
    assert_eq!(of("92233"), "92233000000000000.00");
    assert_eq!(of("92234"), "the amount is too large");
    assert_eq!(of("1000000000"), "the amount is too large");
    let exact = "123456789012.12345678";
    let digits = {
        let mut list = list.clone();
        list.prices[3].rate = rate(exact);
        list
    };
    assert_eq!(
        Asked::of(&[("mbps", "1000000.000001")]).price(&digits, "999y"),
        "the amount is too large"
    );

    let most = Money::new(i64::MAX, Currency::Cny);
    let refused = order_total([most, Money::new(1, Currency::Cny)], Currency::Cny).unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::AmountTooLarge));
    let mixed = order_total([Money::new(1, Currency::Usd)], Currency::Cny).unwrap_err();
    assert_eq!(mixed.reason(), Some(Reason::CurrencyMismatch));
}

// M-5, M-7: an order's payable is the sum of its items', each what it costs alone.
#[test]
fn an_order_is_the_sum_of_its_items() {
    let list = list(&["0.005"]);
    let book = PriceBook::compile("test.1", &list).unwrap();
    let asked = Asked::default();
    let item = book.quote(&asked.facts(span("1m"))).unwrap().payable;
    assert_eq!(order_total([item; 3], Currency::Cny), Ok(Money::new(3, Currency::Cny)));
}

fn any_policy() -> impl Strategy<Value = MoneyPolicy> {
    let rounding = prop_oneof![Just(Rounding::HalfUp), Just(Rounding::Truncate)];
    let odd_days = prop_oneof![Just(OddDays::DaysBeyondTerm), Just(OddDays::DaysBeyond30)];
    (rounding, odd_days, 1_u32..=366).prop_map(|(rounding, odd_days, divisor)| MoneyPolicy {
        name: "any".to_owned(),
        version: 1,
        rounding,
        odd_days,
        divisor,
    })
}

fn any_tier() -> impl Strategy<Value = Tier> {
    let pays = prop_oneof![
        (0_i64..=100_0000).prop_map(|percent| Pays::Percent(Decimal::new(percent, 4))),
        (0_u32..=1).prop_map(Pays::PaysMonths),
    ];
    (prop::bool::ANY, 1_u32..36, pays).prop_map(|(year, count, pays)| {
        let unit = if year { TermUnit::Year } else { TermUnit::Month };
        Tier { from: TermDuration::new(unit, count).unwrap(), pays }
    })
}

fn any_discount() -> impl Strategy<Value = Discount> {
    let off = prop_oneof![
        (0_i64..=100_0000).prop_map(|percent| Off::PercentOff(Decimal::new(percent, 4))),
        (0_i64..1_000_000).prop_map(|amount| Off::AmountOff {
            amount: Decimal::new(amount, 3),
            currency: Currency::Cny,
        }),
    ];
    (off, prop::option::of(0_u32..40)).prop_map(|(off, months_at_least)| Discount {
        when: Condition { months_at_least, ..Condition::default() },
        ..discount("any", DiscountKind::Promotion, off)
    })
}

fn any_list() -> impl Strategy<Value = PriceList> {
    let price = (0_i64..=i64::MAX, 0_u32..=8).prop_map(|(mantissa, scale)| {
        let price = Decimal::new(mantissa, scale) % Decimal::from(1_000_000_000_000_i64);
        MonthlyRate::Monthly(price)
    });
    let prices = prop::collection::vec(price, 0..5);
    let tiers = prop::collection::vec(any_tier(), 0..4);
    let discounts = prop::collection::vec(any_discount(), 0..4);
    (prices, tiers, discounts, any_policy()).prop_map(
        |(prices, mut tiers, mut discounts, policy)| {
            let mut list = list(&vec!["1"; prices.len()]);
            for (entry, rate) in list.prices.iter_mut().zip(prices) {
                entry.rate = rate;
            }
            tiers.sort_by_key(|tier| tier.from);
            tiers.dedup_by_key(|tier| tier.from);
            list.products[0].tiers = tiers;
            list.products[0].money_policy = policy;
            for (at, discount) in discounts.iter_mut().enumerate() {
                discount.id = at.to_string();
            }
            list.discounts = discounts;
            list
        },
    )
}

fn any_span() -> impl Strategy<Value = PricedSpan> {
    let duration = prop::option::of((prop::bool::ANY, 1_u32..40));
    (duration, 0_u32..40, 0_u32..31, 0_u32..31).prop_map(|(duration, months, odd_days, extra)| {
        let duration = duration.map(|(year, count)| {
            let unit = if year { TermUnit::Year } else { TermUnit::Month };
            TermDuration::new(unit, count).unwrap()
        });
        let whole_months = duration.map_or(months, TermDuration::months);
        PricedSpan {
            duration,
            whole_months,
            odd_days,
            total_days: whole_months * 28 + odd_days + extra,
        }
    })
}

proptest! {
    // M-3, M-5: whatever the rules, a quote adds up and is not negative.
    #[test]
    fn a_quote_adds_up_and_is_never_negative(list in any_list(), span in any_span()) {
        let book = PriceBook::compile("any.1", &list).unwrap();
        let asked = Asked::default();
        if let Ok(quote) = book.quote(&asked.facts(span)) {
            let payable = Decimal::new(quote.payable.minor(), 2);
            prop_assert!(payable >= Decimal::ZERO);
            let lines = quote.lines();
            prop_assert_eq!(lines.iter().map(|line| line.amount).sum::<Decimal>(), payable);
            prop_assert!(quote.rounding_difference().abs() < Decimal::new(1, 2));
            prop_assert!(quote.list_price() >= Decimal::ZERO);
            for line in &lines {
                let taken_off = matches!(line.kind, LineKind::Tier | LineKind::Discount);
                let rounding = line.kind == LineKind::Rounding;
                prop_assert!(rounding || line.amount.is_zero() || line.amount.is_sign_negative() == taken_off, "{:?}", line);
            }
        }
    }

    // M-5: an instance costs the same alone and in a batch, on every try.
    #[test]
    fn an_instance_costs_the_same_alone_and_in_a_batch(
        list in any_list(),
        spans in prop::collection::vec(any_span(), 1..6),
    ) {
        let asked = Asked::default();
        let price = |book: &PriceBook, span| book.quote(&asked.facts(span)).map(|quote| quote.payable);
        let book = PriceBook::compile("any.1", &list).unwrap();
        let batch: Vec<_> = spans.iter().map(|&span| price(&book, span)).collect();
        for (&span, in_batch) in spans.iter().zip(&batch) {
            let alone = price(&PriceBook::compile("any.1", &list).unwrap(), span);
            prop_assert_eq!(&alone, in_batch);
        }
        if let Ok(items) = batch.into_iter().collect::<Result<Vec<_>, _>>() {
            let sum = items.iter().map(|item| i128::from(item.minor())).sum::<i128>();
            let total = order_total(items, Currency::Cny).map(|total| i128::from(total.minor()));
            prop_assert_eq!(total.ok(), i64::try_from(sum).ok().map(i128::from));
        }
    }

    // M-1: hostile settings are refused or priced, never a panic.
    #[test]
    fn any_configuration_is_answered(value in ".{0,24}", mbps in "[-+0-9a-zA-Z.]{0,12}") {
        let asked = Asked::of(&[("flavor", value.as_str()), ("mbps", mbps.as_str())]);
        let _ = asked.price(&machine(), "1m");
    }
}
