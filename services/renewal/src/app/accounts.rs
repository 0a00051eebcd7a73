//! Accounts and their settings (T-4, U-1).

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use kernel::{Currency, Env, ids::AccountId};
use platform::database::retry;
use rule_engine::{
    profile::{AccountSettings, StandardDay, StandardDayMeaning, check_auto_days},
    registration::check_zone,
};

use super::{
    error::{CallError, RowRefusal},
    rules::{Catalogue, Rules},
};
use crate::store::{
    Store,
    accounts::{self, KnownAccount, Noted},
    automatic::caps,
    due,
    events::{self, Event, kinds},
};

/// What an account is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Given by the cloud.
    pub id: AccountId,
    /// Name of the account profile that it lives under.
    pub profile: String,
    /// What it pays in.
    pub currency: Currency,
    /// The zone whose calendar its days are of.
    pub zone: Tz,
    /// What discounts may ask for.
    pub labels: BTreeMap<String, String>,
    /// Frozen or in arrears.
    pub frozen: bool,
}

/// What a customer chooses anew; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::option_option, reason = "absent: stays as it is; none: is cleared")]
pub struct SettingsChange {
    /// The standard renewal date, or none (U-1).
    pub standard_day: Option<Option<StandardDay>>,
    /// What that day means (U-1).
    pub day_meaning: Option<StandardDayMeaning>,
    /// Whether automatic renewals go to that day (U-4).
    pub auto_follows_standard_day: Option<bool>,
    /// Days before expiry of the first automatic attempt, or the product's.
    pub auto_days_before: Option<Option<u32>>,
}

/// The operations on accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    store: Store,
    rules: Arc<Rules>,
    env: Env,
}

impl Accounts {
    /// Accounts kept in `store`, living under the profiles that `rules` knows.
    #[must_use]
    pub const fn new(store: Store, rules: Arc<Rules>, env: Env) -> Self {
        Self { store, rules, env }
    }

    /// Makes accounts what `rows` say; one result for each, in their order. Each id stands once.
    ///
    /// A row that says what is known already changes nothing and raises no event.
    pub async fn upsert(
        &self,
        rows: Vec<AccountRow>,
    ) -> Result<Vec<Result<KnownAccount, RowRefusal>>, CallError> {
        let catalogue = self.rules.current().await?;
        retry(|| self.try_upsert(&rows, &catalogue)).await
    }

    async fn try_upsert(
        &self,
        rows: &[AccountRow],
        catalogue: &Catalogue,
    ) -> Result<Vec<Result<KnownAccount, RowRefusal>>, CallError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let ids: Vec<_> = rows.iter().map(|row| &row.id).collect();
        let known = accounts::many_locked(&transaction, &ids).await?;
        let owners = accounts::owners(&transaction, &ids).await?;

        let mut results = Vec::with_capacity(rows.len());
        let mut changed = Vec::new();
        for row in rows {
            let before = known.get(&row.id);
            let owns = owners.iter().any(|id| id == row.id.as_str());
            let after = decide(row, before, owns, catalogue, now);
            if let Ok(after) = &after
                && Some(after) != before
            {
                changed.push(after.clone());
            }
            results.push(after);
        }
        if changed.is_empty() {
            // Nothing is committed: who changes nothing is not noted.
            return Ok(results);
        }
        if accounts::save(&transaction, &changed).await? < changed.len() {
            return Err(CallError::Busy);
        }
        let told = changed.iter().map(updated).collect();
        events::record(&transaction, &self.env, now, told).await?;
        transaction.commit().await?;
        Ok(results)
    }

    /// The account.
    pub async fn get(&self, id: &AccountId) -> Result<KnownAccount, CallError> {
        let account = accounts::get(self.store.reader(), id).await?;
        account.ok_or_else(|| CallError::AccountNotFound(id.clone()))
    }

    /// Changes what the customer has chosen, if the account is still the one that `etag` is of (any,
    /// if it is empty). No existing expiry moves (U-1). The day of the first automatic attempt must
    /// be one that a product of the account's catalog offers.
    pub async fn update_settings(
        &self,
        id: &AccountId,
        change: SettingsChange,
        etag: &str,
    ) -> Result<KnownAccount, CallError> {
        let now = self.env.now();
        let catalogue = match change.auto_days_before {
            Some(Some(days)) => Some((days, self.rules.current().await?)),
            _ => None,
        };
        let transaction = self.store.begin().await?;
        let account = accounts::get_locked(&transaction, id).await?;
        let account = account.ok_or_else(|| CallError::AccountNotFound(id.clone()))?;
        if !etag.is_empty() && etag != account.etag() {
            return Err(CallError::EtagStale(id.clone()));
        }
        if let Some((days, catalogue)) = catalogue {
            check_auto_days(days, &catalogue.auto_overrides(&account.profile))?;
        }
        let settings = change.applied_to(&account.settings);
        if let Some(mistake) = settings.validate().into_iter().next() {
            return Err(mistake.into());
        }
        if settings == account.settings {
            return Ok(account);
        }
        let other_days = settings.auto_days_before != account.settings.auto_days_before;
        let account = KnownAccount { settings, version: account.version + 1, ..account };
        if accounts::save(&transaction, std::slice::from_ref(&account)).await? == 0 {
            return Err(CallError::Busy);
        }
        if other_days {
            due::wake_automatic(&transaction, id, now).await?;
        }
        events::record(&transaction, &self.env, now, vec![updated(&account)]).await?;
        transaction.commit().await?;
        Ok(account)
    }
}

