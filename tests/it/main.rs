//! The suite from outside, through gRPC only.

mod faults;
mod journeys;
