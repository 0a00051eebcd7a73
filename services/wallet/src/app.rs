//! The use cases: load, decide, save. Reads the clock once per call.

mod book;
mod charge;
mod confirm;
mod fund;
mod intent;
mod look;
mod notice;
mod refund;
mod restore;
mod statement;

use std::{collections::HashMap, sync::Arc};

use kernel::{
    Env, Money,
    ids::{AccountId, PaymentId, RequestId, VoucherId},
};
use platform::{
    database::{MaybeTransient, Trouble},
    request::RequestDigest,
    status::{ApiError, BUSY, INTERNAL, INVALID_REQUEST, Replayed},
    together::{Queue, Unanswered},
    webhook::SignatureInvalid,
};
use rule_engine::reason::{Reason, Refusal};
use tonic::Code;

pub use self::{
    book::IssueCodes,
    charge::Till,
    confirm::Callback,
    fund::Issue,
    intent::{Checkout, Swept},
    look::{Basket, ListedVouchers, Preview, Previewed, VoucherList, why_not},
    restore::Withdrawal,
    statement::{Asked, Line, Statement, Total},
};
use crate::{
    domain::{
        ChannelNotNeeded, Channels, Charge, CodeRefused, Confirmed, Payment, Refund, RefundAsk,
        RefundRefused, ToCash, WALLET_NOT_FOUND,
    },
    store::{Store, StoreError},
};

/// The operations of this service, whatever asks for them.
#[derive(Debug, Clone)]
pub struct Wallets {
    store: Store,
    env: Env,
    till: Till,
    queue: Queue<Till>,
}

impl Wallets {
    /// Starts the task that takes single payments; it ends with the last clone.
    pub fn start(store: Store, env: Env, channels: Channels) -> Self {
        let till = Till::new(store.clone(), env.clone(), Arc::new(channels));
        let queue = Queue::start(till.clone());
        Self { store, env, till, queue }
    }

    /// Takes one payment, together with those that others ask for at the same time; see
    /// [`Till::charge`].
    pub async fn charge(&self, charge: Charge) -> Result<Replayed<Payment>, WalletError> {
        self.queue.ask(charge).await
    }

    /// Takes many payments; see [`Till::charge`].
    pub async fn charge_many(
        &self,
        charges: &[Charge],
    ) -> Result<Vec<Replayed<Payment>>, WalletError> {
        self.till.charge(charges).await
    }

    /// Calls a payment off; see [`Till::void`].
    pub async fn void(
        &self,
        id: PaymentId,
        account: &AccountId,
    ) -> Result<Replayed<Payment>, WalletError> {
        self.till.void(id, account).await
    }

    /// Asks a channel for what vouchers and cash do not cover; see [`Till::check_out`].
    pub async fn check_out(&self, checkout: &Checkout) -> Result<Replayed<Payment>, WalletError> {
        self.till.check_out(checkout).await
    }

    /// Books what a channel says; see [`Till::confirm`].
    pub async fn confirm(&self, callback: &Callback) -> Result<Replayed<Confirmed>, WalletError> {
        self.till.confirm(callback).await
    }

    /// Gives items of a payment back; see [`Till::refund`].
    pub async fn refund(&self, ask: &RefundAsk) -> Result<Replayed<Refund>, WalletError> {
        self.till.refund(ask).await
    }

    /// Gives back what no order knows of; see [`Till::withdraw`].
    pub async fn withdraw(
        &self,
        withdrawal: &Withdrawal<'_>,
    ) -> Result<Option<Refund>, WalletError> {
        self.till.withdraw(withdrawal).await
    }

    /// Books a payment as it was booked before; see [`Till::restore`].
    pub async fn restore(&self, payment: &Payment) -> Result<(), WalletError> {
        self.till.restore(payment).await
    }

    /// At most `limit` events of money that has come, after `cursor`, and the cursor to go on from
    ///
    pub async fn fundings(
        &self,
        cursor: &str,
        limit: u32,
    ) -> Result<(Vec<outbox::Event>, String), WalletError> {
        Ok(self.store.fundings(cursor, limit).await?)
    }

    /// Names refunds whose channel keeps silent; see [`Till::remind_refunds`].
    pub async fn remind_refunds(&self, limit: u64) -> Result<Swept, WalletError> {
        self.till.remind_refunds(limit).await
    }

    /// Voids payments whose intents have expired; see [`Till::expire_holds`].
    pub async fn expire_holds(&self, limit: u64) -> Result<Swept, WalletError> {
        self.till.expire_holds(limit).await
    }
}

