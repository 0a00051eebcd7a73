use chrono::TimeDelta;
use platform::status::ApiError as _;

use super::*;
use crate::tests::*;

fn through_channel(refund: u128, payment: u128, names: &[&str]) -> RefundAsk {
    RefundAsk { through_channel: true, ..ask(refund, payment, names) }
}

/// Payment 1 of 300 over two items: by a voucher of 30, by cash of 60 and by the channel.
async fn paid_by_all(world: &World) -> VoucherId {
    world.with_cash(&acme(), 60).await;
    let vouchers = world.with_vouchers(&[(30, 1)]).await;
    let mut two = checkout(1, 300);
    two.charge.items = vec![item("i-1", 100), item("i-2", 200)];
    let intent = world.check_out(two).await.unwrap().into_inner().intent.unwrap();
    assert_eq!(world.told("m-paid", &paid(intent.id, "CP-1", 210)).await, "PAID 210");
    vouchers[0]
}

/// What remains of, was captured of and is void of a voucher.
async fn parts_of(world: &World, voucher: VoucherId) -> (i64, i64, i64) {
    let found = world.store.vouchers_by_id(&[(acme(), voucher)]).await.unwrap();
    let it = &found[&voucher];
    (
        it.remaining,
        it.captured,
        it.face.minor() - it.remaining - it.captured - it.held - it.forfeited,
    )
}

/// The body of a callback on a refund: `succeeded` with an amount, `failed` or `pending`.
fn refund_body(refund: u128, what: &str, amount: i64) -> String {
    format!(
        r#"{{"type": "refund.{what}", "data": {{"refund_id": "{}",
            "amount": {{"minor_units": {amount}, "currency_code": "CNY"}}}}}}"#,
        id(refund)
    )
}

// O-6, V-4
#[tokio::test]
async fn items_go_back_one_by_one_to_where_their_parts_came_from() {
    on_each_database(async |world| {
        let voucher = paid_by_all(world).await;
        let refund = world.wallets.refund(&ask(51, 1, &["i-1"])).await.unwrap().into_inner();
        assert_eq!((refund.amount(), refund.pending), (100, false));
        assert_eq!(parts_of(world, voucher).await, (10, 20, 0));
        assert_eq!(world.both().await, (20 + 70, 0));
        world.assert_sound().await;

        world.wallets.refund(&ask(52, 1, &["i-2"])).await.unwrap();
        assert_eq!(parts_of(world, voucher).await, (30, 0, 0));
        assert_eq!(world.both().await, (60 + 210, 0));
        world.assert_sound().await;
        let ledger = world.ledger(&acme(), &[voucher]).await.replace(&id(1).to_string(), "P");
        let ledger = ledger.replace(&id(1_000_001).to_string(), "O");
        let last: Vec<_> = ledger.lines().skip(7).collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(last.join("\n"), @r"
            8 revenue:O > voucher:V1 CNY 0.10
            9 revenue:O > cash CNY 0.20
            10 revenue:O > cash CNY 0.70
            11 revenue:O > voucher:V1 CNY 0.20
            12 revenue:O > cash CNY 0.40
            13 revenue:O > cash CNY 1.40
            ");
        }
    })
    .await;
}

// O-3
#[tokio::test]
async fn a_repeated_refund_gives_back_once_and_is_answered_as_it_is_stored() {
    on_each_database(async |world| {
        paid_by_all(world).await;
        let first = world.wallets.refund(&through_channel(51, 1, &["i-1"])).await.unwrap();
        let again = world.wallets.refund(&through_channel(51, 1, &["i-1"])).await.unwrap();
        assert!(matches!((&first, &again), (Replayed::First(_), Replayed::Again(_))));
        assert_eq!(first.into_inner(), again.into_inner());
        let error = world.wallets.refund(&ask(51, 1, &["i-2"])).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
        world.assert_sound().await;
    })
    .await;
}

