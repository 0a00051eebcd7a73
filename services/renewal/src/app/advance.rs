//! Finishing what a crash has left (O-4).
