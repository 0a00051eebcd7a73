//! Rows to values and back.

use chrono::{DateTime, Utc};
use kernel::{
    Currency, Money,
    ids::{AccountId, OrderId, PaymentId, VoucherId},
};
use prost::Message as _;
use proto::wallet::v1 as pb;
use rule_engine::voucher as engine;

use super::{
    StoreError,
    entity::{entry, payment, voucher, wallet},
};
use crate::{
    domain::{Bill, Entry, Outcome, Payment, PaymentRefusal, Voucher, Wallet},
    wire,
};

pub const SUCCEEDED: &str = "SUCCEEDED";
pub const REFUSED: &str = "REFUSED";
pub const VOIDED: &str = "VOIDED";

/// A value that this service did not write.
pub fn corrupt<E: std::fmt::Display>(error: E) -> StoreError {
    StoreError::Corrupt(format!("{error}"))
}

/// Microseconds since 1970.
pub fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

fn instant(micros: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt("an instant out of range"))
}

fn account(text: String) -> Result<AccountId, StoreError> {
    text.try_into().map_err(corrupt)
}

fn currency(code: &str) -> Result<Currency, StoreError> {
    code.parse().map_err(corrupt)
}

impl TryFrom<wallet::Model> for Wallet {
    type Error = StoreError;

    fn try_from(row: wallet::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account: account(row.account)?,
            currency: currency(&row.currency)?,
            cash: row.cash,
            held: row.held,
            issued: row.issued,
            entries: row.entries,
            create_time: instant(row.created_us)?,
        })
    }
}

impl From<&Wallet> for wallet::Model {
    fn from(wallet: &Wallet) -> Self {
        Self {
            account: wallet.account.to_string(),
            currency: wallet.currency.code().to_owned(),
            cash: wallet.cash,
            held: wallet.held,
            issued: wallet.issued,
            entries: wallet.entries,
            created_us: micros(wallet.create_time),
        }
    }
}

impl TryFrom<voucher::Model> for Voucher {
    type Error = StoreError;

    fn try_from(row: voucher::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: VoucherId(row.id),
            account: account(row.account)?,
            face: Money::new(row.face, currency(&row.currency)?),
            remaining: row.remaining,
            captured: row.captured,
            forfeited: row.forfeited,
            terms: serde_json::from_str(&row.terms).map_err(corrupt)?,
            create_time: instant(row.created_us)?,
        })
    }
}

/// What the rule engine needs to know of a voucher.
pub fn usable(row: &voucher::Model) -> Result<engine::Voucher, StoreError> {
    Ok(engine::Voucher {
        id: VoucherId(row.id),
        remaining: row.remaining,
        terms: serde_json::from_str(&row.terms).map_err(corrupt)?,
    })
}

impl TryFrom<entry::Model> for Entry {
    type Error = StoreError;

    fn try_from(row: entry::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account: account(row.account)?,
            number: row.number,
            debit: row.debit.parse().map_err(corrupt)?,
            credit: row.credit.parse().map_err(corrupt)?,
            amount: Money::new(row.amount, currency(&row.currency)?),
            payment: row.payment_id.map(PaymentId),
            note: row.note,
            create_time: instant(row.created_us)?,
        })
    }
}

impl TryFrom<payment::Model> for Payment {
    type Error = StoreError;

    fn try_from(row: payment::Model) -> Result<Self, StoreError> {
        let bill = match (row.order_id, row.amount, row.currency, row.as_of_us) {
            (Some(order), Some(amount), Some(code), Some(as_of)) => Some(Bill {
                order: OrderId(order),
                amount: Money::new(amount, currency(&code)?),
                as_of: instant(as_of)?,
            }),
            _ => None,
        };
        let outcome = match row.state.as_str() {
            SUCCEEDED => Outcome::Succeeded(read_parts(&row.parts)?),
            REFUSED => Outcome::Refused(PaymentRefusal {
                reason: row.reason,
                message: row.message,
                available: row.available,
            }),
            VOIDED => Outcome::Voided,
            other => return Err(corrupt(format!("payment state {other:?}"))),
        };
        Ok(Self { id: PaymentId(row.payment_id), account: account(row.account)?, bill, outcome })
    }
}

/// The parts of a payment as bytes.
pub fn write_parts(parts: &[engine::ItemParts], currency: Currency) -> Vec<u8> {
    let parts = parts.iter().map(|parts| wire::item_parts(parts, currency)).collect();
    pb::Payment { parts, ..pb::Payment::default() }.encode_to_vec()
}

/// The parts that [`write_parts`] wrote.
pub fn read_parts(bytes: &[u8]) -> Result<Vec<engine::ItemParts>, StoreError> {
    let payment = pb::Payment::decode(bytes).map_err(corrupt)?;
    payment.parts.into_iter().map(|parts| wire::read_item_parts(parts).map_err(corrupt)).collect()
}
