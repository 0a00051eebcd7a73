use chrono::TimeDelta;
use kernel::ids::VoucherId;
use platform::status::{ApiError as _, Replayed};

use super::*;
use crate::tests::*;

const REFUND: RefundId = RefundId(uuid::Uuid::from_u128(90));

async fn withdraw(world: &World, number: u128) -> Result<Option<Refund>, WalletError> {
    let payment = PaymentId(id(number));
    world.wallets.withdraw(&Withdrawal { account: &acme(), payment, refund: REFUND }).await
}

/// Payment 1 of 300 over two items: by a single-use voucher of 40, half at the most, by cash of 60 and by
/// the channel.
async fn paid_by_all(world: &World) -> VoucherId {
    world.with_cash(&acme(), 60).await;
    let voucher = single_use(world).await;
    let mut two = checkout(1, 300);
    two.charge.items = vec![item("i-1", 50), item("i-2", 250)];
    two.charge.choice = named(&[voucher]);
    let intent = world.check_out(two).await.unwrap().into_inner().intent.unwrap();
    world.told("m-paid", &paid(intent.id, "CP-1", intent.amount)).await;
    voucher
}

async fn single_use(world: &World) -> VoucherId {
    let terms = |terms: &mut rule_engine::voucher::VoucherTerms| {
        (terms.single_use, terms.largest_share_percent) = (true, Some(10));
    };
    let issue = crate::app::Issue { once: world.once(1), grants: vec![grant(40, 5, terms)] };
    world.wallets.issue(&issue).await.unwrap().into_inner().remove(0).id
}

// O-4, O-6: the refunds that there were count, the rest goes back once.
#[tokio::test]
async fn what_no_order_knows_of_goes_back_and_is_void_for_whoever_asks() {
    on_each_database(async |world| {
        let voucher = paid_by_all(world).await;
        let one = ask(51, 1, &["i-1"]);
        world.wallets.refund(&one).await.unwrap();
        let refund = withdraw(world, 1).await.unwrap().unwrap();
        assert_eq!(refund.amount(), 250);
        assert_eq!(world.remaining(&[voucher]).await, [40]);
        assert_eq!(world.both().await, (60 + 210, 0));
        assert_eq!(withdraw(world, 1).await.unwrap(), Some(refund));
        assert_eq!(world.both().await, (60 + 210, 0));
        world.assert_sound().await;

        // An order that is made anew asks for what it costs now.
        let again = world.charge(charge(1, 7)).await.unwrap();
        let told = proto::wallet::v1::Payment::from(again.into_inner());
        assert_eq!(told.state(), proto::wallet::v1::payment::State::Voided);
        assert_eq!((told.parts, world.both().await), (Vec::new(), (60 + 210, 0)));
        // The channel brings its part once more: it is the customer's.
        let intent = world.payment(1).await.intent.unwrap();
        let told = world.told("m-again", &paid(intent.id, "CP-2", 210)).await;
        assert_eq!(told, "PAID_TWICE 210");
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn what_took_nothing_or_is_not_there_is_not_given_back() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 60).await;
        world.charge(charge(1, 61)).await.unwrap();
        world.charge(charge(2, 60)).await.unwrap();
        let reason = |result: Result<Option<Refund>, WalletError>| result.unwrap_err().reason();
        assert_eq!(reason(withdraw(world, 1).await), "PAYMENT_NOT_REFUNDABLE");
        assert_eq!(reason(withdraw(world, 3).await), "PAYMENT_NOT_FOUND");
        let other: AccountId = "other".parse().unwrap();
        world.with_cash(&other, 0).await;
        let foreign = Withdrawal { account: &other, payment: PaymentId(id(2)), refund: REFUND };
        assert_eq!(reason(world.wallets.withdraw(&foreign).await), "PAYMENT_NOT_FOUND");
        assert_eq!(world.cash(&acme()).await, 0);
    })
    .await;
}

/// Payment 1 as `world` would tell it: whoever restores it does not know what vouchers forfeited.
async fn told(world: &World) -> Payment {
    let mut payment = world.payment(1).await;
    if let Outcome::Succeeded(coverage) = &mut payment.outcome {
        coverage.vouchers.iter_mut().for_each(|it| it.forfeited = 0);
    }
    payment
}

