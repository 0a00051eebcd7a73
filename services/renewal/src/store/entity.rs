//! The rows, as the tables have them.

pub mod account;
pub mod cursor;
pub mod instance;
pub mod order;
pub mod quote;
pub mod request;
pub mod term;
pub mod webhook;
pub mod webhook_letter;
