//! What a payment channel says, and what comes of it (W-4).

use chrono::{DateTime, Utc};
use kernel::{Money, ids::PaymentId};

use super::{Intent, Outcome, Payment};

/// What a channel says of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It has taken so much, in minor units.
    Succeeded(i64),
    /// It could not take the money.
    Failed,
    /// It does not know yet.
    Unknown,
}

/// What to do about the news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Take what is held and what the channel paid.
    Capture,
    /// What the channel paid goes to the cash balance; the payment stays as it is.
    ToCash(ToCash),
    /// What is held is released, and what the channel paid goes to the cash balance.
    TooLate,
    /// What is held is released.
    Release,
    /// Nothing, and somebody must look: the channel has taken the money, and says that it has not.
    Contradiction,
    /// Nothing.
    Nothing,
}

/// Why money of a channel goes to the cash balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToCash {
    PaidTwice,
    PaidTooLate,
    AmountMismatch,
    /// The channel did not give back what it was asked to.
    RefundRefused,
}

impl ToCash {
    /// Every reason.
    pub const ALL: [Self; 4] =
        [Self::PaidTwice, Self::PaidTooLate, Self::AmountMismatch, Self::RefundRefused];

    /// The reason code.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::PaidTwice => "PAID_TWICE",
            Self::PaidTooLate => "PAID_TOO_LATE",
            Self::AmountMismatch => "PAYMENT_AMOUNT_MISMATCH",
            Self::RefundRefused => "REFUND_REFUSED",
        }
    }
}

/// What was done about a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    pub booked: Booked,
    /// What was booked.
    pub amount: Money,
    pub payment: PaymentId,
}

/// What became of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booked {
    Paid,
    ToCash(ToCash),
    Voided,
    Refunded,
    Nothing,
}

/// What `news` of `payment`, which has the intent, mean at `now` (W-4). Money that comes is always
/// booked, and what ended never begins again, in whatever order the news come.
pub fn judge(payment: &Payment, intent: &Intent, news: News, now: DateTime<Utc>) -> Verdict {
    match (&payment.outcome, news) {
        (Outcome::Pending(_), News::Failed) => Verdict::Release,
        (Outcome::Succeeded(_), News::Failed) => Verdict::Contradiction,
        (_, News::Failed | News::Unknown) => Verdict::Nothing,
        (Outcome::Pending(_), News::Succeeded(_)) if now >= intent.expires => Verdict::TooLate,
        (Outcome::Pending(_), News::Succeeded(amount)) if amount == intent.amount => {
            Verdict::Capture
        }
        (Outcome::Pending(_), News::Succeeded(_)) => Verdict::ToCash(ToCash::AmountMismatch),
        (Outcome::Succeeded(_), News::Succeeded(_)) => Verdict::ToCash(ToCash::PaidTwice),
        (Outcome::Voided | Outcome::Refused(_), News::Succeeded(_)) => {
            Verdict::ToCash(ToCash::PaidTooLate)
        }
    }
}

#[cfg(test)]
mod tests;
