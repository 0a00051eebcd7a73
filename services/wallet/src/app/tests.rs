use chrono::TimeDelta;
use kernel::{
    Currency::{Cny, Usd},
    ids::{AccountId, PaymentId, RequestId},
};
use platform::status::Replayed;
use rule_engine::voucher::VoucherChoice;

use super::*;
use crate::{
    domain::{Charge, Outcome, Payment, Voucher},
    store::Part,
    tests::*,
};

mod races;

fn other() -> AccountId {
    "other".parse().unwrap()
}

fn is_repeat<T>(answer: &Replayed<T>) -> bool {
    matches!(answer, Replayed::Again(_))
}

// V-3, V-4, W-2
#[tokio::test]
async fn vouchers_pay_first_then_cash_and_the_ledger_says_so() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        let vouchers = world.with_vouchers(&[(30, 30), (80, 30), (10, 29)]).await;

        let paid = world.charge(charge(1, 100)).await.unwrap();
        assert_eq!(outcome(&paid), "SUCCEEDED");
        // V3 10, V2 80, V1 10; V1 keeps 20; cash untouched.
        assert_eq!(world.remaining(&vouchers).await, [20, 0, 0]);
        assert_eq!(world.cash(&acme()).await, 25);

        let short = world.charge(charge(2, 46)).await.unwrap();
        assert_eq!(outcome(&short), "INSUFFICIENT_FUNDS");
        assert_eq!(world.remaining(&vouchers).await, [20, 0, 0]);

        assert_eq!(outcome(&world.charge(charge(3, 45)).await.unwrap()), "SUCCEEDED");
        assert_eq!(world.cash(&acme()).await, 0);
        let ledger = world.ledger(&acme(), &vouchers).await;
        let ledger = ledger.replace(&id(1_000_001).to_string(), "A");
        insta::allow_duplicates! {
            insta::assert_snapshot!(ledger.replace(&id(1_000_003).to_string(), "B"), @r"
            1 external:deposit > cash CNY 0.25
            2 issued:voucher > voucher:V1 CNY 0.30
            3 issued:voucher > voucher:V2 CNY 0.80
            4 issued:voucher > voucher:V3 CNY 0.10
            5 voucher:V3 > revenue:A CNY 0.10
            6 voucher:V2 > revenue:A CNY 0.80
            7 voucher:V1 > revenue:A CNY 0.10
            8 voucher:V1 > revenue:B CNY 0.20
            9 cash > revenue:B CNY 0.25
            ");
        }
        world.assert_sound().await;
    })
    .await;
}

// O-3
#[tokio::test]
async fn a_repeated_charge_takes_nothing_and_is_answered_as_the_first_time() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        let first = world.charge(charge(1, 60)).await.unwrap();
        let again = world.charge(charge(1, 60)).await.unwrap();

        assert!(!is_repeat(&first) && is_repeat(&again));
        assert_eq!(first.into_inner(), again.into_inner());
        assert_eq!(world.cash(&acme()).await, 40);

        let reused = world.charge(charge(1, 40)).await.unwrap_err();
        assert_eq!(reused.reason(), "REQUEST_ID_REUSED");
        assert_eq!(world.cash(&acme()).await, 40);
        world.assert_sound().await;
    })
    .await;
}

// O-3: a refusal is an outcome, and final.
#[tokio::test]
async fn a_refused_payment_stays_refused_when_money_comes() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 10).await;
        let refused = world.charge(charge(1, 60)).await.unwrap().into_inner();
        let Outcome::Refused(refusal) = &refused.outcome else { panic!() };
        assert_eq!((refusal.reason.as_str(), refusal.available), ("INSUFFICIENT_FUNDS", Some(10)));

        world.wallets.deposit(world.once(0), &acme(), cny(100), "").await.unwrap();
        let again = world.charge(charge(1, 60)).await.unwrap();
        assert_eq!(again.into_inner(), refused);
        assert_eq!(outcome(&world.charge(charge(2, 60)).await.unwrap()), "SUCCEEDED");
        world.assert_sound().await;
    })
    .await;
}

