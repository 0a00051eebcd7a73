use chrono::{DateTime, NaiveDate};
use kernel::{Currency::Cny, Money};
use proto::{renewal::internal::v1::OrderRefund, wallet::v1::payment::State as Paid};
use rule_engine::due::{AttemptIdentity, AttemptKind};
use uuid::Uuid;

use super::*;
use crate::store::orders::Attempt;

const ID: OrderId = OrderId(Uuid::from_u128(7));

/// An order that has begun its first payment, if it is `paid`, or none.
fn order(state: State, paid: bool) -> Order {
    let account = "acme".parse().unwrap();
    let now = DateTime::UNIX_EPOCH;
    let order = Order::new(account, ID, Money::new(100, Cny), now, now);
    let (payment_id, pay_number) = if paid { (Some(payment_id(ID, 1)), 1) } else { (None, 0) };
    Order { state, payment_id, pay_number, ..order }
}

/// The order's payment number `number`.
fn payment(state: Paid, number: i32) -> Payment {
    Payment {
        payment_id: payment_id(ID, number).to_string(),
        account_id: "acme".to_owned(),
        order_id: ID.to_string(),
        state: state.into(),
        ..Payment::default()
    }
}

fn remedy(payment: &Payment, refunds: &[Refund], order: Option<&Order>) -> Option<Remedy> {
    Pair::of(payment, refunds, order).remedy()
}

fn attempt(order: Order) -> Order {
    let identity = AttemptIdentity {
        account: order.account.clone(),
        root: "i-1".parse().unwrap(),
        expiry: order.create_time,
        date: NaiveDate::MIN,
        kind: AttemptKind::of(0),
    };
    let attempt = Attempt { identity, outcome: None, reason: None, retry_time: None };
    Order { attempt: Some(attempt), ..order }
}

// O-4, O-6: what is under way by itself, and what belongs together, is left alone.
#[test]
fn each_payment_that_its_order_does_not_know_of_has_one_remedy() {
    use Remedy::{Finish, Release, TakeBack, Withdraw};
    let refund = Refund { refund_id: "r".to_owned(), ..Refund::default() };
    let (none, refunded): (&[_], &[_]) = (&[], std::slice::from_ref(&refund));
    let completed = order(State::Completed, true);
    let mut knows = completed.clone();
    knows.snapshot.refunds = vec![OrderRefund { refund_id: "r".to_owned(), ..Default::default() }];
    let [paying, expired] = [State::Paying, State::Expired].map(|state| order(state, true));
    let [open, cancelled] =
        [State::PendingPayment, State::Cancelled].map(|state| order(state, false));
    let (checkout, attempted) = (order(State::PendingPayment, true), attempt(open.clone()));
    for (state, number, refunds, order, expected) in [
        (Paid::Succeeded, 1, none, None, Some(Withdraw)),
        (Paid::Succeeded, 1, refunded, None, Some(Withdraw)),
        (Paid::Succeeded, 1, none, Some(&completed), None),
        (Paid::Succeeded, 1, refunded, Some(&completed), Some(TakeBack)),
        (Paid::Succeeded, 1, refunded, Some(&knows), None),
        (Paid::Succeeded, 2, none, Some(&completed), Some(Withdraw)),
        (Paid::Succeeded, 1, none, Some(&paying), None),
        (Paid::Succeeded, 1, refunded, Some(&paying), Some(Withdraw)),
        (Paid::Succeeded, 2, none, Some(&paying), Some(Finish)),
        (Paid::Succeeded, 1, none, Some(&checkout), None),
        (Paid::Succeeded, 1, none, Some(&expired), None),
        (Paid::Succeeded, 1, none, Some(&open), Some(Finish)),
        (Paid::Succeeded, MOST_FORGOTTEN, none, Some(&open), Some(Finish)),
        (Paid::Succeeded, MOST_FORGOTTEN + 1, none, Some(&open), Some(Withdraw)),
        (Paid::Succeeded, 1, refunded, Some(&open), Some(Withdraw)),
        (Paid::Succeeded, 1, none, Some(&attempted), Some(Withdraw)),
        (Paid::Succeeded, 1, none, Some(&cancelled), Some(Withdraw)),
        (Paid::Pending, 1, none, None, Some(Release)),
        (Paid::Pending, 1, none, Some(&checkout), None),
        (Paid::Pending, 2, none, Some(&checkout), Some(Release)),
        (Paid::Voided, 1, none, None, None),
        (Paid::Refused, 1, none, Some(&open), None),
    ] {
        let found = remedy(&payment(state, number), refunds, order);
        assert_eq!(found, expected, "{state:?} {number} {refunds:?} {order:?}");
    }
}
