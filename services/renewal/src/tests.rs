//! What the tests of this crate share.

pub mod cloud;
pub mod purse;
pub mod renewals;
pub mod stores;
