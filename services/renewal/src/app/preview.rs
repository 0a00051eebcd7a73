//! From a selection to a bill: the one way for previews and orders, so that what a preview says is
//! what the order costs.

mod prices;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{
    Money,
    ids::{AccountId, InstanceId, OrderId, QuoteId},
};
use proto::{
    catalog::v1::ItemQuote,
    renewal::{internal::v1::OrderSnapshot, v1 as pb},
};
use rule_engine::{
    instance::World,
    plan::{Mode, Plan, Selection, plan},
    profile::{AccountProfile, VoucherRule, VoucherRules, VoucherStrategy},
    reason::{Reason, Refusal},
};

pub use self::prices::{Buyers, PRICED_AT_ONCE, Unpriced, price_of, sum, unpriced_of};
use self::prices::{Quoted, all_refused};
use super::{
    Orders, bill,
    failure::{OrderError, Refused},
    rules::Catalogue,
    world::world,
};
use crate::store::{
    accounts::KnownAccount,
    bulk::InstanceVersion,
    instances::{self, Loaded, Reach},
    quotes::{self, Quote},
};

/// How often a bill is worked out anew because rules or rows changed meanwhile.
const ROUNDS: usize = 4;

/// The most instances of one order: what one payment may have.
const MOST_ITEMS: usize = 1_000;

/// What is to be renewed, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Whose instances.
    pub account: AccountId,
    /// As the rules know it.
    pub selection: Selection,
    /// As it was asked for, which is what is stored.
    pub message: pb::Selection,
}

/// What there is to decide on.
#[derive(Debug)]
pub struct Facts {
    /// Whose instances.
    pub account: KnownAccount,
    /// The instances, and what is bound to them.
    pub loaded: Vec<Loaded>,
}

/// A plan, and what it was made with.
#[derive(Debug)]
pub struct Planned {
    /// What would be done.
    pub plan: Plan,
    /// What it was decided on.
    pub world: World,
    /// By which rules.
    pub catalogue: Arc<Catalogue>,
    /// How the account's orders are treated.
    pub profile: AccountProfile,
}

/// A plan with its prices.
#[derive(Debug)]
pub struct Priced {
    /// What would be done.
    pub planned: Planned,
    /// What an order of it stores.
    pub snapshot: OrderSnapshot,
    /// The sum of its items.
    pub payable: Money,
    /// The instances on it, as they were when it was planned.
    pub claims: Vec<InstanceVersion>,
}

/// A bill, and the quote that holds its price.
#[derive(Debug)]
pub struct Preview {
    /// What it would give and cost.
    pub bill: pb::Bill,
    /// None where it cannot be ordered.
    pub quote: Option<(QuoteId, DateTime<Utc>)>,
}

