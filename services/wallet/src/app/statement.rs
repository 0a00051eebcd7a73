//! Statements of a month, the export of a ledger, and its audit. They only read.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use chrono::{DateTime, Utc};
use kernel::{
    Currency,
    ids::{AccountId, InstanceId},
};
use platform::audit::Finding;
use rule_engine::voucher::ItemParts;

use super::{WalletError, Wallets};
use crate::{
    domain::{
        Balances, Entry, LedgerAccount, MovementKind, Outcome, PATIENCE, Refund, RefundedItem,
        RefundedVoucher, moved,
    },
    store::{Audited, Part, Rows, Span, Sum},
};

/// What is asked of a statement.
#[derive(Debug, Clone)]
pub struct Asked {
    pub account: AccountId,
    /// The month: its first instant, and the first one after it.
    pub month: Range<DateTime<Utc>>,
    /// Which of its lines.
    pub part: Part<i64>,
}

/// What an account had, what moved, and what it had then.
#[derive(Debug)]
pub struct Statement {
    pub currency: Currency,
    pub times: Range<DateTime<Utc>>,
    pub opening: Balances,
    pub closing: Balances,
    /// Of all lines, by kind.
    pub totals: BTreeMap<MovementKind, Total>,
    pub lines: Rows<Line>,
}

/// What the lines of a kind add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    pub count: i64,
    pub change: Balances,
}

/// One movement.
#[derive(Debug)]
pub struct Line {
    pub entry: Entry,
    /// Cash after it, in minor units.
    pub cash_after: i64,
    /// What it paid or gave back, by instance.
    pub instances: Vec<(InstanceId, i64)>,
}

impl Wallets {
    /// The statement of an account over a month; none if the month is yet to begin.
    pub async fn statement(&self, asked: Asked) -> Result<Option<Statement>, WalletError> {
        let Asked { account, month, part } = asked;
        let currency = self.wallet(&account).await?.currency;
        let now = self.env.now();
        if month.start > now {
            return Ok(None);
        }
        let moment = self.store.moment().await?;
        let before = i64::MIN..month.start.timestamp_micros();
        let within = before.end..month.end.timestamp_micros();
        let sums = async |times: &Range<i64>, last| {
            moment.sums(&Span { account: &account, times: times.clone(), last }).await
        };
        let opening = change(&sums(&before, i64::MAX).await?);
        let month_sums = sums(&within, i64::MAX).await?;
        let entries = moment.entries(&account, &within, part).await?;
        let mut cash = opening.cash;
        if let Some(first) = entries.items.first() {
            cash += change(&sums(&within, first.number - 1).await?).cash;
        }
        let mut closing = opening;
        closing += change(&month_sums);
        let totals = totals(&month_sums);
        let count = totals.values().map(|total| u64::try_from(total.count).unwrap_or(0)).sum();
        let (more, total) = (entries.more, part.with_total.then_some(count));
        let lines = Rows { items: self.lines(&account, entries.items, cash).await?, more, total };
        let times = month.start..month.end.min(now);
        Ok(Some(Statement { currency, times, opening, closing, totals, lines }))
    }

    /// `entries` as lines, the first of which finds so much cash.
    async fn lines(
        &self,
        account: &AccountId,
        entries: Vec<Entry>,
        mut cash: i64,
    ) -> Result<Vec<Line>, WalletError> {
        let refunds: BTreeSet<_> = entries.iter().filter_map(|entry| entry.about.refund).collect();
        let refunds = if refunds.is_empty() {
            BTreeMap::new()
        } else {
            self.store.refunds(account, &refunds).await?
        };
        let payments: Vec<_> = entries.iter().filter_map(|entry| entry.about.payment).collect();
        let payments =
            if payments.is_empty() { BTreeMap::new() } else { self.parts(&payments).await? };
        let line = |entry: Entry| {
            cash += entry.change().cash;
            let instances = if let Some(id) = entry.about.refund {
                let refund = refunds.get(&id);
                refund.map(|(refund, all)| given_back(&entry, refund, all))
            } else {
                let parts = entry.about.payment.and_then(|payment| payments.get(&payment));
                parts.map(|parts| shares(&entry, parts))
            };
            let instances = instances.unwrap_or_default();
            Line { entry, cash_after: cash, instances }
        };
        Ok(entries.into_iter().map(line).collect())
    }

