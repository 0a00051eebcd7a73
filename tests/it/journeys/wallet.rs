//! Vouchers and cash, and what the ledger says of them.

use proto::{
    convert::timestamp,
    renewal::v1::{CreateRenewalOrderRequest, PaymentChoice, order::State, payment_choice},
    r#type::v1::{BillingMode, OrderKind, VoucherRule, VoucherStrategy},
    wallet::v1::{
        Charge, ChargeManyRequest, ChargeRequest, CreateWalletRequest, GetFundsRequest,
        GetPaymentsRequest, ListEntriesRequest, ListVouchersRequest, PayableItem,
        PreviewPaymentRequest, VoidPaymentRequest, VoucherChoice, VoucherTerms, payment,
        voucher_choice::Choice,
    },
};
use tests::{Suite, at, fixture::*, reason, refusal};
use tonic::Code;

/// One item of `payable` fen.
fn item(id: &str, payable: i64) -> PayableItem {
    PayableItem {
        instance_id: id.to_owned(),
        product_id: "ks-eip".to_owned(),
        region: "cn-north-1".to_owned(),
        billing_mode: BillingMode::Prepaid.into(),
        order_kind: OrderKind::Renewal.into(),
        term_months: 1,
        payable: Some(cny(payable)),
        discounted: false,
    }
}

fn by(strategy: VoucherStrategy, max_per_payment: Option<i32>) -> VoucherChoice {
    let rule = VoucherRule { strategy: strategy.into(), max_per_payment };
    VoucherChoice { choice: Some(Choice::Rule(rule)), max_per_payment: None }
}

fn charge(account: &str, items: Vec<PayableItem>, vouchers: Option<VoucherChoice>) -> Charge {
    Charge {
        payment_id: new_id(),
        account_id: account.to_owned(),
        order_id: new_id(),
        items,
        vouchers,
        automatic: false,
    }
}

fn at_once(suite: &Suite, charge: &Charge) -> ChargeRequest {
    ChargeRequest { charge: Some(charge.clone()), as_of: Some(timestamp(suite.now())) }
}