// O-4
#[tokio::test]
async fn a_payment_voided_before_it_is_known_is_never_taken() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        let payment = PaymentId(id(1));
        let voided = world.wallets.void(payment, &acme()).await.unwrap();
        assert_eq!(outcome(&voided), "VOIDED");
        assert!(is_repeat(&world.wallets.void(payment, &acme()).await.unwrap()));

        let late = world.charge(charge(1, 60)).await.unwrap();
        assert_eq!(outcome(&late), "VOIDED");
        let mut foreign = charge(1, 60);
        foreign.account = other();
        assert_eq!(world.charge(foreign).await.unwrap_err().reason(), "REQUEST_ID_REUSED");
        let error = world.wallets.void(payment, &other()).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
        assert_eq!(world.cash(&acme()).await, 100);
        world.assert_sound().await;
    })
    .await;
}

// O-4
#[tokio::test]
async fn a_payment_that_ended_keeps_its_end() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.charge(charge(1, 60)).await.unwrap();
        world.charge(charge(2, 60)).await.unwrap();
        for (number, end) in [(1, "SUCCEEDED"), (2, "INSUFFICIENT_FUNDS")] {
            let ended = world.wallets.void(PaymentId(id(number)), &acme()).await.unwrap();
            assert_eq!(outcome(&ended), end);
        }
        assert_eq!(world.cash(&acme()).await, 40);
    })
    .await;
}

// O-8
#[tokio::test]
async fn a_new_payment_decided_too_long_ago_is_refused_and_a_known_one_answered() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.clock.advance(TimeDelta::minutes(5));
        assert_eq!(outcome(&world.charge(charge(1, 60)).await.unwrap()), "SUCCEEDED");

        world.clock.advance(TimeDelta::seconds(1));
        let error = world.charge(charge(2, 1)).await.unwrap_err();
        assert_eq!(error.reason(), "CLOCK_SKEW");
        assert!(is_repeat(&world.charge(charge(1, 60)).await.unwrap()));
        assert_eq!(world.cash(&acme()).await, 40);
    })
    .await;
}

// V-5
#[tokio::test]
async fn a_voucher_pays_nothing_from_its_last_instant_on() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let end = noon() + TimeDelta::days(1);
        world.with_vouchers(&[(100, 1)]).await;
        world.clock.set(end);
        for (number, as_of, expected) in
            [(1, end, "INSUFFICIENT_FUNDS"), (2, end - TimeDelta::microseconds(1), "SUCCEEDED")]
        {
            let mut charge = charge(number, 60);
            charge.bill.as_of = as_of;
            assert_eq!(outcome(&world.charge(charge).await.unwrap()), expected, "{as_of}");
        }
        world.assert_sound().await;
    })
    .await;
}

// V-2
#[tokio::test]
async fn a_named_voucher_that_cannot_be_used_refuses_the_payment() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.open(&other(), Cny).await;
        let vouchers = world.with_vouchers(&[(30, 30), (80, 30)]).await;
        let mut foreign = charge(1, 10);
        foreign.account = other();
        foreign.choice = named(&vouchers[..1]);
        assert_eq!(outcome(&world.charge(foreign).await.unwrap()), "VOUCHER_NOT_APPLICABLE");

        let by_name = |number, amount| {
            let mut charge = charge(number, amount);
            charge.choice = named(&vouchers[..1]);
            charge
        };
        assert_eq!(outcome(&world.charge(by_name(2, 30)).await.unwrap()), "SUCCEEDED");
        assert_eq!(outcome(&world.charge(by_name(3, 30)).await.unwrap()), "VOUCHER_NOT_APPLICABLE");
        assert_eq!(world.remaining(&vouchers).await, [0, 80]);
        assert_eq!(world.cash(&acme()).await, 100);

        let mut cash_only = charge(4, 30);
        cash_only.choice = VoucherChoice::None;
        assert_eq!(outcome(&world.charge(cash_only).await.unwrap()), "SUCCEEDED");
        assert_eq!(world.remaining(&vouchers).await, [0, 80]);
        assert_eq!(world.cash(&acme()).await, 70);
        world.assert_sound().await;
    })
    .await;
}

// W-6
#[tokio::test]
async fn an_account_without_a_wallet_or_in_another_currency_is_refused() {
    on_each_database(async |world| {
        assert_eq!(outcome(&world.charge(charge(1, 1)).await.unwrap()), "WALLET_NOT_FOUND");
        world.open(&acme(), Usd).await;
        assert_eq!(outcome(&world.charge(charge(2, 1)).await.unwrap()), "CURRENCY_MISMATCH");
        // The first outcome stands.
        assert_eq!(outcome(&world.charge(charge(1, 1)).await.unwrap()), "WALLET_NOT_FOUND");

        let error = world.wallets.open(acme(), Cny).await.unwrap_err();
        assert_eq!(error.reason(), "CURRENCY_MISMATCH");
        let error = world.wallets.deposit(world.once(1), &acme(), cny(1), "").await.unwrap_err();
        assert_eq!(error.reason(), "CURRENCY_MISMATCH");
        let error = world.wallets.deposit(world.once(1), &other(), cny(1), "").await.unwrap_err();
        assert_eq!(error.reason(), "WALLET_NOT_FOUND");
        world.assert_sound().await;
    })
    .await;
}