    /// What paid the items of payments.
    async fn parts(
        &self,
        ids: &[kernel::ids::PaymentId],
    ) -> Result<BTreeMap<kernel::ids::PaymentId, Vec<ItemParts>>, WalletError> {
        let payments = self.payments(ids).await?.into_iter();
        let parts = payments.filter_map(|(id, payment)| match payment.outcome {
            Outcome::Pending(coverage) | Outcome::Succeeded(coverage) => Some((id, coverage.items)),
            Outcome::Refused(_) | Outcome::Voided => None,
        });
        Ok(parts.collect())
    }

    /// A batch of the entries that follow number `after`, oldest first.
    pub async fn entries_after(
        &self,
        account: &AccountId,
        after: i64,
        most: u64,
    ) -> Result<Vec<Entry>, WalletError> {
        Ok(self.store.entries_after(account, after, most).await?)
    }

    /// What is off in the ledger, of one account or of all (W-2).
    pub async fn audit(&self, account: Option<&AccountId>) -> Result<Audited, WalletError> {
        Ok(self.store.audit(account).await?)
    }

    /// What is as it should be and still needs somebody (O-6).
    pub async fn notices(&self, account: Option<&AccountId>) -> Result<Vec<Finding>, WalletError> {
        Ok(self.store.notices(account, self.env.now() - PATIENCE).await?)
    }
}

/// What movements change.
fn change(sums: &[Sum]) -> Balances {
    let mut all = Balances::default();
    for sum in sums {
        all += moved(sum.debit, sum.credit, sum.amount);
    }
    all
}

fn totals(sums: &[Sum]) -> BTreeMap<MovementKind, Total> {
    let mut totals: BTreeMap<_, Total> = BTreeMap::new();
    for sum in sums {
        let total = totals.entry(MovementKind::of(sum.debit, sum.credit)).or_default();
        total.count += sum.count;
        total.change += moved(sum.debit, sum.credit, sum.amount);
    }
    totals
}

/// What of `entry` each instance of its payment has, by the stored parts of its source (V-4).
fn shares(entry: &Entry, items: &[ItemParts]) -> Vec<(InstanceId, i64)> {
    let share = |item: &ItemParts| match (&entry.debit, &entry.credit) {
        (_, LedgerAccount::Forfeited(_)) => 0,
        (LedgerAccount::Cash | LedgerAccount::HeldCash(_), _) => item.cash,
        (LedgerAccount::Voucher(id) | LedgerAccount::HeldVoucher(_, id), _) => {
            item.vouchers.iter().filter(|(voucher, _)| voucher == id).map(|&(_, part)| part).sum()
        }
        (LedgerAccount::Channel(_), LedgerAccount::Revenue(_)) => item.channel,
        _ => 0,
    };
    let shares = items.iter().map(|item| (item.instance.clone(), share(item)));
    shares.filter(|&(_, share)| share > 0).collect()
}

/// What of `entry`, one of `all` entries of `refund`, each instance has. Cash and a channel's money
/// come back in one entry for all items, what vouchers paid in one for each.
fn given_back(entry: &Entry, refund: &Refund, all: &[Entry]) -> Vec<(InstanceId, i64)> {
    let alike = |other: &&Entry| {
        (&other.debit, &other.credit, other.amount) == (&entry.debit, &entry.credit, entry.amount)
    };
    let before = all.iter().filter(alike).filter(|other| other.number < entry.number).count();
    let of_voucher = |item: &RefundedItem, id| -> i64 {
        let forfeited = matches!(entry.debit, LedgerAccount::Forfeited(_));
        let part = |it: &RefundedVoucher| if forfeited { it.forfeit_returned } else { it.amount };
        item.vouchers.iter().filter(|it| it.voucher == id).map(part).sum()
    };
    let items = refund.items.iter();
    let shares = items.map(|item| {
        (
            item.instance.clone(),
            match (&entry.debit, &entry.credit) {
                (_, LedgerAccount::Voucher(id) | LedgerAccount::Void(id)) => of_voucher(item, *id),
                (LedgerAccount::Revenue(_), LedgerAccount::Cash) if entry.note.is_empty() => {
                    item.cash
                }
                _ => item.channel + item.channel_to_cash,
            },
        )
    });
    let shares = shares.filter(|&(_, share)| share > 0);
    match entry.credit {
        LedgerAccount::Voucher(_) | LedgerAccount::Void(_) => {
            let amount = entry.amount.minor();
            shares.filter(|&(_, share)| share == amount).skip(before).take(1).collect()
        }
        _ => shares.collect(),
    }
}

#[cfg(test)]
mod tests;
