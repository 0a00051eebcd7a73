//! Setting renewal policies (P).
