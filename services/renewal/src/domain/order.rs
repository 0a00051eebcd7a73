//! The life of an order.

use std::{fmt, str::FromStr};

use chrono::TimeDelta;
use kernel::ids::{OrderId, PaymentId, RefundId};
use rule_engine::reason::Reason;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Where an order is in its life (section 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It awaits its payment; its claim holds the instances.
    PendingPayment,
    /// The money is being taken; only the wallet knows whether it was.
    Paying,
    /// Paid, and the terms are appended; delivery is under way.
    Paid,
    /// Paid and delivered.
    Completed,
    /// The customer called it off.
    Cancelled,
    /// It was not paid in time, or no longer could be.
    Expired,
    /// An automatic order that could not be paid.
    Failed,
    /// Terms were taken back; the money is on its way (O-6).
    Refunding,
    /// Some items are refunded.
    PartlyRefunded,
    /// All items are refunded.
    Refunded,
}

/// A row's state is none that this program knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state of an order")]
pub struct UnknownState(String);

impl State {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::PendingPayment,
        Self::Paying,
        Self::Paid,
        Self::Completed,
        Self::Cancelled,
        Self::Expired,
        Self::Failed,
        Self::Refunding,
        Self::PartlyRefunded,
        Self::Refunded,
    ];

    /// Its name in rows and in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PendingPayment => "PENDING_PAYMENT",
            Self::Paying => "PAYING",
            Self::Paid => "PAID",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
            Self::Failed => "FAILED",
            Self::Refunding => "REFUNDING",
            Self::PartlyRefunded => "PARTLY_REFUNDED",
            Self::Refunded => "REFUNDED",
        }
    }

    /// Whether the terms of the order were appended: it was paid, whatever came after (O-1).
    #[must_use]
    pub const fn is_paid(self) -> bool {
        matches!(
            self,
            Self::Paid | Self::Completed | Self::Refunding | Self::PartlyRefunded | Self::Refunded
        )
    }

    /// Why an order in this state cannot be paid now; nothing if it can.
    ///
    /// `PAYING` is no refusal but a race, which the caller is told to repeat: [`NotNow::Busy`].
    pub const fn check_payable(self) -> Result<(), NotNow> {
        match self {
            Self::PendingPayment => Ok(()),
            Self::Paying => Err(NotNow::Busy),
            Self::Cancelled | Self::Expired | Self::Failed => {
                Err(NotNow::Never(Reason::OrderNotPayable))
            }
            _ => Err(NotNow::Never(Reason::OrderAlreadyPaid)),
        }
    }

    /// Why an order in this state cannot be cancelled now; nothing if it can, or if it is already.
    pub const fn check_cancellable(self) -> Result<(), NotNow> {
        match self {
            Self::PendingPayment | Self::Cancelled => Ok(()),
            Self::Paying => Err(NotNow::Busy),
            Self::Expired | Self::Failed => Err(NotNow::Never(Reason::OrderNotCancellable)),
            _ => Err(NotNow::Never(Reason::OrderAlreadyPaid)),
        }
    }

    /// Why nothing of an order in this state can be refunded now; nothing if something may be, or
    /// was (O-6): its items tell.
    pub const fn check_refundable(self) -> Result<(), NotNow> {
        match self {
            Self::Paid | Self::Completed | Self::PartlyRefunded | Self::Refunded => Ok(()),
            // Its payment may succeed at any moment.
            Self::Paying => Err(NotNow::Busy),
            Self::Refunding => Err(NotNow::Never(Reason::OpenOrderExists)),
            Self::PendingPayment | Self::Cancelled | Self::Expired | Self::Failed => {
                Err(NotNow::Never(Reason::OrderNotRefundable))
            }
        }
    }
}

/// Why something cannot be done with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// Its payment is under way: try again.
    Busy,
    /// It is too late for it.
    Never(Reason),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| UnknownState(name.to_owned()))
    }
}

/// The id of the payment number `number` of an order: everyone who computes it, now or after a
/// crash, comes to the same, so that the wallet takes the money once (O-4).
#[must_use]
pub fn payment_id(order: OrderId, number: i32) -> PaymentId {
    PaymentId(numbered(b"perennial.payment", order.0, number))
}

/// The id of the refund number `number` of a payment of an order, like [`payment_id`].
#[must_use]
pub fn refund_id(payment: Option<PaymentId>, order: OrderId, number: i32) -> RefundId {
    // An order that is made anew after a restore has another payment, and other refunds.
    RefundId(numbered(b"perennial.refund", payment.map_or(order.0, |payment| payment.0), number))
}

/// The id of the refund of a payment of which no order knows any more.
#[must_use]
pub fn withdrawal_id(payment: PaymentId) -> RefundId {
    RefundId(numbered(b"perennial.withdrawal", payment.0, 0))
}

fn numbered(what: &[u8], of: Uuid, number: i32) -> Uuid {
    let digest = Sha256::new()
        .chain_update(what)
        .chain_update(of.as_bytes())
        .chain_update(number.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// How long the wallet is not asked again about a checkout that is open: less than the ten seconds
/// between two sweeps, so that each of them asks.
pub const FOLLOW: TimeDelta = TimeDelta::seconds(5);

/// How long to wait before a step is repeated that has been tried `attempts` times: 1 s, doubling,
/// 1 minute at the most until it is 5 minutes old, and 5 minutes from then on.
///
/// The wallet takes no new payment that is older than 5 minutes: until then it is tried often
/// enough to be taken soon after an outage. The first ten waits come to 5 minutes.
#[must_use]
pub fn backoff(attempts: i32) -> TimeDelta {
    let seconds = match u32::try_from(attempts).unwrap_or(0) {
        few @ 0..10 => (1 << few).min(60),
        _ => 300,
    };
    TimeDelta::seconds(seconds)
}

#[cfg(test)]
mod tests;
