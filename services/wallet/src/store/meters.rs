//! How much money moves, for whoever watches over it.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use kernel::Currency;
use opentelemetry::{KeyValue, metrics::Counter};
use platform::telemetry::meter;

use crate::domain::{Entry, LedgerAccount};

static MONEY: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about = "Money that moved in the ledger, in minor units, by where from and where to.";
    meter().u64_counter("perennial.money").with_description(about).build()
});

/// What moves in a transaction: it is counted once it is final.
#[derive(Debug, Default)]
pub struct Moved(Mutex<BTreeMap<(&'static str, &'static str, Currency), u64>>);

impl Moved {
    /// Takes note of `entry`.
    pub fn note(&self, entry: &Entry) {
        let key = (class(&entry.debit), class(&entry.credit), entry.amount.currency());
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *sums.entry(key).or_default() += entry.amount.minor().unsigned_abs();
    }

    /// Counts all of it.
    pub fn count(self) {
        let sums = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        for ((from, to, currency), sum) in sums {
            let kind = KeyValue::new("kind", format!("{from} to {to}"));
            MONEY.add(sum, &[kind, KeyValue::new("currency", currency.code())]);
        }
    }
}

/// What kind of account it is: metrics have no room for each payment and voucher.
const fn class(account: &LedgerAccount) -> &'static str {
    match account {
        LedgerAccount::Cash => "cash",
        LedgerAccount::Voucher(_) => "voucher",
        LedgerAccount::HeldCash(_) => "held cash",
        LedgerAccount::HeldVoucher(..) => "held voucher",
        LedgerAccount::Deposits => "deposits",
        LedgerAccount::Channel(_) => "channel",
        LedgerAccount::IssuedVouchers => "issued vouchers",
        LedgerAccount::Revenue(_) => "revenue",
        LedgerAccount::Forfeited(_) => "forfeited",
        LedgerAccount::Void(_) => "void",
        LedgerAccount::Expired(_) => "expired",
        LedgerAccount::Refund(_) => "refund",
    }
}
