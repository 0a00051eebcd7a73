//! Safety bounds: how much of an account is renewed by itself in a day.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, InstanceId},
};
use rule_engine::calendar::{end_of_day, local_date};

use super::{
    super::{Orders, due::Dues, failure::OrderError, rules::Catalogue},
    decide::{Priced, Sorted, Unit},
};
use crate::store::{
    accounts::KnownAccount,
    automatic::{
        Note,
        caps::{self, Since, Used},
    },
    values,
};

/// How much of an account may be renewed by itself in one of its days; none: as much as is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Orders.
    pub orders: Option<i64>,
    /// Money, in minor units of the account's currency.
    pub amount: Option<i64>,
}

/// An account of which nothing more is renewed by itself for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// The account.
    pub account: AccountId,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Why, for people.
    pub why: String,
    /// The instance that expires first of those that wait, and when.
    pub first: (InstanceId, DateTime<Utc>),
}

impl Caps {
    /// Whether there is no bound.
    #[must_use]
    pub const fn are_off(self) -> bool {
        self.orders.is_none() && self.amount.is_none()
    }

    /// Takes what is beyond the bounds out of `sorted`, where so much of each account was `used` in its
    /// day before; its account is parked.
    pub fn keep_within(
        self,
        sorted: &mut Sorted,
        mut used: HashMap<String, Used>,
        now: DateTime<Utc>,
    ) {
        let mut waiting: BTreeMap<AccountId, (String, Vec<Priced>)> = BTreeMap::new();
        for one in std::mem::take(&mut sorted.priced) {
            let id = one.tried.unit.account.id.clone();
            if let Some((_, others)) = waiting.get_mut(&id) {
                others.push(one);
                continue;
            }
            let so_far = used.entry(id.to_string()).or_default();
            let next = so_far.and(one.payable);
            if let Some(why) = self.beyond(next) {
                waiting.insert(id, (why, vec![one]));
            } else {
                *so_far = next;
                sorted.priced.push(one);
            }
        }
        for (why, others) in waiting.into_values() {
            let catalogue = Arc::clone(&sorted.catalogue);
            park(sorted, why, &others, &catalogue, now);
        }
    }

    /// Why no more is to be renewed after `used`, if so.
    fn beyond(self, used: Used) -> Option<String> {
        if let Some(most) = self.orders.filter(|most| used.orders > *most) {
            return Some(format!("more than {most} automatic renewals in a day"));
        }
        let most = self.amount.filter(|most| used.amount > *most)?;
        Some(format!("automatic renewals for more than {most} minor units in a day"))
    }
}

impl Orders {
    /// Takes what is beyond the bounds of its account's day out of `sorted`: the account is parked until
    /// the next local day begins, or an operator resumes it.
    pub(super) async fn keep_within_caps(
        &self,
        sorted: &mut Sorted,
        now: DateTime<Utc>,
    ) -> Result<(), OrderError> {
        if self.caps.are_off() || sorted.priced.is_empty() {
            return Ok(());
        }
        let accounts = sorted.priced.iter().map(|one| &one.tried.unit.account);
        let accounts: BTreeMap<_, _> = accounts.map(|account| (&account.id, account)).collect();
        let since = accounts.values().map(|account| Since {
            account_id: account.id.clone(),
            since: values::micros(day_began(account, now)),
        });
        let since: Vec<_> = since.collect();
        let used = caps::used(self.store.reader(), &since).await?;
        self.caps.keep_within(sorted, used, now);
        Ok(())
    }
}

impl Used {
    /// With one more order, of so much.
    #[must_use]
    pub const fn and(self, payable: Money) -> Self {
        let amount = self.amount.saturating_add(payable.minor());
        Self { orders: self.orders + 1, amount }
    }
}

/// When the account's day began, or was begun anew by an operator.
pub fn day_began(account: &KnownAccount, now: DateTime<Utc>) -> DateTime<Utc> {
    let zone = account.settings.zone;
    let yesterday = local_date(zone, now).pred_opt();
    let midnight = yesterday.and_then(|day| end_of_day(zone, day).ok()).unwrap_or(now);
    let resumed = account.noted.parked.as_ref().map(|(until, _)| *until);
    resumed.map_or(midnight, |resumed| resumed.max(midnight))
}

/// Parks the account of `waiting`, all of which are of one and in order of expiry.
fn park(
    sorted: &mut Sorted,
    why: String,
    waiting: &[Priced],
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) {
    let Some(first) = waiting.first() else { return };
    let unit = &first.tried.unit;
    let zone = unit.account.settings.zone;
    let until = end_of_day(zone, local_date(zone, now)).unwrap_or(now);
    let mut account = KnownAccount::clone(&unit.account);
    account.noted.parked = Some((until, why.clone()));
    let first = (unit.identity.root.clone(), unit.identity.expiry);
    for Priced { tried, .. } in waiting {
        let Unit { root, world, .. } = &tried.unit;
        let time = Dues::of(world, &account, catalogue, now).time(root);
        sorted.notes.push(Note {
            account_id: account.id.clone(),
            id: root.instance.id.clone(),
            order_id: None,
            version: root.version,
            decides: false,
            decided: None,
            moves: true,
            due_time: time.map(values::micros),
        });
    }
    sorted.parked.push(Parking { account: account.id, until, why, first });
}