impl Orders {
    /// What a renewal at `as_of` would give and cost, and a quote that holds the price (M-6).
    pub async fn preview(
        &self,
        wanted: &Wanted,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Preview, OrderError> {
        let now = self.env.now();
        let priced = self.priced(wanted, as_of.unwrap_or(now)).await?;
        let bill = bill::bill(&priced.planned.plan, &priced.snapshot, priced.payable);
        if !bill.orderable {
            return Ok(Preview { bill, quote: None });
        }
        let minutes = i64::from(priced.planned.profile.quote_hold_minutes);
        let quote = Quote {
            account: wanted.account.clone(),
            id: QuoteId(self.env.next_id()),
            hold_until: now + TimeDelta::minutes(minutes),
            snapshot: priced.snapshot,
        };
        let transaction = self.store.begin().await?;
        quotes::keep(&transaction, &quote, now).await?;
        transaction.commit().await?;
        Ok(Preview { bill, quote: Some((quote.id, quote.hold_until)) })
    }

    /// The bill of what is wanted at `now`: at most three queries, and one call for prices.
    pub async fn priced(&self, wanted: &Wanted, now: DateTime<Utc>) -> Result<Priced, OrderError> {
        let mut unpriced = Unpriced::new();
        for _ in 0..ROUNDS {
            let known = self.rules.last_known().await?;
            let (facts, planned) = self.planned(wanted, known, &unpriced, now).await?;
            match self.quotes(&facts.account, &planned, now).await? {
                Quoted::All(quotes) => return priced(wanted, &facts, planned, quotes),
                Quoted::OtherRules => {
                    self.rules.refreshed().await?;
                    unpriced.clear();
                }
                Quoted::Without(refused) => match wanted.selection.mode {
                    Mode::AllOrNothing => return Err(all_refused(refused)),
                    // The others go on without them, and without what hangs on them.
                    Mode::BestEffort => unpriced.extend(refused),
                },
            }
        }
        Err(OrderError::Busy)
    }

    /// The plan of what is wanted at `now`, without prices but for what is known to have none, by
    /// the rules of `catalogue`; before anything is refused, by those of today.
    pub async fn planned(
        &self,
        wanted: &Wanted,
        mut catalogue: Arc<Catalogue>,
        unpriced: &Unpriced,
        now: DateTime<Utc>,
    ) -> Result<(Facts, Planned), OrderError> {
        for _ in 0..ROUNDS {
            let facts = self.facts(wanted).await?;
            let planned = planned(&wanted.selection, &facts, &catalogue, unpriced, now);
            if let Ok(Planned { world, .. }) = &planned {
                check_ticks(&wanted.selection, world, now)?;
            }
            let refusals: Vec<_> = match &planned {
                Ok(Planned { plan, .. }) if plan.refused.is_empty() && plan.refusal.is_none() => {
                    return Ok((facts, planned?));
                }
                Ok(Planned { plan, .. }) => {
                    plan.refused.iter().flat_map(|refused| &refused.refusals).collect()
                }
                Err(refusal) => vec![refusal],
            };
            // Before anything is refused: is it by rules of today, and by orders that still live?
            let held = refusals.iter().any(|one| one.reason == Reason::OpenOrderExists);
            let fresh = self.rules.current().await?;
            let same_rules = fresh.version() == catalogue.version();
            let same_rows = !held || !self.expire_overdue(&facts, now).await?;
            if same_rules && same_rows {
                return Ok((facts, planned?));
            }
            catalogue = fresh;
        }
        Err(OrderError::Busy)
    }

    async fn facts(&self, wanted: &Wanted) -> Result<Facts, OrderError> {
        let Wanted { account, selection, .. } = wanted;
        let reader = self.store.reader();
        let ids = ids_of(selection);
        let found = instances::load_with_account(reader, account, &ids, reach_of(selection));
        let found = found.await?;
        let (account, loaded) =
            found.ok_or_else(|| OrderError::AccountNotFound(account.clone()))?;
        Ok(Facts { account, loaded })
    }

    /// Ends those orders on the instances that awaited their payment for too long; true if there
    /// were any.
    async fn expire_overdue(&self, facts: &Facts, now: DateTime<Utc>) -> Result<bool, OrderError> {
        let open = facts.loaded.iter().filter_map(|one| one.instance.open_order);
        let mut unpaid: Vec<OrderId> =
            open.filter(|order| order.unpaid).map(|order| order.id).collect();
        unpaid.sort_unstable();
        unpaid.dedup();
        self.expire_all(&unpaid, now).await
    }
}

impl Planned {
    /// Fails if no order can be made of the plan: with the weightiest reason, and all of all
    /// instances.
    pub fn check_orderable(&self) -> Result<(), OrderError> {
        let Some(first) = self.plan.refusal.clone() else { return Ok(()) };
        let refused = self.plan.refused.iter().flat_map(|one| {
            one.refusals.iter().map(|refusal| (one.instance.to_string(), refusal.clone()))
        });
        Err(OrderError::Refused(Box::new(Refused { first, all: refused.collect() })))
    }

