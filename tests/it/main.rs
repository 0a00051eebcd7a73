//! The suite from outside, through gRPC only.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod journeys;
