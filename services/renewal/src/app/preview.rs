//! From a selection to a bill: the one way for previews and orders.
