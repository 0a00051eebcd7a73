//! Counting statements, so that a test can hold an operation to its budget.

use std::{
    ops::Sub,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use sea_orm::DatabaseConnection;

/// What was asked of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Statements run, without those that begin and end transactions.
    pub statements: u64,
    /// Write transactions begun.
    pub transactions: u64,
}

impl Sub for Usage {
    type Output = Self;

    /// What was asked since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self {
            statements: self.statements.saturating_sub(earlier.statements),
            transactions: self.transactions.saturating_sub(earlier.transactions),
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    statements: AtomicU64,
    transactions: AtomicU64,
}

impl Counts {
    fn read(&self) -> Usage {
        Usage {
            statements: self.statements.load(Relaxed),
            transactions: self.transactions.load(Relaxed),
        }
    }
}

static PROCESS: Counts = Counts { statements: AtomicU64::new(0), transactions: AtomicU64::new(0) };

/// What has been asked of all databases of this process so far.
#[must_use]
pub fn process_usage() -> Usage {
    PROCESS.read()
}

/// Counts for one database, and for the process.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter(Arc<Counts>);

impl Counter {
    /// Counts what `connection` and its later clones run.
    pub(super) fn watch(&self, connection: &mut DatabaseConnection) {
        let counts = Arc::clone(&self.0);
        connection.set_metric_callback(move |_| {
            counts.statements.fetch_add(1, Relaxed);
            PROCESS.statements.fetch_add(1, Relaxed);
        });
    }

    pub(super) fn transaction(&self) {
        self.0.transactions.fetch_add(1, Relaxed);
        PROCESS.transactions.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> Usage {
        self.0.read()
    }
}
