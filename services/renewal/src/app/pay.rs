//! Paying an order (steps 2 and 3).
