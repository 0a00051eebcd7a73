//! Why something was not done.

use std::collections::HashMap;

use platform::status::{ApiError, INTERNAL};
use tonic::Code;

use crate::store::StoreError;

/// Why the scheduler did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error("there is no schedule {0:?}")]
    UnknownKind(String),
    #[error("there is no run {0:?}")]
    UnknownRun(String),
    #[error("the rows of the scheduler failed")]
    Store(#[from] StoreError),
}

impl ApiError for SchedulerError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownKind(_) | Self::UnknownRun(_) => Code::NotFound,
            Self::Store(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::UnknownKind(_) => "SCHEDULE_NOT_FOUND",
            Self::UnknownRun(_) => "RUN_NOT_FOUND",
            Self::Store(_) => INTERNAL,
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::UnknownKind(kind) => HashMap::from([("kind".to_owned(), kind.clone())]),
            Self::UnknownRun(id) => HashMap::from([("run_id".to_owned(), id.clone())]),
            Self::Store(_) => HashMap::new(),
        }
    }
}
