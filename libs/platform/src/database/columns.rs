//! Columns and values that mean the same on both databases.

use std::fmt::Write as _;

use sea_orm::DbBackend;
use sea_orm_migration::prelude::ColumnDef;

/// `column`, which holds ids or names, sorted byte by byte: as SQLite sorts anyway, and as programs
/// do, but not PostgreSQL, where the language of the database decides otherwise. Pages and locks by
/// id then go in one order everywhere.
#[must_use]
pub fn sorted_by_bytes(backend: DbBackend, mut column: ColumnDef) -> ColumnDef {
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

/// Bytes as `unhex` of SQLite and `decode` of PostgreSQL read them: two digits each.
///
/// # Panics
///
/// Never: a text can always be written to.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text can always be written to");
        text
    })
}
