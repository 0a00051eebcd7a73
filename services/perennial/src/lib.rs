//! The binary: any of the services or all of them, and what operators and people do with them.
//!
//! **Invariant:** contains no rule; it puts services together and speaks to them.

pub mod audit;
pub mod client;
pub mod demo;
mod migrate;
pub mod serve;
pub mod suite;
mod text;

use std::process::ExitCode;

use clap::Parser as _;
use kernel::Env;

/// Renews cloud instances.
#[derive(Debug, clap::Parser)]
#[command(name = "perennial", version, about, long_about = None, arg_required_else_help = true)]
#[command(after_help = client::EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the suite: all of it in one process on SQLite, or the services that are named.
    Serve(Box<serve::ServeCommand>),
    /// Bring databases up to date; only this does on PostgreSQL.
    Migrate(Box<suite::SuiteArgs>),
    /// Check what must always hold of money, orders and terms; changes nothing.
    Audit(Box<suite::SuiteArgs>),
    /// Tell the stories of four vendors on a suite of its own, and check them against the rules.
    Demo,
    #[command(flatten)]
    Client(Box<client::Command>),
}

/// Does what the command line asks for. Exits with 0 when it is done, with 1 when it failed or the
/// audit found something off, and with 2 when the command line makes no sense; client commands have
/// further codes.
pub async fn main() -> ExitCode {
    run(Cli::parse(), Env::system()).await
}

/// Does what `cli` asks for, in the world of `env`.
pub async fn run(cli: Cli, env: Env) -> ExitCode {
    let result = match cli.command {
        Command::Serve(command) => serve::run(*command, env).await,
        Command::Migrate(args) => migrate::run(*args).await,
        Command::Audit(args) => audit::run(*args, env).await,
        Command::Demo => demo::run().await,
        Command::Client(command) => return client::run(*command, &env).await,
    };
    result.unwrap_or_else(|error| {
        eprintln!("perennial: {error:#}");
        ExitCode::FAILURE
    })
}
