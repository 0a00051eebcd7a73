//! `perennial migrate`.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::{
    output::print,
    suite::{Role, SuiteArgs},
};

/// Brings the databases of the services up to date.
pub async fn run(mut suite: SuiteArgs) -> anyhow::Result<ExitCode> {
    suite.settle()?;
    for role in Role::ALL.into_iter().filter(|&role| suite.runs(role)) {
        let migrated = match role {
            Role::Catalog => catalog::migrate(&suite.catalog).await,
            Role::Renewal => renewal::migrate(&suite.renewal).await,
            Role::Wallet => wallet::migrate(&suite.wallet).await,
            Role::Scheduler => scheduler::migrate(&suite.scheduler).await,
        };
        migrated.with_context(|| format!("could not migrate the {} database", role.name()))?;
        print(format_args!("{}: up to date\n", role.name()))?;
    }
    Ok(ExitCode::SUCCESS)
}
