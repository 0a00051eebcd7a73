//! Calling an order off, or letting it expire (step 6).