/// Which call it is that makes or moves something once (O-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    pub request: RequestId,
    pub digest: RequestDigest,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The account has no wallet.
    #[error("account {0} has no wallet")]
    NotFound(AccountId),
    /// The account has no such voucher.
    #[error("the account has no voucher {0}")]
    VoucherNotFound(VoucherId),
    /// The code gives no voucher.
    #[error(transparent)]
    CodeRefused(#[from] CodeRefused),
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request or payment id was used for other content (O-3).
    #[error("{0} was used for a request with other content")]
    Reused(String),
    /// The caller's instant is too far from this service's clock (O-8).
    #[error("the caller's clock and this one's differ by more than 5 minutes")]
    ClockSkew,
    /// No channel has this name.
    #[error("there is no channel {0:?}")]
    NoSuchChannel(String),
    /// Vouchers and cash pay the whole.
    #[error(transparent)]
    ChannelNotNeeded(#[from] ChannelNotNeeded),
    /// The channel has no intent, and no refund, with this id (W-4).
    #[error("the channel was not asked for {0}")]
    IntentNotFound(String),
    /// The account has no payment with this id.
    #[error("the account has no payment {0}")]
    PaymentNotFound(PaymentId),
    /// There is nothing that this refund could give back.
    #[error(transparent)]
    NotRefundable(RefundRefused),
    /// A channel gave back what it was not asked to (W-4).
    #[error("{amount} was given back where {asked} was asked for")]
    OtherRefund { amount: Money, asked: Money },
    /// Not signed by the channel, or not in time (W-4).
    #[error(transparent)]
    SignatureInvalid(#[from] SignatureInvalid),
    /// A callback that cannot be read.
    #[error("{field} {description}")]
    BadCallback { field: &'static str, description: String },
    /// Another call with the same id was first; the transaction is run again.
    #[error("another call with the same id came first; try again")]
    LostRace,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Events could not be read on from the cursor.
    #[error(transparent)]
    Events(#[from] outbox::ReadError),
    /// The transaction failed that took this payment together with others.
    #[error(transparent)]
    Together(Arc<Self>),
    /// The transaction took too long or hit a bug; what it did is known by its ids.
    #[error("the payment was left without an outcome")]
    NoOutcome,
}

impl From<Unanswered<Self>> for WalletError {
    fn from(unanswered: Unanswered<Self>) -> Self {
        match unanswered {
            Unanswered::Together(error) => Self::Together(error),
            Unanswered::NoOutcome => Self::NoOutcome,
        }
    }
}

impl MaybeTransient for WalletError {
    fn trouble(&self) -> Trouble {
        match self {
            Self::LostRace => Trouble::LostRace,
            Self::Store(error) => error.trouble(),
            Self::Together(error) => error.trouble(),
            _ => Trouble::Lasting,
        }
    }
}

impl ApiError for WalletError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(_)
            | Self::VoucherNotFound(_)
            | Self::CodeRefused(CodeRefused::NotFound)
            | Self::NoSuchChannel(_)
            | Self::IntentNotFound(_)
            | Self::PaymentNotFound(_) => Code::NotFound,
            Self::Refused(_)
            | Self::CodeRefused(CodeRefused::Used | CodeRefused::Expired)
            | Self::ClockSkew
            | Self::ChannelNotNeeded(_)
            | Self::NotRefundable(_)
            | Self::OtherRefund { .. } => Code::FailedPrecondition,
            Self::Reused(_)
            | Self::BadCallback { .. }
            | Self::Events(outbox::ReadError::CursorExpired(_)) => Code::InvalidArgument,
            Self::SignatureInvalid(_) => Code::Unauthenticated,
            Self::LostRace => Code::Aborted,
            Self::Store(error) => error.trouble().code(),
            Self::Events(error) => error.trouble().code(),
            Self::NoOutcome => Code::Internal,
            Self::Together(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => WALLET_NOT_FOUND,
            Self::VoucherNotFound(_) => "VOUCHER_NOT_FOUND",
            Self::CodeRefused(refused) => refused.reason(),
            Self::Refused(refusal) => refusal.reason.code(),
            Self::Reused(_) => Reason::RequestIdReused.code(),
            Self::ClockSkew => Reason::ClockSkew.code(),
            Self::NoSuchChannel(_) => "CHANNEL_NOT_FOUND",
            Self::ChannelNotNeeded(_) => "CHANNEL_NOT_NEEDED",
            Self::IntentNotFound(_) => "INTENT_NOT_FOUND",
            Self::PaymentNotFound(_) => "PAYMENT_NOT_FOUND",
            Self::NotRefundable(_) => "PAYMENT_NOT_REFUNDABLE",
            Self::OtherRefund { .. } => ToCash::AmountMismatch.reason(),
            Self::SignatureInvalid(_) => "SIGNATURE_INVALID",
            Self::BadCallback { .. } => INVALID_REQUEST,
            Self::LostRace => BUSY,
            Self::Store(error) => error.trouble().reason(),
            Self::Events(outbox::ReadError::CursorExpired(_)) => Reason::CursorExpired.code(),
            Self::Events(error) => error.trouble().reason(),
            Self::NoOutcome => INTERNAL,
            Self::Together(error) => error.reason(),
        }
    }

    fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason.rule()),
            Self::Reused(_) => Some(Reason::RequestIdReused.rule()),
            Self::ClockSkew => Some(Reason::ClockSkew.rule()),
            Self::Together(error) => error.rule(),
            Self::IntentNotFound(_)
            | Self::SignatureInvalid(_)
            | Self::ChannelNotNeeded(_)
            | Self::OtherRefund { .. } => Some("W-4"),
            Self::NotRefundable(_) => Some("O-6"),
            Self::NotFound(_)
            | Self::PaymentNotFound(_)
            | Self::VoucherNotFound(_)
            | Self::CodeRefused(_)
            | Self::NoSuchChannel(_)
            | Self::BadCallback { .. }
            | Self::LostRace
            | Self::Store(_)
            | Self::Events(_)
            | Self::NoOutcome => None,
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::NotFound(account) => {
                HashMap::from([("account_id".to_owned(), account.to_string())])
            }
            Self::Refused(refusal) => refusal.metadata.clone().into_iter().collect(),
            Self::Together(error) => error.metadata(),
            _ => HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
