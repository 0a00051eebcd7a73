use std::collections::BTreeMap;

use kernel::Currency::{Cny, Usd};
use proptest::prelude::*;
use rule_engine::{reason::Reason, voucher as engine};

use super::*;
use crate::tests::{acme, charge, cny, grant, id, noon};

fn purse(cash: i64, vouchers: &[(u128, i64)]) -> Purse {
    let wallet = Wallet { cash, ..Wallet::open(acme(), Cny, noon()) };
    let voucher = |&(number, remaining): &(u128, i64)| engine::Voucher {
        id: kernel::ids::VoucherId(id(number)),
        remaining,
        terms: grant(1, 30, |_| ()).terms,
    };
    Purse::new(wallet, vouchers.iter().map(voucher).collect(), noon())
}

// W-2
#[test]
fn every_movement_is_one_entry_and_they_are_numbered() {
    let mut purse = purse(0, &[(1, 30)]);
    purse.deposit(cny(100), "salary".to_owned()).unwrap();
    purse.issue(kernel::ids::VoucherId(id(2)), grant(50, 30, |_| ())).unwrap();
    assert!(matches!(purse.charge(&charge(7, 90)), Outcome::Succeeded(_)));

    let shown: Vec<_> = purse
        .change()
        .entries
        .iter()
        .map(|entry| format!("{} {} {}", entry.number, entry.debit, entry.amount.minor()))
        .collect();
    let voucher = format!("3 voucher:{} 30", id(1));
    assert_eq!(shown, ["1 external:deposit 100", "2 issued:voucher 50", &voucher, "4 cash 60"]);
    assert_eq!(purse.wallet().cash, 40);
    assert_eq!((purse.change().cash, purse.change().issued), (40, 50));
}

// V-3, A-3
#[test]
fn too_little_money_moves_nothing() {
    let mut purse = purse(25, &[(1, 30)]);
    let Outcome::Refused(refusal) = purse.charge(&charge(7, 56)) else { panic!() };
    assert_eq!((refusal.reason.as_str(), refusal.available), ("INSUFFICIENT_FUNDS", Some(55)));
    assert_eq!(purse.change(), &super::purse::Change::default());
    assert!(matches!(purse.charge(&charge(7, 55)), Outcome::Succeeded(_)));
}

// V-5
#[test]
fn what_a_single_use_voucher_has_left_is_booked_as_forfeited() {
    let wallet = Wallet::open(acme(), Cny, noon());
    let terms = grant(1, 30, |terms| terms.single_use = true).terms;
    let once = engine::Voucher { id: kernel::ids::VoucherId(id(1)), remaining: 80, terms };
    let mut purse = Purse::new(wallet, vec![once], noon());
    assert!(matches!(purse.charge(&charge(7, 50)), Outcome::Succeeded(_)));

    let amounts: Vec<_> = purse.change().entries.iter().map(|it| it.amount.minor()).collect();
    assert_eq!(amounts, [50, 30]);
    assert_eq!(
        purse.change().entries[1].credit,
        LedgerAccount::Forfeited(kernel::ids::VoucherId(id(1)))
    );
    // Nothing of it is left for the next payment.
    assert!(matches!(purse.charge(&charge(8, 1)), Outcome::Refused(_)));
}

// W-6
#[test]
fn another_currency_is_refused() {
    let mut purse = purse(100, &[]);
    let dollars = Money::new(1, Usd);
    assert_eq!(purse.deposit(dollars, String::new()).unwrap_err().reason, Reason::CurrencyMismatch);
    let mut foreign = charge(7, 1);
    foreign.bill.amount = dollars;
    let Outcome::Refused(refusal) = purse.charge(&foreign) else { panic!() };
    assert_eq!(refusal.reason, "CURRENCY_MISMATCH");
}

#[test]
fn balances_that_do_not_fit_are_refused() {
    let mut purse = purse(1, &[]);
    let refusal = purse.deposit(cny(i64::MAX), String::new()).unwrap_err();
    assert_eq!(refusal.reason, Reason::AmountTooLarge);
    purse.deposit(cny(i64::MAX - 1), String::new()).unwrap();

    let voucher = |number| kernel::ids::VoucherId(id(number));
    purse.issue(voucher(1), grant(i64::MAX, 1, |_| ())).unwrap();
    let refusal = purse.issue(voucher(2), grant(1, 1, |_| ())).unwrap_err();
    assert_eq!(refusal.reason, Reason::AmountTooLarge);
}

// V-1, V-5
#[test]
fn a_voucher_is_usable_from_its_start_up_to_its_end() {
    let instant = TimeDelta::microseconds(1);
    let terms = grant(1, 30, |_| ()).terms;
    let (from, until) = (terms.valid_from, terms.expires);
    let voucher = |remaining| Voucher {
        id: kernel::ids::VoucherId(id(1)),
        account: acme(),
        face: cny(10),
        remaining,
        captured: 10 - remaining,
        held: 0,
        forfeited: 0,
        voided: 0,
        expired: 0,
        revoked: false,
        terms: terms.clone(),
        create_time: noon(),
    };
    for (remaining, now, state) in [
        (10, from - instant, VoucherState::NotYetValid),
        (10, from, VoucherState::Usable),
        (10, until - instant, VoucherState::Usable),
        (10, until, VoucherState::Expired),
        (0, until, VoucherState::UsedUp),
        (0, from, VoucherState::UsedUp),
    ] {
        assert_eq!(voucher(remaining).state(now), state, "{remaining} at {now}");
    }

    // What is booked outlives the clock: what was lost at the end, and that it was revoked.
    let ended = Voucher { captured: 3, expired: 7, ..voucher(0) };
    assert_eq!(ended.state(until), VoucherState::Expired);
    for (remaining, now) in [(10, from), (10, until), (0, from)] {
        let revoked = Voucher { revoked: true, ..voucher(remaining) };
        assert_eq!(revoked.state(now), VoucherState::Revoked);
        assert_eq!(revoked.usable().remaining, 0);
        assert!(revoked.is_over(now));
    }
    let whole = voucher(10);
    assert_eq!(whole.usable().remaining, 10);
    assert_eq!((whole.is_over(until - instant), whole.is_over(until)), (false, true));
}

