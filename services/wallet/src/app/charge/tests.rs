use futures::future::join_all;

use crate::tests::*;

/// Asks for charges at once and says how each ended.
async fn together(world: &World, charges: Vec<crate::domain::Charge>) -> Vec<String> {
    let ends = charges.into_iter().map(async |charge| match world.charge(charge).await {
        Ok(payment) => outcome(&payment),
        Err(error) => platform::status::ApiError::reason(&error).to_owned(),
    });
    join_all(ends).await
}

// V-3
#[tokio::test]
async fn payments_taken_together_share_one_transaction() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        let before = world.database.usage();
        let charges = (1..=3).map(|number| charge(number, 10)).collect();
        let ends = together(world, charges).await;
        assert_eq!(ends, ["SUCCEEDED", "SUCCEEDED", "INSUFFICIENT_FUNDS"]);
        assert_eq!((world.database.usage() - before).transactions, 1);
        world.assert_sound().await;
    })
    .await;
}

// O-3, O-8
#[tokio::test]
async fn one_payment_at_fault_fails_alone() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        assert_eq!(together(world, vec![charge(1, 10)]).await, ["SUCCEEDED"]);

        let mut late = charge(3, 10);
        late.bill.as_of -= chrono::TimeDelta::hours(1);
        let ends = together(world, vec![charge(2, 10), charge(1, 11), late, charge(1, 10)]).await;
        assert_eq!(ends, ["SUCCEEDED", "REQUEST_ID_REUSED", "CLOCK_SKEW", "SUCCEEDED"]);
        assert_eq!(world.cash(&acme()).await, 80);
        world.assert_sound().await;
    })
    .await;
}

// O-3
#[tokio::test]
async fn the_same_payment_twice_is_taken_once() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        let ends = together(world, vec![charge(1, 10), charge(1, 10), charge(1, 11)]).await;
        assert_eq!(ends, ["SUCCEEDED", "SUCCEEDED", "REQUEST_ID_REUSED"]);
        assert_eq!(world.cash(&acme()).await, 90);
        world.assert_sound().await;
    })
    .await;
}
