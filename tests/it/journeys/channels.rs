//! Payments by third-party channels, as the channels and the renewal service see them.

use chrono::TimeDelta;
use platform::webhook::Secret;
use proto::{
    convert::timestamp,
    r#type::v1::{BillingMode, OrderKind},
    wallet::{
        internal::v1::ExpireHoldsRequest,
        v1::{
            Charge, ConfirmPaymentRequest, CreatePaymentIntentRequest, GetPaymentsRequest,
            GetWalletRequest, PayableItem, Payment, PaymentIntent, Refund, RefundDestination,
            RefundRequest, VoidPaymentRequest, confirm_payment_response::Outcome, payment::State,
            refund,
        },
    },
};
use tests::{SANDBOX_SECRET, Suite, fixture::*, refusal};
use tonic::{Code, Request};

/// A payment of `payable` fen by `account`, of which the channel pays what cash does not.
fn checkout(suite: &Suite, account: &str, payable: i64) -> CreatePaymentIntentRequest {
    let item = PayableItem {
        instance_id: "i-1".to_owned(),
        product_id: "ks-eip".to_owned(),
        region: "cn-north-1".to_owned(),
        billing_mode: BillingMode::Prepaid.into(),
        order_kind: OrderKind::Renewal.into(),
        term_months: 1,
        payable: Some(cny(payable)),
        discounted: false,
    };
    let charge = Charge {
        payment_id: new_id(),
        account_id: account.to_owned(),
        order_id: new_id(),
        items: vec![item],
        vouchers: None,
        automatic: false,
    };
    CreatePaymentIntentRequest {
        charge: Some(charge),
        as_of: Some(timestamp(suite.now())),
        channel: "sandbox".to_owned(),
        use_cash: true,
        expire_by: Some(timestamp(suite.now() + TimeDelta::days(15))),
    }
}

async fn intent(suite: &Suite, account: &str, payable: i64) -> (Payment, PaymentIntent) {
    let request = checkout(suite, account, payable);
    let payment = suite.payments().create_payment_intent(request).await.expect("an intent");
    let payment = payment.into_inner().payment.unwrap();
    assert_eq!(payment.state(), State::Pending);
    let intent = payment.intent.clone().unwrap();
    (payment, intent)
}

/// What the channel sends when `intent` was paid with `fen`.
fn paid(suite: &Suite, intent: &PaymentIntent, message: &str, fen: i64) -> ConfirmPaymentRequest {
    let body = serde_json::json!({
        "type": "payment.succeeded",
        "data": {
            "intent_id": intent.intent_id,
            "channel_payment_id": format!("money-of-{message}"),
            "amount": { "minor_units": fen, "currency_code": "CNY" },
        },
    });
    signed(suite, message, &body)
}

fn signed(suite: &Suite, message: &str, body: &serde_json::Value) -> ConfirmPaymentRequest {
    let (secret, body) = (SANDBOX_SECRET.parse::<Secret>().unwrap(), body.to_string());
    let sent = suite.now().timestamp();
    ConfirmPaymentRequest {
        channel: "sandbox".to_owned(),
        webhook_id: message.to_owned(),
        webhook_timestamp: sent.to_string(),
        webhook_signature: secret.sign(message, sent, body.as_bytes()),
        body: body.into_bytes(),
    }
}

async fn state(suite: &Suite, payment: &Payment) -> State {
    let request = GetPaymentsRequest {
        payment_ids: vec![payment.payment_id.clone()],
        intent_ids: Vec::new(),
    };
    let found = suite.payments().get_payments(request).await.unwrap().into_inner();
    found.payments[0].state()
}

/// The cash of `account`, and what is set aside of it.
async fn cash_and_held(suite: &Suite, account: &str) -> (i64, i64) {
    let request = GetWalletRequest { account_id: account.to_owned() };
    let wallet = suite.wallets().get_wallet(request).await.unwrap().into_inner().wallet.unwrap();
    (wallet.cash.unwrap().minor_units, wallet.held.unwrap().minor_units)
}

