//! Ledgers, as an accountant reads them.

use chrono_tz::Tz;
use proto::wallet::v1::Entry;

use super::{show, table::Table};

/// The rows of a ledger.
pub fn entries(entries: &[Entry], zone: Tz) -> String {
    let mut table = Table::new(&[">ENTRY", "TIME", "FROM", "TO", ">AMOUNT", "NOTE"]);
    for entry in entries {
        table.row([
            entry.number.to_string(),
            show::instant(entry.create_time.as_ref(), zone),
            entry.debit.clone(),
            entry.credit.clone(),
            show::money(entry.amount.as_ref()),
            show::or_nothing(&entry.note),
        ]);
    }
    table.text()
}
