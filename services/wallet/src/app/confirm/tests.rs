use chrono::TimeDelta;
use platform::status::ApiError as _;

use super::*;
use crate::tests::*;

// W-3, W-4, O-8
#[tokio::test]
async fn a_confirmation_captures_what_is_held_and_books_what_the_channel_paid() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        let vouchers = world.with_vouchers(&[(30, 30)]).await;
        let intent = world.intend(1, 100).await;
        world.clock.advance(TimeDelta::minutes(3));
        assert_eq!(world.told("m-1", &paid(intent, "CP-1", 45)).await, "PAID 45");

        let payment = world.payment(1).await;
        assert!(matches!(payment.outcome, Outcome::Succeeded(_)));
        assert_eq!(payment.confirm_time, Some(noon() + TimeDelta::minutes(3)));
        assert_eq!(world.both().await, (0, 0));
        let ledger = world.ledger(&acme(), &vouchers).await.replace(&id(1).to_string(), "P");
        insta::allow_duplicates! {
            insta::assert_snapshot!(ledger.replace(&id(1_000_001).to_string(), "O"), @r"
            1 external:deposit > cash CNY 0.25
            2 issued:voucher > voucher:V1 CNY 0.30
            3 voucher:V1 > hold:P:voucher:V1 CNY 0.30
            4 cash > hold:P:cash CNY 0.25
            5 hold:P:voucher:V1 > revenue:O CNY 0.30
            6 hold:P:cash > revenue:O CNY 0.25
            7 external:channel:sandbox > revenue:O CNY 0.45
            ");
        }
        let voided = world.wallets.void(payment.id, &acme()).await.unwrap();
        assert_eq!(outcome(&voided), "SUCCEEDED");
        world.assert_sound().await;
    })
    .await;
}

// V-4: each item keeps its parts by source, split in the same way.
#[tokio::test]
async fn every_item_knows_what_the_channel_paid_of_it() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 90).await;
        let mut two = checkout(1, 300);
        two.charge.items = vec![item("i-1", 100), item("i-2", 200)];
        let intent = world.check_out(two).await.unwrap().into_inner().intent.unwrap();
        assert_eq!(world.told("m-1", &paid(intent.id, "CP-1", 210)).await, "PAID 210");
        let Outcome::Succeeded(coverage) = world.payment(1).await.outcome else { panic!() };
        let parts: Vec<_> = coverage.items.iter().map(|it| (it.cash, it.channel)).collect();
        assert_eq!(parts, [(30, 70), (60, 140)]);
        world.assert_sound().await;
    })
    .await;
}

// W-4
#[tokio::test]
async fn a_repeat_is_answered_with_the_first_result_and_books_nothing() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 100).await;
        let body = paid(intent, "CP-1", 100);
        let first = world.tell("m-1", &body).await.unwrap();
        // The same message, and the same money in another one.
        for message in ["m-1", "m-2", "m-2"] {
            let again = world.tell(message, &body).await.unwrap();
            assert!(matches!(again, Replayed::Again(_)), "{message}");
            assert_eq!(again.into_inner(), first.clone().into_inner());
        }
        let other = paid(intent, "CP-2", 100);
        assert_eq!(world.told("m-1", &other).await, "REQUEST_ID_REUSED");
        assert_eq!(world.both().await, (0, 0));
        world.assert_sound().await;
    })
    .await;
}

// W-4
#[tokio::test]
async fn money_that_pays_nothing_goes_to_the_cash_balance() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 10).await;
        let twice = world.intend(1, 110).await;
        assert_eq!(world.told("m-1", &paid(twice, "CP-1", 100)).await, "PAID 100");
        assert_eq!(world.told("m-2", &paid(twice, "CP-2", 100)).await, "PAID_TWICE 100");
        assert_eq!(world.both().await, (100, 0));

        let wrong = world.intend(2, 150).await;
        let answer = world.told("m-3", &paid(wrong, "CP-3", 49)).await;
        assert_eq!(answer, "PAYMENT_AMOUNT_MISMATCH 49");
        assert_eq!((world.state(2).await.as_str(), world.both().await), ("PENDING", (49, 100)));
        world.assert_sound().await;
        assert_eq!(world.told("m-4", &paid(wrong, "CP-4", 50)).await, "PAID 50");

        let voided = world.intend(3, 150).await;
        world.wallets.void(kernel::ids::PaymentId(id(3)), &acme()).await.unwrap();
        assert_eq!(world.told("m-5", &paid(voided, "CP-5", 101)).await, "PAID_TOO_LATE 101");
        assert_eq!((world.state(3).await.as_str(), world.both().await), ("VOIDED", (150, 0)));
        world.assert_sound().await;
    })
    .await;
}

