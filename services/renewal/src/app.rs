//! Use cases: load, decide, save; and the ports to the services that are asked on the way.

pub mod accounts;
pub mod advance;
pub mod cancel;
pub mod correction;
pub mod create;
pub mod events;
pub mod instances;
pub mod pay;
pub mod policies;
pub mod preview;
pub mod registration;
pub mod rules;
pub mod settle;
