//! Quotes: keep, find, drop what has expired.
