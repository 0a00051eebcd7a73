//! Why a store failed.

use std::fmt;

use sea_orm::{DbErr, TransactionError};

use super::{MaybeTransient, Trouble};

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// A row holds what this program does not write.
    #[error("a stored value cannot be read: {0}")]
    Unreadable(String),
}

impl StoreError {
    /// What cannot be read, or why.
    pub fn unreadable<E: fmt::Display>(why: E) -> Self {
        Self::Unreadable(format!("{why}"))
    }
}

impl MaybeTransient for StoreError {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Database(error) => error.trouble(),
            Self::Unreadable(_) => Trouble::Lasting,
        }
    }
}

impl From<TransactionError<DbErr>> for StoreError {
    fn from(error: TransactionError<DbErr>) -> Self {
        let (TransactionError::Connection(error) | TransactionError::Transaction(error)) = error;
        Self::Database(error)
    }
}
