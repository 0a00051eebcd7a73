//! The renewal service: whose instances there are, until when they are paid for, and the orders
//! that renew them.
//!
//! ```text
//! grpc ──▶ app ──▶ domain          grpc:   wire ⇄ commands, errors ⇒ statuses
//!           │                      app:    load, decide, save; reads the clock
//!           ├────▶ remote          domain: decides about rows; no I/O, no clock
//!           └────▶ store           remote: the catalog's prices and the wallet's money
//!                                  store:  keeps what was decided, atomically
//! ```
//!
//! **Invariant:** no call to another service happens inside a transaction, and no term is appended
//! without a payment that succeeded.

pub mod app;
pub mod domain;
pub mod grpc;
mod mount;
pub mod remote;
pub mod store;

pub use self::mount::{Args, audit, migrate, mount};

#[cfg(test)]
mod tests;
