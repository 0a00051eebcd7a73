//! Decisions about this service's own rows.

pub mod order;
