//! Places where a process can be told to die, one for each row of the crash table.
//!
//! Without the feature `faults` the points are nothing and cannot be armed.

use std::{fmt, str::FromStr};

/// A moment at which a crash leaves an order halfway (O-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Step 1 is committed: there is an unpaid order. Nobody was told.
    AfterCreate,
    /// Step 2 is committed: the order is `PAYING`. The wallet has not heard of it.
    AfterPaying,
    /// Step 3 is committed in the wallet. Its answer is lost.
    AfterCharge,
    /// Step 3 is answered. The order does not know yet.
    AfterChargeAnswer,
    /// Step 4 is committed: paid and extended. Nobody was told.
    AfterSettle,
    /// The void of step 6 is committed in the wallet. Its answer is lost.
    AfterVoid,
    /// Step 6 is committed: the order is cancelled or expired. Nobody was told.
    AfterCancel,
    /// The payment of step C has its id. The wallet has not heard of it.
    AfterCheckout,
    /// The intent of step C is committed in the wallet. Its answer is lost.
    AfterIntent,
    /// The intent of step C is answered. The order does not know yet.
    AfterIntentAnswer,
    /// The order tells what the channel is asked for. Nobody was told.
    AfterIntentNoted,
    /// The channel's confirmation is committed in the wallet. The channel was not told.
    AfterConfirm,
    /// The order is `PAYING` as of the channel's confirmation, or has ended. Nothing is settled.
    AfterConfirmed,
    /// The first half of step 7 is committed: terms are taken back. The wallet has not heard of it.
    AfterTakingBack,
    /// The refund of step 7 is committed in the wallet. Its answer is lost.
    AfterRefund,
    /// The refund of step 7 is answered. The order does not know yet.
    AfterRefundAnswer,
    /// Step 7 is committed: the order is refunded. Nobody was told.
    AfterRefunded,
    /// A console has acknowledged an item in step 5. Nobody knows yet.
    AfterDelivery,
    /// Step 5 is committed: the item is delivered, and the order completed. Nobody was told.
    AfterDelivered,
    /// A console has refused an item in step 5. Nobody knows yet.
    AfterDeliveryRefused,
    /// The first transaction of a page of automatic renewals is committed: its orders are `PAYING`. The
    /// wallet has not heard of them.
    AfterPage,
    /// The payments of a page are answered. Its orders do not know yet.
    AfterPageAnswer,
    /// The second transaction of a page is committed: paid and extended, or refused. Nobody was told.
    AfterPageSettled,
    /// A window of events is in the stream. Its position does not know yet.
    AfterPublish,
}

impl Fault {
    /// Every fault, in the order of the steps.
    pub const ALL: [Self; 24] = [
        Self::AfterCreate,
        Self::AfterPaying,
        Self::AfterCharge,
        Self::AfterChargeAnswer,
        Self::AfterSettle,
        Self::AfterVoid,
        Self::AfterCancel,
        Self::AfterCheckout,
        Self::AfterIntent,
        Self::AfterIntentAnswer,
        Self::AfterIntentNoted,
        Self::AfterConfirm,
        Self::AfterConfirmed,
        Self::AfterTakingBack,
        Self::AfterRefund,
        Self::AfterRefundAnswer,
        Self::AfterRefunded,
        Self::AfterDelivery,
        Self::AfterDelivered,
        Self::AfterDeliveryRefused,
        Self::AfterPage,
        Self::AfterPageAnswer,
        Self::AfterPageSettled,
        Self::AfterPublish,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterCreate => "after-create",
            Self::AfterPaying => "after-paying",
            Self::AfterCharge => "after-charge",
            Self::AfterChargeAnswer => "after-charge-answer",
            Self::AfterSettle => "after-settle",
            Self::AfterVoid => "after-void",
            Self::AfterCancel => "after-cancel",
            Self::AfterCheckout => "after-checkout",
            Self::AfterIntent => "after-intent",
            Self::AfterIntentAnswer => "after-intent-answer",
            Self::AfterIntentNoted => "after-intent-noted",
            Self::AfterConfirm => "after-confirm",
            Self::AfterConfirmed => "after-confirmed",
            Self::AfterTakingBack => "after-taking-back",
            Self::AfterRefund => "after-refund",
            Self::AfterRefundAnswer => "after-refund-answer",
            Self::AfterRefunded => "after-refunded",
            Self::AfterDelivery => "after-delivery",
            Self::AfterDelivered => "after-delivered",
            Self::AfterDeliveryRefused => "after-delivery-refused",
            Self::AfterPage => "after-page",
            Self::AfterPageAnswer => "after-page-answer",
            Self::AfterPageSettled => "after-page-settled",
            Self::AfterPublish => "after-publish",
        }
    }

    /// The service that dies of it.
    #[must_use]
    pub const fn service(self) -> &'static str {
        match self {
            Self::AfterCharge
            | Self::AfterVoid
            | Self::AfterRefund
            | Self::AfterIntent
            | Self::AfterConfirm => "wallet",
            Self::AfterCreate
            | Self::AfterPaying
            | Self::AfterChargeAnswer
            | Self::AfterSettle
            | Self::AfterCancel
            | Self::AfterCheckout
            | Self::AfterIntentAnswer
            | Self::AfterIntentNoted
            | Self::AfterConfirmed
            | Self::AfterTakingBack
            | Self::AfterRefundAnswer
            | Self::AfterRefunded
            | Self::AfterDelivery
            | Self::AfterDelivered
            | Self::AfterDeliveryRefused
            | Self::AfterPage
            | Self::AfterPageAnswer
            | Self::AfterPageSettled
            | Self::AfterPublish => "renewal",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no fault of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a fault")]
pub struct UnknownFault;

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Self::ALL.into_iter().find(|fault| fault.name() == name).ok_or(UnknownFault)
    }
}

/// Which fault the process dies of; only a build with the feature `faults` has any.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FaultArgs {
    /// The process dies when it comes to this point.
    #[cfg(feature = "faults")]
    #[arg(long, env = "PERENNIAL_FAULT", hide = true)]
    pub fault: Option<Fault>,
}

impl FaultArgs {
    /// Arms the fault that was named. Call it once, before anything is served.
    pub fn arm(&self) {
        #[cfg(feature = "faults")]
        if let Some(fault) = self.fault {
            armed::arm(fault);
        }
    }
}

/// Dies here, if this is the fault that was armed.
#[cfg(feature = "faults")]
pub fn point(fault: Fault) {
    armed::point(fault);
}

/// Does nothing: this build has no faults.
#[cfg(not(feature = "faults"))]
#[inline]
pub const fn point(_: Fault) {}

#[cfg(feature = "faults")]
mod armed {
    use std::sync::OnceLock;

    use super::Fault;

    static ARMED: OnceLock<Fault> = OnceLock::new();

    pub(super) fn arm(fault: Fault) {
        ARMED.set(fault).expect("a process dies of one fault");
    }

    /// Aborts, as a killed process does: nothing is flushed, closed or answered.
    pub(super) fn point(fault: Fault) {
        if ARMED.get() == Some(&fault) {
            eprintln!("fault: {fault}");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // O-4
    #[test]
    fn every_fault_has_a_name_of_its_own() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
        }
        assert_eq!("after-lunch".parse::<Fault>(), Err(UnknownFault));
    }

    #[test]
    fn a_point_that_is_not_armed_is_passed() {
        Fault::ALL.into_iter().for_each(point);
    }
}
