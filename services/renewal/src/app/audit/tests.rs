use sea_orm::ConnectionTrait as _;

use super::*;
use crate::{
    app::Pricing as _,
    tests::{
        cloud::{at, clouds, prepaid},
        renewals::{create, create_paid, pay},
    },
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
        let paying = Order { state: State::Paying, ..paid.clone() };
        assert_eq!(compare(&paying, &payments, now + LONGEST_PAYMENT), []);
        let later = now + LONGEST_PAYMENT + TimeDelta::microseconds(1);
        assert_eq!(invariants(&compare(&paying, &payments, later)), ["a"]);
    }
}

// O-4: the orders were restored to what they were before, the wallet was not.
#[tokio::test]
async fn money_that_a_restored_order_knows_nothing_of_is_found() {
    let (clouds, _folder) = clouds("audit_restored").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let restored = cloud.order(&create(1, &["vm"])).await.unwrap();
        let asked: Vec<_> = numbers(&restored).collect();
        assert_eq!(asked, [1], "its next payment is asked for");
        let kept = orders::list::all_after(cloud.store.reader(), None, PAGE).await.unwrap();
        assert_eq!(kept, [Ok(restored.clone())], "an order that began no payment is compared too");
        cloud.orders.pay(&pay(2, &restored)).await.unwrap();
        let now = at("2026-03-01 00:00");
        let findings = compare(&restored, &cloud.purse.payments(), now);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].found.starts_with("paid and not extended"), "{}", findings[0]);
        let paid = cloud.reread(&restored).await;
        assert_eq!(compare(&paid, &cloud.purse.payments(), now), []);
    }
}

// An order that cannot be read is a finding, and the others are compared all the same.
#[tokio::test]
async fn an_order_that_cannot_be_read_is_found() {
    let (clouds, _folder) = clouds("audit_unreadable").await;
    let nobody = "http://127.0.0.1:1".parse::<platform::client::Peer>().unwrap().connect();
    let wallet = RemoteWallet::new(nobody);
    for cloud in clouds {
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let order = cloud.order(&create(1, &["vm"])).await.unwrap();
        let damage = "UPDATE orders SET currency = 'XXXX'";
        cloud.store.database().writer().execute_unprepared(damage).await.unwrap();
        let catalogue = Arc::new(cloud.catalog.catalogue().await.unwrap());
        let now = at("2026-03-01 00:00");
        let found = findings(&cloud.store, &wallet, &catalogue, now).await.unwrap();
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let expected = format!("acme/{}: an order can be read (O-7): ", order.id);
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
    }
}
