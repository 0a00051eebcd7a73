//! The rules of renewal, pure: when, whether, how much, which voucher first, what is due, and why.
//!
//! **Invariant:** no I/O, no clock, no async runtime: the same arguments give the same answer.

#![warn(missing_docs)]

pub mod configuration;
pub mod kind;
pub mod reason;