// W-5
#[tokio::test]
async fn a_payment_of_nothing_succeeds_and_moves_nothing() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        assert_eq!(outcome(&world.charge(charge(1, 0)).await.unwrap()), "SUCCEEDED");
        assert_eq!(world.ledger(&acme(), &[]).await, "");
        world.assert_sound().await;
    })
    .await;
}

/// The outcomes of a call with many charges.
fn ends(payments: &[Replayed<Payment>]) -> Vec<String> {
    payments.iter().map(outcome).collect()
}

// A-3, A-5
#[tokio::test]
async fn many_charges_are_taken_in_their_order_each_whole_or_not_at_all() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.with_cash(&other(), 10).await;
        let vouchers = world.with_vouchers(&[(50, 10)]).await;
        let of_other = |number, amount| {
            let mut charge = charge(number, amount);
            charge.account = other();
            charge
        };
        let charges =
            [charge(1, 60), of_other(2, 10), charge(3, 91), charge(4, 90), of_other(5, 1)];

        let payments = world.wallets.charge_many(&charges).await.unwrap();
        let short = "INSUFFICIENT_FUNDS";
        assert_eq!(ends(&payments), ["SUCCEEDED", "SUCCEEDED", short, "SUCCEEDED", short]);
        assert_eq!(world.remaining(&vouchers).await, [0]);
        assert_eq!((world.cash(&acme()).await, world.cash(&other()).await), (0, 0));

        // A repeat with one more: the known are answered, the new one is taken.
        world.wallets.deposit(world.once(0), &acme(), cny(7), "").await.unwrap();
        let more: Vec<_> = charges.into_iter().chain([charge(6, 7)]).collect();
        let again = world.wallets.charge_many(&more).await.unwrap();
        assert_eq!(ends(&again)[..5], ends(&payments)[..]);
        assert_eq!(
            again.iter().map(is_repeat).collect::<Vec<_>>(),
            [true, true, true, true, true, false]
        );
        assert_eq!(world.cash(&acme()).await, 0);
        world.assert_sound().await;
    })
    .await;
}

// O-3
#[tokio::test]
async fn many_charges_with_one_reused_id_take_nothing() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.charge(charge(1, 10)).await.unwrap();
        let error = world.wallets.charge_many(&[charge(2, 10), charge(1, 11)]).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
        assert_eq!(world.cash(&acme()).await, 90);
        assert!(world.wallets.payments(&[PaymentId(id(2))]).await.unwrap().is_empty());
    })
    .await;
}

// O-3
#[tokio::test]
async fn a_repeated_deposit_books_once_and_is_answered_as_the_first_time() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let once = world.once(1);
        let first = world.wallets.deposit(once, &acme(), cny(60), "June").await.unwrap();
        world.charge(charge(1, 10)).await.unwrap();
        let again = world.wallets.deposit(once, &acme(), cny(60), "June").await.unwrap();

        assert!(!is_repeat(&first) && is_repeat(&again));
        let (first, again) = (first.into_inner(), again.into_inner());
        assert_eq!((&first.entry, first.wallet.cash), (&again.entry, again.wallet.cash));
        assert_eq!(world.cash(&acme()).await, 50);

        let other = Once { digest: digest(2), ..once };
        let error = world.wallets.deposit(other, &acme(), cny(61), "June").await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
        world.assert_sound().await;
    })
    .await;
}

