use std::sync::Arc;

use chrono::TimeDelta;
use kernel::Currency::{Cny, Usd};
use platform::status::ApiError as _;
use tokio::task::JoinSet;

use super::*;
use crate::{
    app::{Basket, VoucherList},
    domain::VoucherState,
    store::Part,
    tests::*,
};

fn other(name: &str) -> AccountId {
    name.parse().unwrap()
}

/// Makes codes for vouchers of 30 that end so many days after noon.
async fn codes(world: &World, count: usize, days: i64) -> Vec<Code> {
    let Grant { face, terms, .. } = grant(30, days, |_| ());
    let issue = IssueCodes { once: world.once(days), count, face, terms };
    world.wallets.issue_codes(&issue).await.unwrap().into_inner()
}

fn is_repeat<T>(answer: &Replayed<T>) -> bool {
    matches!(answer, Replayed::Again(_))
}

// O-3
#[tokio::test]
async fn codes_are_made_once_for_each_request() {
    on_each_database(async |world| {
        let Grant { face, terms, .. } = grant(30, 10, |_| ());
        let issue = IssueCodes { once: world.once(1), count: 1_000, face, terms };
        let first = world.wallets.issue_codes(&issue).await.unwrap();
        let again = world.wallets.issue_codes(&issue).await.unwrap();
        assert!(!is_repeat(&first) && is_repeat(&again));
        let codes = first.into_inner();
        assert_eq!((codes.len(), &codes), (1_000, &again.into_inner()));

        let once = Once { digest: digest(2), ..issue.once };
        let error = world.wallets.issue_codes(&IssueCodes { once, ..issue }).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
    })
    .await;
}

// O-3, W-2
#[tokio::test]
async fn a_code_gives_its_voucher_to_whoever_comes_first() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        world.open(&other("b"), Cny).await;
        let codes = codes(world, 1, 10).await;
        let once = world.once(1);
        let first = world.wallets.redeem(once, &acme(), &codes[0]).await.unwrap();
        let again = world.wallets.redeem(once, &acme(), &codes[0]).await.unwrap();
        assert!(!is_repeat(&first) && is_repeat(&again));
        let voucher = first.into_inner();
        assert_eq!(voucher, again.into_inner());
        assert_eq!(
            (voucher.face, voucher.remaining, voucher.account.clone()),
            (cny(30), 30, acme())
        );
        assert_eq!(
            world.ledger(&acme(), &[voucher.id]).await,
            "1 issued:voucher > voucher:V1 CNY 0.30"
        );

        for (once, account) in [(world.once(2), acme()), (world.once(3), other("b"))] {
            let error = world.wallets.redeem(once, &account, &codes[0]).await.unwrap_err();
            assert_eq!(error.reason(), "VOUCHER_CODE_USED");
        }
        let reused = Once { digest: digest(4), ..once };
        let error = world.wallets.redeem(reused, &acme(), &codes[0]).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
        world.assert_sound().await;
    })
    .await;
}

// V-5, W-6
#[tokio::test]
async fn a_code_that_gives_nothing_says_why() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        world.open(&other("usd"), Usd).await;
        world.open(&other("rich"), Cny).await;
        let codes = codes(world, 2, 1).await;
        let mut most = grant(i64::MAX, 30, |_| ());
        most.account = other("rich");
        let issue = crate::app::Issue { once: world.once(0), grants: vec![most] };
        world.wallets.issue(&issue).await.unwrap();
        let redeem = async |account: &str, code: &Code| {
            let redeemed = world.wallets.redeem(world.once(1), &other(account), code).await;
            redeemed.map_err(|error| error.reason())
        };
        let unknown = Code::of([id(1), id(2)]);
        assert_eq!(redeem("nobody", &codes[0]).await, Err("WALLET_NOT_FOUND"));
        assert_eq!(redeem("acme", &unknown).await, Err("VOUCHER_CODE_NOT_FOUND"));
        assert_eq!(redeem("usd", &codes[0]).await, Err("CURRENCY_MISMATCH"));
        assert_eq!(redeem("rich", &codes[0]).await, Err("AMOUNT_TOO_LARGE"));
        let end = noon() + TimeDelta::days(1);
        world.clock.set(end - TimeDelta::microseconds(1));
        assert!(redeem("acme", &codes[0]).await.is_ok());
        world.clock.set(end);
        assert_eq!(redeem("acme", &codes[1]).await, Err("VOUCHER_CODE_EXPIRED"));
        world.assert_sound().await;
    })
    .await;
}

