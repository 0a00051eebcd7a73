//! The rows of this service. Instants are microseconds since 1970 in UTC: exact and ordered alike
//! on both databases.

pub mod callback;
pub mod entry;
pub mod payment;
pub mod refund;
pub mod refunded_item;
pub mod request;
pub mod voucher;
pub mod voucher_code;
pub mod wallet;
