use chrono::TimeDelta;
use platform::status::ApiError as _;
use rule_engine::voucher::VoucherChoice;
use sea_orm::ConnectionTrait as _;

use super::*;
use crate::tests::*;

// W-3, W-4, V-4
#[tokio::test]
async fn vouchers_and_cash_are_held_and_the_channel_is_asked_for_the_rest() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        let vouchers = world.with_vouchers(&[(30, 30)]).await;
        let payment = world.check_out(checkout(1, 100)).await.unwrap().into_inner();

        assert_eq!(world.state(1).await, "PENDING");
        assert_eq!(world.payment(1).await, payment);
        let intent = payment.intent.unwrap();
        assert_eq!((intent.amount, intent.channel), (45, channel("sandbox")));
        assert_eq!(intent.expires, noon() + TimeDelta::minutes(30));
        assert_eq!(world.both().await, (0, 25));
        assert_eq!(world.remaining(&vouchers).await, [0]);
        let ledger = world.ledger(&acme(), &vouchers).await.replace(&id(1).to_string(), "P");
        insta::allow_duplicates! {
            insta::assert_snapshot!(ledger, @r"
            1 external:deposit > cash CNY 0.25
            2 issued:voucher > voucher:V1 CNY 0.30
            3 voucher:V1 > hold:P:voucher:V1 CNY 0.30
            4 cash > hold:P:cash CNY 0.25
            ");
        }
        world.assert_sound().await;
    })
    .await;
}

// W-4: all of it, if the payer wants to keep cash and vouchers.
#[tokio::test]
async fn without_cash_and_vouchers_the_channel_is_asked_for_the_whole() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.with_vouchers(&[(100, 30)]).await;
        let mut whole = checkout(1, 100);
        (whole.use_cash, whole.charge.choice) = (false, VoucherChoice::None);
        whole.expire_by = noon() + TimeDelta::minutes(7);
        let intent = world.check_out(whole.clone()).await.unwrap().into_inner().intent.unwrap();
        assert_eq!((intent.amount, intent.expires), (100, whole.expire_by));
        assert_eq!(world.both().await, (100, 0));

        whole.charge = charge(2, 100);
        let error = world.check_out(whole).await.unwrap_err();
        assert_eq!(error.reason(), "CHANNEL_NOT_NEEDED");
        let error = world.check_out(checkout(3, 200)).await.unwrap_err();
        assert_eq!(error.reason(), "CHANNEL_NOT_NEEDED");
        assert_eq!(world.both().await, (100, 0));
        world.assert_sound().await;
    })
    .await;
}

// O-3
#[tokio::test]
async fn a_repeated_checkout_holds_once_and_is_answered_as_it_is_stored() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        let first = world.check_out(checkout(1, 100)).await.unwrap();
        let again = world.check_out(checkout(1, 100)).await.unwrap();
        assert!(matches!((&first, &again), (Replayed::First(_), Replayed::Again(_))));
        assert_eq!(first.into_inner(), again.into_inner());
        assert_eq!(world.both().await, (0, 25));
        let error = world.check_out(checkout(1, 99)).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
        let error = world.charge(charge(1, 99)).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");

        world.clock.advance(TimeDelta::minutes(6));
        assert!(matches!(world.check_out(checkout(1, 100)).await, Ok(Replayed::Again(_))));
        let error = world.check_out(checkout(2, 100)).await.unwrap_err();
        assert_eq!(error.reason(), "CLOCK_SKEW");
        world.assert_sound().await;
    })
    .await;
}

// W-6, V-2
#[tokio::test]
async fn a_checkout_that_cannot_be_is_refused_and_holds_nothing() {
    on_each_database(async |world| {
        assert_eq!(outcome(&world.check_out(checkout(1, 9)).await.unwrap()), "WALLET_NOT_FOUND");
        world.with_cash(&acme(), 25).await;
        let mut named_wrong = checkout(2, 100);
        named_wrong.charge.choice = named(&[kernel::ids::VoucherId(id(7))]);
        let refused = world.check_out(named_wrong).await.unwrap();
        assert_eq!(outcome(&refused), "VOUCHER_NOT_APPLICABLE");
        assert_eq!(refused.into_inner().intent, None);

        let mut unknown = checkout(3, 100);
        unknown.channel = channel("nobody");
        assert_eq!(world.check_out(unknown).await.unwrap_err().reason(), "CHANNEL_NOT_FOUND");
        let mut dollars = checkout(4, 100);
        dollars.charge.bill.amount = kernel::Money::new(100, kernel::Currency::Usd);
        assert_eq!(world.check_out(dollars).await.unwrap_err().reason(), "CURRENCY_MISMATCH");
        assert_eq!(world.both().await, (25, 0));
        world.assert_sound().await;
    })
    .await;
}