/// Sixteen redemptions at once, each by the account and under the request that are asked for.
async fn race(world: &World, who: impl Fn(usize) -> (Once, AccountId), code: &Code) -> Vec<String> {
    let wallets = Arc::new(world.wallets.clone());
    let calls = (0..16).map(|number| {
        let (once, account) = who(number);
        let (wallets, code) = (Arc::clone(&wallets), code.clone());
        async move {
            match wallets.redeem(once, &account, &code).await {
                Ok(voucher) => voucher.into_inner().id.to_string(),
                Err(error) => error.reason().to_owned(),
            }
        }
    });
    let mut answers = calls.collect::<JoinSet<_>>().join_all().await;
    answers.sort();
    answers
}

// O-3: the same code, typed by sixteen at once.
#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_redeem_one_code_one_gets_it() {
    on_each_database(async |world| {
        for number in 0..16 {
            world.open(&other(&format!("a{number}")), Cny).await;
        }
        let codes = codes(world, 3, 10).await;
        let many = |number| (world.once(1), other(&format!("a{number}")));
        let answers = race(world, many, &codes[0]).await;
        let used = answers.iter().filter(|answer| *answer == "VOUCHER_CODE_USED").count();
        assert_eq!(used, 15, "{answers:?}");

        // One account in sixteen windows.
        let answers = race(world, |_| (world.once(1), other("a1")), &codes[1]).await;
        let used = answers.iter().filter(|answer| *answer == "VOUCHER_CODE_USED").count();
        assert_eq!(used, 15, "{answers:?}");

        // One call, repeated sixteen times: the same answer.
        let once = world.once(1);
        let mut answers = race(world, |_| (once, other("a1")), &codes[2]).await;
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        world.assert_sound().await;
    })
    .await;
}

/// Vouchers of `acme`, as they are listed.
async fn listed(world: &World, ids: &[VoucherId]) -> Vec<Voucher> {
    let named: Vec<_> = ids.iter().map(|&id| (acme(), id)).collect();
    let found = world.store.vouchers_by_id(&named).await.unwrap();
    ids.iter().map(|id| found[id].clone()).collect()
}

// V-5, W-2
#[tokio::test]
async fn a_revoked_voucher_pays_nothing_and_keeps_its_face() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let ids = world.with_vouchers(&[(100, 30)]).await;
        world.charge(charge(1, 30)).await.unwrap();
        let revoked = world.wallets.revoke(&acme(), ids[0], "fraud").await.unwrap();
        assert_eq!((revoked.remaining, revoked.captured, revoked.voided), (0, 30, 70));
        assert_eq!(revoked.state(noon()), VoucherState::Revoked);
        assert_eq!(listed(world, &ids).await, std::slice::from_ref(&revoked));
        assert_eq!(world.wallets.revoke(&acme(), ids[0], "again").await.unwrap(), revoked);
        assert_eq!(outcome(&world.charge(charge(2, 1)).await.unwrap()), "INSUFFICIENT_FUNDS");

        let ledger = world.ledger(&acme(), &ids).await;
        assert!(ledger.ends_with("\n3 voucher:V1 > void:V1 CNY 0.70"), "{ledger}");
        for (account, id) in [(acme(), VoucherId(id(9))), (other("b"), ids[0])] {
            let error = world.wallets.revoke(&account, id, "").await.unwrap_err();
            assert_eq!(error.reason(), "VOUCHER_NOT_FOUND");
        }
        world.assert_sound().await;
    })
    .await;
}