// O-6, W-3
#[tokio::test]
async fn what_cannot_be_given_back_is_refused_and_changes_nothing() {
    on_each_database(async |world| {
        paid_by_all(world).await;
        world.intend(2, 400).await;
        world.wallets.refund(&ask(51, 1, &["i-1"])).await.unwrap();
        let before = world.ledger(&acme(), &[]).await;
        let mut foreign = ask(52, 1, &["i-2"]);
        foreign.account = "other".parse().unwrap();
        world.with_cash(&foreign.account, 0).await;
        let mut nobody = ask(52, 1, &["i-2"]);
        nobody.account = "nobody".parse().unwrap();
        for (ask, reason) in [
            (ask(52, 9, &["i-1"]), "PAYMENT_NOT_FOUND"),
            (foreign, "PAYMENT_NOT_FOUND"),
            (nobody, "PAYMENT_NOT_FOUND"),
            (ask(52, 2, &["i-1"]), "PAYMENT_NOT_REFUNDABLE"),
            (ask(52, 1, &["i-3"]), "PAYMENT_NOT_REFUNDABLE"),
            (ask(52, 1, &["i-2", "i-1"]), "ALREADY_REFUNDED"),
        ] {
            let error = world.wallets.refund(&ask).await.unwrap_err();
            assert_eq!(error.reason(), reason, "{ask:?}");
        }
        assert_eq!(world.ledger(&acme(), &[]).await, before);
        // A refusal is not kept.
        world.wallets.refund(&ask(52, 1, &["i-2"])).await.unwrap();
        world.assert_sound().await;
    })
    .await;
}

// V-5
#[tokio::test]
async fn what_goes_back_to_a_voucher_from_its_last_instant_on_is_void() {
    on_each_database(async |world| {
        let voucher = paid_by_all(world).await;
        let end = noon() + TimeDelta::days(1);
        world.clock.set(end - TimeDelta::microseconds(1));
        let refund = world.wallets.refund(&ask(51, 1, &["i-1"])).await.unwrap().into_inner();
        assert!(!refund.items[0].vouchers[0].void);
        world.clock.set(end);
        let refund = world.wallets.refund(&ask(52, 1, &["i-2"])).await.unwrap().into_inner();
        assert!(refund.items[0].vouchers[0].void);
        assert_eq!(parts_of(world, voucher).await, (10, 0, 20));
        world.assert_sound().await;
    })
    .await;
}

// V-5
#[tokio::test]
async fn the_returned_amount_of_a_single_use_voucher_may_be_used_once_more() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let once = grant(80, 30, |terms| terms.single_use = true);
        let issue = crate::app::Issue { once: world.once(0), grants: vec![once] };
        let voucher = world.wallets.issue(&issue).await.unwrap().into_inner()[0].id;
        let mut first = charge(1, 50);
        first.items = vec![item("i-1", 20), item("i-2", 30)];
        world.charge(first).await.unwrap();
        assert_eq!(parts_of(world, voucher).await, (0, 50, 0));

        world.wallets.refund(&ask(51, 1, &["i-1"])).await.unwrap();
        assert_eq!(parts_of(world, voucher).await, (20, 30, 0));
        assert_eq!(outcome(&world.charge(charge(2, 15)).await.unwrap()), "SUCCEEDED");
        assert_eq!(parts_of(world, voucher).await, (0, 45, 0));
        // Everything of the first payment is back: and so are the 30 that it had forfeited, but not
        // the 5 of the second.
        let refund = world.wallets.refund(&ask(52, 1, &["i-2"])).await.unwrap().into_inner();
        assert_eq!(refund.items[0].vouchers[0].forfeit_returned, 30);
        assert_eq!(parts_of(world, voucher).await, (60, 15, 0));
        world.assert_sound().await;
    })
    .await;
}

