//! Columns and values that mean the same on both databases.

use data_encoding::HEXLOWER;
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
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
