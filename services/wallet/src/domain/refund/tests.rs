use std::fmt::Write as _;

use kernel::ids::IntentId;
use rule_engine::voucher::VoucherPayment;

use super::*;
use crate::{
    domain::{Intent, PaymentRefusal},
    tests::{self, acme, channel, charge, id, noon},
};

fn instances(names: &[&str]) -> BTreeSet<InstanceId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn voucher(number: u128) -> VoucherId {
    VoucherId(id(number))
}

fn ask(names: &[&str], through_channel: bool) -> RefundAsk {
    RefundAsk { through_channel, ..tests::ask(50, 1, names) }
}

/// `a` is paid by V1 10, cash 20 and the channel 30; `b` by V1 5 and V2 6; `c` costs nothing. V1
/// forfeited 40.
fn payment() -> Payment {
    let item = |name: &str, vouchers: &[(u128, i64)], cash, channel| ItemParts {
        instance: name.parse().unwrap(),
        vouchers: vouchers.iter().map(|&(number, part)| (voucher(number), part)).collect(),
        cash,
        channel,
    };
    let used =
        |number, paid, forfeited| VoucherPayment { voucher: voucher(number), paid, forfeited };
    let coverage = Coverage {
        vouchers: vec![used(1, 15, 40), used(2, 6, 0)],
        cash: 20,
        channel: 30,
        items: vec![
            item("a", &[(1, 10)], 20, 30),
            item("b", &[(1, 5), (2, 6)], 0, 0),
            item("c", &[], 0, 0),
        ],
    };
    let intent = IntentId(id(9));
    let intent = Intent { id: intent, channel: channel("sandbox"), amount: 30, expires: noon() };
    let payment = Payment::without_channel(&charge(1, 71), Outcome::Succeeded(coverage));
    Payment { intent: Some(intent), ..payment }
}

/// Shows what is given back of each item, such as `a: V1 10+40 cash 20 sandbox 30`.
fn shown(names: &[&str], before: &[&str], over: &[u128], through_channel: bool) -> String {
    let over = over.iter().map(|&number| voucher(number)).collect();
    let ask = ask(names, through_channel);
    let refund = match plan(&ask, &payment(), &instances(before), &over, noon()) {
        Ok(refund) => refund,
        Err(refused) => return refused.to_string(),
    };
    assert_eq!(refund.pending, refund.items.iter().any(|item| item.channel > 0));
    let item = |item: &RefundedItem| {
        let mut text = format!("{}:", item.instance);
        for it in &item.vouchers {
            let (number, void) = (it.voucher.0.as_u128(), if it.void { "void " } else { "" });
            write!(text, " {void}V{number} {}+{}", it.amount, it.forfeit_returned).unwrap();
        }
        for (name, part) in [
            ("cash", item.cash),
            ("through", item.channel),
            ("channel to cash", item.channel_to_cash),
        ] {
            if part != 0 {
                write!(text, " {name} {part}").unwrap();
            }
        }
        text
    };
    refund.items.iter().map(item).collect::<Vec<_>>().join(", ")
}

// V-4, V-5, O-6
#[test]
fn each_part_goes_back_to_where_it_came_from() {
    let all = &["a", "b", "c"];
    for (names, before, over, through, expected) in [
        (&["a"][..], &[][..], &[][..], false, "a: V1 10+0 cash 20 channel to cash 30"),
        (&["a"], &[], &[], true, "a: V1 10+0 cash 20 through 30"),
        (&["b"], &[], &[], true, "b: V1 5+0 V2 6+0"),
        // The forfeited rest comes back with the last item that the voucher paid for.
        (&["b"], &["a"], &[], true, "b: V1 5+40 V2 6+0"),
        (&["a"], &["b"], &[], true, "a: V1 10+40 cash 20 through 30"),
        (all, &[], &[], false, "a: V1 10+0 cash 20 channel to cash 30, b: V1 5+40 V2 6+0, c:"),
        // A voucher that is over gets nothing back, and so does not get its rest back.
        (&["b"], &["a"], &[1], true, "b: void V1 5+0 V2 6+0"),
        (&["b"], &["a"], &[2], true, "b: V1 5+40 void V2 6+0"),
        (&["c"], &["a", "b"], &[], true, "c:"),
        (&["a"], &["a", "b"], &[], false, "another refund gave back what was paid for a"),
        (all, &["c"], &[], false, "another refund gave back what was paid for c"),
        (&["a", "x", "y"], &["a"], &[], false, "the payment did not pay for x, y"),
    ] {
        assert_eq!(shown(names, before, over, through), expected, "{names:?} after {before:?}");
    }
}

// W-3
#[test]
fn only_a_payment_that_succeeded_is_given_back() {
    for outcome in [
        Outcome::Voided,
        Outcome::Pending(Coverage::default()),
        Outcome::Refused(PaymentRefusal::wallet_not_found(&acme())),
    ] {
        let payment = Payment { outcome, ..payment() };
        let refused = plan(&ask(&["a"], false), &payment, &[].into(), &[].into(), noon());
        assert_eq!(refused, Err(RefundRefused::NotSucceeded));
    }
}

// O-6
#[test]
fn what_a_channel_refuses_goes_to_the_cash_balance() {
    let refund = plan(&ask(&["a"], true), &payment(), &[].into(), &[].into(), noon()).unwrap();
    assert_eq!((refund.amount(), &refund.asked), (60, &Some((channel("sandbox"), 30))));
    for (confirmed, expected) in [(true, (30, 0)), (false, (0, 30))] {
        let ended = refund.clone().answered(confirmed, noon());
        let item = &ended.items[0];
        assert_eq!((item.channel, item.channel_to_cash), expected);
        assert_eq!((ended.pending, ended.amount(), ended.confirm_time), (false, 60, Some(noon())));
        assert_eq!(ended.asked, refund.asked);
    }
}

// O-6: only the opposite of what was said contradicts, and while nothing was said nothing does.
#[test]
fn a_channel_contradicts_itself_by_the_opposite_of_what_it_said() {
    let plan = |names: &[&str]| {
        plan(&ask(names, true), &payment(), &[].into(), &[].into(), noon()).unwrap()
    };
    // The channel paid `a` and nothing of `c`.
    for names in [&["a"][..], &["a", "c"]] {
        let pending = plan(names);
        for (refund, of_confirmed, of_refused) in [
            (pending.clone(), false, false),
            (pending.clone().answered(true, noon()), false, true),
            (pending.answered(false, noon()), true, false),
        ] {
            let contradicted = (refund.is_contradicted(true), refund.is_contradicted(false));
            assert_eq!(contradicted, (of_confirmed, of_refused), "{refund:?}");
        }
    }
}