impl Accounts {
    /// Has what of a parked account is due be renewed by itself again, as if its day began now.
    /// One that is not parked stays as it is.
    pub async fn resume(&self, id: &AccountId) -> Result<KnownAccount, CallError> {
        let now = self.env.now();
        let transaction = self.store.begin().await?;
        let account = accounts::get_locked(&transaction, id).await?;
        let mut account = account.ok_or_else(|| CallError::AccountNotFound(id.clone()))?;
        if !account.is_parked(now) {
            return Ok(account);
        }
        let why = account.noted.parked.map(|(_, why)| why).unwrap_or_default();
        caps::park(&transaction, &[(id, now, &why)]).await?;
        due::wake_automatic(&transaction, id, now).await?;
        account.noted.parked = Some((now, why));
        let told = Event::new(kinds::AUTO_RENEWAL_RESUMED, id.clone());
        events::record(&transaction, &self.env, now, vec![told]).await?;
        transaction.commit().await?;
        Ok(account)
    }
}

impl SettingsChange {
    fn applied_to(self, settings: &AccountSettings) -> AccountSettings {
        let Self { standard_day, day_meaning, auto_follows_standard_day, auto_days_before } = self;
        AccountSettings {
            standard_day: standard_day.unwrap_or(settings.standard_day),
            day_meaning: day_meaning.unwrap_or(settings.day_meaning),
            auto_follows_standard_day: auto_follows_standard_day
                .unwrap_or(settings.auto_follows_standard_day),
            auto_days_before: auto_days_before.unwrap_or(settings.auto_days_before),
            ..settings.clone()
        }
    }
}

/// The account after `row`: the one before, if the row says nothing new.
fn decide(
    row: &AccountRow,
    before: Option<&KnownAccount>,
    owns_an_instance: bool,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<KnownAccount, RowRefusal> {
    if catalogue.account_profile(&row.profile).is_none() {
        return Err(RowRefusal::profile_not_found(&row.profile));
    }
    let AccountRow { id, profile, currency, zone, labels, frozen } = row.clone();
    let Some(before) = before else {
        let settings = AccountSettings {
            zone,
            currency,
            standard_day: None,
            day_meaning: StandardDayMeaning::default(),
            auto_follows_standard_day: false,
            auto_days_before: None,
        };
        return Ok(KnownAccount {
            id,
            profile,
            labels,
            frozen,
            settings,
            noted: Noted::default(),
            version: 1,
            create_time: now,
        });
    };
    check_zone(&before.facts(), zone, currency, owns_an_instance)?;
    let settings = AccountSettings { zone, currency, ..before.settings.clone() };
    let after = KnownAccount { profile, labels, frozen, settings, ..before.clone() };
    let version = before.version + i64::from(after != *before);
    Ok(KnownAccount { version, ..after })
}

fn updated(account: &KnownAccount) -> Event {
    Event::new(kinds::ACCOUNT_UPDATED, account.id.clone()).with("etag", account.etag())
}

#[cfg(test)]
mod tests;
