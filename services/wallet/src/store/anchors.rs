//! Where chains of hashes stood, written down in events: from then on not even their heads can be
//! changed unseen (W-2).

use chrono::{DateTime, Utc};
use kernel::Env;
use outbox::Event;
use platform::database::hexadecimal;
use serde::{Deserialize, Serialize};

use super::{
    StoreError, Unit,
    bulk::{self, Column},
    entity::wallet,
};

/// The kind of the events.
pub const LEDGER_ANCHORED: &str = "ledger.anchored";

/// What an event tells of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The number of the entry.
    pub number: i64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

impl Unit {
    /// Writes down the heads of at most `limit` chains that have grown since the last time, and
    /// tells how many. Their wallets are locked.
    pub async fn anchor(
        &self,
        env: &Env,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<usize, StoreError> {
        let limit = vec![i64::try_from(limit).unwrap_or(i64::MAX).into()];
        let grown: Vec<wallet::Model> =
            self.rows(bulk::GROWN_CHAINS.over(self.backend, Vec::new(), limit)).await?;
        let events: Vec<_> = grown.iter().map(|row| event(row, env, now)).collect();
        outbox::insert(&self.transaction, self.backend, &events).await?;
        let accounts = grown.iter().map(|row| row.account.clone()).collect();
        let anchored = Column::Number(grown.iter().map(|row| row.entries).collect());
        self.write(&bulk::ANCHOR_WALLETS, vec![Column::Text(accounts), anchored], grown.len())
            .await?;
        Ok(grown.len())
    }
}

fn event(row: &wallet::Model, env: &Env, now: DateTime<Utc>) -> Event {
    let anchor = Anchor { number: row.entries, hash: hexadecimal(&row.head) };
    Event {
        id: env.next_id(),
        account: row.account.clone(),
        kind: LEDGER_ANCHORED.to_owned(),
        time: now,
        payload: serde_json::to_vec(&anchor).expect("a number and a text"),
    }
}
