//! `AccountService`: messages to commands, results to messages.

use chrono_tz::{Asia::Shanghai, Tz};
use kernel::Currency;
use platform::status::BadRequest;
use proto::{
    convert::timestamp,
    renewal::v1::{
        self as pb, account_result, account_service_server::AccountService,
        account_settings::DayMeaning, standard_day::Day,
    },
};
use rule_engine::profile::{AccountSettings, StandardDay, StandardDayMeaning};
use tonic::{Request, Response, Status};
use tracing::instrument;

use crate::{
    app::accounts::{AccountRow, Accounts, SettingsChange},
    store::accounts::KnownAccount,
    wire::{self, standard_day},
};

/// The most accounts of one call.
const MOST_ACCOUNTS: usize = 1_000;

/// Serves accounts.
#[derive(Debug)]
pub struct AccountGrpc {
    accounts: Accounts,
}

impl AccountGrpc {
    /// Serves `accounts`.
    #[must_use]
    pub const fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

#[tonic::async_trait]
impl AccountService for AccountGrpc {
    #[instrument(skip_all, fields(rows = request.get_ref().accounts.len()))]
    async fn upsert_accounts(
        &self,
        request: Request<pb::UpsertAccountsRequest>,
    ) -> Result<Response<pb::UpsertAccountsResponse>, Status> {
        let rows = account_rows(request.into_inner().accounts)?;
        let results = self.accounts.upsert(rows).await?;
        let results = results.into_iter().map(|result| pb::AccountResult {
            result: Some(match result {
                Ok(account) => account_result::Result::Account(account_message(&account)),
                Err(refusal) => account_result::Result::Error(super::row_refusal_message(refusal)),
            }),
        });
        Ok(Response::new(pb::UpsertAccountsResponse { results: results.collect() }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn get_account(
        &self,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        let mut bad = BadRequest::default();
        let id = wire::id(&mut bad, "account_id", &request.into_inner().account_id);
        let Some(id) = id else { return Err(bad.into_status()) };
        let account = Some(account_message(&self.accounts.get(&id).await?));
        Ok(Response::new(pb::GetAccountResponse { account }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn update_account_settings(
        &self,
        request: Request<pb::UpdateAccountSettingsRequest>,
    ) -> Result<Response<pb::UpdateAccountSettingsResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let id = wire::id(&mut bad, "account_id", &request.account_id);
        let paths = request.update_mask.unwrap_or_default().paths;
        let change = settings_change(&mut bad, &paths, &request.settings.unwrap_or_default());
        let (Some(id), true) = (id, bad.is_empty()) else { return Err(bad.into_status()) };
        let account = self.accounts.update_settings(&id, change, &request.etag).await?;
        let account = Some(account_message(&account));
        Ok(Response::new(pb::UpdateAccountSettingsResponse { account }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn resume_automatic_renewal(
        &self,
        request: Request<pb::ResumeAutomaticRenewalRequest>,
    ) -> Result<Response<pb::ResumeAutomaticRenewalResponse>, Status> {
        let mut bad = BadRequest::default();
        let id = wire::id(&mut bad, "account_id", &request.into_inner().account_id);
        let Some(id) = id else { return Err(bad.into_status()) };
        let account = Some(account_message(&self.accounts.resume(&id).await?));
        Ok(Response::new(pb::ResumeAutomaticRenewalResponse { account }))
    }
}

/// Reads the rows, or says what is wrong with each of their fields.
fn account_rows(accounts: Vec<pb::Account>) -> Result<Vec<AccountRow>, Status> {
    let mut bad = BadRequest::default();
    bad.field("accounts", wire::one_to(MOST_ACCOUNTS, accounts.len()));
    let mut seen = std::collections::BTreeSet::new();
    let mut rows = Vec::with_capacity(accounts.len().min(MOST_ACCOUNTS));
    for (number, account) in accounts.into_iter().enumerate().take(MOST_ACCOUNTS) {
        let field = |name: &str| format!("accounts[{number}].{name}");
        let row = account_row(&mut bad, field, account);
        if let Some(row) = row {
            if !seen.insert(row.id.clone()) {
                bad.note(field("account_id"), "is named by more than one row");
            }
            rows.push(row);
        }
    }
    bad.finish()?;
    Ok(rows)
}

fn account_row(
    bad: &mut BadRequest,
    field: impl Fn(&str) -> String,
    account: pb::Account,
) -> Option<AccountRow> {
    let id = wire::id(bad, field("account_id"), &account.account_id);
    let profile = bad.field(field("profile"), wire::required_text(account.profile));
    let currency = bad.field(field("currency_code"), account.currency_code.parse::<Currency>());
    let zone = bad.field(field("time_zone"), time_zone(&account.time_zone));
    let labels = bad.field(field("labels"), wire::labels(account.labels));
    let frozen = account.frozen;
    Some(AccountRow {
        id: id?,
        profile: profile?,
        currency: currency?,
        zone: zone?,
        labels: labels?,
        frozen,
    })
}

fn time_zone(name: &str) -> Result<Tz, &'static str> {
    if name.is_empty() {
        return Ok(Shanghai);
    }
    name.parse().map_err(|_| "is not the name of an IANA time zone")
}

/// What the mask names of the settings; a named field that is not set is cleared.
fn settings_change(
    bad: &mut BadRequest,
    paths: &[String],
    settings: &pb::AccountSettings,
) -> SettingsChange {
    let mut change = SettingsChange::default();
    if paths.is_empty() {
        bad.note("update_mask", "is required");
    }
    for path in paths {
        match path.as_str() {
            "standard_day" => {
                let day = settings.standard_day.map(standard_day).transpose();
                change.standard_day = bad.field("settings.standard_day", day);
            }
            "day_meaning" => {
                let meaning = day_meaning(settings.day_meaning);
                change.day_meaning = bad.field("settings.day_meaning", meaning);
            }
            "auto_follows_standard_day" => {
                change.auto_follows_standard_day = Some(settings.auto_follows_standard_day);
            }
            "auto_days_before" => {
                let days = settings.auto_days_before.map(u32::try_from).transpose();
                let days = days.map_err(|_| "must not be negative");
                change.auto_days_before = bad.field("settings.auto_days_before", days);
            }
            unknown => bad.note("update_mask", format!("names {unknown:?}, which is no setting")),
        }
    }
    change
}

fn day_meaning(number: i32) -> Result<StandardDayMeaning, &'static str> {
    match DayMeaning::try_from(number) {
        Ok(DayMeaning::Unspecified | DayMeaning::LastDay) => Ok(StandardDayMeaning::LastDay),
        Ok(DayMeaning::StartOfDay) => Ok(StandardDayMeaning::StartOfDay),
        Err(_) => Err("must be one of the values of the enumeration"),
    }
}

fn account_message(account: &KnownAccount) -> pb::Account {
    pb::Account {
        account_id: account.id.to_string(),
        profile: account.profile.clone(),
        currency_code: account.settings.currency.code().to_owned(),
        time_zone: account.settings.zone.name().to_owned(),
        labels: account.labels.clone(),
        frozen: account.frozen,
        settings: Some(settings_message(&account.settings)),
        etag: account.etag(),
        create_time: Some(timestamp(account.create_time)),
        parked_until: account.noted.parked.as_ref().map(|(until, _)| timestamp(*until)),
    }
}

fn settings_message(settings: &AccountSettings) -> pb::AccountSettings {
    let day = settings.standard_day.map(|day| match day {
        StandardDay::Day(day) => Day::DayOfMonth(wire::count(day.get())),
        StandardDay::LastOfMonth => Day::LastOfMonth(true),
    });
    let meaning = match settings.day_meaning {
        StandardDayMeaning::LastDay => DayMeaning::LastDay,
        StandardDayMeaning::StartOfDay => DayMeaning::StartOfDay,
    };
    pb::AccountSettings {
        standard_day: day.map(|day| pb::StandardDay { day: Some(day) }),
        day_meaning: meaning.into(),
        auto_follows_standard_day: settings.auto_follows_standard_day,
        auto_days_before: settings.auto_days_before.map(wire::count),
    }
}

#[cfg(test)]
mod tests;
