use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::{
    Currency::Cny,
    ids::{PaymentId, RefundId},
};

use super::*;
use crate::{
    domain::{Payment, Refund, RefundedItem, RefundedVoucher},
    tests::{acme, channel, charge, cny, grant, id, noon},
};

fn named(number: u128) -> VoucherId {
    VoucherId(id(number))
}

fn voucher(number: u128, remaining: i64) -> engine::Voucher {
    engine::Voucher { id: named(number), remaining, terms: grant(1, 30, |_| ()).terms }
}

/// Voucher 2 of 180: it pays once, and half at the most.
fn half_once() -> engine::Voucher {
    let terms = grant(1, 30, |terms| {
        (terms.single_use, terms.largest_share_percent) = (true, Some(50));
    });
    engine::Voucher { terms: terms.terms, ..voucher(2, 180) }
}

fn purse(cash: i64, held: i64, vouchers: Vec<engine::Voucher>) -> Purse {
    let wallet = Wallet { cash, held, ..Wallet::open(acme(), Cny, noon()) };
    Purse::new(wallet, vouchers, noon())
}

/// The same wallet in the next transaction, which has no need of its vouchers.
fn later(purse: &Purse) -> Purse {
    Purse::new(purse.wallet().clone(), Vec::new(), noon())
}

/// What has been booked, what cash gained and is now, and what moved in vouchers.
fn shown(purse: &Purse) -> String {
    let change = purse.change();
    let entry = |it: &Entry| format!("{} > {} {}", it.debit, it.credit, it.amount.minor());
    let cash = format!(
        "cash {:+} is {}, held {:+} is {}",
        change.cash, purse.wallet.cash, change.held, purse.wallet.held
    );
    let moved = |(id, it): (&VoucherId, &Moved)| {
        let parts = [
            ("remaining", it.remaining),
            ("captured", it.captured),
            ("held", it.held),
            ("forfeited", it.forfeited),
            ("voided", it.voided),
            ("expired", it.expired),
        ];
        let parts = parts.iter().filter(|(_, part)| *part != 0);
        let parts: Vec<_> = parts.map(|(name, part)| format!("{name} {part:+}")).collect();
        format!("{id} {}", parts.join(" "))
    };
    let lines = change.entries.iter().map(entry).chain([cash]);
    let text = lines.chain(change.moved.iter().map(moved)).collect::<Vec<_>>().join("\n");
    let names = [(1, "V1"), (2, "V2"), (7, "P"), (50, "R"), (1_000_007, "O")];
    names.iter().fold(text, |text, &(number, name)| text.replace(&id(number).to_string(), name))
}

/// A wallet of 25 with vouchers of 30 and 180 sets aside what it has for a payment of 200.
fn holding() -> (Purse, Payment, Coverage) {
    let mut purse = purse(25, 0, vec![voucher(1, 30), half_once()]);
    let charge = charge(7, 200);
    let Ok(Outcome::Pending(coverage)) = purse.hold(&charge, true) else { panic!() };
    let payment = Payment::without_channel(&charge, Outcome::Pending(coverage.clone()));
    (purse, payment, coverage)
}

