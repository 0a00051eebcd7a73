//! Events, from the outbox.
