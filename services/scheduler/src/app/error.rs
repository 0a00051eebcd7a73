//! Why something was not done.

use std::collections::HashMap;

use platform::{
    database::MaybeTransient as _,
    status::{ApiError, BUSY, INVALID_REQUEST, SERVICE_UNAVAILABLE},
};
use tonic::{Code, Status};

use crate::store::StoreError;

/// Why the scheduler did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error("there is no schedule {0:?}")]
    UnknownKind(String),
    #[error("there is no run {0:?}")]
    UnknownRun(String),
    #[error("the clock of this suite is the real one; `serve --sandbox-clock` makes one to move")]
    NoSandbox,
    #[error("the instant {0}")]
    BadInstant(&'static str),
    #[error("somebody else is moving the clock")]
    Busy,
    #[error("the {service} service, which does the work, failed: {}", .status.message())]
    Remote { service: &'static str, status: Status },
    #[error("the rows of the scheduler failed")]
    Store(#[from] StoreError),
}

impl ApiError for SchedulerError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownKind(_) | Self::UnknownRun(_) => Code::NotFound,
            Self::NoSandbox => Code::FailedPrecondition,
            Self::BadInstant(_) => Code::InvalidArgument,
            Self::Busy => Code::Aborted,
            Self::Remote { .. } => Code::Unavailable,
            Self::Store(error) => error.trouble().code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::UnknownKind(_) => "SCHEDULE_NOT_FOUND",
            Self::UnknownRun(_) => "RUN_NOT_FOUND",
            Self::NoSandbox => "SANDBOX_CLOCK_OFF",
            Self::BadInstant(_) => INVALID_REQUEST,
            Self::Busy => BUSY,
            Self::Remote { .. } => SERVICE_UNAVAILABLE,
            Self::Store(error) => error.trouble().reason(),
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::UnknownKind(kind) => HashMap::from([("kind".to_owned(), kind.clone())]),
            Self::UnknownRun(id) => HashMap::from([("run_id".to_owned(), id.clone())]),
            Self::Remote { service, .. } => {
                HashMap::from([("service".to_owned(), (*service).to_owned())])
            }
            _ => HashMap::new(),
        }
    }
}
