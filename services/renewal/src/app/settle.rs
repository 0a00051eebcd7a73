//! Appending what was paid for (step 4).
