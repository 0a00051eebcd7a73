//! What every process of ours does alike: serve, call others, keep rows, report what it does.
//!
//! **Invariant:** knows no service and no rule.

#![warn(missing_docs)]

pub mod audit;
pub mod client;
pub mod context;
mod contract;
pub mod database;
pub mod fault;
pub mod files;
pub mod identity;
pub mod memory;
pub mod page;
pub mod request;
pub mod serve;
pub mod status;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
pub mod together;
pub mod webhook;