// W-3, W-4: the sweep has not come by yet.
#[tokio::test]
async fn a_confirmation_at_the_end_of_the_intent_is_too_late() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 20).await;
        let last = TimeDelta::minutes(30) - TimeDelta::microseconds(1);
        for (number, after, expected) in
            [(1, last, "PAID 80"), (2, TimeDelta::minutes(30), "PAID_TOO_LATE 100")]
        {
            world.clock.set(noon());
            let intent = world.intend(number, 100).await;
            world.clock.set(noon() + after);
            let amount = expected.rsplit(' ').next().unwrap().parse().unwrap();
            let message = format!("m-{number}");
            assert_eq!(world.told(&message, &paid(intent, &message, amount)).await, expected);
        }
        assert_eq!(world.both().await, (100, 0));
        world.assert_sound().await;
    })
    .await;
}

// W-4: a failure books no money, and so none under a name that it gives.
#[tokio::test]
async fn money_that_a_failure_named_is_booked_when_it_comes() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 40).await;
        let failed = not_paid(intent, "failed");
        let failed = failed.replace(r#""data": {"#, r#""data": {"channel_payment_id": "CP-1", "#);
        assert_eq!(world.told("m-1", &failed).await, "VOIDED 0");
        assert_eq!(world.told("m-2", &paid(intent, "CP-1", 40)).await, "PAID_TOO_LATE 40");
        assert_eq!(world.both().await, (40, 0));
        world.assert_sound().await;
    })
    .await;
}

// W-4: in whatever order they come.
#[tokio::test]
async fn news_without_money_void_or_change_nothing() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 30).await;
        let intent = world.intend(1, 100).await;
        assert_eq!(world.told("m-1", &not_paid(intent, "pending")).await, "NOTHING 0");
        assert_eq!((world.state(1).await.as_str(), world.both().await), ("PENDING", (0, 30)));
        assert_eq!(world.told("m-2", &not_paid(intent, "failed")).await, "VOIDED 0");
        assert_eq!((world.state(1).await.as_str(), world.both().await), ("VOIDED", (30, 0)));
        assert_eq!(world.told("m-2", &not_paid(intent, "failed")).await, "VOIDED 0");
        assert_eq!(world.told("m-3", &not_paid(intent, "failed")).await, "NOTHING 0");
        assert_eq!(world.told("m-4", &paid(intent, "CP-1", 70)).await, "PAID_TOO_LATE 70");

        let intent = world.intend(2, 200).await;
        assert_eq!(world.told("m-5", &paid(intent, "CP-2", 100)).await, "PAID 100");
        for what in ["failed", "pending"] {
            assert_eq!(world.told(what, &not_paid(intent, what)).await, "NOTHING 0");
        }
        assert_eq!(world.state(2).await, "SUCCEEDED");
        world.assert_sound().await;
    })
    .await;
}

// W-4, W-6
#[tokio::test]
async fn what_is_not_asked_for_is_refused_and_booked_nowhere() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 100).await;
        let dollars = paid(intent, "CP-1", 100).replace("CNY", "USD");
        assert_eq!(world.told("m-1", &dollars).await, "CURRENCY_MISMATCH");
        let unknown = paid(IntentId(id(7)), "CP-1", 100);
        assert_eq!(world.told("m-1", &unknown).await, "INTENT_NOT_FOUND");
        assert_eq!(world.told("m-1", "{}").await, "INVALID_REQUEST");

        let now = world.now();
        let mut foreign = signed("m-1", now, &paid(intent, "CP-1", 100));
        foreign.channel = "other".to_owned();
        let error = world.wallets.confirm(&foreign).await.unwrap_err();
        assert_eq!(error.reason(), "INTENT_NOT_FOUND");
        for name in ["nobody", "no name"] {
            foreign.channel = name.to_owned();
            let error = world.wallets.confirm(&foreign).await.unwrap_err();
            assert_eq!(error.reason(), "CHANNEL_NOT_FOUND");
        }
        // A refusal is not kept: the same message is booked once it is right.
        assert_eq!(world.told("m-1", &paid(intent, "CP-1", 100)).await, "PAID 100");
        world.assert_sound().await;
    })
    .await;
}

