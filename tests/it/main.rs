//! The suite from outside, through gRPC only.

#[cfg(test)]
mod away;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod foresight;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod model;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod nats;
#[cfg(test)]
mod nights;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod tidy;
