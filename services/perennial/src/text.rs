//! What people read: values, tables, bills.

pub mod bill;
pub mod show;
pub mod table;
