//! Values of the wallet in the contract's messages: on the wire, and in the rows that keep them.

use kernel::{Currency, Money};
use proto::{
    convert::{WireError, required},
    wallet::v1 as pb,
};
use rule_engine::voucher::ItemParts;

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
#[error("the parts of a payment cannot be read: {0}")]
pub struct UnreadableParts(String);

/// What [`item_parts`] wrote.
pub fn read_item_parts(parts: pb::ItemParts) -> Result<ItemParts, UnreadableParts> {
    fn unreadable<E: std::fmt::Display>(error: E) -> UnreadableParts {
        UnreadableParts(format!("{error}"))
    }
    let minor = |money: Option<proto::r#type::v1::Money>| -> Result<i64, WireError> {
        Ok(Money::try_from(required(money)?)?.minor())
    };
    let vouchers = parts.vouchers.into_iter().map(|part| {
        let id = part.voucher_id.parse().map_err(unreadable)?;
        Ok((id, minor(part.amount).map_err(unreadable)?))
    });
    Ok(ItemParts {
        instance: parts.instance_id.parse().map_err(unreadable)?,
        vouchers: vouchers.collect::<Result<_, UnreadableParts>>()?,
        cash: minor(parts.cash).map_err(unreadable)?,
        channel: parts.channel.map_or(Ok(0), |part| minor(Some(part))).map_err(unreadable)?,
    })
}
