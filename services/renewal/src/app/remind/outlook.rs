//! Whether the next automatic renewals will be paid: what they cost, and what the accounts have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, InstanceId};
use proto::{
    catalog::v1::{Buyer, QuoteRenewalsRequest, quote_renewals_request::View, quote_result},
    convert::timestamp,
    wallet::v1::{Funds as Purse, PayableItem, PreviewPaymentRequest},
};
use rule_engine::{
    due::planned_attempts,
    instance::World,
    plan::{Extent, Item, Selection, plan},
    profile::Policy,
    reminder::Outlook,
};

use super::{
    super::{
        Orders, bill, due::Dues, failure::OrderError, preview::profile_of, rebuild,
        rules::Catalogue, world::world,
    },
    come_up,
};
use crate::store::{accounts::KnownAccount, due::reminders, instances::Loaded, values};

/// Automatic renewals that are counted together, of all accounts of a page.
const MOST_RENEWALS: i64 = 5_000;

/// Items of one call for prices.
const PRICED_AT_ONCE: usize = 1_000;

/// How often the wallet is asked which vouchers would pay; beyond it, users are rather reminded.
const MOST_PREVIEWS: usize = 100;

/// What comes of the next automatic renewal of an instance or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// Whether the money suffices.
    pub outlook: Outlook,
    /// What it costs, in minor units.
    pub price: Option<i64>,
}

/// Forecasts, by the primary of the group.
#[derive(Debug, Default)]
pub struct Forecasts {
    known: HashMap<InstanceId, Forecast>,
    unknown: bool,
}

impl Forecasts {
    /// Nothing can be told.
    pub fn unknown() -> Self {
        Self { unknown: true, ..Self::default() }
    }

    /// What comes of the next automatic renewal; none if that cannot be told now. What does not
    /// renew itself at all fails.
    pub fn of(&self, root: &InstanceId) -> Option<Forecast> {
        let fails = Forecast { outlook: Outlook::Fails, price: None };
        (!self.unknown).then(|| self.known.get(root).copied().unwrap_or(fails))
    }
}

/// A renewal that lies ahead.
#[derive(Debug)]
struct Ahead<'a> {
    root: &'a Loaded,
    items: Vec<Item>,
    /// What it costs, and what a payment of it would name; nothing if it will be refused.
    priced: Option<(i64, Vec<PayableItem>)>,
}

/// The renewals of an account that lie ahead, in the order in which money is taken for them.
#[derive(Debug)]
struct Account<'a> {
    owner: &'a KnownAccount,
    world: World,
    ahead: Vec<Ahead<'a>>,
}