// O-3, V-1
#[tokio::test]
async fn repeated_vouchers_are_issued_once_all_or_none() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let mut issue = Issue {
            once: world.once(1),
            grants: vec![grant(30, 30, |_| ()), grant(40, 30, |_| ())],
        };
        issue.grants[1].account = other();
        let error = world.wallets.issue(&issue).await.unwrap_err();
        assert_eq!(error.reason(), "WALLET_NOT_FOUND");
        assert_eq!(world.ledger(&acme(), &[]).await, "");

        world.open(&other(), Cny).await;
        let first = world.wallets.issue(&issue).await.unwrap();
        world.charge(charge(1, 10)).await.unwrap();
        let again = world.wallets.issue(&issue).await.unwrap();
        assert!(!is_repeat(&first) && is_repeat(&again));
        assert_eq!(first.into_inner(), again.into_inner());

        issue.once.digest = digest(2);
        let error = world.wallets.issue(&issue).await.unwrap_err();
        assert_eq!(error.reason(), "REQUEST_ID_REUSED");
        world.assert_sound().await;
    })
    .await;
}

// O-3: whatever has become of them since.
#[tokio::test]
async fn repeated_vouchers_are_answered_as_they_were_issued() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let grants = vec![
            grant(30, 30, |terms| terms.single_use = true),
            grant(40, 30, |_| ()),
            grant(50, 30, |_| ()),
            grant(60, 1, |_| ()),
        ];
        let issue = Issue { once: world.once(1), grants };
        let issued = world.wallets.issue(&issue).await.unwrap().into_inner();
        let ids: Vec<_> = issued.iter().map(|voucher| voucher.id).collect();

        // One is used and loses its rest, one is held, one is revoked, and one expires.
        let with = |voucher| VoucherChoice::Named { ids: [voucher].into(), max_per_payment: None };
        world.charge(Charge { choice: with(ids[0]), ..charge(1, 10) }).await.unwrap();
        let mut held = checkout(2, 100);
        held.charge.choice = with(ids[1]);
        world.check_out(held).await.unwrap();
        world.wallets.revoke(&acme(), ids[2], "").await.unwrap();
        world.clock.set(noon() + TimeDelta::days(1) + crate::domain::MAX_SKEW);
        assert_eq!(world.wallets.expire_vouchers(10).await.unwrap().done, 1);
        let named: Vec<_> = ids.iter().map(|&id| (acme(), id)).collect();
        let found = world.store.vouchers_by_id(&named).await.unwrap();
        let parts = |it: &Voucher| [it.captured, it.forfeited, it.held, it.voided, it.expired];
        let parts: Vec<_> = ids.iter().map(|id| parts(&found[id])).collect();
        let all = [[10, 20, 0, 0, 0], [0, 0, 40, 0, 0], [0, 0, 0, 50, 0], [0, 0, 0, 0, 60]];
        assert_eq!(parts, all);

        let again = world.wallets.issue(&issue).await.unwrap();
        assert!(is_repeat(&again));
        assert_eq!(again.into_inner(), issued);
        world.assert_sound().await;
    })
    .await;
}

// V-1, W-1
#[tokio::test]
async fn a_preview_is_what_the_charge_then_takes() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        let vouchers = world.with_vouchers(&[(30, 30), (80, 30), (10, 29)]).await;
        let preview = Preview {
            account: acme(),
            items: vec![item("i-1", 40), item("i-2", 60)],
            currency: Cny,
            choice: by_rule(),
            automatic: false,
            as_of: None,
        };
        let previewed = world.wallets.preview(&preview).await.unwrap();
        assert_eq!(world.remaining(&vouchers).await, [30, 80, 10]);

        let mut charge = charge(1, 100);
        charge.items = preview.items.clone();
        let paid = world.charge(charge).await.unwrap().into_inner();
        assert_eq!(paid.outcome, Outcome::Succeeded(previewed.explanation.coverage));

        let dollars = Preview { currency: Usd, ..preview };
        let error = world.wallets.preview(&dollars).await.unwrap_err();
        assert_eq!(error.reason(), "CURRENCY_MISMATCH");
    })
    .await;
}

// W-1
#[tokio::test]
async fn funds_are_cash_and_the_vouchers_that_are_valid_now() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 25).await;
        world.with_cash(&other(), 5).await;
        world.with_vouchers(&[(30, 30), (80, 1)]).await;
        let stranger: AccountId = "stranger".parse().unwrap();
        let accounts = [stranger, other(), acme()];
        let funds = async || {
            let funds = world.wallets.funds(&accounts).await.unwrap();
            funds.into_values().map(|it| (it.cash.minor(), it.vouchers.minor())).collect::<Vec<_>>()
        };
        assert_eq!(funds().await, [(25, 110), (5, 0)]);
        world.clock.set(noon() + TimeDelta::days(1));
        assert_eq!(funds().await, [(25, 30), (5, 0)]);
    })
    .await;
}

