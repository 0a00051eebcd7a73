//! `perennial serve`.

use std::{
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use chrono::{DateTime, FixedOffset, SubsecRound as _, Utc};
use kernel::Env;
use platform::{
    fault::FaultArgs,
    identity::{Guard, IdentityArgs},
    memory,
    serve::{Entrance, ServeArgs, serve, stop_on_signal},
    telemetry::{self, TelemetryArgs},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    access,
    suite::{Role, SuiteArgs},
};

/// What `perennial serve` needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeCommand {
    #[command(flatten)]
    suite: SuiteArgs,
    /// Go by a clock that stands still until `perennial clock advance` moves it, forward only: to try
    /// things out. A new sandbox begins at this instant, such as 2026-03-01T09:00:00+08:00; one that
    /// there is already goes on where it has come to. Needs all services in this process, and
    /// databases that no real suite has run on.
    #[arg(long, value_name = "INSTANT")]
    sandbox_clock: Option<DateTime<FixedOffset>>,
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    fault: FaultArgs,
}

/// Serves until a signal says to stop.
pub async fn run(command: ServeCommand, env: Env) -> anyhow::Result<ExitCode> {
    let _telemetry = telemetry::init(&command.telemetry)?;
    command.fault.arm();
    let stop = stop_on_signal()?;
    let ServeCommand { mut suite, serve, identity, sandbox_clock, .. } = command;
    // Tokens expire by the real time, in a sandbox too.
    let entrance = entrance(&suite, &identity, serve.listen.ip(), &env).await?;
    let mut env = env;
    if let Some(start) = sandbox_clock {
        env = in_sandbox(&mut suite, start.to_utc()).await?;
    }
    let (_, served) = start(suite, serve, entrance, env, stop).await?;
    served.await??;
    Ok(ExitCode::SUCCESS)
}

/// Puts `suite`, which is all four services, into a sandbox, and returns the world that it is in then;
/// see [`scheduler::sandbox_clock`].
pub async fn in_sandbox(suite: &mut SuiteArgs, start: DateTime<Utc>) -> anyhow::Result<Env> {
    let all = suite.roles.is_empty() || Role::ALL.into_iter().all(|role| suite.runs(role));
    anyhow::ensure!(all, "--sandbox-clock needs all four services in this process");
    suite.settle()?;
    let clock = scheduler::sandbox_clock(&suite.scheduler, start.trunc_subsecs(6)).await;
    let clock = Arc::new(clock.context("could not start a sandbox")?);
    suite.scheduler.sandbox_clock = Some(Arc::clone(&clock));
    Ok(Env::with_clock(clock))
}

/// How callers come in to `suite` on the address `listen`.
pub async fn entrance(
    suite: &SuiteArgs,
    identity: &IdentityArgs,
    listen: IpAddr,
    env: &Env,
) -> anyhow::Result<Entrance> {
    let tls = suite.credentials.tls.server()?;
    let identity = identity.identity(listen, env).await?;
    let guard = identity.map(|identity| {
        Guard::new(identity, access::ACCESS, proto::DESCRIPTORS, access::ROUTES).map(Arc::new)
    });
    Ok(Entrance { tls, guard: guard.transpose()? })
}

/// Starts the services of `suite`, to which callers come in by `entrance`, and returns their address
/// and the task that serves them until
/// `stop` is cancelled. Calls are answered from now on.
pub async fn start(
    mut suite: SuiteArgs,
    args: ServeArgs,
    entrance: Entrance,
    env: Env,
    stop: CancellationToken,
) -> anyhow::Result<(SocketAddr, JoinHandle<anyhow::Result<()>>)> {
    suite.settle()?;
    // Before anything else: a port that is taken is found out while nothing has happened yet.
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("could not listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let serving = suite.mount(&env, memory::pair(), entrance).await?;
    let served = tokio::spawn(async move { serve(listener, serving, &args, stop).await });
    Ok((address, served))
}
