//! The binary: any of the services or all of them, and what operators and people do with them.
//!
//! **Invariant:** contains no rule; it puts services together and speaks to them.

pub mod access;
pub mod audit;
mod backup;
pub mod client;
pub mod demo;
mod migrate;
mod output;
pub mod reconcile;
pub mod serve;
pub mod suite;
mod text;
mod within;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, error::ErrorKind, parser::ValueSource};
use kernel::Env;

use self::output::{Unwritten, complain};

/// Renews cloud instances.
#[derive(Debug, clap::Parser)]
#[command(name = "perennial", version, about, long_about = None, arg_required_else_help = true)]
#[command(after_help = client::EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    client: client::ClientArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the suite: all of it in one process on SQLite, or the services that are named.
    Serve(Box<serve::ServeCommand>),
    /// Bring databases up to date; only this does on PostgreSQL.
    Migrate(Box<suite::SuiteArgs>),
    /// Check what must always hold of money, orders and terms; changes nothing.
    Audit(Box<suite::SuiteArgs>),
    /// Copy the SQLite files of a suite, whether or not it runs, into a new folder; changes nothing.
    Backup(Box<backup::BackupArgs>),
    /// Bring orders and payments together again after a restore, before anything serves or sweeps.
    Reconcile(Box<reconcile::ReconcileArgs>),
    /// Tell the stories of four vendors on a suite of its own, and check them against the rules.
    Demo,
    #[command(flatten)]
    Client(Box<client::Command>),
}

/// The commands that do not speak to a suite that runs.
const NOT_OF_THE_CLIENT: [&str; 6] = ["serve", "migrate", "audit", "backup", "reconcile", "demo"];

impl Cli {
    /// Reads the words of a command line, the program's name first. The client's flags may stand
    /// before or after its commands; other commands do not take them.
    pub fn read<Word>(words: impl IntoIterator<Item = Word>) -> Result<Self, clap::Error>
    where
        Word: Into<OsString> + Clone,
    {
        let mut command = Self::command();
        // Hands global flags down, so that they can be hidden where they mean nothing.
        command.build();
        for name in NOT_OF_THE_CLIENT {
            command = command.mut_subcommand(name, |command| {
                command.mut_args(|arg| {
                    let of_the_client = arg.get_help_heading() == Some(client::HEADING);
                    if of_the_client { arg.hide(true) } else { arg }
                })
            });
        }
        let matches = command.try_get_matches_from_mut(words)?;
        if let Some((name, given)) = matches.subcommand()
            && NOT_OF_THE_CLIENT.contains(&name)
        {
            for flag in Self::command().get_arguments().filter(|arg| arg.is_global_set()) {
                let id = flag.get_id().as_str();
                if given.value_source(id) == Some(ValueSource::CommandLine) {
                    let what = format!("--{} means nothing to {name}", id.replace('_', "-"));
                    return Err(command.error(ErrorKind::ArgumentConflict, what));
                }
            }
        }
        Self::from_arg_matches(&matches)
    }
}

/// Does what the command line asks for. Exits with 0 when it is done, with 1 when it failed or the
/// audit found something off, and with 2 when the command line makes no sense; the manual
/// (`--help`) lists further codes.
pub async fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::read(words) {
        Ok(cli) => run(cli, Env::system()).await,
        Err(error) => error.exit(),
    }
}

/// Does what `cli` asks for, in the world of `env`.
pub async fn run(cli: Cli, env: Env) -> ExitCode {
    // What each command holds is large, and deeper than the compiler looks into: it lives on the heap.
    let result = match cli.command {
        Command::Serve(command) => Box::pin(serve::run(*command, env)).await,
        Command::Migrate(args) => Box::pin(migrate::run(*args)).await,
        Command::Audit(args) => Box::pin(audit::run(*args, env)).await,
        Command::Backup(args) => Box::pin(backup::run(*args)).await,
        Command::Reconcile(args) => Box::pin(reconcile::run(*args, env)).await,
        Command::Demo => Box::pin(demo::run()).await,
        Command::Client(command) => {
            return Box::pin(client::run(*command, &cli.client, &env)).await;
        }
    };
    result.unwrap_or_else(|error| {
        let unwritten = error.downcast_ref::<Unwritten>();
        if !unwritten.is_some_and(Unwritten::is_quiet) {
            complain(format_args!("perennial: {error:#}\n"));
        }
        unwritten.map_or(ExitCode::FAILURE, |error| error.exit_code().into())
    })
}

#[cfg(test)]
mod tests;
