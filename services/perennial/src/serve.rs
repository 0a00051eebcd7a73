//! `perennial serve`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context as _;
use kernel::Env;
use platform::{
    fault::FaultArgs,
    memory,
    serve::{ServeArgs, serve, stop_on_signal},
    telemetry::{self, TelemetryArgs},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::suite::SuiteArgs;

/// What `perennial serve` needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeCommand {
    #[command(flatten)]
    suite: SuiteArgs,
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    fault: FaultArgs,
}

/// Serves until a signal says to stop.
pub async fn run(command: ServeCommand, env: Env) -> anyhow::Result<ExitCode> {
    let _telemetry = telemetry::init("perennial", &command.telemetry)?;
    command.fault.arm();
    let stop = stop_on_signal()?;
    let (_, served) = start(command.suite, command.serve, env, stop).await?;
    served.await??;
    Ok(ExitCode::SUCCESS)
}

/// Starts the services of `suite`, and returns their address and the task that serves them until
/// `stop` is cancelled. Calls are answered from now on.
pub async fn start(
    mut suite: SuiteArgs,
    args: ServeArgs,
    env: Env,
    stop: CancellationToken,
) -> anyhow::Result<(SocketAddr, JoinHandle<anyhow::Result<()>>)> {
    suite.settle()?;
    // Before anything else: a port that is taken is found out while nothing has happened yet.
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("could not listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let serving = suite.mount(&env, memory::pair()).await?;
    let served = tokio::spawn(async move { serve(listener, serving, &args, stop).await });
    Ok((address, served))
}
