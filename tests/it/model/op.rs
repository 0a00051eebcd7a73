//! What can be asked of a wallet, in words that do not depend on ids that the service gives: a story of
//! operations can be told again, whole or in part, to any wallet.

use proto::{
    r#type::v1::VoucherStrategy,
    wallet::v1::{confirm_payment_response::Outcome, payment},
};

/// Microseconds since the world began.
pub type At = i64;

/// A request, payment, order, refund, message or channel's money.
pub type Id = u64;

/// A voucher or a code.
pub type Label = u64;

pub const SECOND: At = 1_000_000;
pub const MINUTE: At = 60 * SECOND;

/// How far an instant may be from the wallet's clock (O-8), and how old a callback may be (W-4).
pub const SKEW: At = 5 * MINUTE;

/// An account of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account(pub u8);

/// What a voucher may be used for (V-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub from: At,
    /// No two vouchers of a world end at the same instant, so that no strategy has to look at ids.
    pub expires: At,
    pub only: Option<&'static str>,
    pub minimum: i64,
    pub share: Option<i64>,
    pub longest: Option<i32>,
    pub single_use: bool,
    pub automatic: bool,
    pub not_with_discounts: bool,
}

/// A voucher to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub label: Label,
    pub account: Account,
    pub face: i64,
    pub currency: &'static str,
    pub terms: Terms,
}

/// One thing that is paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub instance: u8,
    pub product: &'static str,
    pub months: i32,
    pub payable: i64,
    pub discounted: bool,
}

/// Which vouchers may pay (V-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    None,
    Rule(VoucherStrategy, Option<i32>),
    Named(Vec<Label>, Option<i32>),
}

/// A payment to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    pub payment: Id,
    pub account: Account,
    pub order: Id,
    pub items: Vec<Item>,
    pub choice: Choice,
    pub automatic: bool,
    pub currency: &'static str,
}

/// What a channel is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    pub channel: &'static str,
    pub use_cash: bool,
    pub by: At,
}

/// What a callback is about: an intent by its payment, or a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Intent(Id),
    Refund(Id),
}

/// What a callback says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    Succeeded(i64, &'static str),
    Failed,
    Pending,
    Nonsense,
}

/// The body of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub about: About,
    pub says: Says,
    pub money: Id,
}

/// A message of a channel (W-4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    pub channel: &'static str,
    pub message: Id,
    pub sent: At,
    /// Whether the channel itself has signed it.
    pub genuine: bool,
    pub body: Body,
}

/// The giving back of items of a payment (O-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub id: Id,
    pub account: Account,
    pub payment: Id,
    pub instances: Vec<u8>,
    pub through_channel: bool,
}

/// Something that is done to the wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Open {
        account: Account,
        currency: &'static str,
    },
    Deposit {
        request: Id,
        account: Account,
        amount: i64,
        currency: &'static str,
    },
    Issue {
        request: Id,
        grants: Vec<Grant>,
    },
    MakeCodes {
        request: Id,
        codes: Vec<Label>,
        face: i64,
        currency: &'static str,
        terms: Terms,
    },
    Redeem {
        request: Id,
        account: Account,
        code: Label,
        label: Label,
    },
    Revoke {
        account: Account,
        voucher: Label,
    },
    Charge(Charge, At),
    ChargeMany(Vec<Charge>, At),
    Ask(Charge, At, Checkout),
    Callback(Callback),
    Refund(Refund),
    Void {
        payment: Id,
        account: Account,
    },
    /// In pages of so many, until no more are due.
    ExpireHolds(i32),
    ExpireVouchers(i32),
    Anchor,
    /// The clock is set to this instant.
    Clock(At),
    /// All at the same time.
    Together(Vec<Op>),
}