    /// What an order of the plan stores, priced with `quotes`.
    #[must_use]
    pub fn snapshot(&self, wanted: &Wanted, quotes: Vec<ItemQuote>) -> OrderSnapshot {
        let items = self.plan.items.iter().zip(quotes);
        let items = items.map(|(item, quote)| bill::snapshot_item(item, &self.world, quote));
        OrderSnapshot {
            selection: Some(wanted.message.clone()),
            items: items.collect(),
            left_out: bill::all_left_out(&self.plan),
            ..OrderSnapshot::default()
        }
    }

    /// The instances on the plan, as they were loaded.
    #[must_use]
    pub fn claims(&self, facts: &Facts) -> Vec<InstanceVersion> {
        let on_plan = |one: &&Loaded| self.plan.item(&one.instance.id).is_some();
        let claims = facts
            .loaded
            .iter()
            .filter(on_plan)
            .map(|one| InstanceVersion { id: one.instance.id.to_string(), version: one.version });
        claims.collect()
    }
}

/// The ids that a selection names, each once.
#[must_use]
pub fn ids_of(selection: &Selection) -> Vec<InstanceId> {
    let ticked = selection.ticked.iter().map(|ticked| &ticked.id);
    let mut ids: Vec<_> = selection.named.iter().chain(ticked).cloned().collect();
    ids.sort();
    ids.dedup();
    ids
}

/// How much of what is bound to them a decision needs: what is ticked has a parent, too.
#[must_use]
pub fn reach_of(selection: &Selection) -> Reach {
    if selection.ticked.is_empty() { Reach::Groups } else { Reach::All }
}

/// Whoever ticks what is bound to something else may have meant another instance.
fn check_ticks(selection: &Selection, world: &World, now: DateTime<Utc>) -> Result<(), OrderError> {
    let strays: Vec<_> = selection.stray_ticks(world, now).into_iter().cloned().collect();
    if strays.is_empty() { Ok(()) } else { Err(OrderError::NotBound(strays)) }
}

/// What the rules say of `selection` at `now`, where it is known what has no price.
pub fn planned(
    selection: &Selection,
    facts: &Facts,
    catalogue: &Arc<Catalogue>,
    unpriced: &Unpriced,
    now: DateTime<Utc>,
) -> Result<Planned, Refusal> {
    let mut world = world(&facts.account, &facts.loaded, catalogue, now);
    world.unpriced.clone_from(unpriced);
    world.limits.total = world.limits.total.min(MOST_ITEMS);
    Ok(Planned {
        plan: plan(selection, &world, now)?,
        world,
        catalogue: Arc::clone(catalogue),
        profile: profile_of(&facts.account, catalogue),
    })
}

/// How the orders of an account are treated. The profile of an account was there when the account
/// was made; should it be gone, the rules' own defaults hold.
#[must_use]
pub fn profile_of(account: &KnownAccount, catalogue: &Catalogue) -> AccountProfile {
    let rule =
        VoucherRule { strategy: VoucherStrategy::NearestExpiryThenLargest, max_per_payment: None };
    catalogue.account_profile(&account.profile).cloned().unwrap_or_else(|| AccountProfile {
        vouchers: VoucherRules { manual: rule.clone(), automatic: rule },
        unpaid_order_days: 15,
        quote_hold_minutes: 15,
        batch_limit: 100,
        batch_limit_with_bound: 1_000,
        outage_hours: 24,
    })
}

/// A plan with the price of each of its items.
pub fn priced(
    wanted: &Wanted,
    facts: &Facts,
    planned: Planned,
    quotes: Vec<ItemQuote>,
) -> Result<Priced, OrderError> {
    let payable = sum(&quotes, facts.account.settings.currency)?;
    let snapshot = planned.snapshot(wanted, quotes);
    let claims = planned.claims(facts);
    Ok(Priced { planned, snapshot, payable, claims })
}
