use super::*;
use crate::tests::{id, noon, not_paid, paid, signed};

// W-4
#[test]
fn the_fields_that_are_known_are_read_and_others_are_not_looked_at() {
    let intent = IntentId(id(7));
    let notice = Notice::read(paid(intent, "CP-1", 40).as_bytes()).unwrap();
    assert_eq!(notice.subject, Subject::Intent(intent));
    assert_eq!(notice.news, Said::Succeeded(crate::tests::cny(40)));
    assert_eq!(notice.money.as_deref(), Some("CP-1"));
    for (what, news) in [("failed", Said::Failed), ("pending", Said::Unknown)] {
        let notice = Notice::read(not_paid(intent, what).as_bytes()).unwrap();
        assert_eq!((notice.news, notice.money), (news, None));
    }
}

// O-6
#[test]
fn a_refund_that_succeeded_says_how_much_and_needs_no_id_of_its_own() {
    let body = format!(
        r#"{{"type": "refund.succeeded", "data": {{"refund_id": "{}",
            "amount": {{"minor_units": 7, "currency_code": "CNY"}}}}}}"#,
        id(5)
    );
    let notice = Notice::read(body.as_bytes()).unwrap();
    assert_eq!(notice.subject, Subject::Refund(RefundId(id(5))));
    assert_eq!((notice.news, notice.money), (Said::Succeeded(crate::tests::cny(7)), None));
    let without = body.replace("refund_id", "intent_id");
    assert_eq!(bad_field(Notice::read(without.as_bytes())), "body.data.refund_id");
    let without = body.replace("amount", "sum");
    assert_eq!(bad_field(Notice::read(without.as_bytes())), "body.data.amount");
}

#[track_caller]
fn bad_field(result: Result<impl std::fmt::Debug, WalletError>) -> &'static str {
    match result {
        Err(WalletError::BadCallback { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let good = paid(IntentId(id(7)), "CP-1", 40);
    for (from, to, field) in [
        ("{", "[", "body"),
        ("payment.succeeded", "payment", "body.type"),
        ("payment.succeeded", "payment.begun", "body.type"),
        ("payment.succeeded", "order.succeeded", "body.type"),
        ("\"intent_id\"", "\"id\"", "body.data.intent_id"),
        ("CP-1", "", "body.data.channel_payment_id"),
        ("CP-1", "C P", "body.data.channel_payment_id"),
        ("CP-1", &"x".repeat(129), "body.data.channel_payment_id"),
        ("\"amount\"", "\"sum\"", "body.data.amount"),
        ("40", "0", "body.data.amount"),
        ("40", "-1", "body.data.amount"),
        ("40", "1.5", "body"),
    ] {
        let body = good.replacen(from, to, 1);
        assert_eq!(bad_field(Notice::read(body.as_bytes())), field, "{body}");
    }
}

#[test]
fn headers_and_sizes_are_held_against_their_limits() {
    let good = || signed("m-1", noon(), "{}");
    assert_eq!(headers(&good()).unwrap(), noon().timestamp());
    let change = |change: fn(&mut Callback)| {
        let mut callback = good();
        change(&mut callback);
        bad_field(headers(&callback))
    };
    assert_eq!(change(|it| it.id.clear()), "webhook_id");
    assert_eq!(change(|it| it.id = "x".repeat(129)), "webhook_id");
    assert_eq!(change(|it| it.id = "\0".to_owned()), "webhook_id");
    assert_eq!(change(|it| it.timestamp = "noon".to_owned()), "webhook_timestamp");
    assert_eq!(change(|it| it.body = vec![b' '; 16 * 1024 + 1]), "body");
    assert_eq!(change(|it| it.signature = "x".repeat(1025)), "webhook_signature");
    let mut largest = good();
    (largest.id, largest.body) = ("x".repeat(128), vec![b' '; 16 * 1024]);
    largest.signature = "x".repeat(1024);
    assert!(headers(&largest).is_ok());
}

// W-6
#[test]
fn money_of_an_unknown_currency_is_money_of_another_one() {
    for code in ["cny", "XYZ", ""] {
        let body = paid(IntentId(id(7)), "CP-1", 40).replace("CNY", code);
        let error = Notice::read(body.as_bytes()).unwrap_err();
        assert_eq!(platform::status::ApiError::reason(&error), "CURRENCY_MISMATCH", "{code}");
    }
}
