//! Orders: insert, lock, change their state, list.