// O-8
#[test]
fn five_minutes_of_skew_are_believed_and_no_more() {
    let (most, more) = (TimeDelta::minutes(5), TimeDelta::minutes(5) + TimeDelta::microseconds(1));
    for (offset, expected) in [(most, false), (-most, false), (more, true), (-more, true)] {
        assert_eq!(skewed(noon() + offset, noon()), expected, "{offset}");
    }
}

#[test]
fn the_names_of_ledger_accounts_read_back() {
    let (voucher, order) = (kernel::ids::VoucherId(id(1)), kernel::ids::OrderId(id(2)));
    let payment = kernel::ids::PaymentId(id(3));
    for account in [
        LedgerAccount::Cash,
        LedgerAccount::Voucher(voucher),
        LedgerAccount::Deposits,
        LedgerAccount::IssuedVouchers,
        LedgerAccount::Revenue(order),
        LedgerAccount::Forfeited(voucher),
        LedgerAccount::Void(voucher),
        LedgerAccount::Refund(kernel::ids::RefundId(id(4))),
        LedgerAccount::Expired(voucher),
        LedgerAccount::HeldCash(payment),
        LedgerAccount::HeldVoucher(payment, voucher),
        LedgerAccount::Channel("alipay".parse().unwrap()),
    ] {
        assert_eq!(account.to_string().parse(), Ok(account));
    }
    let elsewhere = format!("hold:{payment}:gold");
    for unknown in
        ["", "cash:", "voucher:", "voucher:7", "gold", "hold:cash", "external:bank", &elsewhere]
    {
        assert!(unknown.parse::<LedgerAccount>().is_err(), "{unknown}");
    }
}

/// Something that happens to a purse.
#[derive(Debug, Clone)]
enum Step {
    Deposit(i64),
    Issue { face: i64, single_use: bool },
    Charge(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1i64..50).prop_map(Step::Deposit),
        (1i64..50, any::<bool>()).prop_map(|(face, single_use)| Step::Issue { face, single_use }),
        (0i64..60).prop_map(Step::Charge),
    ]
}

/// What the entries say each ledger account has.
fn sums(entries: &[Entry]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for entry in entries {
        *sums.entry(entry.debit.to_string()).or_default() -= entry.amount.minor();
        *sums.entry(entry.credit.to_string()).or_default() += entry.amount.minor();
    }
    sums
}

proptest! {
    /// W-2, V-3: whatever happens, balances are the sums of their entries and none is negative; a
    /// refusal leaves everything as it was.
    #[test]
    fn the_books_balance_after_every_step(steps in prop::collection::vec(any_step(), 1..20)) {
        let (mut purse, mut entries) = (purse(0, &[]), Vec::new());
        let mut vouchers: Vec<engine::Voucher> = Vec::new();
        for (number, step) in (1..).zip(steps) {
            // What a transaction would load, and the next one after it.
            let mut loaded = Purse::new(purse.wallet().clone(), vouchers.clone(), noon());
            match step {
                Step::Deposit(minor) => {
                    loaded.deposit(cny(minor), String::new()).unwrap();
                }
                Step::Issue { face, single_use } => {
                    let grant = grant(face, 30, |terms| terms.single_use = single_use);
                    loaded.issue(kernel::ids::VoucherId(id(number)), grant).unwrap();
                }
                Step::Charge(minor) => {
                    let outcome = loaded.charge(&charge(number, minor));
                    if matches!(outcome, Outcome::Refused(_)) {
                        prop_assert_eq!(loaded.change(), &super::purse::Change::default());
                        prop_assert_eq!(loaded.wallet(), purse.wallet());
                    }
                }
            }
            for (id, moved) in &loaded.change().moved {
                let voucher = vouchers.iter_mut().find(|voucher| voucher.id == *id).unwrap();
                voucher.remaining += moved.remaining;
            }
            vouchers.extend(loaded.change().vouchers.iter().map(|issued| engine::Voucher {
                id: issued.id,
                remaining: issued.remaining,
                terms: issued.terms.clone(),
            }));
            entries.extend(loaded.change().entries.clone());
            purse = loaded;

            let sums = sums(&entries);
            prop_assert_eq!(sums.values().sum::<i64>(), 0);
            prop_assert_eq!(sums.get("cash").copied().unwrap_or_default(), purse.wallet().cash);
            prop_assert!(purse.wallet().cash >= 0);
            prop_assert_eq!(i64::try_from(entries.len()), Ok(purse.wallet().entries));
            for voucher in &vouchers {
                let booked = sums[&LedgerAccount::Voucher(voucher.id).to_string()];
                prop_assert_eq!(booked, voucher.remaining);
                prop_assert!(voucher.remaining >= 0);
            }
        }
    }
}
