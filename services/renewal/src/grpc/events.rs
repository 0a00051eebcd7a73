//! `EventService`.
