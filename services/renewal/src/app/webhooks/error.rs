//! Why a call about webhooks fails.

use std::collections::HashMap;

use kernel::ids::AccountId;
use outbox::ReadError;
use platform::{
    database::{MaybeTransient, Trouble},
    status::{ApiError, BUSY, BadRequest, INVALID_REQUEST, status_of},
};
use rule_engine::reason::Reason;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    app::error::ACCOUNT_NOT_FOUND,
    domain::webhook::{MOST_SECRETS, OVERLAP},
    store::StoreError,
};

/// Why it fails.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No webhook has this id.
    #[error("there is no webhook {0}")]
    NotFound(Uuid),
    /// No account has this id.
    #[error("there is no account {0}")]
    AccountNotFound(AccountId),
    /// Nothing may be sent there: the rest of a sentence that begins with the field.
    #[error("url {0}")]
    Url(String),
    /// The request id came with other content before (O-3).
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// There are as many as there may be.
    #[error("an account has at most {} webhooks, and so has everybody", super::MOST)]
    TooMany,
    /// Too many secrets sign at once.
    #[error(
        "at most {MOST_SECRETS} secrets sign at once: wait until the first is {} hours old",
        OVERLAP.num_hours()
    )]
    TooManySecrets,
    /// Another call works on the same webhook.
    #[error("another call works on the same webhook; repeat the call")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Events could not be read.
    #[error(transparent)]
    Events(#[from] ReadError),
}

impl From<sea_orm::DbErr> for WebhookError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl MaybeTransient for WebhookError {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Busy => Trouble::LostRace,
            Self::Store(error) => error.trouble(),
            _ => Trouble::Lasting,
        }
    }
}

impl ApiError for WebhookError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(_) | Self::AccountNotFound(_) => Code::NotFound,
            Self::Url(_) | Self::RequestIdReused => Code::InvalidArgument,
            Self::TooMany | Self::TooManySecrets => Code::FailedPrecondition,
            Self::Busy => Code::Aborted,
            Self::Store(error) => error.trouble().code(),
            Self::Events(error) => error.trouble().code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "WEBHOOK_NOT_FOUND",
            Self::AccountNotFound(_) => ACCOUNT_NOT_FOUND,
            Self::Url(_) => INVALID_REQUEST,
            Self::RequestIdReused => Reason::RequestIdReused.code(),
            Self::TooMany => "TOO_MANY_WEBHOOKS",
            Self::TooManySecrets => "TOO_MANY_SECRETS",
            Self::Busy => BUSY,
            Self::Store(error) => error.trouble().reason(),
            Self::Events(error) => error.trouble().reason(),
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::NotFound(id) => HashMap::from([("webhook".to_owned(), id.to_string())]),
            Self::AccountNotFound(id) => HashMap::from([("account".to_owned(), id.to_string())]),
            _ => HashMap::new(),
        }
    }
}

impl From<WebhookError> for Status {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Url(why) => {
                let mut bad = BadRequest::default();
                bad.note("url", why);
                bad.into_status()
            }
            error => status_of(&error),
        }
    }
}
