//! The use cases: load, decide, save. Reads the clock once per call.

mod charge;
mod fund;
mod look;

use std::collections::HashMap;

use kernel::{
    Env,
    ids::{AccountId, RequestId},
};
use platform::{
    database::MaybeTransient,
    request::RequestDigest,
    status::{ApiError, BUSY, INTERNAL},
};
use rule_engine::reason::{Reason, Refusal};
use tonic::Code;

pub use self::{
    fund::Issue,
    look::{Preview, Previewed},
};
use crate::{
    domain::WALLET_NOT_FOUND,
    store::{Store, StoreError},
};

/// The operations of this service, whatever asks for them.
#[derive(Debug, Clone)]
pub struct Wallets {
    store: Store,
    env: Env,
}

impl Wallets {
    pub fn new(store: Store, env: Env) -> Self {
        Self { store, env }
    }
}

/// Which call it is that makes or moves something once (O-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    pub request: RequestId,
    pub digest: RequestDigest,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The account has no wallet.
    #[error("account {0} has no wallet")]
    NotFound(AccountId),
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request or payment id was used for other content (O-3).
    #[error("{0} was used for a request with other content")]
    Reused(String),
    /// The caller's instant is too far from this service's clock (O-8).
    #[error("the caller's clock and this one's differ by more than 5 minutes")]
    ClockSkew,
    /// Another call with the same id was first; the transaction is run again.
    #[error("another call with the same id came first; try again")]
    LostRace,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MaybeTransient for WalletError {
    fn is_transient(&self) -> bool {
        match self {
            Self::LostRace => true,
            Self::Store(error) => error.is_transient(),
            _ => false,
        }
    }
}

impl ApiError for WalletError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Refused(_) | Self::ClockSkew => Code::FailedPrecondition,
            Self::Reused(_) => Code::InvalidArgument,
            Self::LostRace => Code::Aborted,
            Self::Store(error) if error.is_transient() => Code::Aborted,
            Self::Store(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => WALLET_NOT_FOUND,
            Self::Refused(refusal) => refusal.reason.code(),
            Self::Reused(_) => Reason::RequestIdReused.code(),
            Self::ClockSkew => Reason::ClockSkew.code(),
            Self::LostRace => BUSY,
            Self::Store(error) if error.is_transient() => BUSY,
            Self::Store(_) => INTERNAL,
        }
    }

    fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason.rule()),
            Self::Reused(_) => Some(Reason::RequestIdReused.rule()),
            Self::ClockSkew => Some(Reason::ClockSkew.rule()),
            Self::NotFound(_) | Self::LostRace | Self::Store(_) => None,
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::NotFound(account) => {
                HashMap::from([("account_id".to_owned(), account.to_string())])
            }
            Self::Refused(refusal) => refusal.metadata.clone().into_iter().collect(),
            _ => HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
