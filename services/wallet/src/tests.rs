//! A wallet service in a test: on SQLite, and on PostgreSQL where a server was started for tests.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{
    Currency::{self, Cny},
    Env, Money,
    env::ManualClock,
    ids::{AccountId, ChannelName, IntentId, OrderId, PaymentId, RefundId, RequestId, VoucherId},
};
use platform::{database::Database, request::RequestDigest, status::Replayed, webhook::Secret};
use rule_engine::{
    kind::{BillingMode, OrderKind},
    profile::{VoucherRule, VoucherStrategy},
    voucher::{PayableItem, VoucherChoice, VoucherTerms},
};
use tracing::field::Field;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use uuid::Uuid;

use crate::{
    app::{Callback, Checkout, Issue, Once, WalletError, Wallets},
    domain::{Bill, Channel, Charge, Confirmed, Grant, Outcome, Payment, RefundAsk},
    store::{Migrator, Store},
};

/// The service over a database of its own.
#[derive(Debug)]
pub struct World {
    pub wallets: Wallets,
    pub store: Store,
    pub database: Database,
    pub clock: Arc<ManualClock>,
    env: Env,
}

/// Hears what is logged as an error, the alerts of an operator, as long as it lives.
#[derive(Debug)]
pub struct Alerts {
    heard: Heard,
    _listens: tracing::subscriber::DefaultGuard,
}

#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::ERROR {
            event.record(&mut |field: &Field, value: &dyn fmt::Debug| {
                if field.name() == "message" {
                    self.0.lock().unwrap().push(format!("{value:?}"));
                }
            });
        }
    }
}

impl Alerts {
    /// Of this thread.
    pub fn listen() -> Self {
        let heard = Heard::default();
        let registry = tracing_subscriber::registry().with(heard.clone());
        Self { heard, _listens: tracing::subscriber::set_default(registry) }
    }

    /// What was heard since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.0.lock().unwrap())
    }
}

/// Runs `test` on each database that there is.
pub async fn on_each_database(test: impl AsyncFn(&World)) {
    let (databases, _folder) = platform::testing::databases::<Migrator>("wallet").await;
    for database in databases {
        test(&World::start(database)).await;
    }
}

/// Noon of 1 November 2026.
pub fn noon() -> DateTime<Utc> {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

pub fn acme() -> AccountId {
    "acme".parse().unwrap()
}

pub fn cny(minor: i64) -> Money {
    Money::new(minor, Cny)
}

/// The id made of `number`.
pub fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Vouchers by the default strategy.
pub fn by_rule() -> VoucherChoice {
    let strategy = VoucherStrategy::NearestExpiryThenLargest;
    VoucherChoice::Rule(VoucherRule { strategy, max_per_payment: None })
}

pub fn named(ids: &[VoucherId]) -> VoucherChoice {
    VoucherChoice::Named { ids: ids.iter().copied().collect(), max_per_payment: None }
}

pub fn item(instance: &str, payable: i64) -> PayableItem {
    PayableItem {
        instance: instance.parse().unwrap(),
        product: "vm".parse().unwrap(),
        region: "cn-north-1".parse().unwrap(),
        billing_mode: BillingMode::Prepaid,
        order_kind: OrderKind::Renewal,
        term_months: 1,
        discounted: false,
        payable,
    }
}

/// A charge of one item to `acme` at noon; two of one number and amount are equal.
pub fn charge(number: u128, amount: i64) -> Charge {
    let digest = prost_types::Timestamp { seconds: amount, nanos: 0 };
    Charge {
        payment: PaymentId(id(number)),
        account: acme(),
        bill: Bill { order: OrderId(id(number + 1_000_000)), amount: cny(amount), as_of: noon() },
        items: vec![item("i-1", amount)],
        choice: by_rule(),
        automatic: false,
        digest: RequestDigest::of("Charge", &digest),
    }
}

/// How a payment ended, and why, such as `SUCCEEDED` or `INSUFFICIENT_FUNDS`.
pub fn outcome(payment: &Replayed<Payment>) -> String {
    match &payment.clone().into_inner().outcome {
        Outcome::Pending(_) => "PENDING".to_owned(),
        Outcome::Succeeded(_) => "SUCCEEDED".to_owned(),
        Outcome::Refused(refusal) => refusal.reason.clone(),
        Outcome::Voided => "VOIDED".to_owned(),
    }
}

/// What came of a callback, such as `PAID 40` or `PAID_TWICE 40`.
pub fn booked(confirmed: &Confirmed) -> String {
    let what = match confirmed.booked {
        crate::domain::Booked::ToCash(why) => why.reason().to_owned(),
        other => format!("{other:?}").to_uppercase(),
    };
    format!("{what} {}", confirmed.amount.minor())
}

/// The secret of the channel `sandbox`.
pub fn secret() -> Secret {
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap()
}

pub fn channel(name: &str) -> ChannelName {
    name.parse().unwrap()
}

/// The channels `sandbox` and `other`, of half an hour.
fn channels() -> crate::domain::Channels {
    let channel = |name| Channel {
        name: channel(name),
        currencies: vec![Cny],
        patience: TimeDelta::minutes(30),
        secrets: vec![secret()],
    };
    ["sandbox", "other"].map(channel).into_iter().collect()
}

/// A charge of one item that the channel `sandbox` is asked for, after vouchers and cash.
pub fn checkout(number: u128, amount: i64) -> Checkout {
    let charge = charge(number, amount);
    let expire_by = noon() + TimeDelta::days(15);
    Checkout { charge, channel: channel("sandbox"), use_cash: true, expire_by }
}

/// The body of a callback: the intent was paid with the channel's payment `money`.
pub fn paid(intent: IntentId, money: &str, amount: i64) -> String {
    format!(
        r#"{{"type": "payment.succeeded", "data": {{"intent_id": "{intent}",
            "channel_payment_id": "{money}", "unknown": 1,
            "amount": {{"minor_units": {amount}, "currency_code": "CNY"}}}}}}"#
    )
}

