//! `perennial backup`.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use platform::database::{Backend, copy, hold};

use crate::{
    output::print,
    suite::{Role, SuiteArgs},
};

/// The order in which databases are copied. What renewal knows as paid the wallet knows too, because its copy
/// is later; and what was paid belongs to an order that is in renewal's copy, because nobody begins a payment
/// while the two are copied.
const ORDER: [Role; 4] = [Role::Catalog, Role::Scheduler, Role::Renewal, Role::Wallet];

/// What is copied, and where to.
#[derive(Debug, Clone, clap::Args)]
pub struct BackupArgs {
    #[command(flatten)]
    suite: SuiteArgs,

    /// Folder for the copies, which is made: `serve --data-dir` runs on it, `audit --data-dir` checks it.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Copies the databases of the services into a folder that is there only once it is complete.
pub async fn run(BackupArgs { mut suite, to }: BackupArgs) -> anyhow::Result<ExitCode> {
    suite.name_all()?;
    let wanted: Vec<_> = ORDER.into_iter().filter(|&role| suite.runs(role)).collect();
    if wanted.iter().any(|&role| suite.database_url(role).backend() == Backend::Postgres) {
        bail!(
            "only SQLite files are copied; back up the whole PostgreSQL cluster, or have `pg_dump` write \
             the databases in this order, and reconcile after a restore: catalog, scheduler, renewal, wallet"
        );
    }
    let mut part = to.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    if to.exists() {
        bail!("{} is there already: name another folder", to.display());
    }
    begin(&part)?;
    if let Err(error) = copy_all(&suite, &wanted, &part).await {
        // The next one is not to stumble over it.
        fs::remove_dir_all(&part).ok();
        return Err(error);
    }
    fs::rename(&part, &to).with_context(|| format!("could not make {}", to.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder that is copied into, which belongs to one backup.
fn begin(part: &Path) -> anyhow::Result<()> {
    let made = || format!("could not make {}", part.display());
    if let Some(parent) = part.parent() {
        fs::create_dir_all(parent).with_context(made)?;
    }
    match fs::create_dir(part) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} is there: another backup is being made, or was cut off; delete it then",
            part.display()
        ),
        begun => begun.with_context(made),
    }
}

async fn copy_all(suite: &SuiteArgs, wanted: &[Role], part: &Path) -> anyhow::Result<()> {
    let mut held = None;
    for &role in wanted {
        let (name, url) = (role.name(), suite.database_url(role));
        if role == Role::Renewal {
            held = Some(hold(url).await.context("could not hold up renewals")?);
        }
        let copied = copy(url, &part.join(format!("{name}.db"))).await;
        copied.with_context(|| format!("could not copy the {name} database"))?;
        print(format_args!("{name}: copied\n"))?;
    }
    drop(held);
    sync(part).with_context(|| format!("could not write to {}", part.display()))
}

/// Has what was written survive a loss of power.
fn sync(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(folder)?.sync_all()
}
