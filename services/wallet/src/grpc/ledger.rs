//! `LedgerService`.

use std::ops::Range;

use chrono::{DateTime, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use futures::{StreamExt as _, stream::BoxStream};
use kernel::{Currency, Money, ids::AccountId};
use platform::{audit::Finding, page::PageTokens, status::BadRequest};
use proto::{
    convert::timestamp,
    wallet::v1::{self as pb, ledger_service_server::LedgerService},
};
use rule_engine::calendar::end_of_day;
use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{WalletGrpc, next_page, parse, part};
use crate::{
    app::{Asked, Line, Statement, WalletError},
    domain::{Balances, MovementKind},
};

/// Entries of a batch.
const BATCH: u64 = 500;

/// The most findings that are told.
const MOST_FINDINGS: usize = 1_000;

#[tonic::async_trait]
impl LedgerService for WalletGrpc {
    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn get_statement(
        &self,
        request: Request<pb::GetStatementRequest>,
    ) -> Result<Response<pb::GetStatementResponse>, Status> {
        let mut request = request.into_inner();
        let mut bad = BadRequest::default();
        let page = request.page.take();
        let tokens = PageTokens::of("GetStatement", &request);
        let account = parse::text(&mut bad, "account_id", &request.account_id);
        let zone = match request.time_zone.as_str() {
            "" => Some(Tz::UTC),
            name => bad.field("time_zone", name.parse::<Tz>()),
        };
        let month = zone.and_then(|zone| bad.field("month", month(&request.month, zone)));
        let part = part(&mut bad, page, &tokens, |text| text.parse().ok())?;
        let (Some(account), Some(month), Some(part)) = (account, month, part) else {
            return Err(bad.into_status());
        };
        let Some(statement) = self.wallets.statement(Asked { account, month, part }).await? else {
            bad.note("month", "must not be yet to begin");
            return Err(bad.into_status());
        };
        let page = next_page(&statement.lines, &tokens, |line| line.entry.number.to_string());
        Ok(Response::new(pb::GetStatementResponse { page: Some(page), ..shown(statement) }))
    }

    type ExportEntriesStream = BoxStream<'static, Result<pb::ExportEntriesResponse, Status>>;

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id), err(level = "debug"))]
    async fn export_entries(
        &self,
        request: Request<pb::ExportEntriesRequest>,
    ) -> Result<Response<Self::ExportEntriesStream>, Status> {
        let mut bad = BadRequest::default();
        let account =
            parse::text::<AccountId>(&mut bad, "account_id", &request.get_ref().account_id);
        let after = request.get_ref().after_number;
        if after < 0 {
            bad.note("after_number", "must not be negative");
        }
        let Some(account) = account.filter(|_| bad.is_empty()) else {
            return Err(bad.into_status());
        };
        self.wallets.wallet(&account).await?;
        let wallets = self.wallets.clone();
        let batches = futures::stream::try_unfold(after, move |after| {
            let (wallets, account) = (wallets.clone(), account.clone());
            async move {
                let entries = wallets.entries_after(&account, after, BATCH).await?;
                let Some(last) = entries.last().map(|entry| entry.number) else { return Ok(None) };
                let entries = entries.into_iter().map(Into::into).collect();
                Ok(Some((pb::ExportEntriesResponse { entries }, last)))
            }
        });
        let batches = batches.map(|batch| batch.map_err(|error: WalletError| error.into()));
        Ok(Response::new(batches.boxed()))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn audit_ledger(
        &self,
        request: Request<pb::AuditLedgerRequest>,
    ) -> Result<Response<pb::AuditLedgerResponse>, Status> {
        let mut bad = BadRequest::default();
        let account = match request.get_ref().account_id.as_str() {
            "" => None,
            name => parse::text::<AccountId>(&mut bad, "account_id", name),
        };
        bad.finish()?;
        let audited = self.wallets.audit(account.as_ref()).await?;
        let notices = self.wallets.notices(account.as_ref()).await?;
        let told = |findings: Vec<Finding>| {
            findings.into_iter().take(MOST_FINDINGS).map(|finding| {
                let account_id = finding.subject.split(' ').next().unwrap_or_default().to_owned();
                let message = format!("{}: {}", finding.subject, finding.found);
                pb::AuditFinding { check: finding.invariant.to_owned(), account_id, message }
            })
        };
        Ok(Response::new(pb::AuditLedgerResponse {
            findings: told(audited.findings).collect(),
            wallets: i64::try_from(audited.wallets).unwrap_or(i64::MAX),
            notices: told(notices).collect(),
        }))
    }
}

