//! Telling what happened.

use outbox::{Filter, ReadError};
use proto::renewal::v1 as pb;

use crate::store::{Store, events};

/// Tells what happened.
#[derive(Debug, Clone)]
pub struct Events {
    store: Store,
}

impl Events {
    /// Tells what `store` keeps.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// At most `limit` events that `filter` wants, after `cursor`, and the cursor to go on from.
    pub async fn list(
        &self,
        filter: &Filter,
        cursor: &str,
        limit: u32,
    ) -> Result<(Vec<pb::Event>, String), ReadError> {
        events::list(self.store.database(), filter, cursor, limit).await
    }
}
