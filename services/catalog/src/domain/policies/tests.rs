use super::*;
use crate::domain::document::{Parsed, tests::small};

const POLICY: &str = "{name: test, version: 1, rounding: HALF_UP}";

/// A catalog of two products with these money policies.
fn two(one: &str, other: &str) -> Parsed {
    let text = small("").replace(POLICY, one);
    let (_, product) = text.split_once("products:\n").unwrap();
    let second = product.replace("id: vm", "id: disk").replace(one, other);
    Parsed::read(&format!("{text}{second}")).unwrap()
}

fn refused(known: &[(&str, &str)], parsed: &Parsed) -> Vec<String> {
    let known: Vec<_> = known
        .iter()
        .map(|(id, policy)| {
            let text = small("").replace(POLICY, policy).replace("id: vm", &format!("id: {id}"));
            Parsed::read(&text).unwrap().document.products.remove(0)
        })
        .collect();
    let known = known.iter().map(|product| (&product.id, &product.profile.money_policy));
    let found = contradictions(known, &parsed.document, &parsed.lines);
    found.into_iter().map(|it| format!("{}: {}", it.line, it.problem)).collect()
}

// M-9: a name and a version stand for one thing; every other one is named.
#[test]
fn a_name_and_a_version_stand_for_one_thing() {
    let cut = "{name: test, version: 1, rounding: TRUNCATE}";
    let by_thirty = "{name: test, version: 1, rounding: HALF_UP, odd_days: DAYS_BEYOND_30}";
    let later = "{name: test, version: 2, rounding: TRUNCATE}";
    let named = "{name: other, version: 1, rounding: TRUNCATE}";
    for (known, one, other, lines) in [
        (vec![], POLICY, POLICY, vec![]),
        (vec![], POLICY, later, vec![]),
        (vec![], POLICY, named, vec![]),
        (vec![], POLICY, cut, vec![17]),
        (vec![("vm", POLICY)], POLICY, POLICY, vec![]),
        (vec![("vm", POLICY)], cut, cut, vec![7, 17]),
        (vec![("eip", POLICY)], by_thirty, POLICY, vec![7]),
        (vec![("eip", POLICY)], later, later, vec![]),
    ] {
        let refused = refused(&known, &two(one, other));
        let found: Vec<usize> =
            refused.iter().map(|it| it.split(':').next().unwrap().parse().unwrap()).collect();
        assert_eq!(found, lines, "{refused:?}");
    }
    insta::assert_snapshot!(refused(&[("eip", POLICY)], &two(cut, POLICY)).join("\n"), @"7: vm: the money policy test of version 1 is TRUNCATE, DAYS_BEYOND_TERM, divisor 30 here, and HALF_UP, DAYS_BEYOND_TERM, divisor 30 with eip; count its version up (M-9)");
}