// W-4
#[tokio::test]
async fn a_message_that_is_signed_wrongly_or_long_ago_is_refused() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 100).await;
        let (now, body) = (world.now(), paid(intent, "CP-1", 100));
        let good = || signed("m-1", now, &body);
        let refused = async |change: fn(&mut Callback)| {
            let mut callback = good();
            change(&mut callback);
            world.wallets.confirm(&callback).await.unwrap_err().reason().to_owned()
        };
        assert_eq!(refused(|it| it.signature.clear()).await, "SIGNATURE_INVALID");
        assert_eq!(refused(|it| it.body.push(b' ')).await, "SIGNATURE_INVALID");
        assert_eq!(refused(|it| it.id.push('2')).await, "SIGNATURE_INVALID");
        assert_eq!(refused(|it| it.timestamp.clear()).await, "INVALID_REQUEST");
        for (late, expected) in [(301, "SIGNATURE_INVALID"), (-301, "SIGNATURE_INVALID")] {
            let callback = signed("m-1", now - TimeDelta::seconds(late), &body);
            let error = world.wallets.confirm(&callback).await.unwrap_err();
            assert_eq!(error.reason(), expected, "{late} seconds");
        }
        assert_eq!(world.state(1).await, "PENDING");
        let callback = signed("m-1", now - TimeDelta::seconds(300), &body);
        assert!(matches!(world.wallets.confirm(&callback).await, Ok(Replayed::First(_))));
    })
    .await;
}

// W-2
#[tokio::test]
async fn money_that_would_not_fit_is_refused_and_changes_nothing() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 100).await;
        let once = world.once(1);
        world.wallets.deposit(once, &acme(), cny(i64::MAX - 1), "").await.unwrap();
        assert_eq!(world.told("m-1", &paid(intent, "CP-1", 2)).await, "AMOUNT_TOO_LARGE");
        assert_eq!(world.told("m-1", &paid(intent, "CP-1", 100)).await, "PAID 100");
    })
    .await;
}

// V-5: what is held before the end of a voucher may be captured after it, and what is released
// after it pays no more.
#[tokio::test]
async fn what_is_held_of_a_voucher_is_captured_after_its_end() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let vouchers = world.with_vouchers(&[(30, 1)]).await;
        let end = noon() + TimeDelta::days(1);
        world.clock.set(end - TimeDelta::minutes(10));
        let mut late = checkout(1, 100);
        late.charge.bill.as_of = world.now();
        let intent = world.check_out(late).await.unwrap().into_inner().intent.unwrap();
        world.clock.set(end);
        assert_eq!(world.told("m-1", &paid(intent.id, "CP-1", 70)).await, "PAID 70");
        assert_eq!(world.remaining(&vouchers).await, [0]);
        world.assert_sound().await;
    })
    .await;
}

// V-5: a single-use voucher forfeits its rest when it is captured, not when it is held.
#[tokio::test]
async fn the_rest_of_a_single_use_voucher_is_forfeited_with_the_capture() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let half = grant(80, 30, |terms| {
            terms.single_use = true;
            terms.largest_share_percent = Some(50);
        });
        let issue = crate::app::Issue { once: world.once(0), grants: vec![half] };
        let voucher = world.wallets.issue(&issue).await.unwrap().into_inner()[0].id;
        let intent = world.intend(1, 100).await;
        let named = [(acme(), voucher)];
        let held = world.store.vouchers_by_id(&named).await.unwrap().remove(&voucher).unwrap();
        assert_eq!((held.remaining, held.held, held.forfeited), (0, 80, 0));
        assert_eq!(world.told("m-1", &paid(intent, "CP-1", 50)).await, "PAID 50");
        let taken = world.store.vouchers_by_id(&named).await.unwrap().remove(&voucher).unwrap();
        assert_eq!((taken.held, taken.captured, taken.forfeited), (0, 50, 30));
        world.assert_sound().await;
    })
    .await;
}

const NOWHERE: &str = "what a channel says is booked nowhere";

