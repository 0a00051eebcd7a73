//! Money that has come, told in events: an instance that was refused for want of it is tried again
//!

use outbox::{Event, Filter, ReadError};
use sha2::{Digest as _, Sha256};

use super::{Store, StoreError, Unit};
use crate::domain::Purse;

/// The kind of the events.
pub const WALLET_FUNDED: &str = "wallet.funded";

impl Unit {
    /// Writes down which of `purses` can pay more than before: by a deposit, a voucher, a refund, a
    /// channel's money, or what is no longer held. No statement where none can.
    pub(super) async fn tell_of_funds<'a>(
        &self,
        purses: impl Iterator<Item = &'a Purse>,
    ) -> Result<(), StoreError> {
        let events: Vec<_> = purses.filter(|purse| has_gained(purse)).map(event).collect();
        Ok(outbox::insert(&self.transaction, self.backend, &events).await?)
    }
}

fn has_gained(purse: &Purse) -> bool {
    let change = purse.change();
    change.cash > 0 || change.issued > 0 || change.moved.values().any(|moved| moved.remaining > 0)
}

/// The account's last entry names the event: what is saved again tells the same.
fn event(purse: &Purse) -> Event {
    let wallet = purse.wallet();
    let digest = Sha256::new()
        .chain_update(WALLET_FUNDED)
        .chain_update(wallet.account.as_str())
        .chain_update(wallet.entries.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let last = purse.change().entries.last().expect("nothing is gained without an entry");
    Event {
        id: uuid::Builder::from_custom_bytes(bytes).into_uuid(),
        account: wallet.account.to_string(),
        kind: WALLET_FUNDED.to_owned(),
        time: last.create_time,
        payload: Vec::new(),
    }
}

impl Store {
    /// At most `limit` events of money that has come, after `cursor`, and the cursor to go on from.
    pub async fn fundings(
        &self,
        cursor: &str,
        limit: u32,
    ) -> Result<(Vec<Event>, String), ReadError> {
        let filter = Filter { account: None, kinds: vec![WALLET_FUNDED.to_owned()] };
        let mut page = outbox::list(&self.database, &filter, cursor, limit).await?;
        while page.events.is_empty() && page.more {
            page = outbox::list(&self.database, &filter, &page.next, limit).await?;
        }
        Ok((page.events, page.next))
    }
}
