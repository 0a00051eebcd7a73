use std::collections::BTreeSet;

use uuid::Uuid;

use super::*;

#[test]
fn states_are_stored_by_name() {
    for state in State::ALL {
        assert_eq!(state.name().parse(), Ok(state));
    }
    assert!("PAYED".parse::<State>().is_err());
}

// O-8, section 11: ORDER_NOT_PAYABLE, ORDER_ALREADY_PAID, ORDER_NOT_CANCELLABLE
#[test]
fn an_order_is_paid_or_cancelled_only_while_it_awaits_its_payment() {
    use NotNow::{Busy, Never};
    use Reason::{OrderAlreadyPaid, OrderNotCancellable, OrderNotPayable};
    let paid = Err(Never(OrderAlreadyPaid));
    for (state, payable, cancellable) in [
        (State::PendingPayment, Ok(()), Ok(())),
        (State::Paying, Err(Busy), Err(Busy)),
        (State::Paid, paid, paid),
        (State::Completed, paid, paid),
        (State::Refunding, paid, paid),
        (State::PartlyRefunded, paid, paid),
        (State::Refunded, paid, paid),
        (State::Cancelled, Err(Never(OrderNotPayable)), Ok(())),
        (State::Expired, Err(Never(OrderNotPayable)), Err(Never(OrderNotCancellable))),
        (State::Failed, Err(Never(OrderNotPayable)), Err(Never(OrderNotCancellable))),
    ] {
        assert_eq!((state.check_payable(), state.check_cancellable()), (payable, cancellable));
    }
}

// O-6: ORDER_NOT_REFUNDABLE
#[test]
fn only_what_was_paid_is_refunded() {
    use NotNow::{Busy, Never};
    for (state, refundable) in [
        (State::PendingPayment, Err(Never(Reason::OrderNotRefundable))),
        (State::Paying, Err(Busy)),
        (State::Paid, Ok(())),
        (State::Completed, Ok(())),
        (State::Cancelled, Err(Never(Reason::OrderNotRefundable))),
        (State::Expired, Err(Never(Reason::OrderNotRefundable))),
        (State::Failed, Err(Never(Reason::OrderNotRefundable))),
        (State::Refunding, Err(Never(Reason::OpenOrderExists))),
        (State::PartlyRefunded, Ok(())),
        (State::Refunded, Ok(())),
    ] {
        assert_eq!(state.check_refundable(), refundable, "{state}");
    }
}

// O-4
#[test]
fn each_payment_of_each_order_has_an_id_of_its_own_that_never_changes() {
    let [first, second] = [1, 2].map(|id| OrderId(Uuid::from_u128(id)));
    assert_eq!(payment_id(first, 1), payment_id(first, 1));
    let ids = [payment_id(first, 1), payment_id(first, 2), payment_id(second, 1)];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_eq!(ids[0].to_string(), "6aeb90c7-efd4-8c01-8b67-8ecd691c9a14");
    let one = Some(ids[0]);
    let refunds = [
        refund_id(None, first, 1),
        refund_id(None, first, 2),
        refund_id(None, second, 1),
        refund_id(one, first, 1),
        refund_id(one, first, 2),
        refund_id(Some(ids[1]), first, 1),
        withdrawal_id(ids[0]),
    ];
    let all: BTreeSet<_> =
        refunds.iter().map(|refund| refund.0).chain(ids.map(|id| id.0)).collect();
    assert_eq!(all.len(), refunds.len() + ids.len());
}

#[test]
fn steps_are_repeated_after_a_second_and_then_ever_more_seldom() {
    let seconds =
        [0, 1, 2, 5, 6, 9, 10, i32::MAX, -1].map(|attempts| backoff(attempts).num_seconds());
    assert_eq!(seconds, [1, 2, 4, 32, 60, 60, 300, 300, 1]);
}
