//! The suite from outside, through gRPC only.

mod journeys;
