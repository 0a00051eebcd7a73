//! Accounts: what is read and written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use kernel::{Currency, ids::AccountId};
use rule_engine::{
    calendar::DayOfMonth,
    instance::Account,
    profile::{AccountSettings, StandardDay},
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, Select,
};
use serde::Serialize;

use super::{StoreError, entity::account, over, values};

/// An account as it stands in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAccount {
    /// Given by the cloud.
    pub id: AccountId,
    /// Name of the account profile that it lives under.
    pub profile: String,
    /// What discounts may ask for.
    pub labels: BTreeMap<String, String>,
    /// Frozen or in arrears.
    pub frozen: bool,
    /// Zone, currency, and what the customer has chosen.
    pub settings: AccountSettings,
    /// What sweeps noted of it. [`save`] leaves it as it is.
    pub noted: Noted,
    /// Grows by one with each change of the row that [`save`] makes.
    pub version: i64,
    /// When it became known.
    pub create_time: DateTime<Utc>,
}

/// What sweeps noted of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// When a deposit or voucher last reached the account.
    pub money_at: Option<DateTime<Utc>>,
    /// Nothing of it is renewed automatically before this instant, and why.
    pub parked: Option<(DateTime<Utc>, String)>,
    /// Its users were reminded today: what else comes up waits until then.
    pub no_reminder_before: Option<DateTime<Utc>>,
}

impl KnownAccount {
    /// What the rules see of it.
    #[must_use]
    pub fn facts(&self) -> Account {
        Account { id: self.id.clone(), settings: self.settings.clone(), frozen: self.frozen }
    }

    /// Whether nothing of it is renewed by itself at `now`.
    #[must_use]
    pub fn is_parked(&self, now: DateTime<Utc>) -> bool {
        self.noted.parked.as_ref().is_some_and(|(until, _)| now < *until)
    }

    /// The etag that changes whenever the account does.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }
}

/// Whether there is any account.
pub async fn any<C: ConnectionTrait>(connection: &C) -> Result<bool, StoreError> {
    Ok(account::Entity::find().one(connection).await?.is_some())
}

/// The account, if it is known.
pub async fn get<C: ConnectionTrait>(
    connection: &C,
    id: &AccountId,
) -> Result<Option<KnownAccount>, StoreError> {
    let row = account::Entity::find_by_id(id.as_str()).one(connection).await?;
    row.as_ref().map(read).transpose()
}

/// The account, if it is known; it stays as it is until the transaction ends.
pub async fn get_locked<C: ConnectionTrait>(
    connection: &C,
    id: &AccountId,
) -> Result<Option<KnownAccount>, StoreError> {
    let query = account::Entity::find_by_id(id.as_str());
    let row = super::locked(connection, query).one(connection).await?;
    row.as_ref().map(read).transpose()
}

/// Those of the accounts `ids` that are known, by id. No ids are no statement.
pub async fn many<C: ConnectionTrait>(
    connection: &C,
    ids: &[&AccountId],
) -> Result<BTreeMap<AccountId, KnownAccount>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = of_ids(ids).all(connection).await?;
    rows.iter().map(|row| read(row).map(|account| (account.id.clone(), account))).collect()
}

fn of_ids(ids: &[&AccountId]) -> Select<account::Entity> {
    account::Entity::find()
        .filter(account::Column::Id.is_in(ids.iter().map(|id| id.as_str())))
        .order_by_asc(account::Column::Id)
}

/// Like [`many`]; they stay as they are until the transaction ends.
pub async fn many_locked<C: ConnectionTrait>(
    connection: &C,
    ids: &[&AccountId],
) -> Result<BTreeMap<AccountId, KnownAccount>, StoreError> {
    let rows = super::locked(connection, of_ids(ids)).all(connection).await?;
    rows.iter().map(|row| read(row).map(|account| (account.id.clone(), account))).collect()
}

#[derive(Debug, FromQueryResult)]
struct Id {
    id: String,
}

/// `?1` a JSON array of ids.
const OWNERS_SQLITE: &str = "\
SELECT value AS id FROM jsonb_each(?1)
WHERE EXISTS (SELECT 1 FROM instances WHERE instances.account_id = value)";

/// The same for PostgreSQL.
const OWNERS_POSTGRES: &str = "\
SELECT wanted.id FROM json_array_elements_text($1::json) AS wanted(id)
WHERE EXISTS (SELECT 1 FROM instances WHERE instances.account_id = wanted.id)";

/// Those of the accounts `ids` that own an instance (T-4).
pub async fn owners<C: ConnectionTrait>(
    connection: &C,
    ids: &[&AccountId],
) -> Result<Vec<String>, StoreError> {
    let statement = over(connection, OWNERS_SQLITE, OWNERS_POSTGRES, &ids);
    let rows = Id::find_by_statement(statement).all(connection).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// `?1` a JSON array of whole accounts, each with the version that it has from now on.
const SAVE_SQLITE: &str = "\
INSERT INTO accounts (id, profile, currency, time_zone, labels, frozen, standard_day, day_meaning,
  auto_follows_standard_day, auto_days_before, version, create_time)
SELECT value ->> 'id', value ->> 'profile', value ->> 'currency', value ->> 'time_zone',
  value ->> 'labels', value ->> 'frozen', value ->> 'standard_day', value ->> 'day_meaning',
  value ->> 'auto_follows_standard_day', value ->> 'auto_days_before', value ->> 'version',
  value ->> 'create_time'
