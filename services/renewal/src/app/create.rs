//! Making an order (step 1).