/// The body of a callback that brings no money: `failed` or `pending`.
pub fn not_paid(intent: IntentId, what: &str) -> String {
    format!(r#"{{"type": "payment.{what}", "data": {{"intent_id": "{intent}"}}}}"#)
}

/// A callback as the channel `sandbox` sends it at `now`.
pub fn signed(message: &str, now: DateTime<Utc>, body: &str) -> Callback {
    Callback {
        channel: "sandbox".to_owned(),
        id: message.to_owned(),
        timestamp: now.timestamp().to_string(),
        signature: secret().sign(message, now.timestamp(), body.as_bytes()),
        body: body.as_bytes().to_vec(),
    }
}

impl World {
    fn start(database: Database) -> Self {
        let clock = ManualClock::at(noon());
        let env = Env::with_clock(Arc::clone(&clock) as _);
        let store = Store::new(database.clone());
        let wallets = Wallets::start(store.clone(), env.clone(), channels());
        Self { wallets, store, database, clock, env }
    }

    /// Opens a wallet with so much cash.
    pub async fn with_cash(&self, account: &AccountId, minor: i64) {
        self.open(account, Cny).await;
        if minor > 0 {
            let once = self.once(minor);
            self.wallets.deposit(once, account, cny(minor), "").await.unwrap();
        }
    }

    pub async fn open(&self, account: &AccountId, currency: Currency) {
        self.wallets.open(account.clone(), currency).await.unwrap();
    }

    /// A new request id; the content is `content`.
    pub fn once(&self, content: i64) -> Once {
        Once { request: RequestId(self.env.next_id()), digest: digest(content) }
    }

    /// Issues vouchers to `acme` that end so many days after noon, and returns their ids.
    pub async fn with_vouchers(&self, faces_and_days: &[(i64, i64)]) -> Vec<VoucherId> {
        let grants = faces_and_days.iter().map(|&(face, days)| grant(face, days, |_| ()));
        let grants = grants.collect();
        let issue = Issue { once: self.once(0), grants };
        let issued = self.wallets.issue(&issue).await.unwrap().into_inner();
        issued.into_iter().map(|voucher| voucher.id).collect()
    }

    pub async fn charge(&self, charge: Charge) -> Result<Replayed<Payment>, WalletError> {
        self.wallets.charge(charge).await
    }

    pub async fn check_out(&self, checkout: Checkout) -> Result<Replayed<Payment>, WalletError> {
        self.wallets.check_out(&checkout).await
    }

    /// Checks out payment `number` of `amount`, and returns its intent.
    pub async fn intend(&self, number: u128, amount: i64) -> IntentId {
        let payment = self.check_out(checkout(number, amount)).await.unwrap().into_inner();
        payment.intent.expect("a channel is asked").id
    }

    /// Sends a callback, signed now.
    pub async fn tell(
        &self,
        message: &str,
        body: &str,
    ) -> Result<Replayed<Confirmed>, WalletError> {
        self.wallets.confirm(&signed(message, self.now(), body)).await
    }

    /// Sends a callback, and shows what came of it, such as `PAID 40` or the reason of its refusal.
    pub async fn told(&self, message: &str, body: &str) -> String {
        match self.tell(message, body).await {
            Ok(answer) => booked(&answer.into_inner()),
            Err(error) => platform::status::ApiError::reason(&error).to_owned(),
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }

    /// The same service where the clock stands at `now`.
    pub fn at(&self, now: DateTime<Utc>) -> Wallets {
        let env = Env::with_clock(ManualClock::at(now));
        Wallets::start(self.store.clone(), env, channels())
    }

    /// The same service where no channel is configured any more.
    pub fn without_channels(&self) -> Wallets {
        Wallets::start(self.store.clone(), self.env.clone(), crate::domain::Channels::default())
    }

    /// How a payment is now.
    pub async fn payment(&self, number: u128) -> Payment {
        let id = PaymentId(id(number));
        self.wallets.payments(&[id]).await.unwrap().remove(&id).expect("it is stored")
    }

    /// How a payment is now, such as `SUCCEEDED`.
    pub async fn state(&self, number: u128) -> String {
        outcome(&Replayed::First(self.payment(number).await))
    }

    /// The cash of `acme` that can be spent, and that is set aside.
    pub async fn both(&self) -> (i64, i64) {
        let wallet = self.wallets.wallet(&acme()).await.unwrap();
        (wallet.cash, wallet.held)
    }

    pub async fn cash(&self, account: &AccountId) -> i64 {
        self.wallets.wallet(account).await.unwrap().cash
    }

    /// What remains of vouchers, by id.
    pub async fn remaining(&self, ids: &[VoucherId]) -> Vec<i64> {
        let named: Vec<_> = ids.iter().map(|&id| (acme(), id)).collect();
        let found = self.store.vouchers_by_id(&named).await.unwrap();
        ids.iter().map(|id| found[id].remaining).collect()
    }

    /// The ledger of `account`, oldest first, with vouchers by their place in `vouchers`.
    pub async fn ledger(&self, account: &AccountId, vouchers: &[VoucherId]) -> String {
        let names: BTreeMap<String, String> = (1..)
            .zip(vouchers)
            .map(|(place, id): (usize, _)| (id.to_string(), format!("V{place}")))
            .collect();
        let part = crate::store::Part { after: None, skip: 0, size: 1000, with_total: false };
        let mut entries = self.wallets.entries(account, None, part).await.unwrap().items;
        entries.reverse();
        let line = |entry: &crate::domain::Entry| {
            let text =
                format!("{} {} > {} {}", entry.number, entry.debit, entry.credit, entry.amount);
            names.iter().fold(text, |text, (id, name)| text.replace(id, name))
        };
        entries.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Fails if anything is off.
    #[track_caller]
    pub fn assert_sound(&self) -> impl Future<Output = ()> {
        let store = self.store.clone();
        async move { assert_eq!(store.audit(None).await.unwrap().findings, []) }
    }
}

pub fn digest(content: i64) -> RequestDigest {
    RequestDigest::of("test", &prost_types::Timestamp { seconds: content, nanos: 0 })
}

/// A refund of what `names` cost of a payment of `acme`, to the cash balance.
pub fn ask(refund: u128, payment: u128, names: &[&str]) -> RefundAsk {
    let content = names.iter().flat_map(|name| name.bytes()).map(i64::from).sum();
    RefundAsk {
        refund: RefundId(id(refund)),
        account: acme(),
        payment: PaymentId(id(payment)),
        instances: names.iter().map(|name| name.parse().unwrap()).collect(),
        through_channel: false,
        digest: digest(content),
    }
}

/// A voucher for `acme`, valid from the day before noon to so many days after it.
pub fn grant(face: i64, days: i64, change: impl FnOnce(&mut VoucherTerms)) -> Grant {
    let mut terms =
        VoucherTerms::within(noon() - TimeDelta::days(1), noon() + TimeDelta::days(days));
    change(&mut terms);
    Grant { account: acme(), face: cny(face), terms }
}
