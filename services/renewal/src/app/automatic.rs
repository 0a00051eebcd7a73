//! Automatic renewal: what is due is found page by page, priced and charged with one call each, and
//! begun and ended with one transaction each.

mod attempts;
mod begin;
pub mod caps;
pub mod decide;
pub mod end;
pub mod meters;
mod price;
pub mod proof;
pub mod rows;

use std::ops::Range;

use chrono::{DateTime, Utc};
use platform::fault::{self, Fault};

use self::decide::Sorted;
use super::{Orders, failure::OrderError, sweep};
use crate::{
    domain::attempt::Outcome,
    store::{
        automatic::page::{self, Place, Wanted},
        instances::{Named, Reach, many},
        values,
    },
};

/// How often a page is worked out anew because the rules changed meanwhile.
const ROUNDS: usize = 4;

/// The most instances of a page.
pub const MOST: usize = 1_000;

/// A page that is to be renewed.
#[derive(Debug, Clone)]
pub struct RenewDue {
    /// Which shards.
    pub shards: Range<i32>,
    /// After this place; none: from the first on.
    pub after: Option<Place>,
    /// How many instances at the most; [`MOST`] at the most.
    pub limit: usize,
}

/// What a page came to.
pub type Swept = sweep::Swept<Place>;

impl Orders {
    /// Decides the attempts of a page that are due, and renews what can be paid. The time is taken
    /// once.
    ///
    /// A call that fails has decided nothing that is not written: what it has begun is finished by
    /// [`advance`](Orders::advance), and the rest is still due.
    pub async fn renew_due(&self, asked: &RenewDue) -> Result<Swept, OrderError> {
        let now = self.env.now();
        let wanted = Wanted {
            from: asked.shards.start,
            until: asked.shards.end,
            now: values::micros(now),
            after: asked.after.clone(),
            limit: asked.limit.clamp(1, MOST),
        };
        let page = page::next(self.store.reader(), &wanted).await?;
        let due = u32::try_from(page.found.len()).unwrap_or(u32::MAX);
        let mut swept = Swept { due, next: page.next, ..Swept::default() };
        if page.found.is_empty() {
            return Ok(swept);
        }
        let sorted = self.sorted(&page.found, now).await?;
        let attempts = sorted.due;
        let carried_out = self.carry_out(sorted, &mut swept, now).await;
        self.meters.note(attempts, swept.done);
        carried_out?;
        tracing::info!(due, done = swept.done, failed = ?swept.failed, "a page was renewed");
        Ok(swept)
    }

    /// What is to be done about a page, with prices.
    async fn sorted(
        &self,
        found: &[page::Found],
        now: DateTime<Utc>,
    ) -> Result<Sorted, OrderError> {
        let keys = found
            .iter()
            .filter_map(|one| Some((one.account_id.parse().ok()?, one.id.parse().ok()?)));
        let keys: Vec<_> = keys.collect();
        let named = keys.iter().map(|(account, id)| Named { account, id });
        let named: Vec<_> = named.collect();
        for _ in 0..ROUNDS {
            let catalogue = self.rules.last_known().await?;
            let reader = self.store.reader();
            let holdings = many::load_with_accounts(reader, &named, Reach::Groups).await?;
            let mut sorted = decide::page(&keys, holdings, catalogue, now);
            if self.priced_page(&mut sorted, now, false).await? {
                self.keep_within_caps(&mut sorted, now).await?;
                return Ok(sorted);
            }
            self.rules.refreshed().await?;
        }
        Err(OrderError::Busy)
    }

    /// Notes how an attempt of a page was decided.
    fn note(&self, swept: &mut Swept, outcome: Outcome, reason: &str) {
        if outcome != Outcome::Void {
            swept.done += 1;
            self.meters.decided(outcome);
        }
        if outcome != Outcome::Renewed {
            swept.fail(reason, 1);
        }
    }

    /// Begins, charges and ends what was sorted out.
    async fn carry_out(
        &self,
        sorted: Sorted,
        swept: &mut Swept,
        now: DateTime<Utc>,
    ) -> Result<(), OrderError> {
        let begun = self.begin_page(sorted, swept, now).await?;
        if begun.is_empty() {
            return Ok(());
        }
        fault::point(Fault::AfterPage);
        let payments = self.charge_page(&begun, now).await?;
        fault::point(Fault::AfterPageAnswer);
        self.end_page(begun, payments, swept, now).await?;
        fault::point(Fault::AfterPageSettled);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
