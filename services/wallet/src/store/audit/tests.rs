use super::*;
use crate::{domain::RefundAsk, store::tests::tamper, tests::*};

/// Three accounts that have each paid something and got it back.
async fn three_accounts(world: &World) {
    for (number, account) in [(1, "acme"), (2, "b"), (3, "c")] {
        let account: AccountId = account.parse().unwrap();
        world.with_cash(&account, 100).await;
        let mut charge = charge(number, 10);
        charge.account = account.clone();
        assert_eq!(outcome(&world.charge(charge).await.unwrap()), "SUCCEEDED");
        let ask = RefundAsk { account, ..ask(number, number, &["i-1"]) };
        world.wallets.refund(&ask).await.unwrap();
    }
    world.assert_sound().await;
}

/// Whose payments, refunds and chains are off.
async fn off(world: &World, page: u64, most: usize) -> [Vec<String>; 3] {
    let bounds = Bounds { page, entries: 1, most };
    let transaction = world.database.begin_snapshot().await.unwrap();
    let backend = world.database.backend();
    let survey = Survey { transaction: &transaction, backend, account: None, bounds };
    [
        parts::check(survey).await.unwrap(),
        refunds::check(survey).await.unwrap(),
        chain::check(survey).await.unwrap(),
    ]
    .map(|found| {
        let account = |it: &Finding| it.subject.split(' ').next().unwrap().to_owned();
        found.iter().map(account).collect()
    })
}

async fn damage(world: &World, accounts: &str) {
    for change in [
        "payments SET amount = amount + 1",
        "refunds SET amount = amount + 1",
        "wallets SET head = (SELECT hash FROM entries WHERE account = 'acme' AND number = 1)",
    ] {
        tamper(world, &format!("UPDATE {change} WHERE account IN ({accounts})")).await.unwrap();
    }
}

// W-2: what is off on a later page is found, and nobody is told more than the most.
#[tokio::test]
async fn every_page_is_looked_at_until_enough_is_found() {
    on_each_database(async |world| {
        three_accounts(world).await;
        let all_three = |accounts: &[&str]| {
            let accounts: Vec<_> = accounts.iter().map(|&account| account.to_owned()).collect();
            [accounts.clone(), accounts.clone(), accounts]
        };
        damage(world, "'c'").await;
        for page in 1..=4 {
            assert_eq!(off(world, page, 2).await, all_three(&["c"]), "pages of {page}");
        }
        damage(world, "'acme', 'b'").await;
        for (page, most, expected) in [
            (1, 1, &["acme"][..]),
            (1, 2, &["acme", "b"]),
            (3, 2, &["acme", "b"]),
            (2, 3, &["acme", "b", "c"]),
            (1, 4, &["acme", "b", "c"]),
        ] {
            let found = off(world, page, most).await;
            assert_eq!(found, all_three(expected), "{most} at most, pages of {page}");
        }
    })
    .await;
}
