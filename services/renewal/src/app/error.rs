//! Why a call about accounts, instances or events fails, and why a row of one is left as it was.

use std::collections::{BTreeMap, HashMap};

use kernel::ids::{AccountId, InstanceId, ProductId};
use platform::{
    client::pass_on,
    database::{MaybeTransient, Trouble},
    status::{ApiError, BUSY, INTERNAL, INVALID_REQUEST, Violation, status_of},
};
use rule_engine::{
    profile::ProfileMistake,
    reason::{Reason, Refusal},
    registration::NotRegistered,
};
use tonic::{Code, Status};

use super::RemoteError;
use crate::store::StoreError;

/// Why a call fails as a whole.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No account has this id.
    #[error("there is no account {0}")]
    AccountNotFound(AccountId),
    /// The account has no instance with this id; another account's looks the same.
    #[error("there is no instance {0} in this account")]
    InstanceNotFound(InstanceId),
    /// The account has changed since its etag was read.
    #[error("the account {0} has changed since its etag was read; read it again")]
    EtagStale(AccountId),
    /// What the account would be is nothing that an account can be.
    #[error("{field} {problem}")]
    Settings {
        /// The setting.
        field: &'static str,
        /// The rest of a sentence that begins with it.
        problem: String,
    },
    /// The rules refuse: for all of these reasons, the weightiest first.
    #[error("{}", .0.first().map_or("refused", |refusal| refusal.message.as_str()))]
    Refused(Vec<Refusal>),
    /// The request id came with other content before (O-3).
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// Another call works on the same rows.
    #[error("another call works on the same accounts or instances; repeat the call")]
    Busy,
    /// Another service did not do what it was asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MaybeTransient for CallError {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Busy => Trouble::LostRace,
            Self::Store(error) => error.trouble(),
            _ => Trouble::Lasting,
        }
    }
}

impl From<sea_orm::DbErr> for CallError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl From<ProfileMistake> for CallError {
    fn from(ProfileMistake { field, problem, .. }: ProfileMistake) -> Self {
        Self::Settings { field, problem }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

/// What a refusal says to people, with the rule where the reason has one of its own and not only a
/// section of the rules.
pub fn explained(refusal: &Refusal) -> String {
    match refusal.reason.rule() {
        rule if rule.contains('-') => format!("{} ({rule})", refusal.message),
        _ => refusal.message.clone(),
    }
}

impl CallError {
    fn first(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusals) => refusals.iter().min(),
            _ => None,
        }
    }
}

impl ApiError for CallError {
    fn code(&self) -> Code {
        match self {
            Self::AccountNotFound(_) | Self::InstanceNotFound(_) => Code::NotFound,
            Self::EtagStale(_) | Self::Busy => Code::Aborted,
            Self::Settings { .. } | Self::RequestIdReused => Code::InvalidArgument,
            Self::Refused(_) => match self.first().map(|refusal| refusal.reason) {
                Some(
                    Reason::DuplicateInstance
                    | Reason::TooManyInstances
                    | Reason::DateOutOfRange
                    | Reason::RequestIdReused,
                ) => Code::InvalidArgument,
                Some(Reason::InstanceNotFound) => Code::NotFound,
                _ => Code::FailedPrecondition,
            },
            Self::Remote(error) => error.status.code(),
            Self::Store(error) => error.trouble().code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::AccountNotFound(_) => ACCOUNT_NOT_FOUND,
            Self::InstanceNotFound(_) => Reason::InstanceNotFound.code(),
            Self::EtagStale(_) => "ETAG_STALE",
            Self::Settings { .. } => INVALID_REQUEST,
            Self::Refused(_) => self.first().map_or(INTERNAL, |refusal| refusal.reason.code()),
            Self::RequestIdReused => Reason::RequestIdReused.code(),
            Self::Busy => BUSY,
            Self::Store(error) => error.trouble().reason(),
            Self::Remote(_) => INTERNAL,
        }
    }