impl Orders {
    /// What comes of the next automatic renewals of those of `found` that are `due` for a reminder,
    /// and of everything of their accounts that is renewed before them.
    pub(super) async fn forecasts(
        &self,
        found: &[(KnownAccount, Vec<Loaded>)],
        due: &BTreeSet<&str>,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<Forecasts, OrderError> {
        let horizons: Vec<_> = found
            .iter()
            .filter_map(|(account, loaded)| {
                Some((&account.id, horizon(account, loaded, due, catalogue, now)?))
            })
            .collect();
        if horizons.is_empty() {
            return Ok(Forecasts::default());
        }
        let reader = self.store.reader();
        let now_micros = values::micros(now);
        let keys = reminders::automatic(reader, &horizons, now_micros, MOST_RENEWALS).await?;
        let order: HashMap<_, _> =
            keys.iter().enumerate().map(|(place, key)| (key.id.as_str(), place)).collect();
        let snapshot = self.store.snapshot().await?;
        let loaded = rebuild::load(&snapshot, &keys).await?;
        snapshot.commit().await?;
        let mut accounts: Vec<_> = loaded
            .iter()
            .map(|(account, own)| ahead(account, own, &order, catalogue, now))
            .collect();
        self.price(&mut accounts, now).await?;
        let last = self.last_paid(&accounts).await?;
        let ids = accounts.iter().map(|one| one.owner.id.to_string()).collect();
        let funds = self.funds.funds(ids).await?;
        let funds: BTreeMap<_, _> =
            funds.into_iter().map(|one| (one.account_id.clone(), one)).collect();
        let mut forecasts = Forecasts::default();
        let mut previews = MOST_PREVIEWS;
        for one in &accounts {
            let purse = funds.get(one.owner.id.as_str());
            let pays = self.pays(one, purse, catalogue, &mut previews).await?;
            for (ahead, pays) in one.ahead.iter().zip(pays) {
                let forecast = ahead.forecast(pays, &last);
                forecasts.known.insert(ahead.root.instance.id.clone(), forecast);
            }
        }
        Ok(forecasts)
    }

    /// Asks what the renewals cost, all accounts' with one call for a thousand items.
    async fn price(
        &self,
        accounts: &mut [Account<'_>],
        now: DateTime<Utc>,
    ) -> Result<(), OrderError> {
        let buyers: Vec<_> = accounts
            .iter()
            .map(|one| Buyer {
                currency_code: one.owner.settings.currency.code().to_owned(),
                account_labels: one.owner.labels.clone(),
            })
            .collect();
        let mut facts = Vec::new();
        for (buyer, one) in (0..).zip(&*accounts) {
            let items = one.ahead.iter().flat_map(|ahead| &ahead.items);
            facts.extend(items.map(|item| {
                let facts = bill::price_facts(item, &one.world);
                proto::catalog::v1::PriceFacts { buyer, ..facts }
            }));
        }
        let mut quotes = HashMap::new();
        for items in facts.chunks(PRICED_AT_ONCE) {
            let request = QuoteRenewalsRequest {
                items: items.to_vec(),
                as_of: Some(timestamp(now)),
                view: View::Totals.into(),
                buyers: buyers.clone(),
                ..QuoteRenewalsRequest::default()
            };
            for result in self.pricing.quote(request).await?.results {
                if let Some(quote_result::Result::Quote(quote)) = result.result {
                    quotes.insert(result.item_id, quote);
                }
            }
        }
        for Account { world, ahead, .. } in accounts {
            for ahead in ahead {
                let payable = ahead.items.iter().map(|item| {
                    let quote = quotes.get(item.instance.as_str())?.clone();
                    bill::payable_item(&bill::snapshot_item(item, world, quote))
                });
                let payable = payable.collect::<Option<Vec<_>>>().filter(|items| !items.is_empty());
                ahead.priced = payable.map(|items| (sum(&items), items));
            }
        }
        Ok(())
    }

    /// What was paid for the last renewal of each instance that was ever renewed.
    async fn last_paid(
        &self,
        accounts: &[Account<'_>],
    ) -> Result<HashMap<String, i64>, OrderError> {
        let items = accounts.iter().flat_map(|one| {
            let items = one.ahead.iter().flat_map(|ahead| &ahead.items);
            items.map(|item| (&one.owner.id, &item.instance))
        });
        let items: Vec<(&AccountId, &InstanceId)> = items.collect();
        let last = reminders::last_paid(self.store.reader(), &items).await?;
        Ok(last.into_iter().map(|row| (row.instance_id, row.amount)).collect())
    }

    /// Which of the account's renewals its money suffices for. One that it does not suffice for is
    /// passed over, and the next ones have what is left.
    ///
    /// Where cash alone does not, the wallet is asked which vouchers would pay for all of them
    /// together.
    async fn pays(
        &self,
        one: &Account<'_>,
        purse: Option<&Purse>,
        catalogue: &Catalogue,
        previews: &mut usize,
    ) -> Result<Vec<bool>, OrderError> {
        let units = |money: Option<&proto::r#type::v1::Money>| {
            money.map(|money| money.minor_units).unwrap_or_default()
        };
        let cash = units(purse.and_then(|purse| purse.cash.as_ref()));
        let all = cash.saturating_add(units(purse.and_then(|purse| purse.vouchers.as_ref())));
        let profile = profile_of(one.owner, catalogue);
        let (mut spent, mut items) = (0_i64, Vec::new());
        let mut pays = Vec::with_capacity(one.ahead.len());
        for ahead in &one.ahead {
            let Some((price, own)) = &ahead.priced else {
                pays.push(false);
                continue;
            };
            let needed = spent.saturating_add(*price);
            let mut together = items.clone();
            together.extend(own.iter().cloned());
            let suffices = if needed <= cash {
                true
            } else if needed > all || *previews == 0 {
                false
            } else {
                *previews -= 1;
                let request = PreviewPaymentRequest {
                    account_id: one.owner.id.to_string(),
                    items: together.clone(),
                    vouchers: Some(bill::automatic_vouchers(&profile)),
                    automatic: true,
                    as_of: None,
                };
                let missing = self.funds.preview(request).await?.missing;
                units(missing.as_ref()) == 0
            };
            if suffices {
                (spent, items) = (needed, together);
            }
            pays.push(suffices);
        }
        Ok(pays)
    }
}

fn sum(items: &[PayableItem]) -> i64 {
    let payable = items.iter().filter_map(|item| item.payable.as_ref());
    payable.fold(0, |sum, payable| sum.saturating_add(payable.minor_units))
}

/// The latest expiry of the account's instances that renew themselves and are due for a reminder
/// before it, in microseconds; none if there are none.
fn horizon(
    account: &KnownAccount,
    loaded: &[Loaded],
    due: &BTreeSet<&str>,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Option<i64> {
    let world = world(account, loaded, catalogue, now);
    let dues = Dues::of(&world, account, catalogue, now);
    let automatic = loaded.iter().filter(|one| {
        due.contains(one.instance.id.as_str()) && one.instance.policy.policy() == Policy::Auto
    });
    let ends = automatic.filter_map(|one| come_up(&dues, one, now)).map(|(_, end)| end);
    ends.filter(|end| *end > now).map(values::micros).max()
}

/// The renewals of the account that lie ahead, in `order`.
fn ahead<'a>(
    account: &'a KnownAccount,
    loaded: &'a [Loaded],
    order: &HashMap<&str, usize>,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Account<'a> {
    let world = world(account, loaded, catalogue, now);
    let dues = Dues::of(&world, account, catalogue, now);
    let mut roots: Vec<_> = loaded
        .iter()
        .filter_map(|root| {
            let place = *order.get(root.instance.id.as_str())?;
            let cycle = root.instance.policy.auto()?.cycle;
            let facts = dues.facts(root)?;
            let first = planned_attempts(facts.automatic()?.plan, facts.end()).first()?.at;
            // An unpaid order does not stop it at the last moment.
            let exempt_order = root.instance.open_order.map(|order| order.id);
            let id = root.instance.id.clone();
            let selection = Selection { exempt_order, ..Selection::of([id], Extent::Cycle(cycle)) };
            let plan = plan(&selection, &world, first.max(now)).ok();
            let plan = plan.filter(|plan| plan.refusal.is_none());
            let items = plan.map(|plan| plan.items).unwrap_or_default();
            Some((place, Ahead { root, items, priced: None }))
        })
        .collect();
    roots.sort_by_key(|(place, _)| *place);
    let ahead = roots.into_iter().map(|(_, ahead)| ahead).collect();
    Account { owner: account, world, ahead }
}

impl Ahead<'_> {
    /// What comes of it. Only what was ever renewed can cost something else than last time, and who
    /// was told of a price is not told of it again.
    fn forecast(&self, pays: bool, last: &HashMap<String, i64>) -> Forecast {
        let price = self.priced.as_ref().map(|(price, _)| *price);
        let root = &self.root;
        let told = root.instance.expiry().and_then(|end| root.recorded.reminded.told_price(end));
        let paid = self.items.iter().map(|item| last.get(item.instance.as_str()).copied());
        let known = told.or_else(|| paid.sum::<Option<i64>>());
        let outlook = match (pays, known) {
            (false, _) => Outlook::Fails,
            (true, Some(known)) if price.is_some_and(|price| price != known) => {
                Outlook::PaysAnotherPrice
            }
            (true, _) => Outlook::Pays,
        };
        Forecast { outlook, price }
    }
}
