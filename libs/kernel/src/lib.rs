//! The words that everyone uses: money, ids, and what comes from outside (time, new ids).
//!
//! **Invariant:** no I/O, no async runtime, and no knowledge of any service.

#![warn(missing_docs)]

pub mod env;
pub mod ids;
pub mod money;

pub use self::{
    env::Env,
    money::{Currency, Money, MoneyError},
};
