//! What makes two requests the same (O-3).

use prost::Message;
use sha2::{Digest as _, Sha256};

/// The digest of a request: a repeat with the same request id must have the same (O-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestDigest([u8; 32]);

impl RequestDigest {
    /// The digest of `request` to `method`. The request id is best cleared first: it is the key
    /// that the digest is kept under, not part of what was asked.
    ///
    /// ```
    /// use platform::request::RequestDigest;
    /// use prost_types::{Duration, Timestamp};
    ///
    /// let request = Timestamp { seconds: 1, nanos: 0 };
    /// assert_eq!(RequestDigest::of("Charge", &request), RequestDigest::of("Charge", &request));
    /// // Another method is another request, even if the bytes are the same.
    /// assert_ne!(RequestDigest::of("Charge", &request), RequestDigest::of("Deposit", &request));
    /// ```
    pub fn of(method: &str, request: &impl Message) -> Self {
        Self::of_bytes(method, &request.encode_to_vec())
    }

    /// The digest of a request to `method` that is not a message of the contract (O-3).
    #[must_use]
    pub fn of_bytes(method: &str, request: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(method).chain_update([0]).chain_update(request);
        Self(digest.finalize().into())
    }

    /// The digest as it is stored.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Whether `stored` is this digest.
    #[must_use]
    pub fn matches(self, stored: &[u8]) -> bool {
        self.0 == stored
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    // O-3
    #[test]
    fn other_content_has_another_digest() {
        let digest = |seconds| RequestDigest::of("Deposit", &Timestamp { seconds, nanos: 0 });
        assert!(digest(1).matches(&digest(1).to_vec()));
        assert!(!digest(1).matches(&digest(2).to_vec()));
        assert!(!digest(1).matches(&[]));
    }
}
