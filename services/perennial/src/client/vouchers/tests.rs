use proto::{
    catalog::v1::{ItemQuote, PricedSpan},
    r#type::v1::TermDuration,
};

use super::*;

fn months(duration: Option<&str>, whole_months: i32, odd_days: i32) -> i32 {
    let duration = duration.map(|text| text.parse::<TermDuration>().unwrap());
    let span = Some(PricedSpan { duration, whole_months, odd_days, total_days: 0 });
    payable_item(&BillItem { span, ..BillItem::default() }).term_months
}

// V-1: a year is 12 months, begun months of odd days count.
#[test]
fn begun_months_count() {
    assert_eq!(months(Some("1m"), 0, 0), 1);
    assert_eq!(months(Some("1m"), 0, 1), 2);
    assert_eq!(months(Some("1y"), 0, 0), 12);
    assert_eq!(months(Some("1y"), 0, 30), 13);
    assert_eq!(months(None, 3, 22), 4);
    assert_eq!(months(None, 0, 5), 1);
}

#[test]
fn an_item_with_a_discount_says_so() {
    let with = |discount_name: &str| {
        let quote = ItemQuote { discount_name: discount_name.to_owned(), ..ItemQuote::default() };
        payable_item(&BillItem { quote: Some(quote), ..BillItem::default() }).discounted
    };
    assert!(with("spring"));
    assert!(!with(""));
}
