//! The rows of this service. Instants are microseconds since 1970 in UTC: exact and ordered alike
//! on both databases.

pub mod callback;
pub mod entry;
pub mod payment;
pub mod request;
pub mod voucher;
pub mod wallet;
