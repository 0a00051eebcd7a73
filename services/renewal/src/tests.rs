//! What the tests of this crate share.

pub mod cloud;
pub mod desk;
pub mod life;
pub mod purse;
pub mod renewals;
pub mod stores;
