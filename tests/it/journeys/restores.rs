//! What brings payments and orders together again, as `perennial reconcile` calls it.

use proto::{
    convert::timestamp,
    wallet::{
        internal::v1::{FindPaymentsRequest, RestorePaymentRequest, WithdrawPaymentRequest},
        v1::{GetPaymentsRequest, Payment, payment::State},
    },
};
use tests::{Suite, bad_fields, fixture::*, refusal};
use tonic::Code;

/// The payment of a month of `i-1`, paid by cash.
async fn paid(suite: &Suite) -> Payment {
    suite.jd("acme", 56_00).await;
    suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
    suite.create(paid_order_of("acme", selection(&["i-1"], "1m"))).await.expect("it is paid");
    let since = Some(timestamp(suite.now()));
    let request = FindPaymentsRequest { since, ..FindPaymentsRequest::default() };
    let found = suite.restores().find_payments(request).await.expect("payments").into_inner();
    assert_eq!(found.payments.len(), 1);
    found.payments[0].payment.clone().expect("a payment")
}

fn withdrawal(payment: &Payment, account: &str) -> WithdrawPaymentRequest {
    WithdrawPaymentRequest {
        payment_id: payment.payment_id.clone(),
        account_id: account.to_owned(),
        refund_id: new_id(),
    }
}

crate::journeys! {
    /// O-4: given back once; from then on it is void for whoever asks.
    async fn a_payment_that_no_order_knows_of_is_given_back(suite) {
        let payment = paid(suite).await;
        let request = withdrawal(&payment, "acme");
        for _ in 0..2 {
            let answer = suite.restores().withdraw_payment(request.clone()).await.expect("a refund");
            let refund = answer.into_inner().refund.expect("a refund");
            assert_eq!((refund.amount, suite.cash("acme").await), (Some(cny(56_00)), 56_00));
        }
        let ids = vec![payment.payment_id.clone()];
        let request = GetPaymentsRequest { payment_ids: ids.clone(), intent_ids: Vec::new() };
        let known = suite.payments().get_payments(request).await.unwrap().into_inner().payments;
        assert_eq!(known[0].state(), State::Voided);
        let request = FindPaymentsRequest { payment_ids: ids, ..FindPaymentsRequest::default() };
        let found = suite.restores().find_payments(request).await.unwrap().into_inner().payments;
        assert_eq!(found[0].refunds.len(), 1);

        let other = Payment { payment_id: new_id(), ..payment.clone() };
        let answer = suite.restores().withdraw_payment(withdrawal(&other, "acme")).await;
        assert_eq!(refusal(answer), (Code::NotFound, "PAYMENT_NOT_FOUND".to_owned()));
        // What was given back is not booked again.
        let request = RestorePaymentRequest { payment: Some(payment) };
        let answer = suite.restores().restore_payment(request).await;
        assert_eq!(refusal(answer), (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned()));
    }

    /// W-2: a known one stays as it is, a new one takes what there is, and no more.
    async fn a_payment_is_booked_again_only_from_what_there_is(suite) {
        let payment = paid(suite).await;
        let restore = async |payment: &Payment| {
            let request = RestorePaymentRequest { payment: Some(payment.clone()) };
            suite.restores().restore_payment(request).await
        };
        restore(&payment).await.expect("it is known");
        let unknown = Payment { payment_id: new_id(), ..payment.clone() };
        let answer = restore(&unknown).await;
        assert_eq!(refusal(answer), (Code::FailedPrecondition, "INSUFFICIENT_FUNDS".to_owned()));
        suite.deposit("acme", 57_00).await;
        restore(&unknown).await.expect("there is enough");
        assert_eq!(suite.cash("acme").await, 1_00);
        let nobody = Payment { account_id: "nobody".to_owned(), ..unknown };
        let answer = restore(&nobody).await;
        assert_eq!(refusal(answer), (Code::NotFound, "WALLET_NOT_FOUND".to_owned()));
    }

    /// Everything that is wrong is named.
    async fn what_cannot_be_read_is_refused(suite) {
        let payment = paid(suite).await;
        let bad = [
            Payment { state: State::Voided.into(), ..payment.clone() },
            Payment { amount: Some(cny(57_00)), ..payment.clone() },
            Payment { order_id: String::new(), as_of: None, ..payment },
        ];
        let mut named = Vec::new();
        for payment in bad {
            let request = RestorePaymentRequest { payment: Some(payment) };
            let status = suite.restores().restore_payment(request).await.unwrap_err();
            named.push(bad_fields(&status).join(" "));
        }
        assert_eq!(
            named,
            ["payment.state", "payment.parts", "payment.order_id payment.as_of"]
        );
        let nothing = WithdrawPaymentRequest::default();
        let status = suite.restores().withdraw_payment(nothing).await.unwrap_err();
        assert_eq!(bad_fields(&status), ["payment_id", "account_id", "refund_id"]);
        let nothing = FindPaymentsRequest { limit: 1, ..FindPaymentsRequest::default() };
        let status = suite.restores().find_payments(nothing).await.unwrap_err();
        assert_eq!(bad_fields(&status), ["since"]);
    }
}