// W-3: what is held cannot be spent, and no deposit keeps it from coming back.
#[tokio::test]
async fn what_is_held_is_not_there_for_others() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        world.intend(1, 100).await;
        assert_eq!(outcome(&world.charge(charge(2, 1)).await.unwrap()), "INSUFFICIENT_FUNDS");
        let most = cny(i64::MAX - 25);
        let more = cny(i64::MAX - 24);
        let error = world.wallets.deposit(world.once(1), &acme(), more, "").await.unwrap_err();
        assert_eq!(error.reason(), "AMOUNT_TOO_LARGE");
        world.wallets.deposit(world.once(1), &acme(), most, "").await.unwrap();
        world.wallets.void(PaymentId(id(1)), &acme()).await.unwrap();
        assert_eq!(world.both().await, (i64::MAX, 0));
    })
    .await;
}

// W-3, V-5: a single-use voucher is held whole, and comes back whole.
#[tokio::test]
async fn a_pending_payment_that_is_voided_releases_what_it_holds() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        let once = grant(80, 30, |terms| {
            terms.single_use = true;
            terms.largest_share_percent = Some(50);
        });
        let issue = crate::app::Issue { once: world.once(0), grants: vec![once] };
        let voucher = world.wallets.issue(&issue).await.unwrap().into_inner()[0].id;
        world.intend(1, 100).await;
        assert_eq!(world.remaining(&[voucher]).await, [0]);
        world.assert_sound().await;

        let error = world.wallets.void(PaymentId(id(1)), &"other".parse().unwrap()).await;
        assert_eq!(error.unwrap_err().reason(), "REQUEST_ID_REUSED");
        let voided = world.wallets.void(PaymentId(id(1)), &acme()).await.unwrap();
        assert_eq!((outcome(&voided).as_str(), world.both().await), ("VOIDED", (25, 0)));
        assert_eq!(world.remaining(&[voucher]).await, [80]);
        let again = world.wallets.void(PaymentId(id(1)), &acme()).await.unwrap();
        assert!(matches!(again, Replayed::Again(_)));
        assert_eq!(world.state(1).await, "VOIDED");
        assert!(matches!(world.check_out(checkout(1, 100)).await, Ok(Replayed::Again(_))));
        assert_eq!(world.both().await, (25, 0));
        world.assert_sound().await;
    })
    .await;
}

// W-3
#[tokio::test]
async fn holds_are_released_from_the_instant_on_at_which_they_expire() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        for (number, minutes) in [(1, 10), (2, 40)] {
            let mut checkout = checkout(number, 160);
            checkout.expire_by = noon() + TimeDelta::minutes(minutes);
            world.check_out(checkout).await.unwrap();
        }
        world.clock.set(noon() + TimeDelta::minutes(10) - TimeDelta::microseconds(1));
        assert_eq!(world.wallets.expire_holds(10).await.unwrap().done, 0);
        world.clock.set(noon() + TimeDelta::minutes(10));
        assert_eq!(world.wallets.expire_holds(10).await.unwrap(), Swept { done: 1, more: false });
        assert_eq!((world.state(1).await.as_str(), world.both().await), ("VOIDED", (100, 0)));
        world.clock.set(noon() + TimeDelta::minutes(30));
        assert_eq!(world.wallets.expire_holds(10).await.unwrap(), Swept { done: 1, more: false });
        assert_eq!(world.wallets.expire_holds(10).await.unwrap(), Swept { done: 0, more: false });
        assert_eq!(world.both().await, (100, 0));
        world.assert_sound().await;
    })
    .await;
}

