//! Signed messages between servers, as Standard Webhooks has them: HMAC-SHA256 over id, timestamp
//! and body.
//!
//! The clock is an argument, so that the window of time is tested to the second; the published
//! crates ask the system for it.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{
    Hmac, KeyInit as _, Mac as _,
    digest::{CtOutput, Output},
};
use sha2::Sha256;

/// How far the time of a message may be from the receiver's clock, into the past or the future.
pub const WINDOW: TimeDelta = TimeDelta::minutes(5);

/// What stands before a secret's Base64.
const PREFIX: &str = "whsec_";

/// What stands before a signature's Base64.
const VERSION: &str = "v1,";

/// The lengths that a secret may have, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// What a sender and a receiver share. Reads from its text form; is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The text is not a secret. It is not repeated in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and the Base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
        bytes.filter(|bytes| LENGTHS.contains(&bytes.len())).map(Self).ok_or(InvalidSecret)
    }
}

/// Nobody whom we know has signed this, or it is too old or from the future (W-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not one of ours, or its time is more than 5 minutes off")]
pub struct SignatureInvalid;

impl Secret {
    /// The signature of the message `id` with `body`, sent at `timestamp`, in seconds since 1970:
    /// the header `webhook-signature` (W-4).
    ///
    /// ```
    /// // The example of the specification.
    /// let secret: platform::webhook::Secret =
    ///     "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    /// let body = br#"{"test": 2432232314}"#;
    /// assert_eq!(
    ///     secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
    ///     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    /// );
    /// ```
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signature = self.signed(id, timestamp, body).finalize().into_bytes();
        format!("{VERSION}{}", STANDARD.encode(signature))
    }

    fn signed(&self, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
        let key = Hmac::<Sha256>::new_from_slice(&self.0);
        let mut mac = key.expect("a key may have any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        mac
    }
}

/// Checks that one of `secrets` signed the message `id` with `body`, and that its `timestamp` is
/// within [`WINDOW`] of `now` (W-4). `signatures` may hold several, with spaces between them.
///
/// Each secret signs once, however many signatures are given, and these are compared in a time that
/// does not tell how much of them was right.
pub fn verify(
    secrets: &[Secret],
    id: &str,
    timestamp: i64,
    signatures: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), SignatureInvalid> {
    let sent = DateTime::from_timestamp(timestamp, 0).ok_or(SignatureInvalid)?;
    if (now - sent).abs() > WINDOW {
        return Err(SignatureInvalid);
    }
    let given = signatures.split(' ').filter_map(|text| text.strip_prefix(VERSION));
    let given: Vec<_> = given.filter_map(signature).collect();
    let signed = |secret: &Secret| given.contains(&secret.signed(id, timestamp, body).finalize());
    if secrets.iter().any(signed) { Ok(()) } else { Err(SignatureInvalid) }
}

/// A signature in Base64, to be compared in constant time.
fn signature(text: &str) -> Option<CtOutput<Hmac<Sha256>>> {
    let bytes = STANDARD.decode(text).ok()?;
    Output::<Hmac<Sha256>>::try_from(bytes.as_slice()).ok().map(CtOutput::new)
}

#[cfg(test)]
mod tests;
