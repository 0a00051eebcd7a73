//! Use cases: load, decide, save; and the ports to the services that are asked on the way.

pub mod accounts;
pub mod advance;
pub mod audit;
pub mod automatic;
pub mod backlog;
pub mod bill;
pub mod bound;
pub mod cancel;
pub mod checkout;
pub mod correction;
pub mod create;
pub mod deliver;
pub mod due;
pub mod error;
pub mod events;
pub mod failure;
pub mod forecast;
pub mod funding;
pub mod instances;
pub mod lifecycle;
pub mod listing;
pub mod lookup;
pub mod once;
pub mod pay;
pub mod policies;
pub mod preview;
pub mod publish;
pub mod rebuild;
pub mod reconcile;
pub mod refund;
pub mod registration;
pub mod releases;
pub mod remind;
pub mod rules;
pub mod settle;
pub mod sweep;
pub mod view;
pub mod webhooks;
pub mod world;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{
    Env, Money,
    ids::{AccountId, PaymentId, ProductId},
};
use platform::{
    telemetry::meter,
    together::{Queue, Turns},
};
use proto::{
    catalog::v1::{QuoteRenewalsRequest, QuoteRenewalsResponse},
    wallet::v1::{
        self as wallet, ChargeManyRequest, ChargeRequest, CreatePaymentIntentRequest, Payment,
        PreviewPaymentRequest, PreviewPaymentResponse, Refund, RefundRequest,
    },
};
use rule_engine::{profile::ProductProfile, voucher::Voucher};

use self::{
    automatic::{caps::Caps, meters::Meters},
    create::{make::Maker, pricer::Pricer},
    rules::{Catalogue, Rules},
    settle::{complete::Completer, payer::Payer},
};
use crate::store::Store;

/// Another service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the {service} service answered {status}")]
pub struct RemoteError {
    /// Which one.
    pub service: &'static str,
    /// What it answered.
    pub status: tonic::Status,
}

impl RemoteError {
    /// Whether it leaves open what the call did: it is then repeated with the same ids.
    #[must_use]
    pub fn is_open(&self) -> bool {
        platform::client::is_open(&self.status)
    }
}

/// Accounts to which money has come, since when, and the cursor to go on from.
pub type Fundings = (Vec<(AccountId, DateTime<Utc>)>, String);

/// With what an account could pay.
#[derive(Debug, Clone)]
pub struct Purse {
    /// The cash that can be spent.
    pub cash: Money,
    /// The vouchers that may pay something, from now on or later.
    pub vouchers: Vec<Voucher>,
}

/// Rules and prices: the catalog.
#[async_trait]
pub trait Pricing: fmt::Debug + Send + Sync {
    /// The version of all catalogs.
    async fn version(&self) -> Result<i64, RemoteError>;

    /// Every product and account profile, as of one version.
    async fn catalogue(&self) -> Result<Catalogue, RemoteError>;

    /// The rules of products that would be others if `document` were applied: of those products alone.
    async fn proposed(
        &self,
        document: String,
    ) -> Result<Vec<(ProductId, ProductProfile)>, RemoteError>;

    /// The prices of many renewals.
    async fn quote(
        &self,
        request: QuoteRenewalsRequest,
    ) -> Result<QuoteRenewalsResponse, RemoteError>;
}

/// Money: the wallet.
#[async_trait]
pub trait Funds: fmt::Debug + Send + Sync {
    /// Takes a payment, or tells how it ended before.
    async fn charge(&self, request: ChargeRequest) -> Result<Payment, RemoteError>;

    /// Takes many payments, each the whole of it or nothing, or tells how they ended before: one
    /// outcome for each, in their order.
    async fn charge_many(&self, request: ChargeManyRequest) -> Result<Vec<Payment>, RemoteError>;

    /// Calls a payment off, or tells how it ended before.
    async fn void(&self, account: &AccountId, payment: PaymentId) -> Result<Payment, RemoteError>;

    /// Has a channel asked for a payment, or tells how it ended before.
    async fn ask(&self, request: CreatePaymentIntentRequest) -> Result<Payment, RemoteError>;

    /// The payments with these ids, at most 1,000; unknown ones are left out.
    async fn payments(&self, ids: Vec<String>) -> Result<Vec<Payment>, RemoteError>;

    /// At most `limit` accounts to which money has come, since when, after `cursor`; and the cursor to
    /// go on from.
    async fn fundings(&self, cursor: &str, limit: u32) -> Result<Fundings, RemoteError>;

    /// With what the account could pay; none if it has no wallet.
    async fn purse(&self, account: &AccountId) -> Result<Option<Purse>, RemoteError>;

    /// Gives items of a payment back, or tells how far that has come.
    async fn refund(&self, request: RefundRequest) -> Result<Refund, RemoteError>;

    /// What accounts can spend, at most 1,000; those without a wallet are left out.
    async fn funds(&self, accounts: Vec<String>) -> Result<Vec<wallet::Funds>, RemoteError>;

    /// What a payment would be paid with. Takes nothing.
    async fn preview(
        &self,
        request: PreviewPaymentRequest,
    ) -> Result<PreviewPaymentResponse, RemoteError>;
}

/// Rounds of single orders that are under way at a time: while one waits for its database the other
/// computes.
const ROUNDS_AT_ONCE: usize = 2;

/// The queues that a single order goes through: worked out, made, paid, completed.
const QUEUES: usize = 4;

/// The operations on orders, whatever asks for them.
#[derive(Debug, Clone)]
pub struct Orders {
    store: Store,
    rules: Arc<Rules>,
    pricing: Arc<dyn Pricing>,
    funds: Arc<dyn Funds>,
    pricer: Queue<Pricer>,
    maker: Queue<Maker>,
    payer: Queue<Payer>,
    completer: Queue<Completer>,
    caps: Caps,
    meters: Meters,
    env: Env,
}

impl Orders {
    /// Orders in `store`, priced and paid elsewhere. Starts the tasks that work out, make, pay and
    /// complete orders; they end with the last clone.
    #[must_use]
    pub fn start(
        store: Store,
        rules: Arc<Rules>,
        pricing: Arc<dyn Pricing>,
        funds: Arc<dyn Funds>,
        env: Env,
    ) -> Self {
        let turns = Turns::new(ROUNDS_AT_ONCE, QUEUES);
        let pricer =
            Pricer::new(store.clone(), Arc::clone(&rules), Arc::clone(&pricing), env.clone());
        let pricer = Queue::start_among(&turns, pricer);
        let maker = Queue::start_among(&turns, Maker::new(store.clone(), env.clone()));
        let payer = Queue::start_among(&turns, Payer::new(Arc::clone(&funds)));
        let completer = Queue::start_among(&turns, Completer::new(store.clone(), env.clone()));
        let caps = Caps::default();
        let meters = Meters::of(&meter());
        Self { store, rules, pricing, funds, pricer, maker, payer, completer, caps, meters, env }
    }

    /// The same, within bounds of what renews itself.
    #[must_use]
    pub fn within(self, caps: Caps) -> Self {
        Self { caps, ..self }
    }

    /// The same, counting with `meters`.
    #[cfg(test)]
    #[must_use]
    pub fn counting(self, meters: Meters) -> Self {
        Self { meters, ..self }
    }

    /// The time that a request is judged at.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }
}
