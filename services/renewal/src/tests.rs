//! What the tests of this crate share.

pub mod cloud;
pub mod stores;
