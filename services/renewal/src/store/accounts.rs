//! Accounts: find, upsert, change their settings.