// V-5, W-3: what is held may still be captured; what is released after all pays nothing any more.
#[tokio::test]
async fn what_a_revoked_voucher_holds_is_captured_or_void() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let ids = world.with_vouchers(&[(100, 30)]).await;
        world.intend(2, 130).await;
        world.wallets.revoke(&acme(), ids[0], "").await.unwrap();
        let held = listed(world, &ids).await.remove(0);
        assert_eq!((held.held, held.voided), (100, 0));
        world.wallets.void(kernel::ids::PaymentId(id(2)), &acme()).await.unwrap();
        let released = listed(world, &ids).await.remove(0);
        assert_eq!((released.remaining, released.state(noon())), (100, VoucherState::Revoked));
        let expiring = world.wallets.vouchers(&list(None, Some(3_650))).await.unwrap().rows;
        assert_eq!(expiring.items, []);
        assert_eq!(outcome(&world.charge(charge(3, 1)).await.unwrap()), "INSUFFICIENT_FUNDS");
        assert_eq!(world.wallets.funds(&[acme()]).await.unwrap()[&acme()].vouchers, cny(0));
        world.assert_sound().await;
        let revoked = world.wallets.revoke(&acme(), ids[0], "").await.unwrap();
        assert_eq!((revoked.remaining, revoked.voided), (0, 100));
        world.assert_sound().await;
    })
    .await;
}

// V-5: five minutes after its end, what remains of a voucher is an entry of its own.
#[tokio::test]
async fn what_remains_of_an_expired_voucher_is_booked_out() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let ids = world.with_vouchers(&[(10, 1), (20, 1), (30, 2)]).await;
        world.charge(charge(1, 20)).await.unwrap();
        let due = noon() + TimeDelta::days(1) + MAX_SKEW;
        world.clock.set(due - TimeDelta::microseconds(1));
        assert_eq!(
            world.wallets.expire_vouchers(10).await.unwrap(),
            Swept { done: 0, more: false }
        );
        world.clock.set(due);
        assert!(world.wallets.expire_vouchers(1).await.unwrap().more);
        world.wallets.expire_vouchers(10).await.unwrap();
        assert_eq!(
            world.wallets.expire_vouchers(10).await.unwrap(),
            Swept { done: 0, more: false }
        );

        let vouchers = listed(world, &ids).await;
        let parts = |it: &Voucher| (it.remaining, it.captured, it.expired, it.state(due));
        let parts: Vec<_> = vouchers.iter().map(parts).collect();
        assert_eq!(
            parts,
            [
                (0, 0, 10, VoucherState::Expired),
                (0, 20, 0, VoucherState::UsedUp),
                (30, 0, 0, VoucherState::Usable),
            ]
        );
        let ledger = world.ledger(&acme(), &ids).await;
        assert!(ledger.ends_with("voucher:V1 > expired:V1 CNY 0.10"), "{ledger}");
        world.assert_sound().await;
    })
    .await;
}

// V-5, W-3: what was held before the end is captured after it, or expires once it is released.
#[tokio::test]
async fn what_is_held_beyond_the_end_of_a_voucher_expires_when_it_is_released() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let ids = world.with_vouchers(&[(100, 1)]).await;
        let end = noon() + TimeDelta::days(1);
        world.clock.set(end - TimeDelta::microseconds(1));
        let mut late = checkout(1, 130);
        late.charge.bill.as_of = end - TimeDelta::microseconds(1);
        world.check_out(late).await.unwrap();
        world.clock.set(end + MAX_SKEW);
        assert_eq!(world.wallets.expire_vouchers(1).await.unwrap(), Swept { done: 0, more: false });
        assert_eq!(listed(world, &ids).await[0].held, 100);
        world.wallets.void(kernel::ids::PaymentId(id(1)), &acme()).await.unwrap();
        assert_eq!(world.wallets.expire_vouchers(1).await.unwrap().done, 1);
        assert_eq!(listed(world, &ids).await[0].expired, 100);
        world.assert_sound().await;
    })
    .await;
}

fn list(basket: Option<Basket>, days: Option<i64>) -> VoucherList {
    let part = Part { after: None, skip: 0, size: 10, with_total: true };
    let expiring_within = days.map(TimeDelta::days);
    VoucherList { account: acme(), usable_only: false, expiring_within, basket, part }
}

