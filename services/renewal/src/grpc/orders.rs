//! `OrderService`.
