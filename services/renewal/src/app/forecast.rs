//! Forecasts: what the sweeps will do to an account, found by letting them decide on a clock and on
//! copies of their own.
//!
//! ```text
//! fleet  copies of the account's instances: what is due next, what a decision does to them
//! till   a copy of its purse: which voucher pays what, what is missing, what is lost
//! diary  what happened
//! ```
//!
//! Nothing is decided here. What is due, what is renewed and by which plan, in which order money is
//! taken, which voucher pays and what expires is asked of whoever the sweeps ask.

mod diary;
mod fleet;
mod till;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use kernel::ids::AccountId;
use proto::renewal::v1 as pb;
use rule_engine::{
    calendar::{add_days, end_of_day, local_date},
    reason::{Reason, Refusal},
    voucher::PayableItem,
};

use self::{
    diary::{Diary, Lack},
    fleet::Fleet,
    till::{Paid, Till},
};
use super::{
    Orders,
    automatic::{
        caps::{Caps, day_began},
        decide::{Decided, Sorted},
        rows::{Starting, starting},
    },
    failure::OrderError,
    preview::profile_of,
    rules::Catalogue,
};
use crate::{
    domain::attempt::Outcome,
    store::{
        StoreError,
        accounts::{self, KnownAccount},
        automatic::caps::{Since, Used, used},
        forecast,
        instances::{Named, Reach, many},
        orders, values,
    },
};

/// The most instances of which anything is due in a forecast.
pub const MOST_INSTANCES: u64 = 1_000;

/// The most instants at which anything happens; at each, prices are asked for once.
const MOST_INSTANTS: u32 = if cfg!(test) { 60 } else { 4_000 };

/// How often an instant is gone over: after what happened first, more may be due.
const PASSES: usize = 8;

/// How often a forecast is made anew because the catalogs changed meanwhile.
const ROUNDS: usize = 4;

/// A forecast that is being made.
#[derive(Debug)]
struct Run {
    fleet: Fleet,
    till: Till,
    diary: Diary,
    spent: Spent,
    /// At the last instant at which anything was renewed.
    bills: Option<Bills>,
}

/// What is to be paid at an instant, and with what.
#[derive(Debug)]
struct Bills {
    time: DateTime<Utc>,
    /// As it was before.
    till: Till,
    renewals: Vec<Vec<PayableItem>>,
}

/// What was renewed by itself in the account's present day (A-7).
#[derive(Debug)]
struct Spent {
    caps: Caps,
    began: DateTime<Utc>,
    used: Used,
}

/// The prices are of other rules than the forecast: it is to be made anew.
#[derive(Debug)]
struct OtherRules;

impl Orders {
    /// What will happen by itself to what the account has, in `days` days of its zone, today being the
    /// first. Changes nothing.
    pub async fn forecast(
        &self,
        account: &AccountId,
        days: u32,
    ) -> Result<pb::ForecastRenewalsResponse, OrderError> {
        for _ in 0..ROUNDS {
            let catalogue = self.rules.current().await?;
            let now = self.env.now();
            let (mut run, end) = self.begin_forecast(account, days, &catalogue, now).await?;
            if self.foresee(&mut run, now, end).await?.is_ok() {
                return Ok(run.diary.told(now, end, &run.till));
            }
            self.rules.refreshed().await?;
        }
        Err(OrderError::Busy)
    }

