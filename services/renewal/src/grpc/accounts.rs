//! `AccountService`.
