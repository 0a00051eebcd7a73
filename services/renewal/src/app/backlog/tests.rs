use platform::testing::Counted;

use super::*;
use crate::tests::{
    cloud::{at, clouds, prepaid},
    renewals::create,
};

/// What waits, such as `orders PAYING 1`: without zeros.
fn waiting(counted: &Counted) -> Vec<String> {
    let mut lines = counted.lines();
    lines.retain(|line| !line.ends_with(" 0"));
    lines
}

#[tokio::test]
async fn orders_that_wait_are_measured_by_state_and_since_when() {
    let (clouds, _folder) = clouds("backlog").await;
    for cloud in clouds {
        let counted = Counted::default();
        let clock = kernel::Env::with_clock(cloud.clock.clone());
        let backlog = Backlog::new(cloud.store.clone(), clock, &counted.meter());
        backlog.measure().await.unwrap();
        assert_eq!(waiting(&counted), Vec::<String>::new());

        cloud.register(["a", "b"].map(|id| prepaid(id, "vm", "2026-03-11 00:00")).into()).await;
        cloud.order(&create(1, &["a"])).await.unwrap();
        cloud.clock.advance(chrono::TimeDelta::seconds(50));
        cloud.order(&create(2, &["b"])).await.unwrap();
        cloud.clock.advance(chrono::TimeDelta::seconds(10));
        backlog.measure().await.unwrap();
        let two = ["orders PENDING_PAYMENT 2", "orders.oldest PENDING_PAYMENT 60"];
        assert_eq!(waiting(&counted), two);

        // Nobody pays them: they end, and nothing waits.
        cloud.clock.set(at("2027-01-01 00:00"));
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 2);
        backlog.measure().await.unwrap();
        assert_eq!(waiting(&counted), Vec::<String>::new());
    }
}