    /// The account, its instances and its purse as they are at `now`, and when the forecast ends.
    async fn begin_forecast(
        &self,
        id: &AccountId,
        days: u32,
        catalogue: &Arc<Catalogue>,
        now: DateTime<Utc>,
    ) -> Result<(Run, DateTime<Utc>), OrderError> {
        let snapshot = self.store.snapshot().await?;
        let account = accounts::get(&snapshot, id).await?;
        let account = account.ok_or_else(|| OrderError::AccountNotFound(id.clone()))?;
        let end = end_after(&account, days, now)?;
        let due = forecast::due_before(&snapshot, id, end, MOST_INSTANCES + 1).await?;
        check_count(due.len())?;
        let named: Vec<_> = due.iter().map(|one| Named { account: id, id: one }).collect();
        let found = many::load_with_accounts(&snapshot, &named, Reach::Groups).await?;
        let loaded: Vec<_> = found.into_iter().flat_map(|holding| holding.loaded).collect();
        let unpaid = loaded.iter().filter_map(|one| one.instance.open_order);
        let mut unpaid: Vec<_> =
            unpaid.filter(|order| order.unpaid).map(|order| order.id).collect();
        unpaid.sort_unstable();
        unpaid.dedup();
        let orders = orders::many(&snapshot, &unpaid).await?;
        let began = day_began(&account, now);
        let since = Since { account_id: id.clone(), since: values::micros(began) };
        let used = used(&snapshot, &[since]).await?.remove(id.as_str()).unwrap_or_default();
        snapshot.commit().await?;

        let currency = account.settings.currency;
        let rule = profile_of(&account, catalogue).vouchers.automatic;
        let till = Till::new(self.funds.purse(id).await?, currency, rule);
        let diary = Diary::new(account.settings.zone, currency);
        let fleet = Fleet::new(account, loaded, orders, Arc::clone(catalogue), now);
        let spent = Spent { caps: self.caps, began, used };
        Ok((Run { fleet, till, diary, spent, bills: None }, end))
    }

