//! What a payment comes to: who pays what, what is missing, or why a voucher cannot be used.

use kernel::{
    Currency, Money,
    ids::{InstanceId, VoucherId},
};

use super::WhyNot;
use crate::reason::{Reason, Refusal};

/// How a payment ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Vouchers and cash pay the whole of it.
    Covered(Coverage),
    /// They do not, and nothing is taken (V-3).
    Short(Shortfall),
}

/// Too little money, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// What was to be paid.
    pub needed: i64,
    /// What vouchers and cash could have paid (W-1).
    pub available: i64,
    /// `needed - available`. Always positive.
    pub missing: i64,
}

impl Shortfall {
    /// `INSUFFICIENT_FUNDS`, with `needed`, `available` and `missing` in minor units of
    /// `currency` (W-1).
    #[must_use]
    pub fn refusal(&self, currency: Currency) -> Refusal {
        let money = |minor| Money::new(minor, currency);
        let message = format!(
            "{} is needed and {} is available, so {} is missing.",
            money(self.needed),
            money(self.available),
            money(self.missing)
        );
        Refusal::new(Reason::InsufficientFunds, message)
            .with("needed", self.needed)
            .with("available", self.available)
            .with("missing", self.missing)
            .with("currency", currency)
    }
}

/// What pays what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// What each voucher pays, in the order in which they are taken.
    pub vouchers: Vec<VoucherPayment>,
    /// What cash pays, in minor units.
    pub cash: i64,
    /// What a third-party channel is to pay, in minor units (W-4).
    pub channel: i64,
    /// What pays each item, in the order of [`Payment::items`] (V-4).
    pub items: Vec<ItemParts>,
}

/// What one voucher pays of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoucherPayment {
    /// The voucher.
    pub voucher: VoucherId,
    /// What it pays, in minor units. Always positive.
    pub paid: i64,
    /// What a single-use voucher loses by it, in minor units (V-1, V-5).
    pub forfeited: i64,
}

/// What one item is paid with (V-4). Refunds use these parts, never a new split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemParts {
    /// The item's instance.
    pub instance: InstanceId,
    /// What vouchers pay of it, in the order in which they are taken; each more than nothing.
    pub vouchers: Vec<(VoucherId, i64)>,
    /// What cash pays of it, in minor units.
    pub cash: i64,
    /// What a third-party channel is to pay of it, in minor units (W-4).
    pub channel: i64,
}

/// What would pay, and why not the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What is to be paid, in minor units.
    pub needed: i64,
    /// What would pay; less than the whole where something is missing.
    pub coverage: Coverage,
    /// What is missing, in minor units; zero where the whole is covered (W-1).
    pub missing: i64,
    /// The vouchers that would not pay, nearest end first, then by id.
    pub unused: Vec<Unused>,
}

/// A voucher that does not pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// The voucher.
    pub voucher: VoucherId,
    /// Every reason; at least one.
    pub why_not: Vec<WhyNot>,
}

/// Why a payment is refused whatever money there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentRefused {
    /// Vouchers were named that cannot be used (V-2): `VOUCHER_NOT_APPLICABLE`. By id.
    #[error("{}.", sentences(.0))]
    VoucherNotApplicable(Vec<NotApplicable>),
    /// The items cost more together than an amount can be: `AMOUNT_TOO_LARGE`.
    #[error("The items cost more together than can be paid at once.")]
    AmountTooLarge,
}

/// A voucher that was named and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotApplicable {
    /// The voucher.
    pub voucher: VoucherId,
    /// Every reason; at least one.
    pub why_not: Vec<WhyNot>,
}

impl PaymentRefused {
    /// The reason code, the sentence, and the vouchers concerned (V-2).
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::VoucherNotApplicable(refused) => {
                Refusal::new(Reason::VoucherNotApplicable, self.to_string())
                    .with_all("voucher_ids", refused.iter().map(|it| it.voucher))
            }
            Self::AmountTooLarge => Refusal::new(Reason::AmountTooLarge, self.to_string()),
        }
    }
}

fn sentences(refused: &[NotApplicable]) -> String {
    let sentence = |NotApplicable { voucher, why_not }: &NotApplicable| {
        let reasons: Vec<_> = why_not.iter().map(ToString::to_string).collect();
        format!("Voucher {voucher} {}", reasons.join(" and "))
    };
    refused.iter().map(sentence).collect::<Vec<_>>().join("; ")
}
