use super::*;
use crate::tests::{
    cloud::{at, clouds, prepaid},
    renewals::{create, create_paid},
};

fn invariants(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.invariant.split(' ').next().unwrap()).collect()
}

// O-4, M-5
#[tokio::test]
async fn an_order_is_paid_if_and_only_if_its_money_was_taken() {
    let (clouds, _folder) = clouds("audit_money").await;
    for cloud in clouds {
        cloud.purse.put(100);
        let rows = ["paid", "open"].map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        let paid = cloud.order(&create_paid(1, &["paid"])).await.unwrap();
        let open = cloud.order(&create(2, &["open"])).await.unwrap();
        let payments = cloud.purse.payments();
        let now = at("2026-03-01 00:00");
        assert_eq!(compare(&paid, &payments, now), []);
        assert_eq!(compare(&open, &payments, now), []);

        assert_eq!(invariants(&compare(&paid, &HashMap::new(), now)), ["an"]);
        let cheaper = Order { payable: Money::new(99, paid.payable.currency()), ..paid.clone() };
        assert_eq!(invariants(&compare(&cheaper, &payments, now)), ["a"]);
        let cancelled = Order { state: State::Cancelled, ..paid.clone() };
        assert_eq!(invariants(&compare(&cancelled, &payments, now)), ["money"]);
        let begun_again = Order { state: State::PendingPayment, payment_id: None, ..paid.clone() };
        assert_eq!(invariants(&compare(&begun_again, &payments, now)), ["money"]);
        let paying = Order { state: State::Paying, ..paid };
        assert_eq!(compare(&paying, &payments, now + LONGEST_PAYMENT), []);
        let later = now + LONGEST_PAYMENT + TimeDelta::microseconds(1);
        assert_eq!(invariants(&compare(&paying, &payments, later)), ["a"]);
    }
}
