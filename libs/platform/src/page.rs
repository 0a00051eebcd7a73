//! Lists in pages.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};

use crate::status::{ApiError, status_of};

/// Rows of a page whose caller did not say how many.
pub const DEFAULT_PAGE_SIZE: u32 = 10;

/// The most rows of a page.
pub const MAX_PAGE_SIZE: u32 = 1_000;

/// A page cannot have fewer rows than none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must not be negative")]
pub struct NegativePageSize;

/// How many rows a page has whose caller asked for `requested`: 0 means the default, and what is
/// above the most is the most.
///
/// ```
/// use platform::page::page_size;
/// assert_eq!([page_size(0), page_size(7), page_size(5_000)], [Ok(10), Ok(7), Ok(1_000)]);
/// assert!(page_size(-1).is_err());
/// ```
pub fn page_size(requested: i32) -> Result<u32, NegativePageSize> {
    match u32::try_from(requested) {
        Err(_) => Err(NegativePageSize),
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
    }
}

/// A page token is forged, damaged, or of another query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the page token was not given by this query")]
pub struct PageTokenInvalid;

impl ApiError for PageTokenInvalid {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "PAGE_TOKEN_INVALID"
    }

    fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([("field".to_owned(), "page_token".to_owned())])
    }
}

impl From<PageTokenInvalid> for Status {
    fn from(error: PageTokenInvalid) -> Self {
        status_of(&error)
    }
}

/// The page tokens of one query: opaque, and worth nothing to any other.
#[derive(Debug, Clone)]
pub struct PageTokens {
    query: Sha256,
}

/// Bytes of the seal that stands before the position in a token.
const SEAL: usize = 16;

impl PageTokens {
    /// The tokens of `method` asked for `query`: its filter and sort, without page size, page
    /// token and whatever else may differ from page to page.
    pub fn of(method: &str, query: &impl Message) -> Self {
        Self {
            query: Sha256::new()
                .chain_update(method)
                .chain_update([0])
                .chain_update(query.encode_to_vec()),
        }
    }

    /// The token of the page that begins after `position`, which is the sort key of the last row
    /// in a form that the query can read back.
    #[must_use]
    pub fn issue(&self, position: &str) -> String {
        let mut token = self.seal(position.as_bytes()).to_vec();
        token.extend_from_slice(position.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// The position that `token` stands for: none for the empty token, which is the first page.
    pub fn read(&self, token: &str) -> Result<Option<String>, PageTokenInvalid> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| PageTokenInvalid)?;
        let (seal, position) = bytes.split_at_checked(SEAL).ok_or(PageTokenInvalid)?;
        if seal != self.seal(position) {
            return Err(PageTokenInvalid);
        }
        String::from_utf8(position.to_vec()).map(Some).map_err(|_| PageTokenInvalid)
    }

    fn seal(&self, position: &[u8]) -> [u8; SEAL] {
        let digest: [u8; 32] = self.query.clone().chain_update(position).finalize().into();
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&digest[..SEAL]);
        seal
    }
}

#[cfg(test)]
mod tests;