// O-6: pending until the channel confirms under our refund id; refused, to the cash balance.
#[tokio::test]
async fn the_channels_part_waits_until_the_channel_has_answered() {
    on_each_database(async |world| {
        paid_by_all(world).await;
        let refund = world.wallets.refund(&through_channel(51, 1, &["i-1"])).await.unwrap();
        assert!(refund.into_inner().pending);
        assert_eq!(world.both().await, (20, 0));
        world.assert_sound().await;
        assert_eq!(world.told("m-1", &refund_body(51, "pending", 70)).await, "NOTHING 0");
        assert_eq!(world.told("m-2", &refund_body(51, "succeeded", 70)).await, "REFUNDED 70");
        assert_eq!(world.told("m-2", &refund_body(51, "succeeded", 70)).await, "REFUNDED 70");
        let alerts = Alerts::listen();
        let contradicts = ["a channel contradicts what it said before"];
        for (message, what, alert) in
            [("m-3", "succeeded", &[][..]), ("m-4", "failed", &contradicts)]
        {
            assert_eq!(world.told(message, &refund_body(51, what, 70)).await, "NOTHING 0");
            assert_eq!(alerts.take(), alert, "{what}");
        }
        assert_eq!(world.both().await, (20, 0));
        world.assert_sound().await;

        world.wallets.refund(&through_channel(52, 1, &["i-2"])).await.unwrap();
        assert_eq!(world.told("m-5", &refund_body(52, "failed", 140)).await, "REFUND_REFUSED 140");
        assert_eq!(world.told("m-6", &refund_body(52, "succeeded", 140)).await, "NOTHING 0");
        assert_eq!(alerts.take(), contradicts);
        assert_eq!(world.told("m-7", &refund_body(52, "failed", 140)).await, "NOTHING 0");
        assert_eq!(alerts.take(), [""; 0]);
        assert_eq!(world.both().await, (20 + 40 + 140, 0));
        let stored = world.wallets.refund(&through_channel(52, 1, &["i-2"])).await.unwrap();
        let stored = stored.into_inner();
        assert_eq!((stored.pending, stored.items[0].channel_to_cash), (false, 140));
        assert_eq!(stored.confirm_time, Some(noon()));
        world.assert_sound().await;
    })
    .await;
}

// O-6: nobody could confirm it.
#[tokio::test]
async fn the_part_of_a_channel_that_is_no_longer_configured_goes_to_the_cash_balance() {
    on_each_database(async |world| {
        paid_by_all(world).await;
        let closed = world.without_channels();
        let refund = closed.refund(&through_channel(51, 1, &["i-1"])).await.unwrap().into_inner();
        assert_eq!((refund.pending, refund.asked), (false, None));
        assert_eq!(refund.items[0].channel_to_cash, 70);
        assert_eq!(world.both().await, (20 + 70, 0));
        // It stays so when the channel is back.
        let again = world.wallets.refund(&through_channel(51, 1, &["i-1"])).await.unwrap();
        assert!(matches!(again, Replayed::Again(it) if !it.pending));
        world.assert_sound().await;
    })
    .await;
}

// W-4, W-6
#[tokio::test]
async fn a_refund_that_the_channel_was_not_asked_for_is_refused() {
    on_each_database(async |world| {
        paid_by_all(world).await;
        world.wallets.refund(&ask(51, 1, &["i-1"])).await.unwrap();
        world.wallets.refund(&through_channel(52, 1, &["i-2"])).await.unwrap();
        let dollars = refund_body(52, "succeeded", 140).replace("CNY", "USD");
        for (body, reason) in [
            (refund_body(51, "succeeded", 70), "INTENT_NOT_FOUND"),
            (refund_body(53, "failed", 70), "INTENT_NOT_FOUND"),
            (refund_body(52, "succeeded", 139), "PAYMENT_AMOUNT_MISMATCH"),
            (refund_body(52, "succeeded", 141), "PAYMENT_AMOUNT_MISMATCH"),
            (dollars, "CURRENCY_MISMATCH"),
        ] {
            assert_eq!(world.told("m-1", &body).await, reason, "{body}");
        }
        let body = refund_body(52, "succeeded", 140);
        let mut foreign = signed("m-1", world.now(), &body);
        foreign.channel = "other".to_owned();
        let error = world.wallets.confirm(&foreign).await.unwrap_err();
        assert_eq!(error.reason(), "INTENT_NOT_FOUND");
        world.assert_sound().await;
    })
    .await;
}