    /// Lets everything happen that happens before `end`.
    async fn foresee(
        &self,
        run: &mut Run,
        mut now: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Result<Result<(), OtherRules>, OrderError> {
        let mut instants = 0;
        while let Some(next) = run.next().map(|next| next.max(now)).filter(|next| *next < end) {
            now = next;
            instants += 1;
            if instants > MOST_INSTANTS {
                let message = "Too much happens in so many days: ask for fewer.";
                return Err(too_many(message, MOST_INSTANTS.into()));
            }
            for (voucher, unused) in run.till.expire(now) {
                run.diary.voucher_expired(now, voucher, unused, &run.till);
            }
            run.fleet.expire_orders(now);
            for _ in 0..PASSES {
                if run.fleet.next().is_none_or(|next| next > now) {
                    break;
                }
                if self.pass(run, now).await?.is_err() {
                    return Ok(Err(OtherRules));
                }
            }
            // What is still due cannot be decided: it is left as it is.
            run.fleet.set_aside(now);
            tokio::task::yield_now().await;
        }
        Ok(Ok(()))
    }

    /// One run of the sweeps at `now`: what renews itself first, then what expires.
    async fn pass(
        &self,
        run: &mut Run,
        now: DateTime<Utc>,
    ) -> Result<Result<(), OtherRules>, OrderError> {
        let mut sorted = run.fleet.sorted(now);
        if !sorted.tries.is_empty() && !self.priced_page(&mut sorted, now, true).await? {
            return Ok(Err(OtherRules));
        }
        run.spent.keep_within(&mut sorted, run.fleet.account(), now);
        run.renew(sorted, now)?;
        for event in run.fleet.step(now) {
            run.diary.stepped(now, &event, &run.till);
        }
        Ok(Ok(()))
    }
}

impl Spent {
    /// Takes out of `sorted` what is beyond the bounds of the account's day.
    fn keep_within(&mut self, sorted: &mut Sorted, account: &KnownAccount, now: DateTime<Utc>) {
        let began = day_began(account, now);
        if began != self.began {
            (self.began, self.used) = (began, Used::default());
        }
        if !self.caps.are_off() {
            let used = HashMap::from([(account.id.to_string(), self.used)]);
            self.caps.keep_within(sorted, used, now);
        }
    }
}

impl Run {
    /// When anything happens next.
    fn next(&self) -> Option<DateTime<Utc>> {
        [self.fleet.next(), self.fleet.next_order_expiry(), self.till.next_expiry()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Carries out what was sorted out, in the order in which money is taken.
    fn renew(&mut self, sorted: Sorted, now: DateTime<Utc>) -> Result<(), StoreError> {
        let Sorted { catalogue, priced, decided, parked, .. } = sorted;
        let begun = priced.into_iter().map(|one| starting(one, &catalogue, now));
        let begun: Vec<_> = begun.collect();
        self.note_shortage(&begun, now);
        for one in &begun {
            self.attempt(one, &catalogue, now)?;
        }
        let called_off: HashSet<_> = begun.iter().flat_map(|one| &one.tried.superseded).collect();
        for Decided { unit, outcome, why } in decided {
            // What stood on the same order as what is renewed in its place has changed: it is looked at
            // again.
            let order = unit.root.instance.open_order;
            if order.is_some_and(|order| called_off.contains(&order.id)) {
                continue;
            }
            let decision = unit.decision(false, now);
            let retry = unit.after(decision, &catalogue, now).retry_time;
            self.fleet.decide(&unit.identity.root, unit.decisions(decision), now);
            let lack = Lack { reason: why.reason.code(), missing: None, retry };
            self.diary.not_renewed(now, &unit.identity.root, outcome, None, lack, &self.till);
        }
        for parking in parked {
            self.diary.parked(now, &parking.first.0, &self.till);
            self.fleet.park(parking.until, parking.why, now);
        }
        Ok(())
    }

    fn attempt(
        &mut self,
        one: &Starting,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Starting { tried, order, .. } = one;
        let unit = &tried.unit;
        let root = &unit.identity.root;
        self.fleet.call_off(&tried.superseded);
        match self.till.pay(&till::items(one), now) {
            Paid::With(parts) => {
                self.spent.used = self.spent.used.and(order.payable);
                self.fleet.renew(order, now)?;
                self.diary.renewed(now, one, &parts, &self.till);
            }
            Paid::Refused { reason, missing } => {
                let decision = unit.decision(missing.is_some(), now);
                let retry = unit.after(decision, catalogue, now).retry_time;
                self.fleet.decide(root, unit.decisions(decision), now);
                let lack = Lack { reason, missing, retry };
                let (outcome, payable) = (Outcome::Failed, Some(order.payable));
                self.diary.not_renewed(now, root, outcome, payable, lack, &self.till);
            }
        }
        Ok(())
    }

    /// Notes how much is missing for all that is due at `now`, in this pass and those before, if the money
    /// runs short for the first time.
    fn note_shortage(&mut self, begun: &[Starting], now: DateTime<Utc>) {
        if begun.is_empty() || self.diary.was_short_before(now) {
            return;
        }
        let mut bills = self
            .bills
            .take()
            .filter(|bills| bills.time == now)
            .unwrap_or_else(|| Bills { time: now, till: self.till.clone(), renewals: Vec::new() });
        bills.renewals.extend(begun.iter().map(till::items));
        let missing = bills.till.missing(&bills.renewals, now);
        if missing > 0 {
            self.diary.short(now, missing);
        }
        self.bills = Some(bills);
    }
}

/// The end of the last of so many days of the account.
fn end_after(
    account: &KnownAccount,
    days: u32,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, OrderError> {
    let zone = account.settings.zone;
    let last = add_days(local_date(zone, now), days.saturating_sub(1));
    end_of_day(zone, last)
        .map_err(|error| OrderError::refused(Reason::DateOutOfRange, error.to_string()))
}

fn check_count(instances: usize) -> Result<(), OrderError> {
    if u64::try_from(instances).is_ok_and(|instances| instances <= MOST_INSTANCES) {
        return Ok(());
    }
    let message = "Something is due of too many instances in so many days: ask for fewer days.";
    Err(too_many(message, MOST_INSTANCES))
}

fn too_many(message: &str, limit: u64) -> OrderError {
    Refusal::new(Reason::TooManyInstances, message).with("limit", limit).into()
}

#[cfg(test)]
mod tests;