// O-8: the caller's clock is behind ours, and the order has ended by ours.
#[tokio::test]
async fn an_intent_that_would_have_ended_is_refused_and_holds_nothing() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        let mut ended = checkout(1, 100);
        ended.expire_by = noon() + TimeDelta::minutes(1);
        world.clock.set(ended.expire_by);
        let error = world.check_out(ended.clone()).await.unwrap_err();
        assert_eq!(error.reason(), "ORDER_NOT_PAYABLE");
        assert_eq!(world.both().await, (25, 0));
        world.clock.set(ended.expire_by - TimeDelta::microseconds(1));
        assert_eq!(outcome(&world.check_out(ended.clone()).await.unwrap()), "PENDING");
        // A repeat is answered as it is stored (O-3).
        world.clock.set(ended.expire_by);
        assert!(matches!(world.check_out(ended).await, Ok(Replayed::Again(_))));
        world.assert_sound().await;
    })
    .await;
}

// W-3
#[tokio::test]
async fn a_payment_that_cannot_be_read_keeps_none_of_the_others_from_being_released() {
    on_each_database(async |world| {
        for number in 1..=4 {
            let mut checkout = checkout(number, 60);
            checkout.charge.account = format!("a-{number}").parse().unwrap();
            world.with_cash(&checkout.charge.account, 10).await;
            world.check_out(checkout).await.unwrap();
        }
        let broken = "UPDATE payments SET currency = '???' WHERE account IN ('a-1', 'a-2')";
        world.database.writer().execute_unprepared(broken).await.unwrap();
        world.clock.set(noon() + TimeDelta::minutes(30));
        let alerts = Alerts::listen();
        assert_eq!(world.wallets.expire_holds(3).await.unwrap(), Swept { done: 1, more: true });
        assert_eq!(alerts.take(), ["a payment cannot be read, and keeps what it holds"; 2]);
        assert_eq!(world.wallets.expire_holds(3).await.unwrap(), Swept { done: 1, more: false });
        // What is left cannot be done, and is not asked for again at once.
        for limit in [1, 2] {
            let left = world.wallets.expire_holds(limit).await.unwrap();
            assert_eq!(left, Swept { done: 0, more: false });
        }
        for number in [3, 4] {
            assert_eq!(world.state(number).await, "VOIDED");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_of_a_sweep_says_whether_more_are_due() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        for number in 1..=3 {
            world.intend(number, 60).await;
        }
        world.clock.set(noon() + TimeDelta::minutes(30));
        for (done, more) in [(2, true), (1, false)] {
            assert_eq!(world.wallets.expire_holds(2).await.unwrap(), Swept { done, more });
        }
        world.assert_sound().await;
    })
    .await;
}

// W-3: several sweeps, voids and confirmations of the same payments at once agree.
#[tokio::test(flavor = "multi_thread")]
async fn sweeps_voids_and_confirmations_at_once_end_each_payment_once() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 80).await;
        let mut intents = Vec::new();
        for number in 1..=8 {
            let payment = world.check_out(checkout(number, 100)).await.unwrap().into_inner();
            intents.push(payment.intent.unwrap());
        }
        // Another instance, whose clock says that it is too late.
        let now = world.now();
        let late = world.at(noon() + TimeDelta::minutes(30));
        let mut calls = tokio::task::JoinSet::new();
        for (number, intent) in (1..).zip(intents) {
            let message = format!("m-{number}");
            let callback = signed(&message, now, &paid(intent.id, &message, intent.amount));
            let (wallets, voiding, late) =
                (world.wallets.clone(), world.wallets.clone(), late.clone());
            calls.spawn(async move { wallets.confirm(&callback).await.map(|_| ()) });
            calls.spawn(
                async move { voiding.void(PaymentId(id(number)), &acme()).await.map(|_| ()) },
            );
            calls.spawn(async move { late.expire_holds(100).await.map(|_| ()) });
        }
        for result in calls.join_all().await {
            result.unwrap();
        }
        world.assert_sound().await;
        // The channel paid 20 of the first and 100 of each other; what was not taken is cash.
        let mut cash = 80 + 20 + 7 * 100;
        for number in 1..=8 {
            let state = world.state(number).await;
            assert!(["SUCCEEDED", "VOIDED"].contains(&state.as_str()), "{state}");
            cash -= if state == "SUCCEEDED" { 100 } else { 0 };
        }
        assert_eq!(world.both().await, (cash, 0));
    })
    .await;
}
