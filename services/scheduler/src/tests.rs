//! What the tests of several modules share.

mod fake;
mod stores;

pub use self::{
    fake::{Fake, TEST_KINDS},
    stores::stores,
};