/// The number of statements of one write transaction.
async fn statements(world: &World, charges: &[crate::domain::Charge]) -> u64 {
    let before = world.database.usage();
    world.wallets.charge_many(charges).await.unwrap();
    let usage = world.database.usage() - before;
    assert_eq!(usage.transactions, 1);
    usage.statements
}

#[tokio::test]
async fn a_charge_takes_few_statements_and_many_take_no_more() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 1_000).await;
        let mut by_cash = charge(1, 1);
        by_cash.choice = VoucherChoice::None;
        assert!(statements(world, &[by_cash]).await <= 4);
        world.with_vouchers(&[(100, 30), (100, 31), (100, 32)]).await;
        assert!(statements(world, &[charge(2, 250)]).await <= 6);
        let many: Vec<_> = (3..103).map(|number| charge(number, 2)).collect();
        assert!(statements(world, &many).await <= 6);
        world.assert_sound().await;
    })
    .await;
}

/// Vouchers of `acme`.
async fn listed(
    world: &World,
    usable_only: bool,
    part: Part<(i64, kernel::ids::VoucherId)>,
) -> crate::store::Rows<crate::domain::Voucher> {
    let account = acme();
    let (expiring_within, basket) = (None, None);
    let list = VoucherList { account, usable_only, expiring_within, basket, part };
    world.wallets.vouchers(&list).await.unwrap().rows
}

#[tokio::test]
async fn lists_go_on_where_the_last_part_ended() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 10).await;
        let vouchers = world.with_vouchers(&[(1, 3), (2, 1), (3, 2), (4, 2)]).await;
        let part = |after, skip| Part { after, skip, size: 2, with_total: true };

        let first = listed(world, false, part(None, 0)).await;
        let faces = |rows: &[crate::domain::Voucher]| {
            rows.iter().map(|it| it.face.minor()).collect::<Vec<_>>()
        };
        assert_eq!((faces(&first.items), first.more, first.total), (vec![2, 3], true, Some(4)));
        let last = first.items.last().unwrap();
        let after = Some((last.terms.expires.timestamp_micros(), last.id));
        let rest = listed(world, false, part(after, 0)).await;
        assert_eq!((faces(&rest.items), rest.more), (vec![4, 1], false));
        let skipped = listed(world, false, part(None, 3)).await;
        assert_eq!(faces(&skipped.items), [1]);

        world.charge(charge(1, 2)).await.unwrap();
        let whole = Part { after: None, skip: 0, size: 9, with_total: false };
        let usable = listed(world, true, whole).await;
        assert_eq!(usable.items.len(), 3);
        assert_eq!(world.remaining(&vouchers[1..2]).await, [0]);

        let of_payment = Some(PaymentId(id(1)));
        let whole = Part { after: None, skip: 0, size: 9, with_total: true };
        let entries = world.wallets.entries(&acme(), of_payment, whole).await.unwrap();
        assert_eq!((entries.items.len(), entries.total), (1, Some(1)));
        let newest = world.wallets.entries(&acme(), None, part_of(None)).await.unwrap();
        assert_eq!(newest.items.iter().map(|it| it.number).collect::<Vec<_>>(), [6, 5]);
        let next = world.wallets.entries(&acme(), None, part_of(Some(5))).await.unwrap();
        assert_eq!(next.items.iter().map(|it| it.number).collect::<Vec<_>>(), [4, 3]);
    })
    .await;
}

fn part_of(after: Option<i64>) -> Part<i64> {
    Part { after, skip: 0, size: 2, with_total: false }
}

// O-3
#[tokio::test]
async fn ids_of_requests_are_of_one_method() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let once = Once { request: RequestId(id(7)), digest: digest(1) };
        world.wallets.deposit(once, &acme(), cny(1), "").await.unwrap();
        let issue = Issue { once, grants: vec![grant(1, 1, |_| ())] };
        assert!(!is_repeat(&world.wallets.issue(&issue).await.unwrap()));
    })
    .await;
}

#[tokio::test]
async fn a_database_that_nobody_reaches_is_to_be_asked_again() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.database.clone().close().await;
        let read = world.wallets.wallet(&acme()).await.unwrap_err();
        let charged = world.wallets.charge(charge(1, 50)).await.unwrap_err();
        for error in [read, charged] {
            assert_eq!(error.code(), Code::Unavailable, "{error:?}");
            assert_eq!(error.reason(), "SERVICE_UNAVAILABLE");
        }
    })
    .await;
}