impl Op {
    /// What it is called in the histogram.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open wallet",
            Self::Deposit { .. } => "deposit",
            Self::Issue { .. } => "issue vouchers",
            Self::MakeCodes { .. } => "issue codes",
            Self::Redeem { .. } => "redeem code",
            Self::Revoke { .. } => "revoke voucher",
            Self::Charge(..) => "charge",
            Self::ChargeMany(..) => "charge many",
            Self::Ask(..) => "ask a channel",
            Self::Callback(Callback { body: Body { about: About::Intent(_), .. }, .. }) => {
                "callback of a payment"
            }
            Self::Callback(_) => "callback of a refund",
            Self::Refund(_) => "refund",
            Self::Void { .. } => "void payment",
            Self::ExpireHolds(_) => "expire holds",
            Self::ExpireVouchers(_) => "expire vouchers",
            Self::Anchor => "anchor chains",
            Self::Clock(_) => "move the clock",
            Self::Together(_) => "together",
        }
    }

    /// The operations in it: one, or all that are done at the same time.
    pub fn parts(&self) -> &[Op] {
        match self {
            Self::Together(ops) => ops,
            one => std::slice::from_ref(one),
        }
    }
}

/// What a payment was paid with, item by item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    pub instance: u8,
    pub vouchers: Vec<(Label, i64)>,
    pub cash: i64,
    pub channel: i64,
}

/// A payment as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentSeen {
    pub payment: Id,
    pub account: Account,
    pub state: payment::State,
    pub order: Option<Id>,
    pub amount: Option<i64>,
    pub parts: Vec<Part>,
    /// Why it was refused, and what was available where that is the reason.
    pub refusal: Option<(String, Option<i64>)>,
    pub at: Option<At>,
    /// The channel, what it is asked for, and until when.
    pub intent: Option<(String, i64, At)>,
    pub confirmed: Option<At>,
}

/// What goes back for one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundedPart {
    pub instance: u8,
    /// The voucher, what goes back, whether it is void, and the forfeit that comes back with it.
    pub vouchers: Vec<(Label, i64, bool, i64)>,
    pub cash: i64,
    pub channel: i64,
    pub channel_to_cash: i64,
}

/// A refund as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundSeen {
    pub refund: Id,
    pub account: Account,
    pub payment: Id,
    pub pending: bool,
    pub amount: i64,
    pub parts: Vec<RefundedPart>,
    pub confirmed: Option<At>,
}

/// What came of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    pub outcome: Outcome,
    pub reason: String,
    pub amount: i64,
    pub payment: Id,
}

/// Where the face of a voucher is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoucherSeen {
    pub account: Account,
    pub face: i64,
    pub remaining: i64,
    pub captured: i64,
    pub held: i64,
    pub forfeited: i64,
    pub voided: i64,
    pub expired: i64,
    pub state: String,
}

/// What an operation is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The reason.
    Refused(String),
    /// Currency, cash and held.
    Wallet(String, i64, i64),
    /// What was booked; cash and held after it.
    Deposited(i64, i64, i64),
    /// The vouchers issued or redeemed.
    Vouchers(Vec<Label>),
    Codes(Vec<Label>),
    Voucher(VoucherSeen),
    Payments(Vec<PaymentSeen>),
    Confirmed(Confirmed),
    Refund(RefundSeen),
    /// How many.
    Swept(i32),
    ClockMoved,
}

impl Answer {
    /// What it is called in the histogram: one word for each thing that came of it.
    pub fn outcomes(&self) -> Vec<String> {
        match self {
            Self::Refused(reason) => vec![reason.clone()],
            Self::Payments(payments) => payments
                .iter()
                .map(|it| match &it.refusal {
                    Some((reason, _)) => format!("payment refused: {reason}"),
                    None => format!("payment {}", it.state.as_str_name()),
                })
                .collect(),
            Self::Confirmed(it) => vec![match it.reason.as_str() {
                "" => format!("callback {}", it.outcome.as_str_name()),
                reason => format!("callback to cash: {reason}"),
            }],
            Self::Refund(it) => {
                let mut told = vec!["refund"];
                let vouchers = || it.parts.iter().flat_map(|part| &part.vouchers);
                if it.pending {
                    told.push("refund pending at a channel");
                }
                if vouchers().any(|voucher| voucher.2) {
                    told.push("refund to a voucher that is over");
                }
                if vouchers().any(|voucher| voucher.3 > 0) {
                    told.push("refund with the forfeit of a voucher");
                }
                told.into_iter().map(str::to_owned).collect()
            }
            Self::Swept(0) => vec!["nothing swept".to_owned()],
            Self::Swept(_) => vec!["swept".to_owned()],
            Self::Voucher(_) => vec!["revoked".to_owned()],
            Self::Vouchers(_) => vec!["vouchers made".to_owned()],
            _ => vec!["accepted".to_owned()],
        }
    }
}
