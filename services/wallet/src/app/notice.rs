//! Reading what channels send (W-4). Fields that are not known are not looked at.

use kernel::{
    Currency, Money,
    ids::{IntentId, RefundId},
};
use rule_engine::reason::{Reason, Refusal};
use serde::Deserialize;

use super::{WalletError, confirm::Callback};

/// The largest body, in bytes.
const LARGEST_BODY: usize = 16 * 1024;

/// The longest list of signatures, in bytes: a dozen and more.
const LONGEST_SIGNATURE: usize = 1024;

/// The longest id, in bytes.
const LONGEST_ID: usize = 128;

/// What a message says, of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub subject: Subject,
    pub news: Said,
    /// The channel's id of the money; there where a payment succeeded.
    pub money: Option<String>,
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Intent(IntentId),
    Refund(RefundId),
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Succeeded(Money),
    Failed,
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Body {
    r#type: String,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(default)]
    intent_id: String,
    #[serde(default)]
    refund_id: String,
    #[serde(default)]
    channel_payment_id: String,
    amount: Option<Amount>,
}

#[derive(Debug, Deserialize)]
struct Amount {
    minor_units: i64,
    currency_code: String,
}

fn bad(field: &'static str, description: impl Into<String>) -> WalletError {
    WalletError::BadCallback { field, description: description.into() }
}

/// Checks the headers of `callback`, and reads the time at which it says that it was sent.
pub fn headers(callback: &Callback) -> Result<i64, WalletError> {
    id("webhook_id", &callback.id)?;
    if callback.body.len() > LARGEST_BODY {
        return Err(bad("body", format!("must not be longer than {LARGEST_BODY} bytes")));
    }
    if callback.signature.len() > LONGEST_SIGNATURE {
        let most = format!("must not be longer than {LONGEST_SIGNATURE} bytes");
        return Err(bad("webhook_signature", most));
    }
    let timestamp = callback.timestamp.parse();
    timestamp.map_err(|_| bad("webhook_timestamp", "must be seconds since 1970"))
}

/// An id of the channel's.
fn id(field: &'static str, text: &str) -> Result<String, WalletError> {
    let good = (1..=LONGEST_ID).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
    if good {
        Ok(text.to_owned())
    } else {
        Err(bad(field, format!("must be 1 to {LONGEST_ID} printable ASCII characters")))
    }
}

impl Notice {
    /// Reads a body, JSON.
    pub fn read(body: &[u8]) -> Result<Self, WalletError> {
        let Body { r#type, data } =
            serde_json::from_slice(body).map_err(|error| bad("body", error.to_string()))?;
        let unknown = || bad("body.type", "is none that we know");
        let (about, what) = r#type.split_once('.').ok_or_else(unknown)?;
        let (field, subject) = match about {
            "payment" => ("body.data.intent_id", data.intent_id.parse().map(Subject::Intent)),
            "refund" => ("body.data.refund_id", data.refund_id.parse().map(Subject::Refund)),
            _ => return Err(unknown()),
        };
        let subject = subject.map_err(|_| bad(field, "must be a UUID"))?;
        let (news, money) = match what {
            "succeeded" if about == "refund" => (Said::Succeeded(amount(data.amount)?), None),
            "succeeded" => {
                let money = id("body.data.channel_payment_id", &data.channel_payment_id)?;
                (Said::Succeeded(amount(data.amount)?), Some(money))
            }
            "failed" => (Said::Failed, None),
            "pending" => (Said::Unknown, None),
            _ => return Err(unknown()),
        };
        Ok(Self { subject, news, money })
    }
}

fn amount(amount: Option<Amount>) -> Result<Money, WalletError> {
    const FIELD: &str = "body.data.amount";
    let Some(Amount { minor_units, currency_code }) = amount else {
        return Err(bad(FIELD, "is required"));
    };
    let currency = currency_code.parse::<Currency>();
    // Money of a currency that we do not know is still money of another one (W-6).
    let currency =
        currency.map_err(|error| Refusal::new(Reason::CurrencyMismatch, format!("{error}.")))?;
    if minor_units > 0 {
        Ok(Money::new(minor_units, currency))
    } else {
        Err(bad(FIELD, "must be positive"))
    }
}

#[cfg(test)]
mod tests;
