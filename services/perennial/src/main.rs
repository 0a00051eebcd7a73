//! Runs the suite, or talks to one that runs.

// Optimized, the futures of the commands are looked into more deeply than the default allows.
#![recursion_limit = "256"]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    perennial::main(std::env::args_os()).await
}