// V-1: each voucher says what it could pay alone, or every reason why nothing.
#[tokio::test]
async fn a_list_tells_what_each_voucher_could_pay_of_a_basket() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 500).await;
        let grants = vec![
            grant(30, 1, |_| ()),
            grant(500, 2, |_| ()),
            grant(50, 3, |terms| terms.minimum_spend = 101),
            grant(50, 4, |terms| terms.largest_share_percent = Some(25)),
            grant(50, 5, |terms| terms.automatic_use = false),
            grant(50, 6, |_| ()),
        ];
        let issue = crate::app::Issue { once: world.once(0), grants };
        let issued = world.wallets.issue(&issue).await.unwrap().into_inner();
        world.wallets.revoke(&acme(), issued[5].id, "").await.unwrap();
        let items = vec![item("i-1", 60), item("i-2", 40)];
        let basket = Basket { items, currency: Cny, automatic: true };
        let uses = world.wallets.vouchers(&list(Some(basket.clone()), None)).await.unwrap().uses;
        assert_eq!(uses[..2], [Ok(30), Ok(100)]);
        assert!(
            uses[2].as_ref().is_err_and(|why| why.contains("101") || why.contains("1.01")),
            "{uses:?}"
        );
        assert_eq!(uses[3], Ok(25));
        assert!(uses[4].as_ref().is_err_and(|why| why.contains("automatic")), "{uses:?}");
        assert_eq!(uses[5], Err("The voucher was revoked.".to_owned()));

        let dollars = Basket { currency: Usd, ..basket };
        let error = world.wallets.vouchers(&list(Some(dollars), None)).await.unwrap_err();
        assert_eq!(error.reason(), "CURRENCY_MISMATCH");
    })
    .await;
}

// V-5: what the account is about to lose.
#[tokio::test]
async fn a_list_warns_of_what_expires_unused() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let ids = world.with_vouchers(&[(10, 1), (20, 2), (30, 3), (40, 1)]).await;
        world
            .charge({
                let mut it = charge(1, 10);
                it.choice = named(&ids[..1]);
                it
            })
            .await
            .unwrap();
        world.wallets.revoke(&acme(), ids[3], "").await.unwrap();
        for (days, now, expected) in [
            (0, noon(), vec![]),
            (1, noon(), vec![]),
            (2, noon(), vec![20]),
            (2, noon() - TimeDelta::microseconds(1), vec![]),
            (3, noon(), vec![20, 30]),
            (3, noon() + TimeDelta::days(2), vec![30]),
        ] {
            world.clock.set(now);
            let rows = world.wallets.vouchers(&list(None, Some(days))).await.unwrap().rows;
            let faces: Vec<_> = rows.items.iter().map(|it| it.face.minor()).collect();
            assert_eq!((faces, rows.total), (expected.clone(), Some(expected.len() as u64)));
        }
    })
    .await;
}

/// Whose money has come, of what the store tells after `cursor`.
async fn funded(world: &World, cursor: &str) -> (Vec<String>, String) {
    loop {
        let (events, next) = world.wallets.fundings(cursor, 100).await.unwrap();
        // Transactions of other tests on the same server hold events back for a while.
        if !events.is_empty() {
            return (events.into_iter().map(|event| event.account).collect(), next);
        }
        tokio::task::yield_now().await;
    }
}

// a deposit and a voucher are told, once; a payment is not.
#[tokio::test]
async fn money_that_comes_is_told_in_order() {
    on_each_database(async |world| {
        world.open(&other("b"), Cny).await;
        world.with_cash(&acme(), 100).await;
        let (accounts, cursor) = funded(world, "").await;
        assert_eq!(accounts, ["acme"]);
        assert_eq!(outcome(&world.charge(charge(1, 40)).await.unwrap()), "SUCCEEDED");
        let code = codes(world, 1, 10).await.remove(0);
        world.wallets.redeem(world.once(1), &other("b"), &code).await.unwrap();
        let (accounts, cursor) = funded(world, &cursor).await;
        assert_eq!(accounts, ["b"]);
        assert_eq!(world.wallets.fundings(&cursor, 100).await.unwrap(), (Vec::new(), cursor));
        let error = world.wallets.fundings("forged", 100).await.unwrap_err();
        assert_eq!(error.reason(), "CURSOR_EXPIRED");
    })
    .await;
}
