//! Messages to commands, results to messages, errors to statuses.

pub mod accounts;
pub mod bill;
pub mod events;
pub mod instances;
pub mod orders;
pub mod sweep;
pub mod wire;
