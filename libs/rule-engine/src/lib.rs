//! The rules of renewal: when a term runs, who may renew, what it costs, which voucher pays first,
//! what is due, and why.
//!
//! What differs between products, customers or clouds is data ([`profile`]); the functions take it,
//! the facts and the instant as arguments, and answer with a value or a refusal. The ids in
//! brackets, such as (T-5), name the rules that a function decides.
//!
//! **Invariant:** pure. No I/O, no clock, no randomness, no async runtime, no knowledge of any
//! service; the same arguments give the same answer, and no argument makes it panic.

#![warn(missing_docs)]

// When: days, terms, states, dates to align on, what is due.
pub mod calendar;
pub mod due;
pub mod duration;
pub mod lifecycle;
pub mod profile;
pub mod reminder;
pub mod term;
pub mod unify;

// Whether: the facts of an instance, who may renew, what belongs together.
pub mod change;
pub mod check;
pub mod configuration;
pub mod group;
pub mod instance;
pub mod kind;
pub mod plan;
pub mod policy;
pub mod reason;
pub mod refund;
pub mod registration;

// How much: components, prices, discounts, quotes.
pub mod price;

// Out of what: vouchers and cash.
pub mod voucher;

#[cfg(test)]
mod fixtures;
