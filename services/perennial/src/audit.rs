//! `perennial audit`.

use std::process::ExitCode;

use kernel::Env;
use platform::memory;
use tonic::service::Routes;

use crate::{
    output::{complain, print},
    suite::{Role, SuiteArgs},
    within,
};

/// The exit code where nothing is known: a database is missing, is of an older schema, or fails.
pub const NOT_AUDITED: u8 = 5;

/// Prints what is off, one line each, and fails if anything is.
pub async fn run(suite: SuiteArgs, env: Env) -> anyhow::Result<ExitCode> {
    let audited =
        async { anyhow::Ok((notices(&suite, &env).await?, findings(suite, &env).await?)) };
    let (notices, findings) = match audited.await {
        Ok(audited) => audited,
        Err(error) => {
            complain(format_args!("perennial: not audited: {error:#}\n"));
            return Ok(NOT_AUDITED.into());
        }
    };
    for notice in &notices {
        print(format_args!("notice: {notice}\n"))?;
    }
    for finding in &findings {
        print(format_args!("{finding}\n"))?;
    }
    if findings.is_empty() {
        print("nothing is off\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let are = if findings.len() == 1 { "thing is" } else { "things are" };
    complain(format_args!("{} {are} off\n", findings.len()));
    Ok(ExitCode::FAILURE)
}

/// What is as it should be and still needs somebody, one sentence each.
async fn notices(suite: &SuiteArgs, env: &Env) -> anyhow::Result<Vec<String>> {
    let mut suite = suite.clone();
    suite.name_all()?;
    if suite.runs(Role::Wallet) {
        wallet::notices(&suite.wallet, env).await
    } else {
        Ok(Vec::new())
    }
}

/// What is off in the databases of the services that `suite` names, one sentence each. Money and
/// terms are compared across services: those that are not named are asked by address.
///
/// Databases are only read: one that is not there is not made, and an older schema stays as it is.
pub async fn findings(mut suite: SuiteArgs, env: &Env) -> anyhow::Result<Vec<String>> {
    suite.name_all()?;
    let (connector, listener) = memory::pair();
    let wired = suite.wired(&connector)?;

    // The wallet answers from memory what payments there are, and the catalog which rules; nobody else
    // can reach them.
    let mut routes = Routes::builder();
    if suite.runs(Role::Catalog) {
        catalog::mount_to_read(&suite.catalog, env.clone(), &mut routes).await?;
    }
    if suite.runs(Role::Wallet) {
        wallet::mount_to_read(&suite.wallet, env.clone(), &mut routes).await?;
    }
    let _answering = within::answer(routes, listener).await?;
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
