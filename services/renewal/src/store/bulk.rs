//! Statements for many rows at once: a fixed text for each database.