// W-4: who is signed for and refused has somebody look; who is not signed for, nobody.
#[tokio::test]
async fn every_refusal_of_a_signed_callback_raises_the_alert() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 100).await;
        let alerts = Alerts::listen();
        let good = paid(intent, "CP-1", 100);
        let unsigned = Callback { signature: String::new(), ..signed("m-0", world.now(), &good) };
        world.wallets.confirm(&unsigned).await.unwrap_err();
        assert_eq!(world.told("m-1", &good).await, "PAID 100");
        assert_eq!(alerts.take(), [""; 0]);
        for (message, body, reason) in [
            ("m-2", good.replace("CNY", "USD"), "CURRENCY_MISMATCH"),
            ("m-2", good.replace("CNY", "XYZ"), "CURRENCY_MISMATCH"),
            ("m-2", paid(IntentId(id(7)), "CP-1", 100), "INTENT_NOT_FOUND"),
            ("m-2", "{}".to_owned(), "INVALID_REQUEST"),
            ("m-1", paid(intent, "CP-2", 100), "REQUEST_ID_REUSED"),
        ] {
            assert_eq!(world.told(message, &body).await, reason, "{body}");
            assert_eq!(alerts.take(), [NOWHERE], "{body}");
        }
    })
    .await;
}

// W-4
#[tokio::test]
async fn news_that_contradict_what_is_booked_change_nothing_and_raise_the_alert() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let (intent, other) = (world.intend(1, 100).await, world.intend(2, 100).await);
        let alerts = Alerts::listen();
        assert_eq!(world.told("m-1", &paid(intent, "CP-1", 100)).await, "PAID 100");
        assert_eq!(world.told("m-2", &paid(intent, "CP-1", 100)).await, "PAID 100");
        assert_eq!(alerts.take(), [""; 0]);
        for (message, body) in
            [("m-3", paid(intent, "CP-1", 99)), ("m-4", paid(other, "CP-1", 100))]
        {
            assert_eq!(world.told(message, &body).await, "PAID 100");
            assert_eq!(alerts.take(), ["a channel says other things of money that is booked"]);
        }
        assert_eq!(world.told("m-5", &not_paid(intent, "failed")).await, "NOTHING 0");
        assert_eq!(alerts.take(), ["a channel contradicts what it said before"]);
        assert_eq!(world.state(1).await, "SUCCEEDED");
        assert_eq!((world.state(2).await.as_str(), world.both().await), ("PENDING", (0, 0)));
        world.assert_sound().await;
    })
    .await;
}

/// Confirms sixteen times at once, each message with its money, and counts the answers.
async fn sixteen(world: &World, messages: impl Fn(usize) -> (String, String)) -> Vec<String> {
    let mut calls = tokio::task::JoinSet::new();
    for place in 0..16 {
        let (message, body) = messages(place);
        let callback = signed(&message, world.now(), &body);
        let wallets = world.wallets.clone();
        calls.spawn(async move {
            let confirmed = wallets.confirm(&callback).await.unwrap();
            let first = matches!(confirmed, Replayed::First(_));
            format!("{} {first}", booked(&confirmed.into_inner()))
        });
    }
    let mut answers = calls.join_all().await;
    answers.sort();
    answers
}

// W-4
#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_confirmations_at_once_one_books_and_the_rest_agree() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        for (number, own_messages) in [(1, false), (2, true)] {
            let intent = world.intend(number, 100).await;
            let money = format!("CP-{number}");
            let answers = sixteen(world, |place| {
                let place = if own_messages { place } else { 0 };
                (format!("m-{number}-{place}"), paid(intent, &money, 100))
            });
            let mut expected = vec!["PAID 100 false"; 15];
            expected.push("PAID 100 true");
            assert_eq!(answers.await, expected);
        }
        assert_eq!(world.both().await, (0, 0));
        world.assert_sound().await;
    })
    .await;
}

// W-4: different money for one intent pays once, and the rest is the customer's.
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_payments_for_one_intent_pay_it_once() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 100).await;
        let answers =
            sixteen(world, |place| (format!("m-{place}"), paid(intent, &format!("{place}"), 100)));
        let answers = answers.await;
        assert_eq!(answers.iter().filter(|it| *it == "PAID 100 true").count(), 1);
        assert_eq!(answers.iter().filter(|it| *it == "PAID_TWICE 100 true").count(), 15);
        assert_eq!(world.both().await, (1_500, 0));
        world.assert_sound().await;
    })
    .await;
}
