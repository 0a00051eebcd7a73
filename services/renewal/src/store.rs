//! What the service keeps: accounts, instances, terms, orders, quotes, request ids and events.
//!
//! Instants are whole microseconds since 1970 (both databases keep them exactly), amounts are
//! minor units.

pub mod entity;
mod migration;

pub use self::migration::Migrator;