FROM jsonb_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET profile = excluded.profile, currency = excluded.currency,
  time_zone = excluded.time_zone, labels = excluded.labels, frozen = excluded.frozen,
  standard_day = excluded.standard_day, day_meaning = excluded.day_meaning,
  auto_follows_standard_day = excluded.auto_follows_standard_day,
  auto_days_before = excluded.auto_days_before, version = excluded.version
WHERE accounts.version = excluded.version - 1";

/// The same for PostgreSQL.
const SAVE_POSTGRES: &str = "\
INSERT INTO accounts (id, profile, currency, time_zone, labels, frozen, standard_day, day_meaning,
  auto_follows_standard_day, auto_days_before, version, create_time)
SELECT id, profile, currency, time_zone, labels, frozen, standard_day, day_meaning,
  auto_follows_standard_day, auto_days_before, version, create_time
FROM json_to_recordset($1::json) AS r(id text, profile text, currency text, time_zone text,
  labels text, frozen boolean, standard_day integer, day_meaning text,
  auto_follows_standard_day boolean, auto_days_before integer, version bigint,
  create_time bigint)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET profile = excluded.profile, currency = excluded.currency,
  time_zone = excluded.time_zone, labels = excluded.labels, frozen = excluded.frozen,
  standard_day = excluded.standard_day, day_meaning = excluded.day_meaning,
  auto_follows_standard_day = excluded.auto_follows_standard_day,
  auto_days_before = excluded.auto_days_before, version = excluded.version
WHERE accounts.version = excluded.version - 1";

/// What of an account is written.
#[derive(Debug, Serialize)]
struct Row<'a> {
    id: &'a AccountId,
    profile: &'a str,
    currency: Currency,
    time_zone: &'static str,
    labels: String,
    frozen: bool,
    standard_day: Option<u32>,
    day_meaning: String,
    auto_follows_standard_day: bool,
    auto_days_before: Option<u32>,
    version: i64,
    create_time: i64,
}

/// Saves accounts, new (at version 1) or changed (at the version after the one that they were
/// loaded at), and answers how many were saved: fewer than given where somebody else was first.
pub async fn save<C: ConnectionTrait>(
    connection: &C,
    accounts: &[KnownAccount],
) -> Result<usize, StoreError> {
    if accounts.is_empty() {
        return Ok(0);
    }
    let rows: Vec<_> = accounts.iter().map(row).collect();
    let statement = over(connection, SAVE_SQLITE, SAVE_POSTGRES, &rows);
    let saved = connection.execute_raw(statement).await?.rows_affected();
    Ok(usize::try_from(saved).unwrap_or(usize::MAX))
}

fn row(account: &KnownAccount) -> Row<'_> {
    let settings = &account.settings;
    Row {
        id: &account.id,
        profile: &account.profile,
        currency: settings.currency,
        time_zone: settings.zone.name(),
        labels: values::to_json(&account.labels),
        frozen: account.frozen,
        standard_day: settings.standard_day.map(|day| match day {
            StandardDay::Day(day) => day.get(),
            StandardDay::LastOfMonth => DayOfMonth::LAST.get(),
        }),
        day_meaning: values::text_of(&settings.day_meaning),
        auto_follows_standard_day: settings.auto_follows_standard_day,
        auto_days_before: settings.auto_days_before,
        version: account.version,
        create_time: values::micros(account.create_time),
    }
}

/// A row as the rules see it.
pub fn read(row: &account::Model) -> Result<KnownAccount, StoreError> {
    let unreadable = || StoreError::Unreadable(format!("the account {}", row.id));
    let small =
        |number: Option<i32>| number.map(u32::try_from).transpose().map_err(|_| unreadable());
    let standard_day = match small(row.standard_day)? {
        None => None,
        Some(day) if day == DayOfMonth::LAST.get() => Some(StandardDay::LastOfMonth),
        Some(day) => Some(StandardDay::day(day).map_err(|_| unreadable())?),
    };
    let settings = AccountSettings {
        zone: row.time_zone.parse::<Tz>().map_err(|_| unreadable())?,
        currency: row.currency.parse().map_err(|_| unreadable())?,
        standard_day,
        day_meaning: values::word(&row.day_meaning)?,
        auto_follows_standard_day: row.auto_follows_standard_day,
        auto_days_before: small(row.auto_days_before)?,
    };
    Ok(KnownAccount {
        id: row.id.parse().map_err(|_| unreadable())?,
        profile: row.profile.clone(),
        labels: values::from_json(&row.labels)?,
        frozen: row.frozen,
        settings,
        noted: noted(row)?,
        version: row.version,
        create_time: values::instant(row.create_time)?,
    })
}

fn noted(row: &account::Model) -> Result<Noted, StoreError> {
    let instant = |micros: Option<i64>| micros.map(values::instant).transpose();
    let why = || row.parked_why.clone().unwrap_or_default();
    Ok(Noted {
        money_at: instant(row.money_at)?,
        parked: instant(row.parked_until)?.map(|until| (until, why())),
        no_reminder_before: instant(row.no_reminder_before)?,
    })
}

#[cfg(test)]
mod tests;
