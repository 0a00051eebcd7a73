use super::{
    super::document::{Parsed, tests::small},
    *,
};

const NOW: &str = "2024-06-01T00:00:00Z";

fn read(rest: &str) -> Document {
    Parsed::read(&small(rest)).unwrap().document
}

fn priced(prices: &[(&str, &str)]) -> String {
    let prices = prices.iter().map(|(from, monthly)| {
        format!(
            "  - {{product: vm, component: c, currency: CNY, effective_from: {from}, monthly: {monthly}}}\n"
        )
    });
    format!("    components: [{{name: c}}]\nprices:\n{}", prices.collect::<String>())
}

fn shown(before: Option<&Document>, after: &Document) -> String {
    let changes = changes(before, after)
        .into_iter()
        .map(|change| format!("{:?} {}: {}\n", change.action, change.subject, change.detail));
    let impacts = impacts(before, after, NOW.parse().unwrap());
    changes.chain(impacts.into_iter().map(|impact| format!("! {impact}\n"))).collect()
}

#[test]
fn the_same_document_changes_nothing() {
    let document = read(&priced(&[("2024-01-01T00:00:00Z", "56")]));
    assert_eq!(shown(Some(&document), &document.clone()), "");
}

#[test]
fn a_first_document_adds_everything() {
    let document = read(&priced(&[("2024-01-01T00:00:00Z", "56")]));
    insta::assert_snapshot!(shown(None, &document), @"
    Added account profile test: 
    Added product vm: 
    Added price vm/c: 56 CNY a month in all regions from 2024-01-01T00:00:00Z
    ");
}

// M-8: of two prices that begin close to each other an operator is warned.
#[test]
fn what_differs_is_named() {
    let before = read(&priced(&[("2024-01-01T00:00:00Z", "56"), ("2024-07-01T00:00:00Z", "60")]));
    let mut after = read(&priced(&[
        ("2024-01-01T00:00:00Z", "56"),
        ("2024-07-01T00:00:00Z", "58"),
        ("2024-07-15T00:00:00Z", "59"),
    ]));
    after.account_profile.batch_limit = 50;
    after.products[0].name = "Server".to_owned();
    insta::assert_snapshot!(shown(Some(&before), &after), @"
    Changed account profile test: 
    Changed product vm: name
    Changed price vm/c: 60 → 58 CNY a month in all regions from 2024-07-01T00:00:00Z
    Added price vm/c: 59 CNY a month in all regions from 2024-07-15T00:00:00Z
    ! vm/c: two prices begin within 31 days; the newest in force is charged (M-8)
    ");
}

// L-5, P-3: what a change of the rules does to customers.
#[test]
fn impacts_of_rules_are_named() {
    let before = read("");
    let mut after = read("");
    let profile = &mut after.products[0].profile;
    profile.grace_days = 3;
    profile.durations.remove(0);
    profile.discontinued = true;
    profile.not_renewable = Some("it is over".to_owned());
    insta::assert_snapshot!(shown(Some(&before), &after), @"
    Changed product vm: profile
    ! vm: instances that expire from now on are released 11 days after their last day instead of 8 (L-5)
    ! vm: automatic renewals with a cycle of 1 month will fail with TERM_NOT_OFFERED (P-3)
    ! vm: no instance of it can be renewed any more
    ! vm: AUTO can no longer be newly set (P-8)
    ");

    let mut removed = before.clone();
    removed.products.clear();
    removed.prices.products.clear();
    insta::assert_snapshot!(shown(Some(&before), &removed), @"
    Removed product vm: 
    ! vm is removed: its instances can no longer be renewed, and have no price
    ");
}
