//! What the catalog says, kept in memory.
