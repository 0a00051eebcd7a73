//! `perennial audit`.

use std::process::ExitCode;

use kernel::Env;
use platform::{
    memory,
    serve::{ServeArgs, serve},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::suite::{Role, SuiteArgs};

/// Prints what is off, one line each, and fails if anything is.
pub async fn run(suite: SuiteArgs, env: Env) -> anyhow::Result<ExitCode> {
    let findings = findings(suite, &env).await?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("nothing is off");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{} things are off", findings.len());
    Ok(ExitCode::FAILURE)
}

/// What is off in the databases of the services that `suite` names, one sentence each. Money and
/// terms are compared across services: those that are not named are asked by address.
pub async fn findings(mut suite: SuiteArgs, env: &Env) -> anyhow::Result<Vec<String>> {
    suite.settle()?;
    let (connector, listener) = memory::pair();
    let wired = suite.wired(&connector);

    // The wallet answers from memory what payments there are; nobody else can reach it.
    let mut asked = suite.clone();
    asked.roles.retain(|&role| role == Role::Wallet);
    let serving = asked.mount(env, (connector, listener)).await?;
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let listen = socket.local_addr()?;
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let args = ServeArgs { listen, request_timeout_seconds: 60, drain_seconds: 0 };
    tokio::spawn(async move { serve(socket, serving, &args, stop).await });

    let mut findings = Vec::new();
    if suite.runs(Role::Catalog) {
        findings.extend(catalog::audit(&wired.catalog, env).await?);
    }
    if suite.runs(Role::Wallet) {
        findings.extend(wallet::audit(&wired.wallet, env).await?);
    }
    if suite.runs(Role::Renewal) {
        findings.extend(renewal::audit(&wired.renewal, env).await?);
    }
    Ok(findings)
}