crate::journeys! {
    /// V-3, V-4, V-5: Kingsoft's example to the cent.
    async fn vouchers_pay_in_the_order_of_their_expiry(suite) {
        suite.kingsoft("ksc", 25_00).await;
        let nearest = || Some(by(VoucherStrategy::NearestExpiryThenLargest, None));
        let v1 = suite.issue("ksc", 30_00, "2026-01-01 00:00", "2026-12-01 00:00").await;
        let v2 = suite.issue("ksc", 80_00, "2026-01-01 00:00", "2026-12-01 00:00").await;
        let v3 = suite.issue("ksc", 10_00, "2026-01-01 00:00", "2026-11-30 00:00").await;

        let too_much = charge("ksc", vec![item("a", 150_00)], nearest());
        let refused = suite.payments().charge(at_once(suite, &too_much)).await.unwrap();
        let refused = refused.into_inner().payment.unwrap();
        assert_eq!(refused.state(), payment::State::Refused);
        let why = refused.refusal.unwrap();
        assert_eq!(why.reason, "INSUFFICIENT_FUNDS");
        assert_eq!((why.available, why.missing), (Some(cny(145_00)), Some(cny(5_00))));

        let fits = charge("ksc", vec![item("a", 100_00)], nearest());
        let paid = suite.payments().charge(at_once(suite, &fits)).await.unwrap();
        let paid = paid.into_inner().payment.unwrap();

        assert_eq!(paid.state(), payment::State::Succeeded);
        let parts: Vec<_> = paid.parts[0].vouchers.iter()
            .map(|part| (part.voucher_id.as_str(), part.amount.as_ref().unwrap().minor_units))
            .collect();
        let expected = [(&v3.voucher_id, 10_00), (&v2.voucher_id, 80_00), (&v1.voucher_id, 10_00)];
        assert_eq!(parts, expected.map(|(id, amount)| (id.as_str(), amount)));
        assert_eq!(suite.voucher("ksc", &v1.voucher_id).await.remaining, Some(cny(20_00)));
        assert_eq!(suite.cash("ksc").await, 25_00);
        suite.audit().await;
    }

    /// A repeat gets the stored outcome; other content is refused; a void finds the end, or makes one.
    async fn a_payment_has_one_outcome_for_ever(suite) {
        suite.kingsoft("ksc", 100_00).await;
        let first = charge("ksc", vec![item("a", 40_00)], None);
        let paid = suite.payments().charge(at_once(suite, &first)).await.unwrap().into_inner();
        let again = suite.payments().charge(at_once(suite, &first)).await.unwrap().into_inner();
        assert_eq!(paid, again);
        assert_eq!(suite.cash("ksc").await, 60_00);
        let other = Charge { items: vec![item("a", 41_00)], ..first.clone() };
        assert_eq!(
            refusal(suite.payments().charge(at_once(suite, &other)).await),
            (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned())
        );
        let void = |charge: &Charge| VoidPaymentRequest {
            payment_id: charge.payment_id.clone(),
            account_id: charge.account_id.clone(),
        };
        let ended = suite.payments().void_payment(void(&first)).await.unwrap().into_inner();
        assert_eq!(ended.payment.unwrap().state(), payment::State::Succeeded);

        let late = charge("ksc", vec![item("a", 40_00)], None);
        let voided = suite.payments().void_payment(void(&late)).await.unwrap().into_inner();
        assert_eq!(voided.payment.unwrap().state(), payment::State::Voided);
        let charged = suite.payments().charge(at_once(suite, &late)).await.unwrap().into_inner();
        assert_eq!(charged.payment.unwrap().state(), payment::State::Voided);
        assert_eq!(suite.cash("ksc").await, 60_00);

        let ids = vec![late.payment_id.clone(), new_id(), first.payment_id.clone()];
        let known = suite.payments().get_payments(GetPaymentsRequest { payment_ids: ids, intent_ids: Vec::new() }).await;
        let known: Vec<_> = known.unwrap().into_inner().payments.into_iter().map(|it| it.payment_id).collect();
        assert_eq!(known, [late.payment_id, first.payment_id]);
        suite.audit().await;
    }

    /// charges are taken in order; one that cannot be paid does not stop the next.
    async fn many_charges_are_taken_in_order_each_whole_or_not_at_all(suite) {
        suite.kingsoft("ksc", 100_00).await;
        suite.kingsoft("second", 10_00).await;
        let charges = vec![
            charge("ksc", vec![item("a", 60_00)], None),
            charge("second", vec![item("b", 10_01)], None),
            charge("ksc", vec![item("c", 50_00)], None),
            charge("ksc", vec![item("d", 20_00), item("e", 20_00)], None),
            charge("nobody", vec![item("f", 1)], None),
        ];
        let request = ChargeManyRequest { charges, as_of: Some(timestamp(suite.now())) };

        let first = suite.payments().charge_many(request.clone()).await.unwrap().into_inner();
        let again = suite.payments().charge_many(request.clone()).await.unwrap().into_inner();

        let outcomes: Vec<_> = first.payments.iter().map(|it| it.state().as_str_name()).collect();
        assert_eq!(outcomes, ["STATE_SUCCEEDED", "STATE_REFUSED", "STATE_REFUSED", "STATE_SUCCEEDED", "STATE_REFUSED"]);
        assert_eq!(first, again);
        assert_eq!((suite.cash("ksc").await, suite.cash("second").await), (0, 10_00));

        let mut bad = request;
        bad.charges[4].payment_id = "no id".to_owned();
        bad.charges[0].payment_id = new_id();
        let status = suite.payments().charge_many(bad).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_REQUEST");
        suite.audit().await;
    }

    /// O-8: an instant too far from the wallet's clock decides nothing.
    async fn a_payment_instant_five_minutes_off_is_refused(suite) {
        suite.kingsoft("ksc", 100_00).await;
        let charge = charge("ksc", vec![item("a", 1_00)], None);
        let skewed = |seconds: i64| ChargeRequest {
            charge: Some(charge.clone()),
            as_of: Some(timestamp(suite.now() + chrono::TimeDelta::seconds(seconds))),
        };
        for seconds in [-301, 301] {
            assert_eq!(
                refusal(suite.payments().charge(skewed(seconds)).await),
                (Code::FailedPrecondition, "CLOCK_SKEW".to_owned())
            );
        }
        let paid = suite.payments().charge(skewed(-300)).await.unwrap().into_inner();
        assert_eq!(paid.payment.unwrap().state(), payment::State::Succeeded);
    }

    /// V-1, V-5: a preview says which vouchers would pay how much, and why not the others.
    async fn a_preview_says_why_a_voucher_does_not_pay(suite) {
        suite.kingsoft("ksc", 5_00).await;
        let open = suite.issue("ksc", 30_00, "2026-01-01 00:00", "2026-12-01 00:00").await;
        let expired = suite.issue("ksc", 30_00, "2026-01-01 00:00", "2026-03-01 09:00").await;
        let terms = VoucherTerms {
            valid_from: Some(timestamp(at("2026-01-01 00:00"))),
            expire_time: Some(timestamp(at("2026-12-01 00:00"))),
            only_product_ids: vec!["ks-kec".to_owned()],
            ..VoucherTerms::default()
        };
        let elsewhere = suite.issue_with("ksc", 30_00, terms).await;
        let request = PreviewPaymentRequest {
            account_id: "ksc".to_owned(),
            items: vec![item("a", 40_00)],
            vouchers: Some(by(VoucherStrategy::NearestExpiryThenLargest, None)),
            automatic: false,
            as_of: None,
        };

        let preview = suite.vouchers().preview_payment(request).await.unwrap().into_inner();

        assert_eq!((preview.cash, preview.missing), (Some(cny(5_00)), Some(cny(5_00))));
        for used in preview.uses {
            let id = used.voucher.unwrap().voucher_id;
            if id == open.voucher_id {
                assert_eq!(used.amount, Some(cny(30_00)));
            } else {
                assert!([&expired.voucher_id, &elsewhere.voucher_id].contains(&&id));
                assert_ne!(used.why_not, "");
            }
        }
        let list = ListVouchersRequest {
            account_id: "ksc".to_owned(),
            usable_only: true,
            ..ListVouchersRequest::default()
        };
        let usable = suite.vouchers().list_vouchers(list).await.unwrap().into_inner().vouchers;
        assert_eq!(usable.len(), 2);
        let funds = GetFundsRequest { account_ids: vec!["ksc".to_owned(), "nobody".to_owned()] };
        let funds = suite.payments().get_funds(funds).await.unwrap().into_inner().funds;
        assert_eq!(funds.len(), 1);
        assert_eq!((funds[0].cash.clone(), funds[0].vouchers.clone()), (Some(cny(5_00)), Some(cny(60_00))));
    }

    /// V-2: JD: no voucher is used unless it is named, and one that cannot pay refuses the payment.
    async fn a_customer_of_jd_names_the_voucher(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00"), vm("acme", "i-2", "2026-03-11 00:00")]).await;
        let good = suite.issue("acme", 50_00, "2026-01-01 00:00", "2026-12-01 00:00").await;
        let expired = suite.issue("acme", 50_00, "2026-01-01 00:00", "2026-02-01 00:00").await;
        let order = |instance: &str, voucher: Option<&str>| {
            let named = voucher.map(|id| payment_choice::Named { voucher_ids: vec![id.to_owned()] });
            let pay = PaymentChoice { vouchers: named.map(payment_choice::Vouchers::Named) };
            CreateRenewalOrderRequest { pay: Some(pay), ..order_of("acme", selection(&[instance], "1m")) }
        };

        suite.create(order("i-1", None)).await.unwrap();
        assert_eq!(suite.cash("acme").await, 44_00);
        let refused = suite.create(order("i-2", Some(&expired.voucher_id))).await.unwrap();
        assert_eq!(refused.state(), State::PendingPayment);
        assert_eq!(refused.payment_refusal.unwrap().reason, "VOUCHER_NOT_APPLICABLE");
        let choice = payment_choice::Named { voucher_ids: vec![good.voucher_id] };
        let paid = suite.pay(proto::renewal::v1::PayOrderRequest {
            pay: Some(PaymentChoice { vouchers: Some(payment_choice::Vouchers::Named(choice)) }),
            request_id: new_id(),
            account_id: "acme".to_owned(),
            order_id: refused.order_id,
        }).await.unwrap();
        assert_eq!(paid.state(), State::Completed);
        assert_eq!(suite.cash("acme").await, 38_00);
        suite.audit().await;
    }

    /// W-2: the ledger is gapless, and tells of every movement once.
    async fn the_ledger_tells_of_every_movement(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(paid_order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        let request = ListEntriesRequest { account_id: "acme".to_owned(), ..ListEntriesRequest::default() };
        let entries = suite.wallets().list_entries(request).await.unwrap().into_inner().entries;

        let told: Vec<_> = entries.iter()
            .map(|entry| (entry.number, entry.debit.as_str(), entry.amount.as_ref().unwrap().minor_units))
            .collect();
        assert_eq!(told, [(2, "cash", 56_00), (1, "external:deposit", 100_00)]);
        assert_eq!(entries[0].payment_id, order.payment_id);
        let same = CreateWalletRequest { account_id: "acme".to_owned(), currency_code: "USD".to_owned() };
        assert_eq!(
            refusal(suite.wallets().create_wallet(same).await),
            (Code::FailedPrecondition, "CURRENCY_MISMATCH".to_owned())
        );
    }
}
