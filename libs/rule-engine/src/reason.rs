//! Why something is refused: every reason code of the suite, with its rule and its precedence.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// No reason has this code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not the code of a reason")]
pub struct UnknownReason;

/// Defines the reasons in their order of precedence, each with its code and its rule.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $rule:literal;)*) => {
        /// Why something is refused.
        ///
        /// The order of the variants is the order of precedence: where one of several reasons
        /// must be chosen, it is the least (section 5 of the rules).
        ///
        /// ```
        /// use rule_engine::reason::Reason;
        /// assert!(Reason::InstanceReleased < Reason::RenewalWindowClosed);
        /// assert_eq!("TERM_TOO_LONG".parse(), Ok(Reason::TermTooLong));
        /// ```
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in order of precedence.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code that callers compare, for example `TERM_NOT_OFFERED`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The id of the rule that refuses, for example `T-1`; the number of the section
            /// where the section itself is the rule.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self {
                    $(Self::$name => $rule,)*
                }
            }
        }
    };
}

reasons! {
    /// Unknown, or not this account's: the two look the same to the caller.
    InstanceNotFound = "INSTANCE_NOT_FOUND", "5";
    /// The same id named twice in one request (B-1).
    DuplicateInstance = "DUPLICATE_INSTANCE", "B-1";
    /// More instances than one operation may have (B-1).
    TooManyInstances = "TOO_MANY_INSTANCES", "B-1";
    /// The product opts out of renewal management, and says why.
    ProductNotRenewable = "PRODUCT_NOT_RENEWABLE", "5";
    /// A trial.
    TrialInstance = "TRIAL_INSTANCE", "5";
    /// Bought by number of uses.
    OneTimeInstance = "ONE_TIME_INSTANCE", "5";
    /// Postpaid, and the product does not convert on renewal (C-1, C-3).
    PostpaidNotConvertible = "POSTPAID_NOT_CONVERTIBLE", "C-1";
    /// The product reported it released or unsubscribed (L-1).
    InstanceReleased = "INSTANCE_RELEASED", "L-1";
    /// By the dates the time to renew it is over (L-1).
    RenewalWindowClosed = "RENEWAL_WINDOW_CLOSED", "L-1";
    /// The account is frozen or in arrears.
    AccountFrozen = "ACCOUNT_FROZEN", "5";
    /// An unpaid or running order or refund holds the instance (O-2).
    OpenOrderExists = "OPEN_ORDER_EXISTS", "O-2";
    /// A change of configuration is under way, or bought and not yet in effect (C-2).
    ChangePending = "CHANGE_PENDING", "C-2";
    /// A part of a group was named without the rest (B-4, B-5).
    GroupMustRenewTogether = "GROUP_MUST_RENEW_TOGETHER", "B-4";
    /// The product refuses its groups together with instances outside of them (B-4).
    GroupNotInBatch = "GROUP_NOT_IN_BATCH", "B-4";
    /// The product does not sell this duration (T-1).
    TermNotOffered = "TERM_NOT_OFFERED", "T-1";
    /// More time ahead than the product lets anyone own (T-7).
    TermTooLong = "TERM_TOO_LONG", "T-7";
    /// The whole term would already be over (L-2).
    TermAlreadyOver = "TERM_ALREADY_OVER", "L-2";
    /// The product forbids to change the configuration while renewing (C-3).
    ChangeNotOffered = "CHANGE_NOT_OFFERED", "C-3";
    /// The product does not offer this way to a common date (U-1).
    UnifyNotOffered = "UNIFY_NOT_OFFERED", "U-1";
    /// The account has no standard renewal date, and the request carries none (U-1).
    StandardDateNotSet = "STANDARD_DATE_NOT_SET", "U-1";
    /// One of the instances to bring to a common date is expired (U-3).
    UnifiedWithExpired = "UNIFIED_WITH_EXPIRED", "U-3";
    /// The date asked for lies before what has been paid for (U-5).
    DateTooEarly = "DATE_TOO_EARLY", "U-5";
    /// No fault: there is nothing to add (B-5, U-5).
    AlreadyCovered = "ALREADY_COVERED", "B-5";
    /// The product does not allow this policy (P-1).
    PolicyNotAllowed = "POLICY_NOT_ALLOWED", "P-1";
    /// `POSTPAID_AFTER_EXPIRY` may only be set before expiry (P-2).
    PolicyAfterExpiry = "POLICY_AFTER_EXPIRY", "P-2";
    /// `AUTO` may only be set before expiry (P-2).
    AutoRenewAfterExpiry = "AUTO_RENEW_AFTER_EXPIRY", "P-2";
    /// The product is withdrawn from sale: `AUTO` cannot be newly set (P-8).
    ProductDiscontinued = "PRODUCT_DISCONTINUED", "P-8";
    /// A postpaid instance has no expiry, hence no policy (P-1).
    NoExpiry = "NO_EXPIRY", "P-1";
    /// A fixed field of a registered instance differs (I-1).
    InstanceImmutableField = "INSTANCE_IMMUTABLE_FIELD", "I-1";
    /// The id is already that of another instance (I-1).
    InstanceIdTaken = "INSTANCE_ID_TAKEN", "I-1";
    /// A repeated registration says another expiry (I-2).
    ExpiryConflict = "EXPIRY_CONFLICT", "I-2";
    /// The members of a group end at different instants or are billed differently (B-4).
    GroupExpiryMismatch = "GROUP_EXPIRY_MISMATCH", "B-4";
    /// The quote no longer holds (M-6).
    QuoteExpired = "QUOTE_EXPIRED", "M-6";
    /// The price is not the expected one (M-6).
    PriceChanged = "PRICE_CHANGED", "M-6";
    /// Something of the configuration has no price in force (M-1).
    PriceNotFound = "PRICE_NOT_FOUND", "M-1";
    /// Accounts in different currencies never mix (W-6).
    CurrencyMismatch = "CURRENCY_MISMATCH", "W-6";
    /// The amount is larger than can be booked (M-5).
    AmountTooLarge = "AMOUNT_TOO_LARGE", "M-5";
    /// Vouchers and cash together do not suffice (W-1).
    InsufficientFunds = "INSUFFICIENT_FUNDS", "W-1";
    /// A voucher that was named cannot be used (V-2).
    VoucherNotApplicable = "VOUCHER_NOT_APPLICABLE", "V-2";
    /// The order is in no state in which it can be paid (O-8).
    OrderNotPayable = "ORDER_NOT_PAYABLE", "O-8";
    /// The order is in no state in which it can be cancelled (section 11).
    OrderNotCancellable = "ORDER_NOT_CANCELLABLE", "11";
    /// The order has been paid (section 11).
    OrderAlreadyPaid = "ORDER_ALREADY_PAID", "11";
    /// The order is in no state in which it can be refunded: it was not paid (O-6).
    OrderNotRefundable = "ORDER_NOT_REFUNDABLE", "O-6";
    /// The hold was captured, released or refused before (W-3).
    HoldClosed = "HOLD_CLOSED", "W-3";
    /// More than is left to capture, release or refund (W-3).
    AmountExceedsRemainder = "AMOUNT_EXCEEDS_REMAINDER", "W-3";
    /// The term to refund has begun (O-6).
    TermStarted = "TERM_STARTED", "O-6";
    /// Terms are refunded from the last one backwards (O-6).
    NotLastTerm = "NOT_LAST_TERM", "O-6";
    /// The configuration changed since the term was bought (O-6, I-2).
    ConfigurationChanged = "CONFIGURATION_CHANGED", "O-6";
    /// The term has been refunded (O-6).
    AlreadyRefunded = "ALREADY_REFUNDED", "O-6";
    /// The console of the product will never deliver it (O-5).
    DeliveryRefused = "DELIVERY_REFUSED", "O-5";
    /// The request id was used for a request with other content (O-3).
    RequestIdReused = "REQUEST_ID_REUSED", "O-3";
    /// The page token is not one of this query (section 12).
    PageTokenInvalid = "PAGE_TOKEN_INVALID", "12";
    /// The events after this cursor are no longer kept.
    CursorExpired = "CURSOR_EXPIRED", "5";
    /// A date outside of the years 1970 to 9999 (T-8).
    DateOutOfRange = "DATE_OUT_OF_RANGE", "T-8";
    /// Zone and currency of an account that owns an instance are fixed (T-4).
    AccountZoneFixed = "ACCOUNT_ZONE_FIXED", "T-4";
    /// The caller's instant is too far from this service's clock (O-8).
    ClockSkew = "CLOCK_SKEW", "O-8";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(code: &str) -> Result<Self, UnknownReason> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code).ok_or(UnknownReason)
    }
}

