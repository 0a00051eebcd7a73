//! Decisions about catalogs: whether a document can be read, what it changes, and whether it may.

pub mod difference;
pub mod document;
pub mod history;
pub mod policies;
