use chrono::DateTime;
use kernel::Currency;
use rule_engine::{
    price::{MonthlyRate, Off, Pays},
    profile::{Boundary, EndShown, OddDays, Unify},
};
use rust_decimal::Decimal;

use super::*;

/// The least that a catalog says, with `rest` below its product's profile.
pub fn small(rest: &str) -> String {
    format!(
        "catalog: test
account_profile:
  vouchers:
    manual: {{strategy: CHOSEN_BY_USER, max_per_payment: 1}}
    automatic: {{strategy: LARGEST_FIRST}}
products:
  - id: vm
    name: Machine
    line: Machines
    profile:
      durations: [1m, 1y]
      policies: [MANUAL]
      late_start: RENEWAL_DATE
      grace_days: 0
      retention_days: 7
      money_policy: {{name: test, version: 1, rounding: HALF_UP}}
{rest}"
    )
}

fn mistakes(text: &str) -> String {
    match Parsed::read(text) {
        Ok(_) => String::new(),
        Err(mistakes) => {
            let lines = mistakes.iter().map(|it| format!("{}: {}\n", it.line, it.problem));
            lines.collect::<Vec<_>>().concat()
        }
    }
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_rules() {
    let document = Parsed::read(&small("")).unwrap().document;
    let profile = &document.products[0].profile;
    assert_eq!(profile.boundary, Boundary::EndOfDay);
    assert_eq!(profile.end_shown, EndShown::LastSecond);
    assert_eq!(profile.unify, Unify::default());
    assert!(profile.reminders.at_expiry);
    assert_eq!(profile.money_policy.odd_days, OddDays::DaysBeyondTerm);
    assert_eq!(profile.money_policy.divisor, 30);
    assert_eq!(document.account_profile.unpaid_order_days, 15);
    assert_eq!(document.account_profile.batch_limit, 100);
}

#[test]
fn prices_tiers_and_discounts_are_read() {
    let text = small(
        "    components: [{name: flavor, sku_from: flavor}, {name: band, quantity_from: mbps}]
    tiers: [{from: 6m, percent: 88}, {from: 1y, pays_months: 10}]
prices:
  - {product: vm, component: flavor, sku: s, region: r1, currency: CNY, effective_from: \"2024-01-01T00:00:00+08:00\", monthly: 136.50}
  - product: vm
    component: band
    currency: CNY
    effective_from: 2024-01-01T00:00:00Z
    brackets: [{up_to: 5, monthly: 23}, {monthly: 80}]
discounts:
  - id: spring
    name: Spring
    kind: PROMOTION
    valid_from: 2024-03-01T00:00:00Z
    percent_off: 12.5
    when: {products: [vm], durations: [1y], order_kinds: [RENEWAL], account_labels: {tier: [gold]}}
  - {id: deal, name: Deal, kind: CONTRACT, amount_off: {amount: 30, currency: CNY}}
",
    );
    let prices = Parsed::read(&text).unwrap().document.prices;
    assert_eq!(prices.products[0].tiers[1].pays, Pays::PaysMonths(10));
    assert_eq!(prices.prices[0].rate, MonthlyRate::Monthly(Decimal::new(1365, 1)));
    let start: DateTime<chrono::Utc> = "2023-12-31T16:00:00Z".parse().unwrap();
    assert_eq!(prices.prices[0].effective_from, start);
    assert!(
        matches!(&prices.prices[1].rate, MonthlyRate::Brackets(brackets) if brackets.len() == 2)
    );
    assert_eq!(prices.discounts[0].when.account_labels["tier"], ["gold"]);
    let amount = Decimal::from(30);
    assert_eq!(prices.discounts[1].off, Off::AmountOff { amount, currency: Currency::Cny });
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let text = "catalog: a catalog
acount_profile: {}
account_profile:
  vouchers:
    manual: {strategy: LARGEST, max_per_payment: 0}
    automatic: {strategy: CHOSEN_BY_USER}
    automatic: {strategy: LARGEST_FIRST}
products:
  - id: vm
    name:
    profile:
      durations: [1m, 13, 0m]
      policies: [AUTOMATIC]
      late_start: RENEWAL_DATE
      grace_days: -1
      retention_days: 4000
      unify: {offer: WITH_DURATION, days: {least: 1, most: thirty}}
      auto_schedule: {days_before: 7, time: 25:00, stop: UNTIL_EXPIRY, stop: ONE_DAY}
      money_policy: {name: jd, version: 1, rounding: BANKERS, odd_day: DAYS_BEYOND_30}
    components:
      - {name: flavor, sku: flavor}
    tiers:
      - {from: 1y, percent: 83, pays_months: 10}
      - {from: 2y}
prices:
  - {product: vm, component: flavor, currency: CNX, effective_from: yesterday, monthly: 1e3}
  - [vm, 56]
discounts: none
";
    insta::assert_snapshot!(mistakes(text), @r#"
    1: catalog must be 1 to 64 letters, digits or any of . _ : - and start with a letter or digit
    2: the document has no field "acount_profile"; it has catalog, account_profile, products, prices, discounts
    5: account_profile.vouchers.manual.max_per_payment must be at least 1, or be left out
    5: account_profile.vouchers.manual.strategy is wrong: unknown variant `LARGEST`, expected one of `NEAREST_EXPIRY_THEN_LARGEST`, `SMALLEST_THEN_NEAREST`, `LARGEST_FIRST`, `COVER_WHOLE_FIRST`, `CHOSEN_BY_USER`
    6: account_profile.vouchers.automatic.strategy cannot be CHOSEN_BY_USER: nobody is there to choose
    7: automatic is there twice, first in line 6
    9: products[0] needs the field line
    10: products[0].name must not be empty
    12: products[0].profile.durations[1] must be a number of months or years such as 6m or 1y, at most 999
    12: products[0].profile.durations[2] must be a number of months or years such as 6m or 1y, at most 999
    13: products[0].profile.policies[0] is wrong: unknown variant `AUTOMATIC`, expected one of `MANUAL`, `AUTO`, `POSTPAID_AFTER_EXPIRY`, `NOT_RENEW`
    15: products[0].profile.grace_days must be a whole number from 0 on
    16: products[0].profile.retention_days must be at most 3650
    17: products[0].profile.unify.days.most must be a whole number from 0 on
    18: products[0].profile.auto_schedule.time must be a time such as 08:00
    18: stop is there twice, first in line 18
    19: products[0].profile.money_policy has no field "odd_day"; it has name, version, rounding, odd_days, divisor
    19: products[0].profile.money_policy.rounding is wrong: unknown variant `BANKERS`, expected `HALF_UP` or `TRUNCATE`
    21: products[0].components[0] has no field "sku"; it has name, sku_from, quantity_from
    23: products[0].tiers[0] needs either percent or pays_months
    24: products[0].tiers[1] needs either percent or pays_months
    26: prices[0].currency is not the code of a supported currency
    26: prices[0].effective_from must be an instant such as 2024-06-20T00:00:00+08:00
    26: prices[0].monthly must be a decimal such as 136.5
    27: prices[1] must be a mapping
    28: discounts must be a list
    "#);
}

// M-1: what only the whole list shows is named with its line, too.
#[test]
fn mistakes_of_the_whole_list_have_lines() {
    let text = small(
        "    components:
      - {name: flavor, sku_from: flavor}
      - {name: disk}
    tiers:
      - {from: 1y, pays_months: 13}
prices:
  - {product: vm, component: flavor, currency: CNY, effective_from: 2024-01-01T00:00:00Z, monthly: 1}
  - {product: eip, component: flavor, currency: CNY, effective_from: 2024-01-01T00:00:00Z, monthly: 1}
discounts:
  - {id: d, name: D, kind: PROMOTION, percent_off: 101}
",
    );
    insta::assert_snapshot!(mistakes(&text), @r#"
    19: the component has no price
    21: 1 year cannot pay more than 12 months
    23: sku is needed: a value of the setting "flavor"
    24: there is no product eip
    26: a percentage must be 0 to 100
    "#);
}

// M-1: a part that cannot be read does not hide what is wrong with the prices, nor does it make
// anything wrong that is not.
#[test]
fn a_mistake_hides_no_other() {
    let text = small(
        "    components: [{name: flavor, sku_from: flavor}]
prices:
  - {product: vm, component: flavor, sku: s, currency: CNY, effective_from: never, monthly: 1}
  - {product: eip, component: flavor, currency: CNY, effective_from: 2024-01-01T00:00:00Z, monthly: 1}
  - {product: vm, component: disk, currency: CNY, effective_from: 2024-01-01T00:00:00Z, monthly: 1}
",
    );
    insta::assert_snapshot!(mistakes(&text.replace("RENEWAL_DATE", "SOON")), @r#"
    13: products[0].profile.late_start is wrong: unknown variant `SOON`, expected `RENEWAL_DATE` or `OLD_EXPIRY`
    19: prices[0].effective_from must be an instant such as 2024-06-20T00:00:00+08:00
    20: there is no product eip
    21: vm has no component "disk"
    "#);
    // Without its id nobody knows what a product is.
    insta::assert_snapshot!(mistakes(&text.replace("id: vm", "id: v m")), @"
    7: products[0].id must be 1 to 64 letters, digits or any of . _ : - and start with a letter or digit
    19: prices[0].effective_from must be an instant such as 2024-06-20T00:00:00+08:00
    ");
}

// T-1, P-1, R-1, U-1, A-1, M-1, M-2, M-3: in a file where hardly a part can be read, every part that
// can is held against its rules: one mistake in each line that says so, and none in any other.
#[test]
fn what_can_be_read_is_checked_wherever_it_stands() {
    let text = include_str!("tests/mistakes.yaml");
    let mut expected: Vec<(usize, &str)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = line.split("# ").filter_map(|each| each.strip_prefix("wrong: "));
        expected.extend(wrong.map(|problem| (at + 1, problem.trim())));
    }
    let mut unexpected = Parsed::read(text).unwrap_err();
    for &(line, problem) in &expected {
        let found =
            unexpected.iter().position(|it| it.line == line && it.problem.contains(problem));
        let Some(found) = found else { panic!("line {line}, {problem:?}: {unexpected:#?}") };
        unexpected.remove(found);
    }
    assert_eq!(unexpected, []);
    assert!(expected.len() > 40);
}

// M-1: a list that is none says nothing about what would stand in it.
#[test]
fn lists_that_are_none_make_nothing_unknown() {
    let price = "{product: vm, component: flavor, currency: CNY, effective_from: 2024-01-01T00:00:00Z, monthly: 1}";
    let text = small(&format!("    components: [{{name: flavor}}]\nprices: [{price}]\n"));
    assert_eq!(mistakes(&text), "");
    for (good, bad, expected) in [
        ("[{name: flavor}]", "none", "17: products[0].components must be a list\n"),
        (&*format!("[{price}]"), "none", "18: prices must be a list\n"),
        (
            "products:",
            "products: none\nsold:",
            "6: products must be a list\n7: the document has no field \"sold\"; it has catalog, \
             account_profile, products, prices, discounts\n",
        ),
    ] {
        assert_eq!(mistakes(&text.replace(good, bad)), expected);
    }
}

// T-7, P-1, A-1: what profiles refuse is named at the field.
#[test]
fn mistakes_of_profiles_have_lines() {
    let text = small("").replace(
        "      policies: [MANUAL]",
        "      policies: [AUTO]
      max_total_months: 0
      unify:
        offer: AD_HOC
        automatic: true
        days:
          least: 0
          most: 28",
    );
    insta::assert_snapshot!(mistakes(&text), @"
    10: products[0].profile.auto_schedule is needed where AUTO is allowed
    12: products[0].profile.policies must allow MANUAL, which is the default
    13: products[0].profile.max_total_months leaves no room for the shortest duration, 1 month
    16: products[0].profile.unify.automatic needs ALONE or WITH_DURATION to be offered
    17: products[0].profile.unify.days must be a range within 1 to 28
    ");
}

#[test]
fn what_is_no_yaml_is_refused() {
    for (text, expected) in [
        ("", "1: the document needs the field catalog"),
        ("- a", "1: the document must be a mapping"),
        ("a: [", "2: while parsing a node, did not find expected node content"),
        ("a: &x 1", "1: anchors are not allowed"),
        ("a: !!str 1", "1: tags are not allowed"),
        ("a: *x", "1: while parsing node, found unknown anchor"),
        ("? [a]\n: b", "1: the name of a field must be plain text"),
        ("a: \u{0}", "1: "),
    ] {
        let found = mistakes(text);
        assert!(found.lines().any(|line| line.starts_with(expected)), "{text:?}: {found}");
    }
}

#[test]
fn hostile_documents_are_refused_and_not_recursed_into() {
    assert_eq!(mistakes(&"[".repeat(1 << 20)), "1: a line has at most 400 bytes\n");
    assert_eq!(mistakes(&"[\n".repeat(1 << 19)), "33: brackets are nested too deep\n");
    assert_eq!(mistakes(&"- ".repeat(1 << 19)), "1: a line has at most 400 bytes\n");
    let deep = (0..390).map(|depth| format!("{}a:\n", " ".repeat(depth)));
    let deep = deep.collect::<Vec<_>>().concat();
    assert!(!mistakes(&deep).is_empty());
    let many = "x: 1\n".repeat(10_000);
    assert!(mistakes(&many).lines().count() <= 102);
    assert!(!mistakes(&small(&"y".repeat(399))).is_empty());
}

#[test]
fn the_same_name_in_quotes_is_the_same_field() {
    assert_eq!(
        mistakes(&small("\"catalog\": other\n")),
        "17: catalog is there twice, first in line 1\n"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_answered(text in "[ -~\n]{0,200}") {
        let _ = mistakes(&text);
        let _ = mistakes(&small(&text));
    }
}
