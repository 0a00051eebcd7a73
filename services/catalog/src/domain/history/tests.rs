use super::{
    super::document::{Parsed, tests::small},
    *,
};

const NOW: &str = "2024-06-01T00:00:00Z";

fn read(prices: &[(&str, &str)]) -> Parsed {
    let prices = prices.iter().map(|(from, monthly)| {
        format!(
            "  - {{product: vm, component: c, currency: CNY, effective_from: {from}, monthly: {monthly}}}\n"
        )
    });
    let prices = prices.collect::<String>();
    Parsed::read(&small(&format!("    components: [{{name: c}}]\nprices:\n{prices}"))).unwrap()
}

/// The lines of `after` that would change the past of `before`.
fn lines(before: Option<&[(&str, &str)]>, after: &[(&str, &str)]) -> Vec<Option<usize>> {
    let remembered = before.map(|before| {
        let prices = read(before).document.prices.prices;
        ("vm".parse().unwrap(), prices)
    });
    let Parsed { document, lines } = read(after);
    let remembered = remembered.into_iter().collect();
    let found = frozen(&remembered, &document, &lines, NOW.parse().unwrap());
    found.into_iter().map(|frozen| frozen.line).collect()
}

// M-8: what has been in force never changes; the first prices of a product may be of the past.
#[test]
fn prices_in_force_do_not_change() {
    const PAST: &str = "2024-01-01T00:00:00Z";
    const MAY: &str = "2024-05-31T23:59:59Z";
    const SOON: &str = "2024-06-01T00:00:01Z";

    assert_eq!(lines(None, &[(PAST, "1"), (MAY, "2")]), []);
    assert_eq!(lines(Some(&[(PAST, "1")]), &[(PAST, "1")]), []);
    assert_eq!(lines(Some(&[(PAST, "1")]), &[(PAST, "1.0")]), []);
    assert_eq!(lines(Some(&[(PAST, "1")]), &[(PAST, "1"), (SOON, "2")]), []);
    // Changed, added for the past, and removed.
    assert_eq!(lines(Some(&[(PAST, "1")]), &[(PAST, "2")]), [Some(19)]);
    assert_eq!(lines(Some(&[(PAST, "1")]), &[(PAST, "1"), (MAY, "2")]), [Some(20)]);
    assert_eq!(lines(Some(&[(PAST, "1")]), &[(PAST, "1"), (NOW, "2")]), [Some(20)]);
    assert_eq!(lines(Some(&[(PAST, "1")]), &[(SOON, "2")]), [None]);
    // What has not begun may change and vanish.
    assert_eq!(lines(Some(&[(PAST, "1"), (SOON, "2")]), &[(PAST, "1"), (SOON, "3")]), []);
    assert_eq!(lines(Some(&[(PAST, "1"), (SOON, "2")]), &[(PAST, "1")]), []);
}

#[test]
fn a_refusal_says_what_to_do() {
    let before = read(&[("2024-01-01T00:00:00Z", "1")]).document.prices.prices;
    let remembered = Remembered::from([("vm".parse().unwrap(), before)]);
    let Parsed { document, lines } = read(&[("2024-01-01T00:00:00Z", "2")]);
    let found = frozen(&remembered, &document, &lines, NOW.parse().unwrap());
    assert_eq!(
        found[0].problem,
        "the price vm/c from 2024-01-01T00:00:00+00:00 is in force and cannot change; add a price \
         that begins later (M-8)"
    );
}
