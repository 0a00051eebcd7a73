//! Reminding users of what expires, and of what is released.
//!
//! One event a day for each account, however many of its instances it is about. What comes up after
//! it has gone out waits for the next morning, unless it would be too late by then.

mod outlook;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::ids::{AccountId, InstanceId};
use platform::{database::retry, status::SERVICE_UNAVAILABLE};
use rule_engine::{
    calendar::{at_local, local_date},
    due::due_reminder,
    profile::Policy,
    reminder::{Outlook, REMINDER_TIME, Reminder, ReminderKind},
};

use self::outlook::{Forecast, Forecasts};
use super::{
    Orders, due::Dues, failure::OrderError, lifecycle::names, rebuild, rules::Catalogue,
    sweep::Swept, world::world,
};
use crate::store::{
    accounts::{self, KnownAccount},
    due::{
        pages::{self, Key, Place, Reach},
        reminders::{self, Dealt},
    },
    events::{self, Event, kinds},
    instances::Loaded,
    values,
};

/// The most instances of one account that are told of together; an account of which more are due has
/// more events.
const MOST_OF_ACCOUNT: u32 = 10_000;

/// Ids in an event, in bytes: it is a notice and not a list.
const MOST_IDS: usize = 120;

/// What is to be told of an instance.
#[derive(Debug, Clone)]
struct Notice {
    kind: ReminderKind,
    id: InstanceId,
    until: DateTime<Utc>,
    new_price: bool,
}

/// What is to be done about an account.
#[derive(Debug)]
struct Decided<'a> {
    account: &'a KnownAccount,
    dealt: Vec<Dealt>,
    notices: Vec<Notice>,
}

impl Orders {
    /// Deals with the reminders of a page that have come up: tells those that are wanted, one event
    /// for each account, and notes all, so that none comes twice. Whatever else is not due yet
    /// is put off to its time.
    pub async fn remind_due(&self, reach: &Reach) -> Result<Swept, OrderError> {
        let now = self.env.now();
        let (keys, mut swept) = self.due_accounts(reach, now).await?;
        if keys.is_empty() {
            return Ok(swept);
        }
        let catalogue = self.rules.current().await?;
        let snapshot = self.store.snapshot().await?;
        let found = rebuild::load(&snapshot, &keys).await?;
        snapshot.commit().await?;
        let due: BTreeSet<_> = keys.iter().map(|key| key.id.as_str()).collect();
        let forecasts = self.forecasts(&found, &due, &catalogue, now).await;
        let forecasts = forecasts.unwrap_or_else(|error| {
            tracing::warn!(%error, "whether automatic renewals will be paid cannot be told now");
            Forecasts::unknown()
        });
        let mut decided = Vec::new();
        for (account, loaded) in &found {
            decided.push(decide(account, loaded, &due, &forecasts, &catalogue, now, &mut swept));
        }
        swept.done = retry(|| self.remind(&decided, now)).await?;
        Ok(swept)
    }

    /// The instances of a page of which anything is due, of whole accounts: one account is told of all
    /// of its instances together.
    async fn due_accounts(
        &self,
        reach: &Reach,
        now: DateTime<Utc>,
    ) -> Result<(Vec<Key>, Swept), OrderError> {
        let reader = self.store.reader();
        let mut keys = pages::due(reader, reach, false, now).await?;
        let mut swept = Swept::of(&keys, reach);
        let last = keys.last().filter(|_| swept.next.is_some());
        if let Some(last) = last.map(|key| key.account_id.clone()) {
            if keys.iter().all(|key| key.account_id == last) {
                let limit = MOST_OF_ACCOUNT.max(reach.limit);
                keys = pages::due(reader, &Reach { limit, ..reach.clone() }, false, now).await?;
                keys.retain(|key| key.account_id == last);
            } else {
                keys.retain(|key| key.account_id != last);
            }
            let place = |key: &Key| Place { account: key.account_id.clone(), id: key.id.clone() };
            swept.next = keys.last().map(place);
        }
        swept.due = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        Ok((keys, swept))
    }

    /// Notes what was dealt with and tells what is wanted of it; of two at once, one does. Answers of
    /// how many instances.
    async fn remind(&self, decided: &[Decided<'_>], now: DateTime<Utc>) -> Result<u32, OrderError> {
        let transaction = self.store.begin().await?;
        let told = decided.iter().filter(|one| !one.notices.is_empty());
        let told: Vec<_> = told.map(|one| &one.account.id).collect();
        let locked = accounts::many_locked(&transaction, &told).await?;
        // Somebody else has told the account something meanwhile: it is decided anew.
        let same = |one: &&Decided<'_>| {
            let fresh = locked.get(&one.account.id);
            one.notices.is_empty() || fresh.is_some_and(|fresh| fresh.noted == one.account.noted)
        };
        let decided: Vec<_> = decided.iter().filter(same).collect();
        let dealt: Vec<_> = decided.iter().flat_map(|one| one.dealt.iter().cloned()).collect();
        let won = reminders::deal(&transaction, &dealt).await?;
        let won: BTreeSet<_> = names(&won)?.into_iter().map(|(_, id)| id).collect();
        let (mut events, mut quiet) = (Vec::new(), Vec::new());
        for one in &decided {
            let notices = one.notices.iter().filter(|notice| won.contains(&notice.id));
            let notices: Vec<_> = notices.collect();
            if !notices.is_empty() {
                events.push(event(&one.account.id, &notices));
                quiet.push((&one.account.id, values::micros(next_morning(one.account, now))));
            }
        }
        reminders::quiet(&transaction, &quiet).await?;
        events::record(&transaction, &self.env, now, events).await?;
        transaction.commit().await?;
        Ok(u32::try_from(won.len()).unwrap_or(u32::MAX))
    }
}

