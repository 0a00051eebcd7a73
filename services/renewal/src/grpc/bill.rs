//! Bills, orders and refusals as messages.
