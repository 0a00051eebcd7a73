//! What happens when many ask at once. On every database, many times over.

use std::sync::Arc;

use platform::status::Replayed;
use tokio::task::JoinSet;

use super::*;

/// Runs all of `calls` at once and returns what they answer.
async fn at_once<T, F>(calls: impl Iterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    calls.collect::<JoinSet<_>>().join_all().await
}

/// Charges all of `charges` at once, each in a call of its own, and counts those that succeed.
async fn succeeded(world: &World, charges: impl Iterator<Item = crate::domain::Charge>) -> usize {
    let wallets = Arc::new(world.wallets.clone());
    let calls = charges.map(|charge| {
        let wallets = Arc::clone(&wallets);
        async move { wallets.charge(charge).await.unwrap() }
    });
    let payments = at_once(calls).await;
    payments.iter().filter(|payment| outcome(payment) == "SUCCEEDED").count()
}

// V-2, W-2: the race that shop after shop has lost.
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_charges_on_one_voucher_never_take_more_than_it_has() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let vouchers = world.with_vouchers(&[(100, 30)]).await;
        let charges = (1..=16).map(|number| {
            let mut charge = charge(number, 30);
            charge.choice = named(&vouchers);
            charge
        });
        assert_eq!(succeeded(world, charges).await, 3);
        assert_eq!(world.remaining(&vouchers).await, [10]);
        world.assert_sound().await;
    })
    .await;
}

// W-2
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_charges_on_a_balance_for_five_take_five() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 59).await;
        assert_eq!(succeeded(world, (1..=16).map(|number| charge(number, 11))).await, 5);
        assert_eq!(world.cash(&acme()).await, 4);
        world.assert_sound().await;
    })
    .await;
}

// O-3
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_calls_with_one_payment_id_take_once_and_agree() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        let wallets = world.wallets.clone();
        let calls = (0..16).map(|_| {
            let wallets = wallets.clone();
            async move { wallets.charge(charge(1, 30)).await.unwrap() }
        });
        let payments = at_once(calls).await;
        let first = payments.iter().filter(|it| matches!(it, Replayed::First(_))).count();
        assert_eq!(first, 1);
        let answers: Vec<_> = payments.into_iter().map(Replayed::into_inner).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(world.cash(&acme()).await, 70);
        world.assert_sound().await;
    })
    .await;
}

// O-4
#[tokio::test(flavor = "multi_thread")]
async fn a_void_and_a_charge_at_once_agree_on_one_end() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        for number in 1..=8 {
            let wallets = world.wallets.clone();
            let charge = charge(number, 1);
            let charged = tokio::spawn(async move { wallets.charge(charge).await.unwrap() });
            let voided = world.wallets.void(PaymentId(id(number)), &acme()).await.unwrap();
            assert_eq!(outcome(&charged.await.unwrap()), outcome(&voided));
        }
        world.assert_sound().await;
    })
    .await;
}

// O-3
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_deposits_with_one_request_id_book_once() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let once = world.once(1);
        let wallets = world.wallets.clone();
        let calls = (0..16).map(|_| {
            let wallets = wallets.clone();
            async move { wallets.deposit(once, &acme(), cny(7), "").await.unwrap() }
        });
        let deposits = at_once(calls).await;
        let first = deposits.iter().filter(|it| matches!(it, Replayed::First(_))).count();
        assert_eq!(first, 1);
        assert_eq!(world.cash(&acme()).await, 7);
        world.assert_sound().await;
    })
    .await;
}

// pages of several accounts lock their wallets in one order, so none waits for another for ever.
#[tokio::test(flavor = "multi_thread")]
async fn pages_over_the_same_accounts_in_other_orders_all_end() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 1_000).await;
        world.with_cash(&other(), 1_000).await;
        let wallets = world.wallets.clone();
        let calls = (0..8_u128).map(|page| {
            let wallets = wallets.clone();
            let mut charges: Vec<_> =
                (0..20).map(|place| charge(1 + page * 100 + place, 1)).collect();
            for charge in charges.iter_mut().skip(usize::from(page % 2 == 0)).step_by(2) {
                charge.account = other();
            }
            async move { wallets.charge_many(&charges).await.unwrap() }
        });
        let pages = at_once(calls).await;
        assert!(pages.iter().flatten().all(|payment| outcome(payment) == "SUCCEEDED"));
        assert_eq!(world.cash(&acme()).await + world.cash(&other()).await, 2_000 - 160);
        world.assert_sound().await;
    })
    .await;
}
