//! The chain of hashes through the ledger of an account: whoever changes, removes or inserts an
//! entry breaks it from there on (W-2).

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Entry;

/// SHA-256 over the hash before it and an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before the first entry.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of the entry after the one that has this hash.
    pub fn then(self, link: &Link<'_>) -> Self {
        let mut digest = Sha256::new().chain_update(self.0);
        for text in [link.account, link.debit, link.credit, link.currency, link.note] {
            // The length keeps what stands in one text from moving into the next.
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        for number in [link.number, link.amount, link.at_us] {
            digest.update(number.to_be_bytes());
        }
        for id in link.ids {
            digest.update([u8::from(id.is_some())]);
            digest.update(id.unwrap_or_default());
        }
        Self(digest.finalize().into())
    }
}

/// An entry as it is hashed: what its row holds, also where nobody can read that any more.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    pub account: &'a str,
    pub number: i64,
    pub debit: &'a str,
    pub credit: &'a str,
    pub amount: i64,
    pub currency: &'a str,
    /// Its payment, order and refund.
    pub ids: [Option<Uuid>; 3],
    pub note: &'a str,
    /// When it was booked, in microseconds since 1970.
    pub at_us: i64,
}

impl Entry {
    /// Its hash after an entry that has `previous`.
    pub fn hash_after(&self, previous: Hash) -> Hash {
        let about = self.about;
        previous.then(&Link {
            account: self.account.as_str(),
            number: self.number,
            debit: &self.debit.to_string(),
            credit: &self.credit.to_string(),
            amount: self.amount.minor(),
            currency: self.amount.currency().code(),
            ids: [
                about.payment.map(|id| id.0),
                about.order.map(|id| id.0),
                about.refund.map(|id| id.0),
            ],
            note: &self.note,
            at_us: self.create_time.timestamp_micros(),
        })
    }
}

#[cfg(test)]
mod tests;
