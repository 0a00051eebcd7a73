use std::str::FromStr as _;

use anstream::adapter::strip_str;
use proto::{
    catalog::v1::{PricedSpan, QuoteLine},
    renewal::v1::order,
    r#type::v1::{Decimal, OrderKind},
    wallet::v1::{PaymentRefusal, VoucherPart},
};

use super::*;

fn cny(minor: i64) -> Option<Money> {
    kernel::Currency::from_str("CNY").map(|cny| kernel::Money::new(minor, cny).into()).ok()
}

fn line(kind: quote_line::Kind, text: &str, amount: &str, rule: &str) -> QuoteLine {
    QuoteLine {
        kind: kind.into(),
        text: text.to_owned(),
        amount: Some(Decimal { value: amount.to_owned() }),
        rule_ids: vec![rule.to_owned()],
    }
}

fn item() -> BillItem {
    let time = |text: &str| text.parse().ok();
    let quote = ItemQuote {
        payable: cny(560_00),
        lines: vec![
            line(quote_line::Kind::Component, "g.s1.micro: 56 × 12 months", "672", "M-1"),
            line(quote_line::Kind::Tier, "1 year pays 10 months", "-112", "M-2"),
        ],
        ..ItemQuote::default()
    };
    BillItem {
        instance_id: "vm-1".to_owned(),
        product_id: "jd-vm".to_owned(),
        order_kind: OrderKind::Renewal.into(),
        start_time: time("2018-09-02T16:00:00Z"),
        expiry_shown: "2019-09-02 23:59:59".to_owned(),
        span: Some(PricedSpan {
            duration: "1y".parse().ok(),
            whole_months: 0,
            odd_days: 0,
            total_days: 365,
        }),
        quote: Some(quote),
        days_already_past: 3,
        ..BillItem::default()
    }
}

fn refusal() -> Refusal {
    Refusal {
        reason: "TERM_NOT_OFFERED".to_owned(),
        message: "it is not sold for 3 years".to_owned(),
        rule_id: "T-1".to_owned(),
        metadata: [("durations".to_owned(), "1m 1y".to_owned())].into(),
    }
}

#[test]
fn a_bill_tells_how_each_price_came_about_and_what_is_refused() {
    let refused = RefusedInstance { instance_id: "disk-1".to_owned(), refusals: vec![refusal()] };
    let whole = Bill {
        items: vec![item()],
        refused: vec![refused],
        payable: cny(560_00),
        durations: vec!["1m".parse().unwrap(), "1y".parse().unwrap()],
        ..Bill::default()
    };
    let text = bill(&whole, chrono_tz::Asia::Shanghai);
    insta::assert_snapshot!(strip_str(&text), @r"
    BILL                                                                         AMOUNT  RULES
    vm-1  jd-vm  RENEWAL  1 year  2018-09-03 00:00:00 → 2019-09-02 23:59:59  CNY 560.00
      g.s1.micro: 56 × 12 months                                                 672.00  M-1
      1 year pays 10 months                                                     -112.00  M-2
      3 days of it have passed already                                                   L-2
    payable                                                                  CNY 560.00
    refused disk-1: TERM_NOT_OFFERED (T-1): it is not sold for 3 years [durations: 1m 1y]
    all of them offer 1m 1y
    ");
}

#[test]
fn an_order_tells_what_paid_it_or_why_nothing_did() {
    let parts = ItemParts {
        instance_id: "vm-1".to_owned(),
        vouchers: vec![VoucherPart { voucher_id: "V3".to_owned(), amount: cny(10_00) }],
        cash: cny(350_00),
        channel: cny(200_00),
    };
    let paid = Order {
        order_id: "O1".to_owned(),
        account_id: "acme".to_owned(),
        state: order::State::Completed.into(),
        items: vec![OrderItem { item: Some(item()), parts: Some(parts), ..OrderItem::default() }],
        payable: cny(560_00),
        ..Order::default()
    };
    insta::assert_snapshot!(strip_str(&order(&paid, chrono_tz::Asia::Shanghai)), @r"
    order    O1
    account  acme
    state    COMPLETED
    BILL                                                                         AMOUNT  RULES
    vm-1  jd-vm  RENEWAL  1 year  2018-09-03 00:00:00 → 2019-09-02 23:59:59  CNY 560.00
      g.s1.micro: 56 × 12 months                                                 672.00  M-1
      1 year pays 10 months                                                     -112.00  M-2
      3 days of it have passed already                                                   L-2
    payable                                                                  CNY 560.00
    PAID FOR  WITH            AMOUNT
    vm-1      voucher V3   CNY 10.00
    vm-1      cash        CNY 350.00
    vm-1      channel     CNY 200.00
    ");

    let unpaid = Order {
        state: order::State::PendingPayment.into(),
        items: Vec::new(),
        payment_refusal: Some(PaymentRefusal {
            reason: "INSUFFICIENT_FUNDS".to_owned(),
            message: "there is too little money".to_owned(),
            missing: cny(5_00),
            ..PaymentRefusal::default()
        }),
        ..paid
    };
    insta::assert_snapshot!(strip_str(&order(&unpaid, chrono_tz::Asia::Shanghai)), @r"
    order    O1
    account  acme
    state    PENDING_PAYMENT
    not paid: INSUFFICIENT_FUNDS: there is too little money (missing CNY 5.00)
    ");
}
