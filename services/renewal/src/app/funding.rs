//! Taking note of money that has come: what was refused for want of it is tried again.

use std::collections::BTreeMap;

use platform::{database::retry, status::reason};
use rule_engine::reason::Reason;

use super::{Fundings, Orders, RemoteError, failure::OrderError};
use crate::store::{
    automatic::{self, Funding},
    cursors, values,
};

/// Under which name the place in the wallet's events is kept.
const CURSOR: &str = "fundings";

/// What a sweep came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noticed {
    /// How many times money came.
    pub noted: u32,
    /// Whether there may be more.
    pub more: bool,
}

impl Orders {
    /// Takes note of money that has come since the last time, at most `limit` times. Noting it twice
    /// does nothing more.
    pub async fn notice_funds(&self, limit: u32) -> Result<Noticed, OrderError> {
        let now = values::micros(self.env.now());
        let before = cursors::get(self.store.reader(), CURSOR).await?;
        let (fundings, next) = self.fundings(&before, limit).await?;
        let noted = u32::try_from(fundings.len()).unwrap_or(u32::MAX);
        if noted == 0 && next == before {
            return Ok(Noticed { noted, more: false });
        }
        let mut latest = BTreeMap::new();
        for (account, time) in fundings {
            let known = latest.entry(account).or_insert(time);
            *known = time.max(*known);
        }
        let rows = latest.into_iter();
        let rows =
            rows.map(|(account_id, time)| Funding { account_id, time: values::micros(time) });
        let rows: Vec<_> = rows.collect();
        retry(|| async {
            let transaction = self.store.begin().await?;
            if !rows.is_empty() {
                automatic::fund(&transaction, &rows, now).await?;
            }
            cursors::set(&transaction, CURSOR, &next).await?;
            Ok::<_, crate::store::StoreError>(transaction.commit().await?)
        })
        .await?;
        Ok(Noticed { noted, more: noted == limit })
    }

    /// What is kept from a place on; from the oldest, where that place is no longer known.
    async fn fundings(&self, cursor: &str, limit: u32) -> Result<Fundings, RemoteError> {
        match self.funds.fundings(cursor, limit).await {
            Err(error) if is_expired(&error) => self.funds.fundings("", limit).await,
            answer => answer,
        }
    }
}

fn is_expired(error: &RemoteError) -> bool {
    reason(&error.status).as_deref() == Some(Reason::CursorExpired.code())
}