/// The month that is written as `2026-03`, on the calendar of `zone`.
fn month(text: &str, zone: Tz) -> Result<Range<DateTime<Utc>>, &'static str> {
    const BAD: &str = "must be a month such as 2026-03";
    let digits =
        |part: &str, many| part.len() == many && part.bytes().all(|byte| byte.is_ascii_digit());
    let (year, number) = text.split_once('-').ok_or(BAD)?;
    if !digits(year, 4) || !digits(number, 2) {
        return Err(BAD);
    }
    let first = format!("{text}-01").parse::<NaiveDate>().map_err(|_| BAD)?;
    let next = first.checked_add_months(Months::new(1)).ok_or(BAD)?;
    let begins = |day: NaiveDate| {
        let before = day.pred_opt().ok_or("is out of range")?;
        end_of_day(zone, before).map_err(|_| "is out of range")
    };
    Ok(begins(first)?..begins(next)?)
}

fn shown(statement: Statement) -> pb::GetStatementResponse {
    let Statement { currency, times, opening, closing, totals, lines } = statement;
    let total = |(kind, total): (MovementKind, crate::app::Total)| pb::StatementTotal {
        kind: shown_kind(kind).into(),
        count: i32::try_from(total.count).unwrap_or(i32::MAX),
        change: Some(balances(total.change, currency)),
    };
    pb::GetStatementResponse {
        start_time: Some(timestamp(times.start)),
        end_time: Some(timestamp(times.end)),
        opening: Some(balances(opening, currency)),
        closing: Some(balances(closing, currency)),
        totals: totals.into_iter().map(total).collect(),
        lines: lines.items.into_iter().map(|line| shown_line(line, currency)).collect(),
        page: None,
    }
}

fn shown_line(line: Line, currency: Currency) -> pb::StatementLine {
    let money = |minor| Some(Money::new(minor, currency).into());
    let instance = |(instance, amount): (kernel::ids::InstanceId, i64)| pb::InstanceAmount {
        instance_id: instance.into(),
        amount: money(amount),
    };
    pb::StatementLine {
        kind: shown_kind(line.entry.kind()).into(),
        change: Some(balances(line.entry.change(), currency)),
        cash_after: money(line.cash_after),
        instances: line.instances.into_iter().map(instance).collect(),
        entry: Some(line.entry.into()),
    }
}

fn balances(balances: Balances, currency: Currency) -> pb::Balances {
    let money = |minor| Some(Money::new(minor, currency).into());
    pb::Balances {
        cash: money(balances.cash),
        held: money(balances.held),
        vouchers: money(balances.vouchers),
    }
}

const fn shown_kind(kind: MovementKind) -> pb::MovementKind {
    match kind {
        MovementKind::Deposit => pb::MovementKind::Deposit,
        MovementKind::VoucherIssued => pb::MovementKind::VoucherIssued,
        MovementKind::Payment => pb::MovementKind::Payment,
        MovementKind::Hold => pb::MovementKind::Hold,
        MovementKind::Release => pb::MovementKind::Release,
        MovementKind::Refund => pb::MovementKind::Refund,
        MovementKind::ChannelToCash => pb::MovementKind::ChannelToCash,
        MovementKind::VoucherForfeited => pb::MovementKind::VoucherForfeited,
        MovementKind::VoucherExpired => pb::MovementKind::VoucherExpired,
        MovementKind::VoucherRevoked => pb::MovementKind::VoucherRevoked,
    }
}

#[cfg(test)]
mod tests;
