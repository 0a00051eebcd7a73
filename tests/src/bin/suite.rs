//! The real binary, with fault points and a clock that tests can set.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    perennial::run(perennial::Cli::parse(), tests::clock::of_this_process()).await
}
