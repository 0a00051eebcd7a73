//! Perennial: renews cloud instances. The binary's commands.

pub mod client;
mod text;
