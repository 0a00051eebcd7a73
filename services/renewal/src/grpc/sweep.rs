//! `SweepService`.
