//! Decisions about this service's own rows.

pub mod attempt;
pub mod delivery;
pub mod order;
pub mod webhook;