impl TryFrom<String> for Reason {
    type Error = UnknownReason;

    fn try_from(code: String) -> Result<Self, UnknownReason> {
        code.parse()
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.code().to_owned()
    }
}

/// One refusal: the reason for programs, a sentence for people, and what a program needs to go on.
///
/// Refusals sort by precedence of their reasons.
///
/// ```
/// use rule_engine::reason::{Reason, Refusal};
/// let refusal = Refusal::new(Reason::TermNotOffered, "This product is not sold for 10 months.")
///     .with("duration", "10m");
/// assert_eq!(refusal.reason.rule(), "T-1");
/// assert_eq!(refusal.metadata["duration"], "10m");
/// ```
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, Serialize, Deserialize,
)]
#[error("{message}")]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// A sentence for people.
    pub message: String,
    /// Ids, dates (`YYYY-MM-DD`), instants (RFC 3339, UTC), durations (`6m`) and numbers that a
    /// program needs; several ids are separated by one comma and no blank.
    pub metadata: BTreeMap<String, String>,
}

impl Refusal {
    /// A refusal without metadata.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), metadata: BTreeMap::new() }
    }

    /// The same refusal with `key` set to `value` in its metadata.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// The same refusal with `key` set to all of `values` in their order, separated by commas.
    #[must_use]
    pub fn with_all<T: fmt::Display>(self, key: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        self.with(key, values.join(","))
    }
}

#[cfg(test)]
mod tests;
