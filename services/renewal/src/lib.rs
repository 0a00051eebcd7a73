//! The renewal service: whose instances there are, until when they are paid for, and the orders
//! that renew them.
//!
//! ```text
//! grpc ──▶ app ──▶ domain          grpc:   wire ⇄ commands, errors ⇒ statuses
//!           │                      app:    load, decide, save; reads the clock
//!           ├────▶ remote          domain: decides about rows; no I/O, no clock
//!           └────▶ store           remote: the catalog's prices and the wallet's money
//!                                  store:  keeps what was decided, atomically
//! wire: values of the rules ⇄ messages, for all of them
//! ```
//!
//! **Invariant:** no call to another service happens inside a transaction, and no term is appended
//! without a payment that succeeded.

mod app;
mod domain;
mod grpc;
mod mount;
mod remote;
mod store;
mod wire;

pub use self::{
    app::reconcile::{Difference, Ending, Reconciliation, Remedy},
    mount::{Args, audit, migrate, mount, reconcile},
};

#[cfg(test)]
mod tests;
