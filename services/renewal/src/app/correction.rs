//! Correcting an expiry (I-2).