// W-3, V-5: with what a single-use voucher would lose.
#[test]
fn what_pays_is_held_whole() {
    let (purse, _, coverage) = holding();
    assert_eq!((coverage.cash, coverage.channel), (25, 45));
    insta::assert_snapshot!(shown(&purse), @r"
    voucher:V2 > hold:P:voucher:V2 180
    voucher:V1 > hold:P:voucher:V1 30
    cash > hold:P:cash 25
    cash -25 is 0, held +25 is 25
    V1 remaining -30 held +30
    V2 remaining -180 held +180
    ");
}

// W-4, V-5
#[test]
fn what_was_held_is_taken_with_what_the_channel_paid() {
    let (purse, payment, coverage) = holding();
    let mut purse = later(&purse);
    purse.capture(&payment, &coverage, &channel("sandbox"));
    insta::assert_snapshot!(shown(&purse), @r"
    hold:P:voucher:V2 > revenue:O 100
    hold:P:voucher:V2 > forfeited:V2 80
    hold:P:voucher:V1 > revenue:O 30
    hold:P:cash > revenue:O 25
    external:channel:sandbox > revenue:O 45
    cash +0 is 0, held -25 is 0
    V1 captured +30 held -30
    V2 captured +100 held -180 forfeited +80
    ");
}

// W-3
#[test]
fn what_is_released_is_as_it_was() {
    let (mut purse, payment, coverage) = holding();
    let mut next = later(&purse);
    next.release(&payment, &coverage);
    insta::assert_snapshot!(shown(&next), @r"
    hold:P:voucher:V2 > voucher:V2 180
    hold:P:voucher:V1 > voucher:V1 30
    hold:P:cash > cash 25
    cash +25 is 25, held -25 is 0
    V1 remaining +30 held -30
    V2 remaining +180 held -180
    ");

    purse.release(&payment, &coverage);
    assert_eq!((purse.change.cash, purse.change.held), (0, 0));
    assert!(purse.change.moved.values().all(|moved| *moved == Moved::default()));
    assert_eq!(purse.vouchers, [voucher(1, 30), half_once()]);
}

/// Of voucher 1, which is over, 10; of voucher 2, which is not, 20 and the 40 that it forfeited; of
/// cash 5 and 3; of the channel 7 to the cash balance and 11 through it.
fn refund() -> Refund {
    let part = |number, amount, void, forfeit_returned| RefundedVoucher {
        voucher: named(number),
        amount,
        void,
        forfeit_returned,
    };
    let item = |name: &str, vouchers, cash, channel, channel_to_cash| RefundedItem {
        instance: name.parse().unwrap(),
        vouchers,
        cash,
        channel,
        channel_to_cash,
    };
    Refund {
        id: RefundId(id(50)),
        account: acme(),
        payment: PaymentId(id(7)),
        order: charge(7, 0).bill.order,
        currency: Cny,
        pending: true,
        asked: Some((channel("sandbox"), 11)),
        items: vec![
            item("i-1", vec![part(1, 10, true, 0), part(2, 20, false, 40)], 5, 0, 7),
            item("i-2", Vec::new(), 3, 11, 0),
        ],
        create_time: noon(),
        confirm_time: None,
    }
}

// O-6, V-5
#[test]
fn each_part_of_a_refund_is_booked_to_where_it_goes() {
    let mut purse = purse(0, 0, Vec::new());
    purse.give_back(&refund()).unwrap();
    insta::assert_snapshot!(shown(&purse), @r"
    revenue:O > void:V1 10
    revenue:O > voucher:V2 20
    forfeited:V2 > voucher:V2 40
    revenue:O > cash 8
    revenue:O > cash 7
    revenue:O > refund:R 11
    cash +15 is 15, held +0 is 0
    V1 captured -10 voided +10
    V2 remaining +60 captured -20 forfeited -40
    ");
}

// O-6
#[test]
fn what_waits_for_the_channel_goes_through_it_or_to_the_cash_balance() {
    for (confirmed, expected) in [
        (true, "refund:R > external:channel:sandbox 11\ncash +0 is 0, held +0 is 0"),
        (false, "refund:R > cash 11\ncash +11 is 11, held +0 is 0"),
    ] {
        let mut purse = purse(0, 0, Vec::new());
        purse.settle_refund(&refund(), confirmed).unwrap();
        assert_eq!(shown(&purse), expected);
    }
    // What was paid with nothing is given back with nothing.
    let mut free = purse(0, 0, Vec::new());
    free.give_back(&Refund { asked: None, items: Vec::new(), ..refund() }).unwrap();
    assert_eq!(free.change, Change::default());
    // Nothing waits where no channel was asked.
    let mut purse = purse(0, 0, Vec::new());
    purse.settle_refund(&Refund { asked: None, ..refund() }, false).unwrap();
    assert_eq!(purse.change, Change::default());
}

// V-5
#[test]
fn a_voucher_that_ends_pays_no_more_and_the_others_do() {
    let row = |revoked| Voucher {
        id: named(1),
        account: acme(),
        face: cny(30),
        remaining: 30,
        captured: 0,
        held: 0,
        forfeited: 0,
        voided: 0,
        expired: 0,
        revoked,
        terms: grant(1, 30, |_| ()).terms,
        create_time: noon(),
    };
    for (revoked, to) in [(false, "expired"), (true, "void")] {
        let mut purse = purse(0, 0, vec![voucher(1, 30), voucher(2, 50)]);
        purse.end(&row(revoked));
        let part = if revoked { "voided" } else { "expired" };
        let expected = format!(
            "voucher:V1 > {to}:V1 30\ncash +0 is 0, held +0 is 0\nV1 remaining -30 {part} +30"
        );
        assert_eq!(shown(&purse), expected);
        assert!(matches!(purse.charge(&charge(7, 51)), Outcome::Refused(_)));
        assert!(matches!(purse.charge(&charge(7, 50)), Outcome::Succeeded(_)));
    }
}

/// Whether `work` stops before anything could be saved.
fn stops(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

// V-5: whatever was decided, what leaves one part of a voucher enters another.
#[test]
fn a_voucher_keeps_its_face() {
    let parts: [fn(&mut Moved) -> &mut i64; 5] = [
        |moved| &mut moved.captured,
        |moved| &mut moved.held,
        |moved| &mut moved.forfeited,
        |moved| &mut moved.voided,
        |moved| &mut moved.expired,
    ];
    for part in parts {
        let mut purse = purse(0, 0, vec![voucher(1, 10)]);
        let mut moved = Moved { remaining: -7, ..Moved::default() };
        *part(&mut moved) = 7;
        purse.move_voucher(named(1), moved);
        assert_eq!(purse.vouchers[0].remaining, 3);
        *part(&mut moved) = 8;
        assert!(stops(|| purse.move_voucher(named(1), moved)), "{moved:?}");
    }
}

// V-3, W-2: whatever was decided, more than there is never moves.
#[test]
fn nothing_is_booked_that_does_not_add_up() {
    let ten = || purse(10, 10, vec![voucher(1, 10)]);
    let taken = |number, remaining: i64| {
        let moved = Moved { remaining: -remaining, captured: remaining, ..Moved::default() };
        stops(|| ten().move_voucher(named(number), moved))
    };
    assert_eq!((taken(1, 10), taken(1, 11), taken(2, 1)), (false, true, true));
    for (cash, held, expected) in [(-10, -10, false), (-11, 0, true), (0, -11, true)] {
        assert_eq!(stops(|| ten().move_cash(cash, held)), expected);
    }

    // The items say 20, and the bill says something else.
    for (bill, expected) in [(20, false), (19, true), (21, true)] {
        let mut charge = charge(7, 20);
        charge.bill.amount = cny(bill);
        assert_eq!(stops(|| drop(ten().charge(&charge))), expected, "{bill}");
        charge.items[0].payable = 21;
        charge.bill.amount = cny(bill + 1);
        assert_eq!(stops(|| drop(ten().hold(&charge, true))), expected, "{bill}");
    }
}
