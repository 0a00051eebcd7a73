//! Values of the wallet in the contract's messages: on the wire, and in the rows that keep them.

use kernel::{Currency, Money};
use proto::{
    convert::{WireError, required},
    wallet::v1 as pb,
};
use rule_engine::voucher::ItemParts;

use crate::domain::{RefundedItem, RefundedVoucher};

/// What paid one item, on the wire.
pub fn item_parts(parts: &ItemParts, currency: Currency) -> pb::ItemParts {
    let money = |minor| Some(Money::new(minor, currency).into());
    let voucher = |&(id, amount): &(kernel::ids::VoucherId, i64)| pb::VoucherPart {
        voucher_id: id.to_string(),
        amount: money(amount),
    };
    pb::ItemParts {
        instance_id: parts.instance.to_string(),
        vouchers: parts.vouchers.iter().map(voucher).collect(),
        cash: money(parts.cash),
        channel: if parts.channel == 0 { None } else { money(parts.channel) },
    }
}

/// The parts are not ones that this service wrote.
#[derive(Debug, thiserror::Error)]
#[error("the parts of a payment or refund cannot be read: {0}")]
pub struct UnreadableParts(String);

fn unreadable<E: std::fmt::Display>(error: E) -> UnreadableParts {
    UnreadableParts(format!("{error}"))
}

fn minor(money: Option<proto::r#type::v1::Money>) -> Result<i64, UnreadableParts> {
    let read = || -> Result<i64, WireError> { Ok(Money::try_from(required(money)?)?.minor()) };
    read().map_err(unreadable)
}

/// An amount that is not there where it would be nothing.
fn minor_or_zero(money: Option<proto::r#type::v1::Money>) -> Result<i64, UnreadableParts> {
    money.map_or(Ok(0), |money| minor(Some(money)))
}

/// What [`item_parts`] wrote.
pub fn read_item_parts(parts: pb::ItemParts) -> Result<ItemParts, UnreadableParts> {
    let vouchers = parts.vouchers.into_iter().map(|part| {
        let id = part.voucher_id.parse().map_err(unreadable)?;
        Ok((id, minor(part.amount)?))
    });
    Ok(ItemParts {
        instance: parts.instance_id.parse().map_err(unreadable)?,
        vouchers: vouchers.collect::<Result<_, UnreadableParts>>()?,
        cash: minor(parts.cash)?,
        channel: minor_or_zero(parts.channel)?,
    })
}

/// What is given back for one item, on the wire.
pub fn refunded_parts(item: &RefundedItem, currency: Currency) -> pb::RefundedParts {
    let money = |minor| Some(Money::new(minor, currency).into());
    let if_any = |minor| if minor == 0 { None } else { money(minor) };
    let voucher = |it: &RefundedVoucher| pb::RefundedVoucher {
        voucher_id: it.voucher.to_string(),
        amount: money(it.amount),
        is_void: it.void,
        forfeit_returned: if_any(it.forfeit_returned),
    };
    pb::RefundedParts {
        instance_id: item.instance.to_string(),
        vouchers: item.vouchers.iter().map(voucher).collect(),
        cash: money(item.cash),
        channel: if_any(item.channel),
        channel_to_cash: if_any(item.channel_to_cash),
    }
}

/// What [`refunded_parts`] wrote.
pub fn read_refunded_parts(parts: pb::RefundedParts) -> Result<RefundedItem, UnreadableParts> {
    let vouchers = parts.vouchers.into_iter().map(|part| {
        Ok(RefundedVoucher {
            voucher: part.voucher_id.parse().map_err(unreadable)?,
            amount: minor(part.amount)?,
            void: part.is_void,
            forfeit_returned: minor_or_zero(part.forfeit_returned)?,
        })
    });
    Ok(RefundedItem {
        instance: parts.instance_id.parse().map_err(unreadable)?,
        vouchers: vouchers.collect::<Result<_, UnreadableParts>>()?,
        cash: minor(parts.cash)?,
        channel: minor_or_zero(parts.channel)?,
        channel_to_cash: minor_or_zero(parts.channel_to_cash)?,
    })
}
