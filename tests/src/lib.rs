//! Runs the whole suite inside a test, and speaks to it only as a client can.
//!
//! **Invariant:** nothing here reaches into a service; what a test knows, any client could know.

#![warn(missing_docs)]

pub mod clients;
pub mod clock;
pub mod collector;
pub mod console;
pub mod fixture;
pub mod issuer;
pub mod nats;
mod nights;
pub mod postgres;
mod process;
mod published;
pub mod receiver;
mod suite;

use std::time::Duration;

pub use self::{
    clients::{bad_fields, metadata, reason, refusal},
    fixture::at,
    suite::{Another, Backend, Copy, Layout, Mutation, SANDBOX_SECRET, Suite},
};

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Awaits `work`; panics, with its name, where it takes longer than a minute.
pub async fn in_time<F: Future>(name: &str, work: F) -> F::Output {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("{name} takes longer than {PATIENCE:?}"))
}