// W-2
#[tokio::test]
async fn money_that_does_not_fit_into_the_balance_is_not_given_back() {
    on_each_database(async |world| {
        paid_by_all(world).await;
        world.wallets.refund(&through_channel(51, 1, &["i-1"])).await.unwrap();
        let most = cny(i64::MAX - 20 - 50);
        world.wallets.deposit(world.once(1), &acme(), most, "").await.unwrap();
        let error = world.wallets.refund(&ask(52, 1, &["i-2"])).await.unwrap_err();
        assert_eq!(error.reason(), "AMOUNT_TOO_LARGE");
        assert_eq!(world.told("m-1", &refund_body(51, "failed", 70)).await, "AMOUNT_TOO_LARGE");
        assert_eq!(world.told("m-1", &refund_body(51, "succeeded", 70)).await, "REFUNDED 70");
    })
    .await;
}

/// Asks for sixteen refunds at once, and counts what came of them.
async fn sixteen(world: &World, ask: impl Fn(u128) -> RefundAsk) -> (usize, usize, usize) {
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (wallets, ask) = (world.wallets.clone(), ask(number));
        calls.spawn(async move { wallets.refund(&ask).await });
    }
    let (mut first, mut again, mut refused) = (0, 0, 0);
    for answer in calls.join_all().await {
        match answer {
            Ok(Replayed::First(_)) => first += 1,
            Ok(Replayed::Again(_)) => again += 1,
            Err(error) => {
                assert_eq!(error.reason(), "ALREADY_REFUNDED");
                refused += 1;
            }
        }
    }
    (first, again, refused)
}

// O-3, W-3
#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_refunds_at_once_one_books() {
    on_each_database(async |world| {
        paid_by_all(world).await;
        assert_eq!(sixteen(world, |_| ask(51, 1, &["i-1"])).await, (1, 15, 0));
        assert_eq!(sixteen(world, |number| ask(100 + number, 1, &["i-2"])).await, (1, 0, 15));
        assert_eq!(world.both().await, (60 + 210, 0));
        world.assert_sound().await;
    })
    .await;
}

// O-6: a channel that keeps silent is named, and nothing is given for its silence.
#[tokio::test]
async fn a_channel_that_keeps_silent_is_named_once_a_day_until_it_answers() {
    on_each_database(async |world| {
        let alerts = Alerts::listen();
        paid_by_all(world).await;
        world.wallets.refund(&through_channel(51, 1, &["i-1"])).await.unwrap();
        world.wallets.refund(&through_channel(52, 1, &["i-2"])).await.unwrap();
        let named = async |wallets: &crate::app::Wallets, limit| {
            let swept = wallets.remind_refunds(limit).await.unwrap();
            assert_eq!(alerts.take().len(), swept.done);
            (swept.done, swept.more)
        };
        let week = noon() + TimeDelta::days(7);
        let before = world.at(week - TimeDelta::microseconds(1));
        assert_eq!(named(&before, 100).await, (0, false));
        assert_eq!(before.notices(None).await.unwrap(), []);
        let after = world.at(week);
        assert_eq!(named(&after, 1).await, (1, true));
        assert_eq!(named(&after, 100).await, (1, false));
        assert_eq!(named(&after, 100).await, (0, false));
        let notices = after.notices(Some(&acme())).await.unwrap();
        assert_eq!(notices.len(), 2);
        assert!(notices[0].found.contains("sandbox was asked for"), "{}", notices[0]);
        assert_eq!(after.notices(Some(&"nobody".parse().unwrap())).await.unwrap(), []);
        let next_day = week + TimeDelta::days(1);
        assert_eq!(named(&world.at(next_day - TimeDelta::microseconds(1)), 100).await, (0, false));
        assert_eq!(named(&world.at(next_day), 100).await, (2, false));
        assert_eq!(world.both().await, (60, 0));

        assert_eq!(world.told("m-1", &refund_body(51, "failed", 0)).await, "REFUND_REFUSED 70");
        assert_eq!(world.told("m-2", &refund_body(52, "succeeded", 140)).await, "REFUNDED 140");
        alerts.take();
        let much_later = world.at(week + TimeDelta::days(70));
        assert_eq!(named(&much_later, 100).await, (0, false));
        assert_eq!(much_later.notices(None).await.unwrap(), []);
        assert_eq!(world.both().await, (60 + 70, 0));
        world.assert_sound().await;
    })
    .await;
}
