//! Use cases: load, decide, save; and the ports to the services that are asked on the way.

pub mod accounts;
pub mod advance;
pub mod bill;
pub mod cancel;
pub mod correction;
pub mod create;
pub mod error;
pub mod events;
pub mod failure;
pub mod instances;
pub mod listing;
pub mod pay;
pub mod policies;
pub mod preview;
pub mod registration;
pub mod rules;
pub mod settle;
#[cfg(test)]
pub(crate) mod testing;
pub mod view;
pub mod world;

use std::fmt;

use async_trait::async_trait;
use kernel::ids::{AccountId, PaymentId};
use proto::{
    catalog::v1::{QuoteRenewalsRequest, QuoteRenewalsResponse},
    wallet::v1::{ChargeRequest, Payment},
};

use self::rules::Catalogue;

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

/// Rules and prices: the catalog.
#[async_trait]
pub trait Pricing: fmt::Debug + Send + Sync {
    /// The version of all catalogs.
    async fn version(&self) -> Result<i64, RemoteError>;

    /// Every product and account profile, as of one version.
    async fn catalogue(&self) -> Result<Catalogue, RemoteError>;

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

    /// Calls a payment off, or tells how it ended before.
    async fn void(&self, account: &AccountId, payment: PaymentId) -> Result<Payment, RemoteError>;
}
