//! The end of the day: balances, ledgers, audit.

use proto::{
    r#type::v1::PageRequest,
    wallet::v1::{Entry, ListEntriesRequest},
};

use super::{story::Story, world::ZONE};
use crate::text::{ledger, show};

/// The ledger account of spendable cash.
const CASH: &str = "cash";

pub async fn tell(story: &mut Story) -> anyhow::Result<()> {
    story.chapter("The books", "Every cent that moved, and whether all of it fits.")?;
    for (account, deposited) in story.opened.clone() {
        story.section(&format!("The ledger of {account}"))?;
        let entries = entries(story, &account).await?;
        let told: Vec<_> = entries.iter().map(with_short_ids).collect();
        story.say(&ledger::entries(&told, ZONE))?;
        let cash = story.cash(&account).await?;
        story.check("cash is the sum of its entries", cash, sum_of_cash(&entries))?;
        let first = entries.iter().find(|entry| entry.number == 1);
        let first = show::money(first.and_then(|entry| entry.amount.as_ref()));
        story.check("the first entry is the deposit", first, show::money(Some(&deposited)))?;
        let numbers = entries.iter().rev().map(|entry| entry.number);
        let gapless = numbers.eq(1..=i64::try_from(entries.len())?);
        story.check("entries are counted without a gap", gapless, true)?;
    }
    story.section("The audit: what must always hold of money, orders and terms")?;
    let findings = story.world.audit().await?;
    for finding in &findings {
        story.say(finding)?;
    }
    story.check("things that are off", findings.len(), 0)
}

/// All entries of an account, newest first.
async fn entries(story: &Story, account: &str) -> anyhow::Result<Vec<Entry>> {
    let request = ListEntriesRequest {
        account_id: account.to_owned(),
        payment_id: String::new(),
        page: Some(PageRequest { page_size: 1_000, ..PageRequest::default() }),
    };
    Ok(story.world.wallets().list_entries(request).await?.into_inner().entries)
}

/// The same entry, with ids short enough for a screen.
fn with_short_ids(entry: &Entry) -> Entry {
    let short = |name: &str| {
        let parts = name.split(':').map(|part| match part.len() {
            36 => format!("…{}", &part[30..]),
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join(":")
    };
    Entry { debit: short(&entry.debit), credit: short(&entry.credit), ..entry.clone() }
}

/// What entered cash less what left it.
fn sum_of_cash(entries: &[Entry]) -> String {
    let mut sum = super::rows::cny("0.00");
    for entry in entries {
        let amount = entry.amount.as_ref().map_or(0, |amount| amount.minor_units);
        if entry.credit == CASH {
            sum.minor_units += amount;
        }
        if entry.debit == CASH {
            sum.minor_units -= amount;
        }
    }
    show::money(Some(&sum))
}
