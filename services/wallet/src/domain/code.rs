//! Codes that vouchers are redeemed by.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The letters of a code: none looks like another.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// How many letters a code has: 80 bits, more than anybody can try.
const LENGTH: usize = 16;

/// A code, without blanks and dashes and in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Code(String);

impl Code {
    /// The code made of two random ids. Each id says when it was made, but all its bits count
    /// alike here.
    pub fn of(ids: [Uuid; 2]) -> Self {
        let digest = Sha256::new().chain_update(ids[0]).chain_update(ids[1]).finalize();
        let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
        Self(digest.iter().take(LENGTH).map(letter).collect())
    }

    /// The code as it is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// In groups of four: `K7QW-2M9P-XA4T-HC8R`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, letter) in self.0.chars().enumerate() {
            if place > 0 && place % 4 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

/// The text cannot be a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 16 letters and digits, in groups or not")]
pub struct InvalidCode;

impl FromStr for Code {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        let letters = text.chars().filter(|letter| !matches!(letter, ' ' | '-'));
        let code: String = letters.map(|letter| letter.to_ascii_uppercase()).collect();
        let fits = code.len() == LENGTH && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits { Ok(Self(code)) } else { Err(InvalidCode) }
    }
}

/// Why a code gives no voucher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeRefused {
    #[error("there is no such voucher code")]
    NotFound,
    #[error("the voucher code was redeemed before")]
    Used,
    #[error("the voucher of the code has expired")]
    Expired,
}

impl CodeRefused {
    /// The reason code.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "VOUCHER_CODE_NOT_FOUND",
            Self::Used => "VOUCHER_CODE_USED",
            Self::Expired => "VOUCHER_CODE_EXPIRED",
        }
    }
}

#[cfg(test)]
mod tests;