/// What `perennial pay-sandbox` with `words` ends with.
async fn pay_sandbox(suite: &Suite, id: &str, words: &[&str]) -> u8 {
    let secret = suite.folder().join("secret").display().to_string();
    let client = suite.words_of_client();
    let mut line = vec!["perennial", "pay-sandbox", id, "--secret-file", &secret];
    line.extend(client.iter().map(String::as_str).chain(words.iter().copied()));
    let cli = perennial::Cli::read(line).expect("a good command line");
    let env = kernel::Env::with_clock(kernel::env::ManualClock::at(suite.now()));
    let code = perennial::run(cli, env).await;
    let codes = (0..=255_u8)
        .find(|&it| format!("{:?}", std::process::ExitCode::from(it)) == format!("{code:?}"));
    codes.expect("an exit code")
}

crate::journeys! {
    /// W-4: the sandbox pays as a gateway does, over gRPC and HTTP, and does wrong what gateways do wrong.
    async fn the_sandbox_pays_and_misbehaves_on_demand(suite) {
        suite.kingsoft("ksc", 0).await;
        let mut cash = 0;
        // The flags, how the command ends, how the payment ends, and what comes to the cash balance.
        for (flags, exit, end, to_cash) in [
            (&[][..], 0, State::Succeeded, 0),
            (&["--http"], 0, State::Succeeded, 0),
            (&["--twice"], 0, State::Succeeded, 10_00),
            (&["--repeat", "--http"], 0, State::Succeeded, 0),
            (&["--out-of-order"], 0, State::Succeeded, 0),
            (&["--late"], 0, State::Voided, 10_00),
            (&["--amount", "CNY 3.00"], 0, State::Pending, 3_00),
            (&["--currency", "USD"], 1, State::Pending, 0),
            (&["--currency", "USD", "--http"], 1, State::Pending, 0),
            (&["--wrong-signature"], 1, State::Pending, 0),
            (&["--old-timestamp"], 1, State::Pending, 0),
            (&["--old-timestamp", "--http"], 1, State::Pending, 0),
            (&["--unknown-outcome"], 0, State::Pending, 0),
            (&["--fail"], 0, State::Voided, 0),
        ] {
            let mut request = checkout(suite, "ksc", 10_00);
            request.use_cash = false;
            let payment = suite.payments().create_payment_intent(request).await.unwrap();
            let payment = payment.into_inner().payment.unwrap();
            let id = payment.intent.as_ref().unwrap().intent_id.clone();
            assert_eq!(pay_sandbox(suite, &id, flags).await, exit, "{flags:?}");
            assert_eq!(state(suite, &payment).await, end, "{flags:?}");
            cash += to_cash;
            assert_eq!(cash_and_held(suite, "ksc").await, (cash, 0), "{flags:?}");
        }
        assert_eq!(pay_sandbox(suite, &new_id(), &[]).await, 2);
        suite.audit().await;
    }

    /// O-6: the sandbox answers refunds that go through it.
    async fn the_sandbox_gives_back_or_refuses_to(suite) {
        suite.kingsoft("ksc", 0).await;
        for (flags, exit, end, cash) in [
            (&["--amount", "CNY 9.00"][..], 1, refund::State::Pending, 0),
            (&["--amount", "CNY 10.00"], 0, refund::State::Succeeded, 0),
            (&["--amount", "CNY 10.00", "--fail", "--http"], 0, refund::State::Succeeded, 10_00),
        ] {
            let mut request = checkout(suite, "ksc", 10_00);
            request.use_cash = false;
            let payment = suite.payments().create_payment_intent(request).await.unwrap();
            let payment = payment.into_inner().payment.unwrap();
            let id = payment.intent.as_ref().unwrap().intent_id.clone();
            assert_eq!(pay_sandbox(suite, &id, &[]).await, 0);
            let request = RefundRequest {
                refund_id: new_id(),
                account_id: "ksc".to_owned(),
                payment_id: payment.payment_id,
                instance_ids: vec!["i-1".to_owned()],
                destination: RefundDestination::Channel.into(),
            };
            suite.payments().refund(request.clone()).await.unwrap();
            let mut words = vec!["--refund"];
            words.extend(flags);
            assert_eq!(pay_sandbox(suite, &request.refund_id, &words).await, exit, "{flags:?}");
            let stored = suite.payments().refund(request).await.unwrap().into_inner();
            assert_eq!(stored.refund.unwrap().state(), end, "{flags:?}");
            assert_eq!(cash_and_held(suite, "ksc").await.0, cash, "{flags:?}");
        }
        suite.audit().await;
    }

    /// W-3, W-4: what cash does not cover is asked of the channel, and its signed word takes both.
    async fn a_channel_pays_what_cash_does_not_cover(suite) {
        suite.kingsoft("ksc", 30_00).await;
        let (payment, intent) = intent(suite, "ksc", 100_00).await;
        assert_eq!(intent.amount, Some(cny(70_00)));
        assert_eq!(cash_and_held(suite, "ksc").await, (0, 30_00));
        suite.audit().await;

        let callback = paid(suite, &intent, "m-1", 70_00);
        let first = suite.payments().confirm_payment(callback.clone()).await.unwrap().into_inner();
        assert_eq!((first.outcome(), &first.payment_id), (Outcome::Paid, &payment.payment_id));
        let again = suite.payments().confirm_payment(callback).await.unwrap().into_inner();
        assert_eq!(again, first);
        assert_eq!(state(suite, &payment).await, State::Succeeded);

        let twice = paid(suite, &intent, "m-2", 70_00);
        let twice = suite.payments().confirm_payment(twice).await.unwrap().into_inner();
        assert_eq!((twice.outcome(), twice.reason.as_str()), (Outcome::ToCashBalance, "PAID_TWICE"));
        assert_eq!(cash_and_held(suite, "ksc").await, (70_00, 0));
        suite.audit().await;
    }

    /// W-3: what is held is released when the intent expires or is called off; money that comes then is
    /// the customer's.
    async fn what_an_intent_holds_is_released_in_the_end(suite) {
        suite.kingsoft("ksc", 30_00).await;
        let (expired, late) = intent(suite, "ksc", 100_00).await;
        suite.set_clock(suite.now() + TimeDelta::minutes(30));
        let request = ExpireHoldsRequest { limit: 0 };
        let swept = suite.wallet_sweeps().expire_holds(request).await.unwrap().into_inner();
        assert_eq!((swept.voided, swept.more), (1, false));
        assert_eq!(state(suite, &expired).await, State::Voided);
        let answer = suite.payments().confirm_payment(paid(suite, &late, "m-1", 70_00)).await;
        assert_eq!(answer.unwrap().into_inner().reason, "PAID_TOO_LATE");
        assert_eq!(cash_and_held(suite, "ksc").await, (100_00, 0));

        let (called_off, _) = intent(suite, "ksc", 200_00).await;
        assert_eq!(cash_and_held(suite, "ksc").await, (0, 100_00));
        let void = VoidPaymentRequest {
            payment_id: called_off.payment_id.clone(),
            account_id: "ksc".to_owned(),
        };
        let voided = suite.payments().void_payment(void).await.unwrap().into_inner();
        assert_eq!(voided.payment.unwrap().state(), State::Voided);
        assert_eq!(cash_and_held(suite, "ksc").await, (100_00, 0));
        let negative = ExpireHoldsRequest { limit: -1 };
        assert_eq!(
            refusal(suite.wallet_sweeps().expire_holds(negative).await),
            (Code::InvalidArgument, "INVALID_REQUEST".to_owned())
        );
        suite.audit().await;
    }

    /// W-4: what is not signed, not asked for or in another currency books nothing.
    async fn a_callback_that_is_not_right_is_refused(suite) {
        suite.kingsoft("ksc", 0).await;
        let (payment, intent) = intent(suite, "ksc", 100_00).await;
        let refused = async |callback: ConfirmPaymentRequest| {
            refusal(suite.payments().confirm_payment(Request::new(callback)).await)
        };
        let good = || paid(suite, &intent, "m-1", 100_00);
        let mut forged = good();
        forged.body.push(b' ');
        let (code, reason) = refused(forged).await;
        assert_eq!((code, reason.as_str()), (Code::Unauthenticated, "SIGNATURE_INVALID"));
        let elsewhere = ConfirmPaymentRequest { channel: "nobody".to_owned(), ..good() };
        assert_eq!(refused(elsewhere).await, (Code::NotFound, "CHANNEL_NOT_FOUND".to_owned()));
        let unknown = PaymentIntent { intent_id: new_id(), ..intent.clone() };
        let unknown = paid(suite, &unknown, "m-1", 100_00);
        assert_eq!(refused(unknown).await, (Code::NotFound, "INTENT_NOT_FOUND".to_owned()));
        let nothing = signed(suite, "m-1", &serde_json::json!({}));
        assert_eq!(refused(nothing).await, (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
        let dollars = String::from_utf8(good().body).unwrap().replace("CNY", "USD");
        let dollars = signed(suite, "m-1", &serde_json::from_str(&dollars).unwrap());
        let mismatch = (Code::FailedPrecondition, "CURRENCY_MISMATCH".to_owned());
        assert_eq!(refused(dollars).await, mismatch);
        assert_eq!(state(suite, &payment).await, State::Pending);

        let wrong = paid(suite, &intent, "m-1", 1);
        let wrong = suite.payments().confirm_payment(wrong).await.unwrap().into_inner();
        assert_eq!(wrong.reason, "PAYMENT_AMOUNT_MISMATCH");
        let other_body = (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned());
        assert_eq!(refused(good()).await, other_body);
        suite.audit().await;
    }

    /// W-4, W-6: an intent that makes no sense is refused, with every reason of its own.
    async fn an_intent_that_cannot_be_is_refused(suite) {
        suite.kingsoft("ksc", 100_00).await;
        let refused = async |change: fn(&mut CreatePaymentIntentRequest)| {
            let mut request = checkout(suite, "ksc", 200_00);
            change(&mut request);
            refusal(suite.payments().create_payment_intent(request).await)
        };
        let not_needed = refused(|it| {
            it.charge.as_mut().unwrap().items[0].payable = Some(cny(100_00));
        });
        let not_needed = not_needed.await;
        assert_eq!(not_needed, (Code::FailedPrecondition, "CHANNEL_NOT_NEEDED".to_owned()));
        let nobody = refused(|it| it.channel = "nobody".to_owned()).await;
        assert_eq!(nobody, (Code::NotFound, "CHANNEL_NOT_FOUND".to_owned()));
        let over = refused(|it| it.expire_by = it.as_of).await;
        assert_eq!(over, (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
        assert_eq!(cash_and_held(suite, "ksc").await, (100_00, 0));
    }

    /// O-6, V-4, V-5: what was paid goes back to where it came from; what the channel refuses to take back
    /// is the customer's.
    async fn a_refund_goes_back_through_the_channel_or_to_the_cash_balance(suite) {
        suite.kingsoft("ksc", 30_00).await;
        let (payment, intent) = intent(suite, "ksc", 100_00).await;
        let callback = paid(suite, &intent, "m-1", 70_00);
        suite.payments().confirm_payment(callback).await.unwrap();
        let request = RefundRequest {
            refund_id: new_id(),
            account_id: "ksc".to_owned(),
            payment_id: payment.payment_id,
            instance_ids: vec!["i-1".to_owned()],
            destination: RefundDestination::Channel.into(),
        };
        let given = suite.payments().refund(request.clone()).await.unwrap().into_inner();
        let given: Refund = given.refund.unwrap();
        assert_eq!((given.state(), given.amount), (refund::State::Pending, Some(cny(100_00))));
        assert_eq!(given.parts[0].channel, Some(cny(70_00)));
        assert_eq!(cash_and_held(suite, "ksc").await, (30_00, 0));
        suite.audit().await;

        let refused = serde_json::json!({
            "type": "refund.failed",
            "data": { "refund_id": request.refund_id },
        });
        let answer = suite.payments().confirm_payment(signed(suite, "m-2", &refused)).await;
        assert_eq!(answer.unwrap().into_inner().reason, "REFUND_REFUSED");
        assert_eq!(cash_and_held(suite, "ksc").await, (100_00, 0));
        let again = suite.payments().refund(request.clone()).await.unwrap().into_inner();
        let again = again.refund.unwrap();
        assert_eq!(again.state(), refund::State::Succeeded);
        assert_eq!(again.parts[0].channel_to_cash, Some(cny(70_00)));

        let refused = async |change: fn(&mut RefundRequest)| {
            let mut other = RefundRequest { refund_id: new_id(), ..request.clone() };
            change(&mut other);
            refusal(suite.payments().refund(other).await)
        };
        let again = refused(|_| ()).await;
        assert_eq!(again, (Code::FailedPrecondition, "ALREADY_REFUNDED".to_owned()));
        let elsewhere = refused(|it| it.instance_ids = vec!["i-2".to_owned()]).await;
        assert_eq!(elsewhere, (Code::FailedPrecondition, "PAYMENT_NOT_REFUNDABLE".to_owned()));
        let nowhere = refused(|it| it.payment_id = new_id()).await;
        assert_eq!(nowhere, (Code::NotFound, "PAYMENT_NOT_FOUND".to_owned()));
        let nothing = refused(|it| it.instance_ids.clear()).await;
        assert_eq!(nothing, (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
        suite.audit().await;
    }
}
