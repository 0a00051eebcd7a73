//! What people read: values, tables, bills.

pub mod attempts;
pub mod bill;
pub mod forecast;
pub mod ledger;
pub mod show;
pub mod statement;
pub mod table;
