//! The wire contract: types generated from `proto/`, and how the values that services share
//! ([`kernel`], instants, dates, decimals) map to them.
//!
//! **Invariant:** generated code is never checked in or edited, and nothing here knows what a
//! service does with a message.

#![warn(missing_docs)]

pub mod convert;

pub use self::generated::perennial::*;

#[expect(clippy::allow_attributes, clippy::pedantic, reason = "generated code")]
#[expect(missing_docs, reason = "what the contract does not comment on is named well enough")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/perennial.rs"));
}

/// Descriptors of every file of the contract, with their comments.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Descriptors of the public files, for reflection: without the packages that only our own
/// services call.
pub const PUBLIC_DESCRIPTORS: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/public_descriptors.bin"));
