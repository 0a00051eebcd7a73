//! Runs the suite, or talks to one that runs.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    perennial::main(std::env::args_os()).await
}
