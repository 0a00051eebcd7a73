//! Why a call about orders fails.

use std::collections::HashMap;

use kernel::ids::{AccountId, InstanceId, OrderId, QuoteId};
use platform::{
    client::pass_on,
    database::{MaybeTransient, Trouble},
    status::{ApiError, BUSY, INTERNAL, INVALID_REQUEST, Violation, status_of},
};
use proto::wallet::v1::PaymentRefusal;
use rule_engine::reason::{Reason, Refusal};
use sea_orm::DbErr;
use tonic::{Code, Status};

use super::{RemoteError, error::explained};
use crate::store::StoreError;

/// Why a call about orders fails as a whole.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No account has this id.
    #[error("there is no account {0}")]
    AccountNotFound(AccountId),
    /// The account has no order with this id; another account's looks the same.
    #[error("there is no order {0} in this account")]
    OrderNotFound(OrderId),
    /// The account has no quote with this id, or it expired long ago.
    #[error("there is no quote {0} in this account")]
    QuoteNotFound(QuoteId),
    /// The rules refuse: the weightiest reason, and all reasons of all instances.
    #[error("{}", .0.first.message)]
    Refused(Box<Refused>),
    /// What is ticked is bound to nothing that is renewed (B-2).
    #[error(
        "selection.ticked must name what is bound to the instances that are named; {} is not",
        .0.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ")
    )]
    NotBound(Vec<InstanceId>),
    /// The wallet refused the payment, and nothing was taken.
    #[error("{}", .0.message)]
    NotPaid(Box<PaymentRefusal>),
    /// The request id came with other content before (O-3).
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// Another call works on the same order or instances.
    #[error("another call works on the same order or instances; repeat the call")]
    Busy,
    /// Another service did not do what it was asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the rules say against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The weightiest reason.
    pub first: Refusal,
    /// Every reason, with the instance that it is about; empty: there is only the first.
    pub all: Vec<(String, Refusal)>,
}

impl From<Refusal> for OrderError {
    fn from(first: Refusal) -> Self {
        Self::Refused(Box::new(Refused { first, all: Vec::new() }))
    }
}

impl From<DbErr> for OrderError {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl OrderError {
    /// A refusal for a reason that concerns the whole call.
    #[must_use]
    pub fn refused(reason: Reason, message: impl Into<String>) -> Self {
        Refusal::new(reason, message).into()
    }
}

impl MaybeTransient for OrderError {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Store(error) => error.trouble(),
            _ => Trouble::Lasting,
        }
    }
}

/// Reasons of a refused payment that the wallet gives, as the contract names them.
const PAYMENT_REASONS: [&str; 5] = [
    "INSUFFICIENT_FUNDS",
    "VOUCHER_NOT_APPLICABLE",
    "CURRENCY_MISMATCH",
    "WALLET_NOT_FOUND",
    "CLOCK_SKEW",
];

fn payment_reason(refusal: &PaymentRefusal) -> &'static str {
    let known = PAYMENT_REASONS.into_iter().find(|reason| *reason == refusal.reason);
    known.unwrap_or(Reason::OrderNotPayable.code())
}

impl ApiError for OrderError {
    fn code(&self) -> Code {
        match self {
            Self::AccountNotFound(_) | Self::OrderNotFound(_) | Self::QuoteNotFound(_) => {
                Code::NotFound
            }
            Self::Refused(refused) => match refused.first.reason {
                Reason::DuplicateInstance | Reason::TooManyInstances | Reason::RequestIdReused => {
                    Code::InvalidArgument
                }
                Reason::InstanceNotFound => Code::NotFound,
                _ => Code::FailedPrecondition,
            },
            Self::NotPaid(_) => Code::FailedPrecondition,
            Self::NotBound(_) | Self::RequestIdReused => Code::InvalidArgument,
            Self::Busy => Code::Aborted,
            Self::Remote(error) => error.status.code(),
            // What lost its race five times over may win the next one.
            Self::Store(error) => error.trouble().code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::AccountNotFound(_) => "ACCOUNT_NOT_FOUND",
            Self::OrderNotFound(_) => "ORDER_NOT_FOUND",
            Self::QuoteNotFound(_) => "QUOTE_NOT_FOUND",
            Self::Refused(refused) => refused.first.reason.code(),
            Self::NotBound(_) => INVALID_REQUEST,
            Self::NotPaid(refusal) => payment_reason(refusal),
            Self::RequestIdReused => Reason::RequestIdReused.code(),
            Self::Busy => BUSY,
            Self::Store(error) => error.trouble().reason(),
            Self::Remote(_) => INTERNAL,
        }
    }

    fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refused) => Some(refused.first.reason.rule()),
            Self::NotBound(_) => Some("B-2"),
            Self::RequestIdReused => Some(Reason::RequestIdReused.rule()),
            _ => None,
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::Refused(refused) => refused.first.metadata.clone().into_iter().collect(),
            Self::NotPaid(refusal) => {
                let amounts = [
                    ("needed", &refusal.needed),
                    ("available", &refusal.available),
                    ("missing", &refusal.missing),
                ];
                let told = amounts.into_iter().filter_map(|(name, amount)| {
                    Some((name.to_owned(), amount.as_ref()?.minor_units.to_string()))
                });
                told.collect()
            }
            _ => HashMap::new(),
        }
    }

    fn violations(&self) -> Vec<Violation> {
        let Self::Refused(refused) = self else { return Vec::new() };
        let violation = |(instance, refusal): &(String, Refusal)| Violation {
            reason: refusal.reason.code().to_owned(),
            subject: instance.clone(),
            description: explained(refusal),
        };
        refused.all.iter().map(violation).collect()
    }
}

impl From<OrderError> for Status {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Remote(RemoteError { service, status }) => pass_on(service, status),
            error => status_of(&error),
        }
    }
}
