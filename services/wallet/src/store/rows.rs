//! Rows to values and back.

use chrono::{DateTime, Utc};
use kernel::{
    Currency, Money,
    ids::{AccountId, IntentId, OrderId, PaymentId, RefundId, VoucherId},
};
use prost::Message as _;
use proto::wallet::v1 as pb;
use rule_engine::voucher as engine;

use super::{
    StoreError,
    entity::{entry, payment, refund, voucher, wallet},
};
use crate::{
    domain::{
        About, Bill, Entry, Hash, Intent, Outcome, Payment, PaymentRefusal, Refund, RefundedItem,
        Voucher, Wallet,
    },
    wire,
};

pub const PENDING: &str = "PENDING";
pub const SUCCEEDED: &str = "SUCCEEDED";
pub const REFUSED: &str = "REFUSED";
pub const VOIDED: &str = "VOIDED";

/// Microseconds since 1970.
pub fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

pub fn instant(micros: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StoreError::unreadable("an instant out of range"))
}

fn account(text: String) -> Result<AccountId, StoreError> {
    text.try_into().map_err(StoreError::unreadable)
}

pub fn currency(code: &str) -> Result<Currency, StoreError> {
    code.parse().map_err(StoreError::unreadable)
}

fn hash(bytes: &[u8]) -> Result<Hash, StoreError> {
    bytes.try_into().map(Hash).map_err(StoreError::unreadable)
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
            head: hash(&row.head)?,
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
            head: wallet.head.0.to_vec(),
            anchored: 0,
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
            held: row.held,
            forfeited: row.forfeited,
            voided: row.voided,
            expired: row.expired,
            revoked: row.revoked_us.is_some(),
            terms: serde_json::from_str(&row.terms).map_err(StoreError::unreadable)?,
            create_time: instant(row.created_us)?,
        })
    }
}

/// What the rule engine needs to know of a voucher. One that was revoked has nothing left.
pub fn usable(row: &voucher::Model) -> Result<engine::Voucher, StoreError> {
    Ok(engine::Voucher {
        id: VoucherId(row.id),
        remaining: if row.revoked_us.is_some() { 0 } else { row.remaining },
        terms: serde_json::from_str(&row.terms).map_err(StoreError::unreadable)?,
    })
}

impl TryFrom<entry::Model> for Entry {
    type Error = StoreError;

    fn try_from(row: entry::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account: account(row.account)?,
            number: row.number,
            debit: row.debit.parse().map_err(StoreError::unreadable)?,
            credit: row.credit.parse().map_err(StoreError::unreadable)?,
            amount: Money::new(row.amount, currency(&row.currency)?),
            about: About {
                order: row.order_id.map(OrderId),
                payment: row.payment_id.map(PaymentId),
                refund: row.refund_id.map(RefundId),
            },
            note: row.note,
            create_time: instant(row.created_us)?,
            hash: hash(&row.hash)?,
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
        let intent = match (row.intent_id, row.channel, row.channel_amount, row.expires_us) {
            (Some(id), Some(channel), Some(amount), Some(expires)) => Some(Intent {
                id: IntentId(id),
                channel: channel.try_into().map_err(StoreError::unreadable)?,
                amount,
                expires: instant(expires)?,
            }),
            _ => None,
        };
        let outcome = match row.state.as_str() {
            PENDING => Outcome::Pending(read_coverage(&row.parts, &row.vouchers)?),
            SUCCEEDED => Outcome::Succeeded(read_coverage(&row.parts, &row.vouchers)?),
            REFUSED => Outcome::Refused(PaymentRefusal {
                reason: row.reason,
                message: row.message,
                available: row.available,
            }),
            VOIDED => Outcome::Voided,
            other => return Err(StoreError::unreadable(format!("payment state {other:?}"))),
        };
        Ok(Self {
            id: PaymentId(row.payment_id),
            account: account(row.account)?,
            bill,
            outcome,
            intent,
            confirm_time: row.confirmed_us.map(instant).transpose()?,
            withdrawn: row.withdrawn,
        })
    }
}

/// What pays a payment: the parts of its items as bytes, and what its vouchers pay and forfeit.
pub fn write_coverage(coverage: &engine::Coverage, currency: Currency) -> (Vec<u8>, String) {
    let parts = coverage.items.iter().map(|parts| wire::item_parts(parts, currency)).collect();
    let parts = pb::Payment { parts, ..pb::Payment::default() }.encode_to_vec();
    let vouchers: Vec<_> =
        coverage.vouchers.iter().map(|it| (it.voucher, it.paid, it.forfeited)).collect();
    (parts, serde_json::to_string(&vouchers).expect("ids and numbers"))
}

/// What [`write_coverage`] wrote.
pub fn read_coverage(parts: &[u8], vouchers: &str) -> Result<engine::Coverage, StoreError> {
    let payment = pb::Payment::decode(parts).map_err(StoreError::unreadable)?;
    let parts = payment.parts.into_iter();
    let items: Vec<_> = parts
        .map(|parts| wire::read_item_parts(parts).map_err(StoreError::unreadable))
        .collect::<Result<_, _>>()?;
    let vouchers: Vec<(VoucherId, i64, i64)> =
        serde_json::from_str(vouchers).map_err(StoreError::unreadable)?;
    let voucher = |(voucher, paid, forfeited)| engine::VoucherPayment { voucher, paid, forfeited };
    Ok(engine::Coverage {
        vouchers: vouchers.into_iter().map(voucher).collect(),
        cash: items.iter().map(|item| item.cash).sum(),
        channel: items.iter().map(|item| item.channel).sum(),
        items,
    })
}

impl TryFrom<refund::Model> for Refund {
    type Error = StoreError;

    fn try_from(row: refund::Model) -> Result<Self, StoreError> {
        let asked = match (row.channel, row.channel_amount) {
            (Some(channel), Some(amount)) => {
                Some((channel.try_into().map_err(StoreError::unreadable)?, amount))
            }
            _ => None,
        };
        Ok(Self {
            id: RefundId(row.refund_id),
            account: account(row.account)?,
            payment: PaymentId(row.payment_id),
            order: OrderId(row.order_id),
            currency: currency(&row.currency)?,
            pending: row.state == PENDING,
            asked,
            items: read_refunded(&row.parts)?,
            create_time: instant(row.created_us)?,
            confirm_time: row.confirmed_us.map(instant).transpose()?,
        })
    }
}

/// What is given back, item by item, as bytes.
pub fn write_refunded(items: &[RefundedItem], currency: Currency) -> Vec<u8> {
    let parts = items.iter().map(|item| wire::refunded_parts(item, currency)).collect();
    pb::Refund { parts, ..pb::Refund::default() }.encode_to_vec()
}

/// What [`write_refunded`] wrote.
pub fn read_refunded(bytes: &[u8]) -> Result<Vec<RefundedItem>, StoreError> {
    let refund = pb::Refund::decode(bytes).map_err(StoreError::unreadable)?;
    let parts = refund.parts.into_iter();
    parts.map(|parts| wire::read_refunded_parts(parts).map_err(StoreError::unreadable)).collect()
}