// W-2, V-5: the same voucher pays the same, forfeits the same, and the channel's part is booked once.
#[tokio::test]
async fn a_payment_is_booked_again_from_the_same_sources() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 59).await;
        let voucher = single_use(world).await;
        let item = |name: &str, voucher_part, cash, channel| rule_engine::voucher::ItemParts {
            instance: name.parse().unwrap(),
            vouchers: vec![(voucher, voucher_part)],
            cash,
            channel,
        };
        let items = vec![item("i-1", 5, 10, 35), item("i-2", 25, 50, 175)];
        let paid = rule_engine::voucher::VoucherPayment { voucher, paid: 30, forfeited: 0 };
        let coverage = Coverage { vouchers: vec![paid], cash: 60, channel: 210, items };
        let intent = crate::domain::Intent {
            id: kernel::ids::IntentId(id(8)),
            channel: channel("sandbox"),
            amount: 210,
            expires: noon(),
        };
        let payment = Payment {
            intent: Some(intent),
            confirm_time: Some(noon() - TimeDelta::hours(1)),
            ..Payment::without_channel(&charge(1, 300), Outcome::Succeeded(coverage))
        };
        // A fen is missing: nothing moves.
        let error = world.wallets.restore(&payment).await.unwrap_err();
        assert_eq!(error.reason(), "INSUFFICIENT_FUNDS");
        assert_eq!((world.both().await, world.remaining(&[voucher]).await), ((59, 0), vec![40]));
        world.with_cash(&acme(), 1).await;
        for _ in 0..2 {
            world.wallets.restore(&payment).await.unwrap();
            assert_eq!((world.both().await, world.remaining(&[voucher]).await), ((0, 0), vec![0]));
            world.assert_sound().await;
        }
        assert_eq!(told(world).await, payment);
        // Whoever asks for it gets what was booked.
        let asked = world.charge(charge(1, 300)).await.unwrap();
        assert!(matches!(asked, Replayed::Again(_)));
        assert_eq!(outcome(&asked), "SUCCEEDED");
        // The same id with other content is another payment.
        let other = Payment::without_channel(&charge(1, 300), payment.outcome.clone());
        let error = world.wallets.restore(&other).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
    })
    .await;
}

// W-3: the channel's word is lost, what it was to pay is held.
#[tokio::test]
async fn what_is_held_for_a_payment_that_succeeded_is_taken() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 60).await;
        world.intend(1, 300).await;
        let pending = world.payment(1).await;
        let Outcome::Pending(coverage) = pending.outcome.clone() else { panic!("it is held") };
        let outcome = Outcome::Succeeded(coverage);
        let payment = Payment { outcome, confirm_time: Some(noon()), ..pending };
        for _ in 0..2 {
            world.wallets.restore(&payment).await.unwrap();
            assert_eq!(world.both().await, (0, 0));
            assert_eq!(world.payment(1).await, payment);
            world.assert_sound().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_payment_that_ended_otherwise_or_has_no_wallet_is_not_restored() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 60).await;
        world.charge(charge(1, 60)).await.unwrap();
        let paid = world.payment(1).await;
        withdraw(world, 1).await.unwrap();
        let error = world.wallets.restore(&paid).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
        let account = "nobody".parse().unwrap();
        let error = world.wallets.restore(&Payment { account, ..paid }).await.unwrap_err();
        assert_eq!(error.reason(), "WALLET_NOT_FOUND");
        assert_eq!(world.cash(&acme()).await, 60);
        world.assert_sound().await;
    })
    .await;
}

// The changes since an instant, page by page: whatever of a payment changed.
#[tokio::test]
async fn payments_are_found_by_what_changed() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.charge(charge(1, 10)).await.unwrap();
        world.charge(charge(2, 10)).await.unwrap();
        world.charge(charge(3, 1_000)).await.unwrap();
        let later = noon() + TimeDelta::hours(1);
        world.clock.set(later);
        let mut held = checkout(4, 1_000);
        held.charge.bill.as_of = later;
        world.check_out(held).await.unwrap();
        withdraw(world, 1).await.unwrap();
        let one = ask(51, 2, &["i-1"]);
        world.wallets.refund(&one).await.unwrap();
        let found = async |since, after, limit| {
            let found = world.wallets.changed(since, PaymentId(id(after)), limit).await.unwrap();
            let named = found.iter().map(|it| (it.payment.id.0.as_u128(), it.refunds.len()));
            named.collect::<Vec<_>>()
        };
        // What was refused or withdrawn is nobody's concern any more.
        assert_eq!(found(noon(), 0, 10).await, [(2, 1), (4, 0)]);
        assert_eq!(found(noon(), 0, 1).await, [(2, 1)]);
        assert_eq!(found(noon(), 2, 1).await, [(4, 0)]);
        assert_eq!(found(later, 0, 10).await, [(2, 1), (4, 0)]);
        assert_eq!(found(later + TimeDelta::seconds(1), 0, 10).await, []);
        let named = world.wallets.find(&[1, 3].map(|it| PaymentId(id(it)))).await.unwrap();
        assert_eq!(named.len(), 2);
    })
    .await;
}