/// The first instant at which the account's users may be reminded again.
fn next_morning(account: &KnownAccount, now: DateTime<Utc>) -> DateTime<Utc> {
    let zone = account.settings.zone;
    let tomorrow = local_date(zone, now).succ_opt();
    let morning = tomorrow.and_then(|date| at_local(zone, date, REMINDER_TIME).ok());
    morning.unwrap_or(now + TimeDelta::days(1))
}

/// What is to be done about those of the account's instances that are due.
fn decide<'a>(
    account: &'a KnownAccount,
    loaded: &[Loaded],
    due: &BTreeSet<&str>,
    forecasts: &Forecasts,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
    swept: &mut Swept,
) -> Decided<'a> {
    let world = world(account, loaded, catalogue, now);
    let dues = Dues::of(&world, account, catalogue, now);
    let mut decided = Decided { account, dealt: Vec::new(), notices: Vec::new() };
    for one in loaded.iter().filter(|one| due.contains(one.instance.id.as_str())) {
        let mut next = one.clone();
        if let Some((reminder, end)) = come_up(&dues, one, now) {
            let forecast = match one.instance.policy.policy() {
                Policy::Auto => {
                    dues.group(&one.instance.id).and_then(|group| forecasts.of(&group.primary().id))
                }
                _ => Some(Forecast { outlook: Outlook::Pays, price: None }),
            };
            let Some(forecast) = forecast else {
                swept.fail(SERVICE_UNAVAILABLE, 1);
                continue;
            };
            let wanted = reminder.is_wanted(one.instance.policy.policy(), forecast.outlook, now);
            let new_price = wanted && forecast.outlook == Outlook::PaysAnotherPrice;
            let price = forecast.price.filter(|_| new_price);
            next.recorded.reminded = next.recorded.reminded.with(end, reminder.offset, price);
            let (kind, until) = (reminder.kind, reminder.until);
            let notice = Notice { kind, id: one.instance.id.clone(), until, new_price };
            decided.notices.extend(wanted.then_some(notice));
        }
        let due_time = dues.time(&next);
        if due_time != one.recorded.due_time || next.recorded != one.recorded {
            decided.dealt.push(Dealt {
                account_id: account.id.clone(),
                id: one.instance.id.clone(),
                version: one.version,
                before: one.recorded.reminded.text(),
                reminded: next.recorded.reminded.text(),
                due_time: due_time.map(values::micros),
            });
        }
    }
    decided
}

/// The reminder of the instance that is to be dealt with now, and the expiry that it is of.
fn come_up(dues: &Dues<'_>, one: &Loaded, now: DateTime<Utc>) -> Option<(Reminder, DateTime<Utc>)> {
    let facts = dues.facts(one)?;
    if dues.quiet_until(&facts).is_some() {
        return None;
    }
    Some((due_reminder(&facts.view(false), now)?, facts.end()))
}

/// What an account is told: how many instances it is about and of what kind, the first few of them,
/// and the first instant at which something happens.
fn event(account: &AccountId, notices: &[&Notice]) -> Event {
    let mut ids = String::new();
    for notice in notices {
        if ids.len() + notice.id.as_str().len() > MOST_IDS {
            break;
        }
        if !ids.is_empty() {
            ids.push(' ');
        }
        ids.push_str(notice.id.as_str());
    }
    let mut counts = BTreeMap::<_, usize>::new();
    for notice in notices {
        let kind = match notice.kind {
            _ if notice.new_price => "new_price",
            ReminderKind::BeforeExpiry | ReminderKind::BeforeAttempt => "before_expiry",
            ReminderKind::AtExpiry => "at_expiry",
            ReminderKind::BeforeRelease => "before_release",
        };
        *counts.entry(kind).or_default() += 1;
    }
    let mut event = Event::new(kinds::ACCOUNT_REMINDER, account.clone())
        .with("count", notices.len())
        .with("instances", ids);
    if let Some(first) = notices.iter().map(|notice| notice.until).min() {
        event = event.with("first", first.to_rfc3339());
    }
    counts.into_iter().fold(event, |event, (kind, count)| event.with(kind, count))
}

#[cfg(test)]
mod tests;
