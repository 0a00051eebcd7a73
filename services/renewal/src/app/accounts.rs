//! Accounts and their settings (T-4, U-1).