    fn rule(&self) -> Option<&'static str> {
        match self {
            Self::RequestIdReused => Some(Reason::RequestIdReused.rule()),
            _ => self.first().map(|refusal| refusal.reason.rule()),
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        self.first()
            .map(|refusal| refusal.metadata.clone().into_iter().collect())
            .unwrap_or_default()
    }

    fn violations(&self) -> Vec<Violation> {
        let Self::Refused(refusals) = self else { return Vec::new() };
        let violation = |refusal: &Refusal| Violation {
            reason: refusal.reason.code().to_owned(),
            subject: refusal.metadata.get("instance").cloned().unwrap_or_default(),
            description: explained(refusal),
        };
        refusals.iter().map(violation).collect()
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Remote(RemoteError { service, status }) => pass_on(service, status),
            error => status_of(&error),
        }
    }
}

/// Reason of an account that nobody knows.
pub const ACCOUNT_NOT_FOUND: &str = "ACCOUNT_NOT_FOUND";

/// Reason of a product that no catalog has.
pub const PRODUCT_NOT_FOUND: &str = "PRODUCT_NOT_FOUND";

/// Reason of an account profile that no catalog has.
pub const PROFILE_NOT_FOUND: &str = "PROFILE_NOT_FOUND";

/// Why one row of a call is left as it was; the other rows go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRefusal {
    /// For programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The rule behind it.
    pub rule: &'static str,
    /// The values that a program needs in order to act.
    pub metadata: BTreeMap<String, String>,
}

impl RowRefusal {
    /// The row names an account that nobody knows.
    #[must_use]
    pub fn account_not_found(id: &AccountId) -> Self {
        Self::plain(ACCOUNT_NOT_FOUND, "I-1", format!("There is no account {id}."))
    }

    /// The row names a product that no catalog has.
    #[must_use]
    pub fn product_not_found(id: &ProductId) -> Self {
        Self::plain(PRODUCT_NOT_FOUND, "I-1", format!("No catalog has the product {id}."))
    }

    /// The row names an account profile that no catalog has.
    #[must_use]
    pub fn profile_not_found(name: &str) -> Self {
        Self::plain(PROFILE_NOT_FOUND, "1", format!("No catalog is named {name}."))
    }

    /// The weightiest of the reasons; the codes of the others stand under `also`.
    #[must_use]
    pub fn weightiest(mut refusals: Vec<Refusal>) -> Option<Self> {
        refusals.sort();
        let mut refusals = refusals.into_iter();
        let first = refusals.next()?;
        let also: Vec<_> = refusals.map(|refusal| refusal.reason.code()).collect();
        let first = if also.is_empty() { first } else { first.with_all("also", also) };
        Some(first.into())
    }

    /// What the row says in `field` cannot be.
    #[must_use]
    pub fn bad_field(field: &'static str, rule: &'static str, problem: &str) -> Self {
        let refusal = Self::plain(INVALID_REQUEST, rule, format!("{field} {problem}"));
        Self { metadata: BTreeMap::from([("field".to_owned(), field.to_owned())]), ..refusal }
    }

    fn plain(reason: &'static str, rule: &'static str, message: String) -> Self {
        Self { reason, message, rule, metadata: BTreeMap::new() }
    }
}

impl From<NotRegistered> for RowRefusal {
    fn from(error: NotRegistered) -> Self {
        match error {
            NotRegistered::Refused(refusal) => refusal.into(),
            NotRegistered::AnchorMissesEnd { anchor, ends_on } => {
                let day = anchor.get();
                let problem = format!(
                    "{day} does not lead to the end: the last day {ends_on} is neither day {day} \
                     nor the last of a month without one"
                );
                Self::bad_field("prepaid.anchor_day", "T-6", &problem)
            }
        }
    }
}

impl From<Refusal> for RowRefusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            reason: refusal.reason.code(),
            rule: refusal.reason.rule(),
            message: refusal.message,
            metadata: refusal.metadata,
        }
    }
}
